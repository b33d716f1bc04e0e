/* tensor.h: the inside of a tensor.
 *
 * A tensor is a view {offset, shape, strides} of a storage. What autograd knows of it (its tape node, its gradient)
 * hangs on the handle, so two handles on one storage are two variables. A tensor without a storage is a *ghost*: shape
 * and dtype only, for rules that do not need the value and for traces. */
#ifndef GM_TENSOR_TENSOR_H
#define GM_TENSOR_TENSOR_H

#include "../base/dtype.h"
#include "../base/object.h"
#include "../kernels/loops.h"
#include "gemel/extend.h"
#include "gemel/tensor.h"

typedef struct gm_node gm_node; /* the tape's: eager/tape.h */

typedef struct {
    gm_object o;
    void *data;
    size_t bytes, block; /* asked for; of the block behind it (0: memory of somebody else's) */
    uint32_t version;    /* bumped whenever the values change */
    uint32_t guarded;    /* 1: between guard zones */
    void (*release)(void *env);
    void *env;
    struct gm__rows *rows; /* instead of data, until somebody reads it: rows.c */
} gm_storage;

struct gm_tensor {
    gm_object o;
    gm_storage *storage; /* NULL in a ghost */
    int64_t offset;      /* in elements */
    gm_dtype dtype;
    bool requires_grad;  /* set on leaves; results of differentiable ops have a node instead */
    bool retains_grad;
    uint16_t out_index;  /* which output of the node this is */
    gm_node *node;
    gm_tensor *grad;
    void *hooks;         /* eager/hook.c */
    gm_object *symbol;   /* of a ghost: how it is made (graph/symbol.c); out_index says which of the results it is */
    gm_shape shape;
    int64_t stride[GM_MAX_DIMS];
};

extern const gm_type gm__tensor_type, gm__storage_type;

/* How many records of symbolic values there are; while there is none, nothing is different. */
extern _Atomic int64_t gm__n_symbols;

/* The tape fills this in: called when a tensor dies, for its node, gradient and hooks. */
extern void (*gm__tensor_drop_autograd)(gm_tensor *t);

static inline bool gm__same_shape(const gm_shape *a, const gm_shape *b) {
    if (a->n != b->n) return false;
    for (int i = 0; i < a->n; i++)
        if (a->d[i] != b->d[i]) return false;
    return true;
}

/* A storage of `bytes` bytes, 64-byte aligned, content undefined; the caller holds the count. NULL and MEMORY. */
gm_storage *gm__storage_new(size_t bytes);
/* For tests: storages made from now on lie between guard zones; how many were found written over when they went. */
void gm__guard_storages(bool on);
int64_t gm__broken_storages(void);

/* A tensor of its own storage in row-major (or channels-last) order, owned by the innermost scope. */
gm_tensor *gm__tensor_new(const gm_shape *shape, gm_dtype dtype, bool channels_last);
/* A tensor that shares `storage` (retained; NULL makes a ghost); strides row-major, to be changed by the caller. */
gm_tensor *gm__tensor_over(gm_storage *storage, int64_t offset, const gm_shape *shape, gm_dtype dtype);
/* A second handle on the values of `t`, without its history. */
gm_tensor *gm__tensor_alias(const gm_tensor *t);

/* Somebody may want its gradient. */
static inline bool gm__is_tracked(const gm_tensor *t) { return t->node || t->requires_grad; }

/* What an operation takes where it is given t: t, but inside of gm_substitute_begin. */
gm_tensor *gm__stand_in_find(const gm_tensor *t);

void gm__strides_contiguous(gm_tensor *t);
void gm__strides_channels_last(gm_tensor *t);

/* True if t is a live tensor; else reports it as argument `argument` of `op`. */
static inline bool gm__check_tensor(const gm_tensor *t, const char *op, int argument) {
    return __builtin_expect(gm__is_live(t, &gm__tensor_type), 1) ||
           gm_check_object(t, &gm__tensor_type, op, argument);
}

/* A tensor [N, D..] of zeros but for the rows `index` (i64 [k], ascending, each once; both contiguous) with `values`
 * [k, D..]. It holds these, not N rows, until it is read. */
gm_tensor *gm__tensor_of_rows(const gm_shape *shape, gm_tensor *index, gm_tensor *values);
/* The rows and values, in the innermost scope, of a tensor that still is as gm__tensor_of_rows made it; else, and after
 * a MEMORY error, false. */
bool gm__tensor_rows(const gm_tensor *t, gm_tensor **index, gm_tensor **values);
/* Before the first read of a storage that may have rows; false and MEMORY. */
bool gm__storage_fill(gm_storage *s);
static inline bool gm__has_data(const gm_tensor *t) {
    return __builtin_expect(!__atomic_load_n(&t->storage->rows, __ATOMIC_ACQUIRE), 1) || gm__storage_fill(t->storage);
}
void gm__rows_free(struct gm__rows *r);

/* Of a tensor with data: an operation's arguments and results have (gm__has_data). */
static inline char *gm__data(const gm_tensor *t) {
    return (char *)t->storage->data + t->offset * gm__dtype(t->dtype)->bits / 8;
}

/* The element `at` places behind the first one in storage. */
double gm__element_f64(const gm_tensor *t, int64_t at);
int64_t gm__element_i64(const gm_tensor *t, int64_t at);
const char *gm__string_at(const gm_tensor *t, int64_t at);

/* t as an operand of a loop over its own shape, and over a larger one it is broadcast to (dimensions align right). */
gm__operand gm__operand_of(const gm_tensor *t);
gm__operand gm__operand_broadcast(const gm_tensor *t, const gm_shape *shape);

/* Dimension `dim`, negative from the end, as 0..n-1; -1 after an INDEX error that names `op`. */
int gm__dim(const gm_tensor *t, int dim, const char *op);
int gm__dim_of(int n_dims, int dim, const char *op);

/* gm_print while the thread records, filled in by ops/effect.c; false: print it now. */
extern bool (*gm__print_traced)(const char *label, const gm_tensor *t);

/* For messages: "[2, 3]" in one of a few rotating buffers of the thread. */
const char *gm__shape_str(const gm_shape *s);
static inline const char *gm__tensor_shape_str(const gm_tensor *t) { return gm__shape_str(&t->shape); }

#endif
