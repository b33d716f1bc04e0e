/* dlpack.c: memory shared with other libraries: github.com/dmlc/dlpack, version 1 and the structs before it.
 *
 * Out: the struct holds the storage, not the handle, so the consumer outlives scopes and autograd's graph. In: a
 * storage over the foreign memory, whose release calls the deleter. Strides may be negative; the storage then begins at
 * the lowest address. What may not be written to, or is not aligned to its elements, is copied. */
#include "../math/fp.h"
#include "tensor.h"

#include <string.h>

enum { DLPACK_CPU = 1, DLPACK_CUDA_HOST = 3, DLPACK_MAJOR = 1, DLPACK_READ_ONLY = 1, DLPACK_PADDED_SUBBYTE = 4 };
enum { DLPACK_INT = 0, DLPACK_UINT = 1, DLPACK_FLOAT = 2, DLPACK_BFLOAT = 4, DLPACK_COMPLEX = 5, DLPACK_BOOL = 6,
       DLPACK_E4M3FN = 10, DLPACK_E5M2 = 12 };

typedef struct { uint8_t code, bits; uint16_t lanes; } dlpack_dtype;

typedef struct {
    void *data;
    int32_t device_type, device_id, n_dims;
    dlpack_dtype dtype;
    int64_t *shape, *strides;
    uint64_t byte_offset;
} dlpack_tensor;

typedef struct dlpack_old dlpack_old;
struct dlpack_old { dlpack_tensor tensor; void *owner; void (*deleter)(dlpack_old *self); };

typedef struct dlpack_new dlpack_new;
struct dlpack_new {
    uint32_t major, minor;
    void *owner;
    void (*deleter)(dlpack_new *self);
    uint64_t flags;
    dlpack_tensor tensor;
};

/* ---- data types ---- */

static const struct { gm_dtype dtype; dlpack_dtype foreign;
} dlpack_dtypes[] = {
    { GM_F32, { DLPACK_FLOAT, 32, 1 } },  { GM_F64, { DLPACK_FLOAT, 64, 1 } },
    { GM_F16, { DLPACK_FLOAT, 16, 1 } },  { GM_BF16, { DLPACK_BFLOAT, 16, 1 } },
    { GM_I8, { DLPACK_INT, 8, 1 } },      { GM_I16, { DLPACK_INT, 16, 1 } },
    { GM_I32, { DLPACK_INT, 32, 1 } },    { GM_I64, { DLPACK_INT, 64, 1 } },
    { GM_U8, { DLPACK_UINT, 8, 1 } },     { GM_U16, { DLPACK_UINT, 16, 1 } },
    { GM_U32, { DLPACK_UINT, 32, 1 } },   { GM_U64, { DLPACK_UINT, 64, 1 } },
    { GM_BOOL, { DLPACK_BOOL, 8, 1 } },   { GM_F8E4M3, { DLPACK_E4M3FN, 8, 1 } },
    { GM_F8E5M2, { DLPACK_E5M2, 8, 1 } }, { GM_I4, { DLPACK_INT, 4, 1 } },
    { GM_U4, { DLPACK_UINT, 4, 1 } },     { GM_C64, { DLPACK_COMPLEX, 64, 1 } },
};
enum { DLPACK_N_DTYPES = sizeof dlpack_dtypes / sizeof *dlpack_dtypes };

static gm_dtype dlpack_dtype_in(dlpack_dtype d) {
    for (int i = 0; i < DLPACK_N_DTYPES; i++) {
        dlpack_dtype f = dlpack_dtypes[i].foreign;
        if (f.code == d.code && f.bits == d.bits && f.lanes == d.lanes) return dlpack_dtypes[i].dtype;
    }
    return GM_NO_DTYPE;
}

static bool dlpack_dtype_out(gm_dtype dtype, dlpack_dtype *d) {
    for (int i = 0; i < DLPACK_N_DTYPES; i++)
        if (dlpack_dtypes[i].dtype == dtype) return *d = dlpack_dtypes[i].foreign, true;
    return gm_fail(GM_ERROR_DTYPE, "to_dlpack: DLPack has no %s", gm_dtype_name(dtype));
}

/* ---- out ---- */

/* What is handed out: either struct first, so that it is found again from it. */
typedef struct {
    union { dlpack_new fresh; dlpack_old old; };
    gm_storage *storage;
    int64_t shape[GM_MAX_DIMS], strides[GM_MAX_DIMS];
} dlpack_export;

static void dlpack_drop(dlpack_export *e) {
    gm_release(e->storage);
    gm_free(e);
}

static void dlpack_delete_new(dlpack_new *self) { dlpack_drop((dlpack_export *)self); }
static void dlpack_delete_old(dlpack_old *self) { dlpack_drop((dlpack_export *)self); }

static bool dlpack_fill(dlpack_tensor *d, dlpack_export *e, gm_tensor *t) {
    if (!dlpack_dtype_out(t->dtype, &d->dtype)) return false;
    if (gm_dtype_bits(t->dtype) == 4 && t->offset % 2)
        return gm_fail(GM_ERROR_UNSUPPORTED, "to_dlpack: a view that begins inside a byte");
    d->data = gm__data(t);
    d->device_type = DLPACK_CPU;
    d->n_dims = t->shape.n;
    d->shape = e->shape;
    d->strides = e->strides;
    memcpy(e->shape, t->shape.d, sizeof e->shape);
    memcpy(e->strides, t->stride, sizeof e->strides);
    e->storage = gm_retain(t->storage);
    return true;
}

static dlpack_export *dlpack_export_new(gm_tensor *t) {
    if (!gm_ok() || !gm__check_tensor(t, "to_dlpack", 1) || (t->storage && !gm__has_data(t)))
        return NULL;
    if (!t->storage) return gm_fail(GM_ERROR_STATE, "to_dlpack: the tensor has no value here, only a shape"), NULL;
    return gm_alloc(sizeof(dlpack_export));
}

void *gm_to_dlpack(gm_tensor *t) {
    dlpack_export *e = dlpack_export_new(t);
    if (!e || !dlpack_fill(&e->fresh.tensor, e, t)) return gm_free(e), NULL;
    e->fresh.major = DLPACK_MAJOR;
    e->fresh.deleter = dlpack_delete_new;
    return &e->fresh;
}

void *gm_to_dlpack_unversioned(gm_tensor *t) {
    dlpack_export *e = dlpack_export_new(t);
    if (!e || !dlpack_fill(&e->old.tensor, e, t)) return gm_free(e), NULL;
    e->old.deleter = dlpack_delete_old;
    return &e->old;
}

/* ---- in ---- */

typedef struct {
    gm_dtype dtype;
    gm_shape shape;
    int64_t strides[GM_MAX_DIMS], below, above; /* elements that are reached before and after the first one */
    char *data; /* of the first element */
    bool misaligned;
} dlpack_view;

static bool dlpack_check(const dlpack_tensor *d) {
    if (d->device_type != DLPACK_CPU && d->device_type != DLPACK_CUDA_HOST)
        return gm_fail(GM_ERROR_UNSUPPORTED, "from_dlpack: memory of device type %d, only the CPU's (1) is read",
                       d->device_type);
    if (d->n_dims < 0 || d->n_dims > GM_MAX_DIMS)
        return gm_fail(GM_ERROR_SHAPE, "from_dlpack: %d dimensions, at most %d are possible", d->n_dims, GM_MAX_DIMS);
    if (!dlpack_dtype_in(d->dtype))
        return gm_fail(GM_ERROR_DTYPE, "from_dlpack: elements of code %d, %d bits, %d lanes are not known",
                       d->dtype.code, d->dtype.bits, d->dtype.lanes);
    return !d->n_dims || d->shape || gm_fail(GM_ERROR_VALUE, "from_dlpack: the shape is NULL");
}

/* Sizes, strides, and how far they reach; false if that overflows. */
static bool dlpack_measure(const dlpack_tensor *d, dlpack_view *v) {
    int64_t next = 1, reach;
    v->shape.n = d->n_dims;
    for (int i = d->n_dims - 1; i >= 0; i--) {
        v->shape.d[i] = d->shape[i];
        v->strides[i] = d->strides ? d->strides[i] : next;
        if (d->shape[i] < 0 || __builtin_mul_overflow(next, d->shape[i], &next)) return false;
    }
    for (int i = 0; i < d->n_dims && next; i++) {
        if (__builtin_mul_overflow(d->shape[i] - 1, v->strides[i], &reach)) return false;
        if (__builtin_add_overflow(reach < 0 ? v->below : v->above, reach, reach < 0 ? &v->below : &v->above))
            return false;
    }
    return next < INT64_MAX / 32 && v->below > INT64_MIN / 32 && v->above < INT64_MAX / 32;
}

static bool dlpack_look(const dlpack_tensor *d, dlpack_view *v) {
    if (!dlpack_check(d)) return false;
    v->dtype = dlpack_dtype_in(d->dtype);
    if (!dlpack_measure(d, v)) return gm_fail(GM_ERROR_SHAPE, "from_dlpack: sizes or strides that overflow");
    if (!d->data && gm_shape_count(v->shape)) return gm_fail(GM_ERROR_VALUE, "from_dlpack: the data is NULL");
    v->data = (char *)d->data + d->byte_offset;
    int unit = gm__element_bytes(v->dtype);
    v->misaligned = unit > 1 && (uintptr_t)v->data % (unsigned)unit;
    bool whole = v->below == 0 || gm_dtype_bits(v->dtype) >= 8;
    return whole || gm_fail(GM_ERROR_UNSUPPORTED, "from_dlpack: negative strides of 4-bit elements");
}

/* A tensor over the memory, whose storage calls nothing yet, or over a copy of what the view reaches. */
static gm_tensor *dlpack_tensor_of(const dlpack_view *v, bool copy) {
    gm_shape flat = { 1, { 0 }, { gm_shape_count(v->shape) ? v->above - v->below + 1 : 0 } };
    char *lowest = v->data + v->below * gm__element_bytes(v->dtype);
    gm_tensor *all = copy ? gm_from_data(flat, v->dtype, lowest) : gm_from_memory(flat, v->dtype, lowest, NULL, NULL);
    gm_tensor *t = all ? gm__tensor_over(all->storage, -v->below, &v->shape, v->dtype) : NULL;
    if (t) memcpy(t->stride, v->strides, (size_t)v->shape.n * sizeof *t->stride);
    return t;
}

static void dlpack_release_new(void *managed) {
    dlpack_new *m = managed;
    if (m->deleter) m->deleter(m);
}

static void dlpack_release_old(void *managed) {
    dlpack_old *m = managed;
    if (m->deleter) m->deleter(m);
}

static gm_tensor *dlpack_import(const dlpack_tensor *d, bool copy, void *managed, void (*release)(void *)) {
    GM_SCOPE(s);
    dlpack_view v = { 0 };
    if (!dlpack_look(d, &v)) return NULL;
    copy |= v.misaligned;
    gm_tensor *t = dlpack_tensor_of(&v, copy);
    if (!t) return NULL;
    if (!copy) t->storage->release = release, t->storage->env = managed;
    t = gm_return(&s, t);
    if (copy) release(managed);
    return t;
}

gm_tensor *gm_from_dlpack(void *managed) {
    dlpack_new *m = managed;
    if (!gm_ok()) return NULL;
    if (!m) return gm_fail(GM_ERROR_VALUE, "from_dlpack: the struct is NULL"), NULL;
    if (m->major != DLPACK_MAJOR)
        return gm_fail(GM_ERROR_UNSUPPORTED, "from_dlpack: version %u.%u, 1 is known", m->major, m->minor), NULL;
    if (m->flags & DLPACK_PADDED_SUBBYTE)
        return gm_fail(GM_ERROR_UNSUPPORTED, "from_dlpack: 4-bit elements, each in a byte of its own"), NULL;
    return dlpack_import(&m->tensor, m->flags & DLPACK_READ_ONLY, m, dlpack_release_new);
}

gm_tensor *gm_from_dlpack_unversioned(void *managed) {
    dlpack_old *m = managed;
    if (!gm_ok()) return NULL;
    if (!m) return gm_fail(GM_ERROR_VALUE, "from_dlpack: the struct is NULL"), NULL;
    return dlpack_import(&m->tensor, false, m, dlpack_release_old);
}
