/* frame.h: the inside of a plan, and what one run of it needs for itself. */
#ifndef GM_COMPILE_FRAME_H
#define GM_COMPILE_FRAME_H

#include "plan.h"

#include <pthread.h>

/* Frames that a plan keeps; where more runs go on at once, the others are made and freed. */
enum { GM__FRAMES = 64, GM__STATE_LOCKS = 64 };
/* Operations that make their outputs themselves. */
enum { GM__PLAN_MAKES = GM_OP_OWN_OUTPUTS | GM_OP_DYNAMIC };

typedef struct {
    const gm_op *op;
    const void *attrs;
    gm_tensor **in, **out;
    int32_t n_in, n_out;
    bool draws;   /* the attributes have places in the random stream */
    bool makes;   /* the kernel makes its outputs */
    const gm__node *node;
} gm__frame_call;

/* The tensors of a run, in an arena of its own. */
typedef struct gm__frame {
    struct gm__frame *next;   /* of those that are not in use */
    gm_tensor **value;        /* [n_values], held */
    gm__frame_call *call;
    gm_tensor **pointers;     /* the calls' inputs and outputs */
    void *arena;
    size_t got;               /* bytes of it */
} gm__frame;

struct gm__plan {
    gm_object o;
    gm_graph *graph;
    int64_t *offset;  /* [n_values]: the place in the arena, -1 for values that are not in it */
    bool *copied;     /* [n_out]: the output is no memory of its own in the plan: it is copied */
    bool rests;       /* frames that are not in use have no arena */
    uint64_t states;  /* locks of the state that it writes, as bits */
    gm__plan_stats stats;
    pthread_mutex_t lock; /* of the frames */
    gm__frame *idle;
    int32_t n_idle;
};

/* A node without a call of its own; a value whose memory is the program's own: not an input's, a captured tensor's or a
 * view's. */
static inline bool gm__plan_is_view(const gm__node *n) { return n->op->flags & GM_OP_VIEW; }
static inline bool gm__plan_is_own(const gm_graph *g, int32_t v) {
    return g->value[v].kind == GM__VALUE_NODE && !gm__plan_is_view(&g->node[g->value[v].from]);
}
int64_t gm__plan_bytes(const gm__value *v);

/* Who runs the calls of a plan: false after an error. Each call, number i, by gm__frame_call_at, or by whatever else
 * leaves its results in the memory of the frame's tensors. */
typedef struct {
    bool (*run)(const gm__plan *p, gm__frame *f, void *env, uint64_t seed, uint64_t first);
    void *env;
} gm__runner;
bool gm__plan_run_by(gm__plan *p, gm_tensor *const *in, gm_tensor **out, const gm__runner *r, uint64_t seed,
                     uint64_t first);
bool gm__frame_call_at(const gm__frame *f, int64_t i, uint64_t seed, uint64_t first);
/* A frame that is not in use; NULL after an error. Given back by its taker. */
gm__frame *gm__frame_take(gm__plan *p);
void gm__frame_give(gm__plan *p, gm__frame *f);

/* The first frame, and which state a run writes. */
bool gm__frames_begin(gm__plan *p);
void gm__frames_free(gm__plan *p);

#endif
