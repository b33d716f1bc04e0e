/* gemel/op.h: the operation record: all that is known of an operation, in one place. The library's own operations and
 * a user's are the same records, called the same way.
 *
 * A record says what shapes come out (infer), how the values are computed (kernel, view or lower), what its derivative
 * is (grad, jvp) and how it acts on a batch of inputs (batch). `grad`, `jvp` and `batch` are written with public
 * operations, so that they can be recorded and differentiated again. Rules that are left out are derived where that is
 * possible: jvp from grad (the transpose of the transpose), batch from a loop; `gemel ops` says which. */
#ifndef GEMEL_OP_H
#define GEMEL_OP_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gm_op gm_op;

enum { GM_OP_MAX_OUT = 8 };

/* ---- Attributes: a plain struct per operation, described by a table so that they print, compare and save --------- */

typedef int32_t gm_attr_kind;
enum { GM_ATTR_I64 = 1, GM_ATTR_F64, GM_ATTR_I32, GM_ATTR_I64S, GM_ATTR_F64S, GM_ATTR_SHAPE, GM_ATTR_TEXT,
       GM_ATTR_OBJECT /* a pointer to an object of the library, or NULL; recordings hold it */ };
/* `count` elements for the plurals, bytes for TEXT (a char array); 1 else. */
typedef struct { const char *name; gm_attr_kind kind; int32_t count; size_t offset; } gm_attr;

#define GM_ATTR(type, field, kind_) { #field, GM_ATTR_##kind_, 1, offsetof(type, field) }
#define GM_ATTRS(type, field, kind_, n) { #field, GM_ATTR_##kind_, n, offsetof(type, field) }
#define GM_ATTR_END { 0, 0, 0, 0 }

/* ---- What the rules see ------------------------------------------------------------------------------------------ */

/* One output before it exists. */
typedef struct { gm_dtype dtype; int32_t channels_last; gm_shape shape; } gm_spec;

/* A call: inputs (NULL where an optional one is absent), attributes, and for kernels the outputs. */
typedef struct {
    const gm_op *op;
    int32_t n_in, n_out;
    gm_tensor *const *in;
    const void *attrs;
} gm_op_args;

/* A derivative: fill gin[i], for each i with needs[i], with the gradient of input i (NULL for zero), given gout[]
 * (NULL where none arrives). in[] and out[] have values only where the record saves them; else only shape and dtype. */
typedef struct {
    const gm_op *op;
    int32_t n_in, n_out;
    gm_tensor *const *in, *const *out, *const *gout;
    const bool *needs;
    gm_tensor **gin;
    const void *attrs;
} gm_grad_args;

/* Tangents tin[] (NULL for zero) of the inputs give tangents tout[] of the outputs. */
typedef struct {
    const gm_op *op;
    int32_t n_in, n_out;
    gm_tensor *const *in, *const *out, *const *tin;
    gm_tensor **tout;
    const void *attrs;
} gm_jvp_args;

/* Inputs with mapped[i] carry the batch of `size` as axis 0; every output must. */
typedef struct {
    const gm_op *op;
    int32_t n_in, n_out;
    gm_tensor *const *in;
    const bool *mapped;
    int64_t size;
    gm_tensor **out;
    const void *attrs;
} gm_batch_args;

/* ---- Cases: sample inputs, declared once and used by every test of the operation --------------------------------- */

/* `in` lists the inputs, split by ';': a shape "[2,3]" and optional words: a dtype ("f32" by default), and what fills
 * it: "normal" (default for floats), "positive" (0.1..2), "unit" (0.05..0.95), "pm1" (-0.95..0.95), "distinct" (a
 * shuffled ramp without ties), "below N" (integers 0..N-1), "bits" (0/1), "near" (normals away from zero, |x| >= 0.1),
 * "-" alone for an absent optional input, "grad:no" for an input that gets no gradient check.
 * ulp: how far f32 results may be from the f64 run of the same operation (0: 16 ulp of the largest |value|). */
typedef struct {
    const char *in;
    const void *attrs;
    double ulp;
    uint32_t flags; /* GM_CASE_* */
    uint32_t reserved;
} gm_case;
enum {
    GM_CASE_NO_GRAD = 1,    /* not differentiable here (integers, ties) */
    GM_CASE_NO_SECOND = 2,  /* second order is not checked: say why beside the case */
    GM_CASE_NO_F64 = 4,     /* has no f64 form */
    GM_CASE_RANDOM = 8      /* values are random: only shapes and statistics are checked */
};

/* ---- The record -------------------------------------------------------------------------------------------------- */

enum {
    GM_OP_RANDOM = 1,        /* draws random numbers: never merged, never dropped */
    GM_OP_EFFECT = 2,        /* prints, assigns: never dropped */
    GM_OP_DYNAMIC = 4,       /* output shapes are known after running; the kernel makes the outputs */
    GM_OP_CONTIGUOUS = 8,    /* the kernel wants row-major inputs: strided ones are copied first */
    GM_OP_COMPUTE_F32 = 16,  /* f16 and bf16 inputs are cast to f32 and the outputs rounded once */
    GM_OP_VIEW = 32,         /* outputs share the storage of input 0 */
    GM_OP_LINEAR = 64,       /* linear in every differentiable input separately: jvp follows from the operation */
    GM_OP_NO_GRAD = 128,     /* outputs never carry a gradient (comparisons, indices) */
    GM_OP_ELEMENTWISE = 256,
    GM_OP_OWN_OUTPUTS = 512, /* shapes are as infer says, but the kernel makes the outputs */
    GM_OP_OBJECTS = 1024     /* some of the attributes are objects */
};

struct gm_op {
    size_t size; /* sizeof(gm_op) */
    const char *name;
    int32_t version;
    int32_t min_in, max_in; /* max_in -1: any number */
    int32_t n_out;          /* -1: infer says (through the count it returns) */
    uint32_t flags;
    uint32_t saves_in, saves_out; /* bit i: the derivative needs the values of input (output) i */
    uint32_t diff_in;             /* bit i: input i may carry a gradient; 0: every float input */
    uint32_t diff_out; /* bit j: output j may carry one; 0: every float output (statistics kept for grad do not) */
    uint32_t writes; /* bit i: the kernel changes input i in place */
    size_t attrs_bytes;
    const gm_attr *attrs; /* ends with GM_ATTR_END */
    /* Fill out[0..] from the inputs' shapes and dtypes; returns the number of outputs, or -1 after gm_fail. */
    int32_t (*infer)(const gm_op_args *a, gm_spec *out);
    /* Compute. Outputs are made according to infer (or by the kernel: GM_OP_DYNAMIC, GM_OP_OWN_OUTPUTS). False after
     * gm_fail. */
    bool (*kernel)(const gm_op_args *a, gm_tensor **out);
    /* The same values in simpler operations; where it exists it defines the values. */
    bool (*lower)(const gm_op_args *a, gm_tensor **out);
    bool (*grad)(const gm_grad_args *a);
    bool (*jvp)(const gm_jvp_args *a);
    bool (*batch)(const gm_batch_args *a);
    const gm_case *cases; /* ends with an entry whose `in` is NULL */
    const void *extra;    /* for families: the elementwise expression and derivatives */
    const char *doc;      /* one line */
    /* Of saved graphs: attributes are zeros; change those that a text of this version leaves out and means otherwise.
     */
    void (*defaults)(int32_t version, void *attrs);
    void *reserved[3];
};

/* Call an operation: inputs, attributes (NULL if it has none), up to `n_out` outputs. Returns the number of outputs. */
GM_API int gm_op_call(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out, int n_out);
/* The same for operations of one output. */
GM_API gm_tensor *gm_op_call1(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs);
/* For calling a random operation again with its attributes of an earlier call: move them to the next place of the
 * default stream for the module that runs. Nothing else is changed; nothing at all for other operations. */
GM_API void gm_op_redraw(const gm_op *op, void *attrs);
/* The record of a built-in operation by name, NULL if there is none; and all of them, by index, NULL past the end. */
GM_API const gm_op *gm_op_find(const char *name);
GM_API const gm_op *gm_op_at(int index);
/* Where a rule of the operation comes from: "direct" (the record's own), "elementwise" (from its expressions), "linear"
 * (the operation itself), "through grad", "loop", "zero" (no derivative) or "none". */
GM_API const char *gm_op_grad_kind(const gm_op *op);
GM_API const char *gm_op_jvp_kind(const gm_op *op);
GM_API const char *gm_op_batch_kind(const gm_op *op);

/* ---- For kernels of one's own ------------------------------------------------------------------------------------ */

/* The data of an output being computed, or of an input (check gm_is_contiguous or set GM_OP_CONTIGUOUS). */
GM_API const void *gm_op_in(const gm_op_args *a, int i);
GM_API void *gm_op_out(gm_tensor *const *out, int i);

#ifdef __cplusplus
}
#endif
#endif
