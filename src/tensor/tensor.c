/* tensor.c: the tensor handle: making, describing, reading. */
#include "../math/fp.h"
#include "tensor.h"
#include "../base/object.h"

#include <math.h>
#include <string.h>

void (*gm__tensor_drop_autograd)(gm_tensor *t);

static void tensor_destroy(void *object) {
    gm_tensor *t = object;
    if (t->node || t->grad || t->hooks) gm__tensor_drop_autograd(t);
    if (t->symbol) gm_release(t->symbol);
    gm_release(t->storage);
}

const gm_type gm__tensor_type = { "tensor", sizeof(gm_tensor), tensor_destroy };

/* ---- making ---- */

/* Takes over the caller's count of `storage`, if it succeeds. */
static gm_tensor *tensor_around(gm_storage *storage, int64_t offset, const gm_shape *shape, gm_dtype dtype) {
    gm_tensor *t = gm_object_new(&gm__tensor_type);
    if (!t) return NULL;
    t->storage = storage;
    t->offset = offset;
    t->dtype = dtype;
    t->shape.n = shape->n;
    memcpy(t->shape.d, shape->d, (size_t)shape->n * sizeof *shape->d);
    gm__strides_contiguous(t);
    return t;
}

gm_tensor *gm__tensor_over(gm_storage *storage, int64_t offset, const gm_shape *shape, gm_dtype dtype) {
    gm_tensor *t = tensor_around(storage, offset, shape, dtype);
    if (t) gm_retain(storage);
    return t;
}

gm_tensor *gm__tensor_alias(const gm_tensor *t) {
    gm_tensor *a = gm__tensor_over(t->storage, t->offset, &t->shape, t->dtype);
    if (a) memcpy(a->stride, t->stride, (size_t)t->shape.n * sizeof *t->stride);
    return a;
}

static bool tensor_check_sizes(const gm_shape *shape, bool *empty) {
    if (shape->n < 0 || shape->n > GM_MAX_DIMS)
        return gm_fail(GM_ERROR_SHAPE, "tensor: %d dimensions, at most %d are possible", shape->n, GM_MAX_DIMS);
    *empty = false;
    for (int i = 0; i < shape->n; i++) {
        if (shape->d[i] < 0) return gm_fail(GM_ERROR_SHAPE, "tensor: a negative size in %s", gm__shape_str(shape));
        *empty |= shape->d[i] == 0;
    }
    return true;
}

/* The bytes of a new tensor; -1 after an error if sizes are negative or overflow. */
static int64_t tensor_bytes(const gm_shape *shape, gm_dtype dtype) {
    int64_t n = gm__dtype(dtype)->bits;
    bool empty = false;
    if (!n) return gm_fail(GM_ERROR_DTYPE, "tensor: %d is no dtype", dtype), -1;
    if (!tensor_check_sizes(shape, &empty)) return -1;
    for (int i = 0; i < shape->n; i++) /* empty ones too: strides are products of the other sizes */
        if (__builtin_mul_overflow(n, shape->d[i] ? shape->d[i] : 1, &n) || n > INT64_MAX - 7)
            return gm_fail(GM_ERROR_SHAPE, "tensor: %s is too large", gm__shape_str(shape)), -1;
    return empty ? 0 : (n + 7) / 8;
}

gm_tensor *gm__tensor_new(const gm_shape *shape, gm_dtype dtype, bool channels_last) {
    if (gm__context()->error) return NULL;
    if (dtype == GM_STRING) return gm_fail(GM_ERROR_DTYPE, "tensor: strings are made by gm_strings only"), NULL;
    int64_t bytes = tensor_bytes(shape, dtype);
    gm_storage *s = bytes < 0 ? NULL : gm__storage_new((size_t)bytes);
    gm_tensor *t = s ? tensor_around(s, 0, shape, dtype) : NULL;
    if (!t) gm_release(s);
    if (t && channels_last && shape->n >= 3) gm__strides_channels_last(t);
    return t;
}

gm_tensor *gm_empty(gm_shape shape, gm_dtype dtype) { return gm__tensor_new(&shape, dtype, false); }

gm_tensor *gm_from_data(gm_shape shape, gm_dtype dtype, const void *data) {
    gm_tensor *t = gm_empty(shape, dtype);
    if (!t) return NULL;
    if (!data && t->storage->bytes) {
        gm_fail(GM_ERROR_VALUE, "from_data: no data for a tensor of shape %s", gm__shape_str(&shape));
        return NULL;
    }
    if (t->storage->bytes) memcpy(t->storage->data, data, t->storage->bytes);
    return t;
}

gm_tensor *gm_from_memory(gm_shape shape, gm_dtype dtype, void *data, void (*release)(void *env), void *env) {
    if (!gm_ok()) return NULL;
    int64_t bytes = tensor_bytes(&shape, dtype);
    if (bytes > 0 && !data)
        return gm_fail(GM_ERROR_VALUE, "from_memory: no memory for a tensor of shape %s", gm__shape_str(&shape)), NULL;
    if (bytes < 0) return NULL;
    gm_storage *s = gm__object_make(&gm__storage_type);
    if (!s) return NULL;
    s->data = data;
    s->bytes = (size_t)bytes;
    gm_tensor *t = gm__tensor_over(s, 0, &shape, dtype);
    if (t) s->release = release, s->env = env;
    gm_release(s);
    return t;
}

/* ---- describing ---- */

gm_shape gm_shape_of(const gm_tensor *t) {
    gm_shape none = { 0 };
    return gm_ok() && gm__check_tensor(t, "shape_of", 1) ? t->shape : none;
}

gm_dtype gm_dtype_of(const gm_tensor *t) {
    return gm_ok() && gm__check_tensor(t, "dtype_of", 1) ? t->dtype : GM_NO_DTYPE;
}

int gm_n_dims(const gm_tensor *t) { return gm_ok() && gm__check_tensor(t, "n_dims", 1) ? t->shape.n : -1; }

int64_t gm_size(const gm_tensor *t, int dim) {
    if (!gm_ok() || !gm__check_tensor(t, "size", 1)) return -1;
    int d = gm__dim(t, dim, "size");
    return d < 0 ? -1 : t->shape.d[d];
}

int64_t gm_count(const gm_tensor *t) {
    return gm_ok() && gm__check_tensor(t, "count", 1) ? gm_shape_count(t->shape) : -1;
}

int64_t gm_stride(const gm_tensor *t, int dim) {
    if (!gm_ok() || !gm__check_tensor(t, "stride", 1)) return -1;
    int d = gm__dim(t, dim, "stride");
    return d < 0 ? -1 : t->stride[d];
}

/* True if the strides are those of `order` (outermost first). Sizes of 1 have no say; an empty tensor is anything. */
static bool tensor_is_in_order(const gm_tensor *t, const int *order) {
    int64_t s = 1;
    bool dense = true;
    for (int k = t->shape.n - 1; k >= 0; k--) {
        int i = order ? order[k] : k;
        if (t->shape.d[i] == 0) return true;
        if (t->shape.d[i] != 1 && t->stride[i] != s) dense = false;
        s *= t->shape.d[i];
    }
    return dense;
}

bool gm_is_contiguous(const gm_tensor *t) {
    return gm__check_tensor(t, "is_contiguous", 1) && tensor_is_in_order(t, NULL);
}

bool gm_is_channels_last(const gm_tensor *t) {
    static const int order[6][5] = { [3] = { 0, 2, 1 }, [4] = { 0, 2, 3, 1 }, [5] = { 0, 2, 3, 4, 1 } };
    return gm__check_tensor(t, "is_channels_last", 1) && t->shape.n >= 3 && t->shape.n <= 5 &&
           tensor_is_in_order(t, order[t->shape.n]);
}

/* ---- reading ---- */

static inline const gm_tensor *tensor_meant(const gm_tensor *t) {
    return __builtin_expect(gm__context()->stand_ins != NULL, 0) ? gm__stand_in_find(t) : t;
}

static bool tensor_readable(const gm_tensor *t, const char *op) {
    if (!gm_ok() || !gm__check_tensor(t, op, 1)) return false;
    if (!t->storage)
        return gm_fail(GM_ERROR_STATE, "%s: the tensor has no value here, only a shape%s", op,
                       t->symbol ? ": a function is being recorded" : "");
    return gm__has_data(t);
}

const void *gm_data(const gm_tensor *t) {
    t = tensor_meant(t);
    if (!tensor_readable(t, "data")) return NULL;
    if (t->offset % 2 && gm__dtype(t->dtype)->bits == 4)
        return gm_fail(GM_ERROR_STATE, "data: the view %s begins inside a byte", gm__tensor_shape_str(t)), NULL;
    if (gm_is_contiguous(t)) return gm__data(t);
    gm_fail(GM_ERROR_STATE, "data: the tensor %s is not contiguous; take gm_contiguous of it", gm__tensor_shape_str(t));
    return NULL;
}

void *gm_mutable_data(gm_tensor *t) {
    t = (gm_tensor *)tensor_meant(t);
    void *data = (void *)gm_data(t);
    if (data) t->storage->version++;
    return data;
}

double gm__element_f64(const gm_tensor *t, int64_t at) {
    double d;
    gm__convert_run(gm__data(t) + at * gm__element_bytes(t->dtype), t->dtype, &d, GM_F64, 1);
    return d;
}

int64_t gm__element_i64(const gm_tensor *t, int64_t at) {
    int64_t i;
    gm__convert_run(gm__data(t) + at * gm__element_bytes(t->dtype), t->dtype, &i, GM_I64, 1);
    return i;
}

static bool tensor_is_item(const gm_tensor *t, const char *op) {
    if (!tensor_readable(t, op)) return false;
    if (!gm__domain(t->dtype))
        return gm_fail(GM_ERROR_DTYPE, "%s: a %s is no number", op, gm_dtype_name(t->dtype));
    if (gm_shape_count(t->shape) != 1)
        return gm_fail(GM_ERROR_SHAPE, "%s: one element is needed, the shape is %s", op, gm__tensor_shape_str(t));
    return true;
}

double gm_item(const gm_tensor *t) {
    t = tensor_meant(t);
    return tensor_is_item(t, "item") ? gm__element_f64(t, 0) : NAN;
}
int64_t gm_item_i64(const gm_tensor *t) {
    t = tensor_meant(t);
    return tensor_is_item(t, "item_i64") ? gm__element_i64(t, 0) : 0;
}

bool gm_read(const gm_tensor *t, gm_dtype dtype, void *out, size_t bytes) {
    t = tensor_meant(t);
    if (!tensor_readable(t, "read")) return false;
    if (!gm__dtype(dtype)->bits) return gm_fail(GM_ERROR_DTYPE, "read: %d is no dtype", dtype);
    if (dtype != t->dtype && (!gm__domain(dtype) || !gm__domain(t->dtype)))
        return gm_fail(GM_ERROR_DTYPE, "read: %s as %s", gm_dtype_name(t->dtype), gm_dtype_name(dtype));
    int64_t needed = gm__bytes_of(dtype, gm_shape_count(t->shape));
    if ((size_t)needed > bytes)
        return gm_fail(GM_ERROR_VALUE, "read: %s of %s needs %lld bytes, the buffer has %zu", gm__tensor_shape_str(t),
                       gm_dtype_name(dtype), (long long)needed, bytes);
    gm__operand from = gm__operand_of(t), to = { .data = out, .dtype = dtype };
    gm__operand_contiguous(&to, &t->shape);
    return gm__copy(&t->shape, &from, &to);
}
