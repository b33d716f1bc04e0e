/* tape.h: what an operation leaves behind for its derivative.
 *
 * A node holds the operation, its attributes, and for each input: where its gradient goes (another node's output, or a
 * leaf), its shape, and, if the derivative needs it, the input itself. Outputs own the node; the node never owns its
 * outputs: a saved output is an alias without history, and gets its history back when it is handed to the rule. */
#ifndef GM_EAGER_TAPE_H
#define GM_EAGER_TAPE_H

#include "../base/map.h"
#include "../tensor/tensor.h"
#include "gemel/autograd.h"

typedef struct {
    gm_node *node;    /* what made the input; NULL for a leaf or where no gradient is wanted */
    gm_tensor *leaf;  /* a leaf that wants one */
    gm_tensor *saved; /* the input; NULL if its value is not needed */
    uint32_t version; /* of saved's storage, when it was saved */
    uint16_t out_index;
    bool needs;
    bool present;     /* false for an optional input that was not given */
} gm__edge;

typedef struct { gm_dtype dtype; int32_t n; int64_t dims; } gm__meta; /* dims: index into the node's pool of sizes */

struct gm_node {
    gm_object o;
    const gm_op *op;
    uint64_t sequence;  /* order of execution */
    int32_t n_in, n_out;
    bool used;          /* its saved values were dropped by a backward pass */
    bool lasting;       /* there are none to drop: any number of passes may go through it */
    char *where;        /* the module path, in anomaly mode */
    void *block;        /* the memory of all below */
    void *attrs;
    gm__edge *edge;     /* [n_in] */
    gm_tensor **saved_out; /* [n_out] */
    uint32_t *out_version; /* [n_out] */
    gm__meta *meta;     /* [n_in + n_out] */
    int64_t *dims;
    gm_tensor **watchers; /* output handles with hooks or a kept gradient; they take themselves out when they die */
    int32_t n_watchers;
    void *run;          /* the backward pass's record of this node, while one runs */
};

extern const gm_type gm__node_type;

/* Record a call; sets the node of the outputs. False after an error. */
bool gm__tape_record(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor *const *out,
                     int n_out);
/* Input i, output j as the derivative rules see them: the saved value with its history, or a ghost of its shape. */
gm_tensor *gm__node_input(gm_node *n, int i);
gm_tensor *gm__node_output(gm_node *n, int j);
/* A zero gradient for output j. */
gm_shape gm__node_out_shape(const gm_node *n, int j);
void gm__node_drop_saved(gm_node *n);

/* eager/backward.c: gm_gradients of several values, each with its own arriving gradient; with a tape. */
gm_pack *gm__gradients_of(gm_tensor *const *y, gm_tensor *const *gradient, int n, gm_pack *xs);

/* A gradient that a pass would add to what the pass does not go into: an output of an entry, or a leaf. */
typedef struct { gm_node *node; gm_tensor *leaf, *gradient; int32_t out_index; } gm__contribution;
typedef struct { gm__contribution *at; int64_t n, capacity; } gm__contributions;
/* All that a pass from y would add outside of the entries from `since` on, in its order. Gradients are held; the end
 * lets go of them. */
bool gm__contributions_of(gm_tensor *const *y, gm_tensor *const *gradient, int n, uint64_t since, bool create_graph,
                          gm__contributions *list);
void gm__contributions_end(gm__contributions *list);

/* eager/wanted.c: notes in `marks`, an empty map, what of the tape below `root` (may be NULL) leads to the wanted
 * tensors. An edge is wanted if a gradient has to go along it; an entry leads if its rule has to be called. */
bool gm__mark_wanted(gm__map *marks, gm_node *root, gm_tensor *const *wanted, int64_t n);
bool gm__edge_is_wanted(const gm__map *marks, const gm__edge *e);
bool gm__node_leads(const gm__map *marks, const gm_node *node);

/* remat.c: an entry of this operation has no rule: what made its outputs is recorded again, in out[], and the pass goes
 * on through that. */
extern const gm_op gm__remat_op;
extern bool (*gm__remat_again)(gm_node *n, gm_tensor **out);
/* compile/adjoint.c: an entry of this operation has a rule, but only for gradients that arrive as it says; for others,
 * and in recordings, it is as one of remat. */
extern const gm_op gm__compiled_op;
extern bool (*gm__compiled_takes)(const gm_node *n, gm_tensor *const *gout);
/* The number that the next entry will get. */
uint64_t gm__tape_now(void);
/* Whether what is below root (may be NULL) matters to anybody but who made it: if it leads to an entry older than
 * `since`, or to a leaf that is none of the n tensors `own`; own NULL: to a leaf that has values. Nothing is
 * behind entries that a backward pass has used up. After an error: true. */
bool gm__tape_leads_out(gm_node *root, uint64_t since, gm_tensor *const *own, int64_t n);

/* eager/hook.c */
bool gm__watch_output(gm_tensor *x);
void gm__unwatch_output(gm_tensor *x);
/* The hooks numbered up to `last`: those that were there when a pass began, which noted gm__n_hooks_added(). */
gm_tensor *gm__run_hooks(gm_tensor *x, gm_tensor *gradient, int64_t last);
int64_t gm__n_hooks_added(void);
void gm__free_hooks(void *hooks);

/* What of the inputs and outputs the derivative of `op` needs. */
void gm__op_saves(const gm_op *op, uint32_t *in, uint32_t *out);

#endif
