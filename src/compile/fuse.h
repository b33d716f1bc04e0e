/* fuse.h: elementwise operations that run as one loop of emitted code. */
#ifndef GM_COMPILE_FUSE_H
#define GM_COMPILE_FUSE_H

#include "../base/builder.h"
#include "../graph/graph.h"
#include "build.h"
#include "target.h"

enum { GM__FUSE_MAX_DIMS = 6, GM__FUSE_MAX_VALUES = 24, GM__FUSE_MAX_NODES = 64 };

/* The iteration space of a loop and where its operands lie in it: dimensions that are walked alike are one. */
typedef struct {
    int32_t n, n_operands;
    int64_t size[GM_MAX_DIMS];
    int64_t stride[GM__FUSE_MAX_VALUES][GM_MAX_DIMS]; /* in elements; 0 where an operand is repeated */
} gm__space;

/* A function of emitted code, and how it is called: operands are the outputs, then the inputs. */
typedef struct {
    gm_object o;
    gm__build *build; /* held */
    /* Elements begin .. end of the space, in the order of the first output's memory. */
    void (*run)(int64_t begin, int64_t end, void *const *operand, const int64_t *size, const int64_t *stride);
    char name[24];
    int64_t *size, *stride; /* one block: sizes [n], then for each operand strides [n] */
    int32_t n, n_out, n_in, reserved;
    double cost;      /* of an element, in additions */
    /* A product whose rows the loop takes as they are finished; its inputs are the node's first ones. NULL: none. */
    const gm_op *head;
    int32_t head_in;  /* how many they are */
    int32_t head_at;  /* the operand of the loop that is the product */
    int32_t head_out; /* the output that it is written to: it may be one that only the loop's result stays in */
    int32_t reserved2;
} gm__fused;

extern const gm_op gm__op_fused;
typedef struct { gm__fused *loop; } gm__fused_attrs;
gm__fused *gm__fused_of(const gm__node *n);
/* The loop over one of `parts` equal parts of the first dimension (the slowest); NULL for NULL, or after an error. */
gm__fused *gm__fused_part(const gm__fused *x, int64_t parts);

/* g with groups of its elementwise nodes as fused nodes. Their functions are being built: *build, NULL if there is
 * none. NULL, without an error, if there is nothing to fuse. */
gm_graph *gm__fuse(gm_graph *g, gm__build **build);
/* The same for any target, as text that nobody builds. Groups have `least` to `most` nodes, and products if there may
 * be `heads`. */
typedef struct { const gm__target *target; int32_t least, most; bool heads; } gm__fuse_wish;
gm_graph *gm__fuse_text(gm_graph *g, const gm__fuse_wish *wish, gm__builder *text);
/* Once the build is READY: look up the functions. */
bool gm__fuse_link(gm_graph *g, gm__build *build);

/* ---- emit.c ---- */

/* A group: its members, nodes in order, and its operands, values: n_out outputs, then n_in inputs. */
typedef struct {
    const gm_graph *g;
    int32_t member[GM__FUSE_MAX_NODES], operand[GM__FUSE_MAX_VALUES];
    int32_t n_members, n_out, n_in;
    int32_t head, head_at, head_out; /* the node of a product, -1 for none; the others as in gm__fused */
    bool head_stays;                 /* others use the product, too: an output behind the loop's */
    gm__space space;
    double cost;
} gm__group;

/* Whether node n can be a member. */
bool gm__emit_may(const gm__target *target, const gm_graph *g, const gm__node *n);
/* The text of everything that functions of groups use; but for the scalar functions, where the target selects. */
void gm__emit_prelude(gm__builder *t, const gm__target *target, const gm__group *groups, int64_t n);
/* The scalar functions (src/math) as text, piece by piece; NULL past the end. */
const char *gm__emit_text(size_t i);
/* The function of a group, by that name. */
void gm__emit_group(gm__builder *t, const gm__target *target, const char *name, const gm__group *group);
/* Additions that an element of node n costs. */
double gm__emit_cost(const gm__node *n);

#endif
