/* graph.h: recorded programs.
 *
 * A graph is a list of nodes in order of execution. A node is a call of an operation; its inputs are values, and each
 * output is a new value. Values are inputs of the graph, captured tensors, or outputs of a node. A captured tensor is a
 * place: reading it gives what it holds when the node runs, and a node that changes an input in place (gm_op's
 * `writes`) is ordered by its position in the list, like everything else. */
#ifndef GM_GRAPH_GRAPH_H
#define GM_GRAPH_GRAPH_H

#include "../tensor/tensor.h"
#include "gemel/graph.h"
#include "gemel/op.h"

enum { GM__VALUE_INPUT, GM__VALUE_CAPTURED, GM__VALUE_NODE };

typedef struct {
    int32_t kind;
    int32_t from;        /* the number of the input; the node that makes it */
    int32_t index;       /* which output of the node */
    gm_dtype dtype;
    gm_shape shape;
    int64_t stride[GM_MAX_DIMS];
    gm_tensor *captured;
    char *name;          /* of inputs and captured tensors; NULL where it is not known */
} gm__value;

typedef struct {
    const gm_op *op;
    uint32_t flags; /* the operation's; GM_OP_EFFECT too if a graph inside has an effect */
    void *attrs;   /* objects that they point to are held */
    int32_t *in;   /* values, -1 for an absent one */
    int32_t n_in, n_out;
    int32_t out;   /* the first output's value; the others follow */
    bool no_grad;  /* recorded while gradients were off */
    int64_t again; /* not 0: recorded while a function ran again for its gradients (remat.c); not to be merged */
    char *where;   /* the module path; NULL outside of modules */
} gm__node;

typedef struct { int32_t value; char *name; } gm__port;
/* After a run `value` is added to the gradient of a captured tensor. */
typedef struct { int32_t of, value; } gm__left_gradient;

/* A number that depends on the batch B: a * B + b. Of a size of value `of`, `slot` is the dimension; of an attribute of
 * node `of`, the number's offset in the attributes. Sorted. */
typedef struct { int32_t of, slot; int64_t a, b; } gm__affine;
typedef struct { gm__affine *at; int64_t n, capacity; } gm__affines;

struct gm_graph {
    gm_object o;
    gm__value *value;
    gm__node *node;
    int32_t *in;
    gm__port *out;
    gm__left_gradient *left;
    int64_t n_values, n_nodes, n_in, n_out, n_left;
    int64_t value_capacity, node_capacity, in_capacity, out_capacity, left_capacity;
    int64_t n_draws; /* places in the default random stream that a run takes */
    int64_t batch;   /* what B is here; 0 if the graph is for its own sizes only (unify.c) */
    gm__affines sizes, numbers; /* those of values, and of attributes, that depend on it */
    char *note;      /* what does not depend on it as a graph can say; NULL if nothing */
    char *text;      /* given out last by gm_graph_text or gm_graph_dot */
    void *program;        /* of a graph inside of a node: what runs it (compile/inner.c) */
    _Atomic int32_t busy; /* it does */
};

/* In a graph, the place of a random operation in the default stream is the number of the draw: `count` is GM__DRAW plus
 * it, and `key` is that of seed 0. */
#define GM__DRAW ((int64_t)1 << 62)

gm_graph *gm__graph_new(void);
bool gm__graph_check(const gm_graph *g, const char *op);
/* The number of a new value with t's description, -1 after a MEMORY error. */
int32_t gm__graph_add_value(gm_graph *g, int32_t kind, const gm_tensor *t);
/* The new node, without inputs' and outputs' values; NULL after a MEMORY error. */
gm__node *gm__graph_add_node(gm_graph *g, const gm_op *op, const void *attrs, int n_in);
bool gm__graph_add_output(gm_graph *g, int32_t value, const char *name);
/* A ghost described as value v. */
gm_tensor *gm__graph_ghost(const gm_graph *g, int32_t v);
/* The value whose memory v is a view of: v itself, unless a view made it. */
int32_t gm__graph_root(const gm_graph *g, int32_t v);
/* Sets written[] of the roots that some node writes. */
void gm__graph_written(const gm_graph *g, bool *written);
/* True if node n changes its input i in place. */
bool gm__node_writes(const gm__node *n, int i);
/* True if node n has to run though nobody may need its outputs. */
bool gm__node_has_effect(const gm__node *n);
/* A hash of everything a run depends on: nodes, attributes, descriptions; captured tensors count by identity. */
uint64_t gm__graph_hash(const gm_graph *g);
/* A copy with the nodes of which keep[] is true; `as` (may be NULL) says which value stands for each value where it is
 * used. Values that nobody uses are left out, but for inputs. Owned by the scope. */
gm_graph *gm__graph_with(const gm_graph *g, const bool *keep, const int32_t *as);

/* A copy made step by step: inputs come with the beginning, captured values when they are first used, nodes in the
 * order in which they are copied; `as` as above. The end adds the outputs; after an error it gives NULL. */
typedef struct { const gm_graph *from; gm_graph *to; int32_t *place; const int32_t *as; } gm__graph_copy;
bool gm__copy_begin(gm__graph_copy *c, const gm_graph *from, const int32_t *as);
bool gm__copy_node(gm__graph_copy *c, const gm__node *n);
/* The copy's value for v; and a new one for v, made by node `by` of the copy. -1 after an error. */
int32_t gm__copy_value(gm__graph_copy *c, int32_t v);
int32_t gm__copy_made(gm__graph_copy *c, int32_t v, int32_t by);
/* A new node of the copy, recorded without gradients: inputs stand for the values `in` (-1: absent), outputs for `out`.
 */
gm__node *gm__copy_new(gm__graph_copy *c, const gm_op *op, const void *attrs, const int32_t *in, int n_in,
                       const int32_t *out, int n_out);
gm_graph *gm__copy_end(gm__graph_copy *c, bool ok);

bool gm__graph_add_left(gm_graph *g, int32_t of, int32_t value);
/* raw.c: the same program as kernels want it: with the copies and casts that eager mode makes inside of calls, and
 * without operations that have no kernel. Owned by the scope. */
gm_graph *gm__graph_raw(gm_graph *g);
/* The same, where what `lowers` says is written as the operations that define it. */
gm_graph *gm__graph_lowered(gm_graph *g, bool (*lowers)(const gm_op *op));

/* True for an object that is a live graph: an attribute's, for one. */
bool gm__is_graph(const void *object);
/* The number of bytes of a value; -1 if its description is no tensor's: a rank, size or dtype that cannot be. */
int64_t gm__value_bytes(const gm_shape *shape, gm_dtype dtype);
/* valid.c: true if g is a graph: nodes take only what comes before them, and every value is as infer says. An INTERNAL
 * error names the node. */
bool gm__graph_valid(const gm_graph *g);

/* ---- derive.c: graphs made of graphs that capture no value of a recording ---- */

/* Owned by the scope. Draws stay where they are. Inputs and outputs are those of g, and then:
 * VJP: inputs also the gradients that arrive, of outputs `out`; outputs are the gradients of inputs `in`, and only
 * they. JVP: inputs also the tangents of inputs `in`; outputs are the tangents of all float outputs, and only they.
 * BATCH: inputs `in`, and all outputs, have a first dimension of `size`.
 * The first two do not do what g does beside giving outputs. */
enum { GM__DERIVE_VJP, GM__DERIVE_JVP, GM__DERIVE_BATCH };
gm_graph *gm__graph_derive(gm_graph *g, int kind, const bool *in, const bool *out, int64_t size);
/* A recording of f for ghosts like these, in modes that are nobody's. */
gm_graph *gm__graph_trace(gm_fnp f, void *env, gm_pack *likes);
/* g without its effects. */
gm_graph *gm__graph_pure(gm_graph *g);

/* ---- unify.c: graphs for any batch ---- */

/* g was recorded with batch[0] in place of the batch, other[i] with batch[i + 1]. Where each number of g is the same or
 * a * B + b in all of them, g becomes a graph of any batch; else its note says why it is not, or not wholly. False only
 * after a MEMORY error. */
bool gm__graph_unify(gm_graph *g, gm_graph *const *other, const int64_t *batch, int n_others);
/* The graph for one batch; g itself if it is for that one, or for its own only. Owned by the scope. */
gm_graph *gm__graph_at(gm_graph *g, int64_t batch);
/* The graph for these inputs, whose shapes and dtypes are checked. */
gm_graph *gm__graph_for(gm_graph *g, gm_tensor *const *in);
const gm__affine *gm__affine_find(const gm__affines *list, int64_t of, int64_t slot);
bool gm__affine_add(gm__affines *list, gm__affine a);

/* ---- evaluate.c ---- */

/* Attributes of node n (room for GM__ATTRS_MAX bytes) with its draws at their places in this run: draw 0 is at `first`
 * in the stream of `seed`. NULL if it has none. */
enum { GM__ATTRS_MAX = 2048 };
const void *gm__node_attrs(const gm__node *n, uint64_t seed, uint64_t first, void *room);
/* True if it takes places in the default stream. */
bool gm__node_draws(const gm__node *n);
/* A draw that is next in the default stream, n in all; the first one's place. */
uint64_t gm__take_draws(int64_t n, uint64_t *seed);

/* Run by public operations, node by node: in eager mode, or into the trace that is open. */
typedef struct {
    const gm_graph *graph;
    gm_tensor **value; /* [n_values], retained; filled as it goes */
    uint64_t seed, first;
    int64_t at;        /* the next node */
} gm__walk;
bool gm__walk_begin(gm__walk *w, const gm_graph *g, gm_tensor *const *in);
bool gm__walk_begin_at(gm__walk *w, const gm_graph *g, gm_tensor *const *in, uint64_t seed, uint64_t first);
/* The tensors of node n's inputs; false if there are too many. */
enum { GM__WALK_MAX = 256 }; /* GM__MAX_PORTS */
bool gm__walk_inputs(const gm__walk *w, const gm__node *n, gm_tensor **in);
void gm__walk_put(gm__walk *w, int32_t v, gm_tensor *t);
/* Calls run(env, n) in the modes in which n was recorded. */
bool gm__walk_node(const gm__node *n, bool (*run)(void *env, const gm__node *n), void *env);
/* Runs the next node. */
bool gm__walk_step(gm__walk *w);
void gm__walk_end(gm__walk *w);
/* The outputs alone, in order, for draws at these places: by a program if there is one, else node by node. */
bool gm__graph_values(gm_graph *g, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first);
/* compile/inner.c: false, without an error, if it cannot run now. */
extern bool (*gm__graph_program)(gm_graph *g, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first);
/* The whole; the outputs by their names. */
gm_pack *gm__graph_evaluate(const gm_graph *g, gm_tensor *const *in);

#endif
