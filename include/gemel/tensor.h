/* gemel/tensor.h: tensors and packs: what they are, how to make them from data, look at them and get data out.
 *
 * A tensor is a counted handle on {storage, offset, shape, strides, dtype}. Views share storage. Values never change
 * behind a reader's back: only gm_assign and the optimizers write to a storage that exists, and autograd notices. */
#ifndef GEMEL_TENSOR_H
#define GEMEL_TENSOR_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gm_tensor gm_tensor;
typedef struct gm_pack gm_pack;

/* ---- Data types: name, number (never renumbered), bits, kind, NumPy's name ----------------------------------------
 * Kinds: F float, S signed, U unsigned, B boolean, C complex (reserved), T text (host only). f16 and bf16 are storage
 * types: elementwise operations round each result to them, everything that sums computes in f32 and rounds once. */
#define GM_DTYPES(X)                                                                                                   \
    X(F32, 1, 32, F, "float32")                                                                                        \
    X(F64, 2, 64, F, "float64")                                                                                        \
    X(F16, 3, 16, F, "float16")                                                                                        \
    X(BF16, 4, 16, F, "bfloat16")                                                                                      \
    X(I8, 5, 8, S, "int8")                                                                                             \
    X(I16, 6, 16, S, "int16")                                                                                          \
    X(I32, 7, 32, S, "int32")                                                                                          \
    X(I64, 8, 64, S, "int64")                                                                                          \
    X(U8, 9, 8, U, "uint8")                                                                                            \
    X(U16, 10, 16, U, "uint16")                                                                                        \
    X(U32, 11, 32, U, "uint32")                                                                                        \
    X(U64, 12, 64, U, "uint64")                                                                                        \
    X(BOOL, 13, 8, B, "bool")                                                                                          \
    X(F8E4M3, 14, 8, F, "float8_e4m3fn")                                                                               \
    X(F8E5M2, 15, 8, F, "float8_e5m2")                                                                                 \
    X(I4, 16, 4, S, "int4")                                                                                            \
    X(U4, 17, 4, U, "uint4")                                                                                           \
    X(STRING, 18, 128, T, "object")                                                                                    \
    X(C64, 19, 64, C, "complex64")                                                                                     \
    X(C128, 20, 128, C, "complex128")

typedef int32_t gm_dtype;
enum {
    GM_NO_DTYPE = 0,
#define GM__DTYPE_ENUM(name, number, bits, kind, numpy) GM_##name = number,
    GM_DTYPES(GM__DTYPE_ENUM)
#undef GM__DTYPE_ENUM
};
/* "f32", "bf16" ...; "?" for a number that is none. */
GM_API const char *gm_dtype_name(gm_dtype dtype);
/* The dtype of a name, Gemel's ("f32") or NumPy's ("float32"); GM_NO_DTYPE if it is none. */
GM_API gm_dtype gm_dtype_of_name(const char *name);
GM_API int gm_dtype_bits(gm_dtype dtype);
GM_API bool gm_is_float(gm_dtype dtype);
GM_API bool gm_is_integer(gm_dtype dtype); /* signed or unsigned; not bool */
/* The dtype of a result of a and b, as PyTorch promotes tensors that both have dimensions. */
GM_API gm_dtype gm_promote(gm_dtype a, gm_dtype b);

/* ---- Shapes ------------------------------------------------------------------------------------------------------ */

enum { GM_MAX_DIMS = 16 };
typedef struct { int32_t n, reserved[1]; int64_t d[16]; } gm_shape;
GM_API bool gm_shape_equal(gm_shape a, gm_shape b);
/* The product of the sizes; 1 for a scalar. */
GM_API int64_t gm_shape_count(gm_shape s);
/* "[2, 3]" into `text` (at most `bytes`, terminated). Returns `text`. */
GM_API char *gm_shape_text(gm_shape s, char *text, size_t bytes);

/* ---- Making tensors ---------------------------------------------------------------------------------------------- */

/* A copy of row-major data. */
GM_API gm_tensor *gm_from_data(gm_shape shape, gm_dtype dtype, const void *data);
/* A tensor over memory of the caller's, not copied; `release` (may be NULL) is called when no tensor uses it. */
GM_API gm_tensor *gm_from_memory(gm_shape shape, gm_dtype dtype, void *data, void (*release)(void *env), void *env);
GM_API gm_tensor *gm_scalar(double value, gm_dtype dtype);
GM_API gm_tensor *gm_scalar_i64(int64_t value, gm_dtype dtype);
GM_API gm_tensor *gm_zeros(gm_shape shape, gm_dtype dtype);
GM_API gm_tensor *gm_ones(gm_shape shape, gm_dtype dtype);
GM_API gm_tensor *gm_full(gm_shape shape, double value, gm_dtype dtype);
/* Uninitialised memory, for code that fills it through gm_mutable_data at once. */
GM_API gm_tensor *gm_empty(gm_shape shape, gm_dtype dtype);
/* A 1-d tensor of strings (UTF-8, copied). Strings live on the host; only views and printing take them. */
GM_API gm_tensor *gm_strings(const char *const *text, int64_t n);

/* ---- Looking at tensors ------------------------------------------------------------------------------------------ */

GM_API gm_shape gm_shape_of(const gm_tensor *t);
GM_API gm_dtype gm_dtype_of(const gm_tensor *t);
GM_API int gm_n_dims(const gm_tensor *t);
/* The size of dimension `dim`; negative counts from the end. -1 and an error outside. */
GM_API int64_t gm_size(const gm_tensor *t, int dim);
GM_API int64_t gm_count(const gm_tensor *t);
/* Elements between neighbours of dimension `dim`. */
GM_API int64_t gm_stride(const gm_tensor *t, int dim);
GM_API bool gm_is_contiguous(const gm_tensor *t);
/* True for [N, C, H, W] (or [N, C, W], [N, C, D, H, W]) stored with C innermost. */
GM_API bool gm_is_channels_last(const gm_tensor *t);
/* Row-major elements, for reading, valid while `t` lives. STATE error if t is not contiguous (see gm_contiguous). */
GM_API const void *gm_data(const gm_tensor *t);
/* The same for writing; counts as a change that autograd notices. */
GM_API void *gm_mutable_data(gm_tensor *t);
/* The only element of a tensor of one element, as a double; NaN and an error otherwise. */
GM_API double gm_item(const gm_tensor *t);
GM_API int64_t gm_item_i64(const gm_tensor *t);
/* Copy all elements, row-major, converted to `dtype`, into `out`, which holds `bytes` bytes. */
GM_API bool gm_read(const gm_tensor *t, gm_dtype dtype, void *out, size_t bytes);
/* Element `index`, counted row-major, of a string tensor; lives as long as the tensor. NULL and an error if it is
 * none. */
GM_API const char *gm_string_at(const gm_tensor *t, int64_t index);
/* The tensor as NumPy prints it, at most `bytes` long, terminated. Returns the length it would have. */
GM_API size_t gm_text(const gm_tensor *t, char *text, size_t bytes);
/* Print "label = text" to standard output; of a function that is recorded, whenever the program runs. */
GM_API void gm_print(const char *label, const gm_tensor *t);

/* ---- Slots and assignment ---------------------------------------------------------------------------------------- */

/* Store `t` in a slot that outlives scopes, releasing what was there: *slot = NULL at first, gm_set(&slot, NULL) at
 * last. */
GM_API void gm_set(gm_tensor **slot, gm_tensor *t);
/* Overwrite the elements of `target` by those of `value` (broadcast and cast to it). Autograd notices: a saved value
 * that changed is an error in the backward pass. */
GM_API bool gm_assign(gm_tensor *target, gm_tensor *value);
/* A NUMERIC error if an element of x is not finite; in a compiled program it ends the run at this place. */
GM_API bool gm_check_finite(gm_tensor *x);

/* ---- Packs: ordered lists of named tensors and packs ------------------------------------------------------------- */

typedef struct { const char *name; gm_tensor *t; gm_pack *p; } gm_entry;
GM_API gm_pack *gm_pack_new(void);
GM_API gm_pack *gm_pack_of(const gm_entry *entries, size_t n);
/* Append or replace. Names are copied; NULL or "" makes the position ("0", "1" ...) the name. */
GM_API bool gm_pack_set(gm_pack *p, const char *name, gm_tensor *t);
GM_API bool gm_pack_set_pack(gm_pack *p, const char *name, gm_pack *child);
GM_API int64_t gm_pack_count(const gm_pack *p);
GM_API const char *gm_pack_name(const gm_pack *p, int64_t index);
/* Entry `index`; NULL if it is a pack (a tensor). */
GM_API gm_tensor *gm_pack_at(const gm_pack *p, int64_t index);
GM_API gm_pack *gm_pack_child(const gm_pack *p, int64_t index);
/* By name; a path "encoder.weight" goes through child packs. An INDEX error that lists the names if there is none. */
GM_API gm_tensor *gm_get(const gm_pack *p, const char *name);
GM_API gm_pack *gm_get_pack(const gm_pack *p, const char *name);
GM_API bool gm_pack_has(const gm_pack *p, const char *name);
/* Texts in packs: a string tensor of one element. The text got lives as long as the entry. */
GM_API bool gm_pack_set_text(gm_pack *p, const char *name, const char *text);
GM_API const char *gm_get_text(const gm_pack *p, const char *name);
/* A new pack without nesting: every tensor under its path. */
GM_API gm_pack *gm_pack_flatten(const gm_pack *p);

/* ---- Other people's memory and files ----------------------------------------------------------------------------- */

/* DLPack (github.com/dmlc/dlpack), version 1 structs, passed as void * so that no header is needed. A
 * DLManagedTensorVersioned over the memory of `t`, which lives until the struct's deleter is called; whoever writes to
 * it does so behind autograd's back. DTYPE for strings. */
GM_API void *gm_to_dlpack(gm_tensor *t);
/* A tensor over the memory of a foreign DLManagedTensorVersioned, whose deleter is called when no tensor uses it (at
 * once if it is read-only or misaligned, and so copied). After an error the struct is still the caller's. Errors:
 * UNSUPPORTED (version, device), DTYPE, SHAPE, VALUE. */
GM_API gm_tensor *gm_from_dlpack(void *managed);
/* The same for the DLManagedTensor of DLPack before version 1. */
GM_API void *gm_to_dlpack_unversioned(gm_tensor *t);
GM_API gm_tensor *gm_from_dlpack_unversioned(void *managed);
/* NumPy's .npy, versions 1 to 3, either byte order, C and Fortran order: a row-major tensor. Errors: IO; FORMAT names
 * the file and the field; UNSUPPORTED for Python objects, structures and texts. */
GM_API gm_tensor *gm_load_npy(const char *path);
/* As numpy.save writes it, whole or not at all. Errors: DTYPE for what NumPy does not have (bf16, f8 ...), IO. */
GM_API bool gm_save_npy(gm_tensor *t, const char *path);

#ifdef __cplusplus
}
#else
#  define GM_SHAPE(...) ((gm_shape){ sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), { 0 }, { __VA_ARGS__ } })
#  define GM_SCALAR ((gm_shape){ 0, { 0 }, { 0 } })
#  define GM_PACK(...)                                                                                                 \
      gm_pack_of((const gm_entry[]){ __VA_ARGS__ }, sizeof((const gm_entry[]){ __VA_ARGS__ }) / sizeof(gm_entry))
#endif
#endif
