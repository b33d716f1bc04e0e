/* loops.c: elementwise loops over strided operands.
 *
 * The dimensions are first brought into the order of the output's strides and merged where every operand allows it.
 * What is left is walked in pieces: long rows piece by piece within a row, short rows many at a time. An operand that
 * a piece cannot use in place goes through a tile: gathered as raw elements, converted to the domain. Pieces are
 * disjoint in the output and each element's value depends on nothing else, so how they are cut or spread over threads
 * changes no bit. */
#include "../math/fp.h"
#include "loops.h"
#include "../base/dtype.h"
#include "gemel/extend.h"
#include "kernels.h"

#include <string.h>

enum { LOOP_TILE = 512, LOOP_LONG_ROW = 128, LOOP_RANGE_NS = 20000 };

typedef struct {
    gm__loop_fn f;
    gm_dtype domain;
    int n_in, n_dims; /* dims: merged, outermost first, at least one */
    int64_t size[GM_MAX_DIMS], total;
    gm__operand op[GM_LOOP_MAX_IN + 1]; /* inputs, then the output */
    bool flat[GM_LOOP_MAX_IN + 1];      /* contiguous over the whole index space */
    const double *p;
} loop_plan;

typedef union { double align; char bytes[LOOP_TILE * 8]; } loop_tile;

void gm__operand_contiguous(gm__operand *o, const gm_shape *shape) {
    int64_t s = 1;
    for (int i = shape->n - 1; i >= 0; i--) {
        o->stride[i] = s;
        s *= shape->d[i];
    }
}

void gm__convert_run(const void *from, gm_dtype from_dtype, void *to, gm_dtype to_dtype, int64_t n) {
    gm__kernels()->convert(from, from_dtype, to, to_dtype, n);
}

/* ---- making the plan ---- */

static void loop_swap_dims(loop_plan *l, int i, int j) {
    int64_t size = l->size[i];
    l->size[i] = l->size[j], l->size[j] = size;
    for (int k = 0; k <= l->n_in; k++) {
        int64_t stride = l->op[k].stride[i];
        l->op[k].stride[i] = l->op[k].stride[j], l->op[k].stride[j] = stride;
    }
}

/* Insertion sort by the output's strides, largest first; stable. */
static void loop_sort(loop_plan *l) {
    const int64_t *s = l->op[l->n_in].stride;
    for (int i = 1; i < l->n_dims; i++)
        for (int j = i; j > 0 && s[j - 1] < s[j]; j--) loop_swap_dims(l, j - 1, j);
}

static bool loop_mergeable(const loop_plan *l, int outer, int inner) {
    for (int k = 0; k <= l->n_in; k++)
        if (l->op[k].stride[outer] != l->op[k].stride[inner] * l->size[inner]) return false;
    return true;
}

static void loop_merge(loop_plan *l) {
    int m = 0;
    for (int i = 0; i < l->n_dims; i++) {
        if (m && loop_mergeable(l, m - 1, i)) {
            l->size[m - 1] *= l->size[i];
            for (int k = 0; k <= l->n_in; k++) l->op[k].stride[m - 1] = l->op[k].stride[i];
            continue;
        }
        l->size[m] = l->size[i];
        for (int k = 0; k <= l->n_in; k++) l->op[k].stride[m] = l->op[k].stride[i];
        m++;
    }
    l->n_dims = m;
}

static void loop_drop_ones(loop_plan *l, const gm_shape *shape) {
    for (int i = 0; i < shape->n; i++) {
        if (shape->d[i] == 1) continue;
        l->size[l->n_dims] = shape->d[i];
        for (int k = 0; k <= l->n_in; k++) l->op[k].stride[l->n_dims] = l->op[k].stride[i];
        l->n_dims++;
    }
}

static void loop_find_flat(loop_plan *l) {
    for (int k = 0; k <= l->n_in; k++) {
        int64_t s = 1;
        l->flat[k] = l->op[k].dtype == l->domain;
        for (int i = l->n_dims - 1; i >= 0 && l->flat[k]; i--) {
            l->flat[k] = l->op[k].stride[i] == s;
            s *= l->size[i];
        }
    }
}

static void loop_prepare(loop_plan *l, const gm_shape *shape) {
    l->total = gm_shape_count(*shape);
    loop_drop_ones(l, shape);
    loop_sort(l);
    loop_merge(l);
    if (!l->n_dims) {
        l->n_dims = 1, l->size[0] = 1;
        for (int k = 0; k <= l->n_in; k++) l->op[k].stride[0] = 1;
    }
    loop_find_flat(l);
}

/* ---- tiles ---- */

static void loop_gather(const char *from, int64_t stride, int bytes, char *to, int64_t n) {
#define LOOP_GATHER(type)                                                                                              \
    for (int64_t i = 0; i < n; i++) ((type *)to)[i] = ((const type *)from)[i * stride]
    if (stride == 1) memcpy(to, from, (size_t)(n * bytes));
    else if (bytes == 4) LOOP_GATHER(uint32_t);
    else if (bytes == 8) LOOP_GATHER(uint64_t);
    else if (bytes == 2) LOOP_GATHER(uint16_t);
    else if (bytes == 1) LOOP_GATHER(uint8_t);
#undef LOOP_GATHER
}

static void loop_scatter(const char *from, char *to, int64_t stride, int bytes, int64_t n) {
#define LOOP_SCATTER(type)                                                                                             \
    for (int64_t i = 0; i < n; i++) ((type *)to)[i * stride] = ((const type *)from)[i]
    if (stride == 1) memcpy(to, from, (size_t)(n * bytes));
    else if (bytes == 4) LOOP_SCATTER(uint32_t);
    else if (bytes == 8) LOOP_SCATTER(uint64_t);
    else if (bytes == 2) LOOP_SCATTER(uint16_t);
    else if (bytes == 1) LOOP_SCATTER(uint8_t);
#undef LOOP_SCATTER
}

/* The element offset of flat index `at` in operand k; `within` gets the position in its row. */
static int64_t loop_offset(const loop_plan *l, int k, int64_t at, int64_t *within) {
    int last = l->n_dims - 1;
    int64_t offset = 0;
    *within = at % l->size[last];
    at /= l->size[last];
    for (int i = last - 1; i >= 0; i--) {
        offset += at % l->size[i] * l->op[k].stride[i];
        at /= l->size[i];
    }
    return offset + *within * l->op[k].stride[last];
}

/* Gather or scatter elements at..at+n of operand k, raw, row by row. */
static void loop_move(const loop_plan *l, int k, int64_t at, int64_t n, char *tile, bool out) {
    int bytes = gm__element_bytes(l->op[k].dtype);
    int64_t row = l->size[l->n_dims - 1], stride = l->op[k].stride[l->n_dims - 1];
    for (int64_t done = 0, within; done < n;) {
        char *data = (char *)l->op[k].data + loop_offset(l, k, at + done, &within) * bytes;
        int64_t run = row - within < n - done ? row - within : n - done;
        if (out) loop_scatter(tile + done * bytes, data, stride, bytes, run);
        else loop_gather(data, stride, bytes, tile + done * bytes, run);
        done += run;
    }
}

/* Operand k's elements at..at+n in the domain: in place if they lie so, else through the tile. */
static const void *loop_input(const loop_plan *l, int k, int64_t at, int64_t n, bool in_row, loop_tile *tile) {
    const gm__operand *o = &l->op[k];
    int64_t within;
    if (o->dtype == l->domain && (l->flat[k] || (in_row && o->stride[l->n_dims - 1] == 1)))
        return (char *)o->data + loop_offset(l, k, at, &within) * gm__element_bytes(o->dtype);
    if (o->dtype == l->domain) {
        loop_move(l, k, at, n, tile->bytes, false);
        return tile->bytes;
    }
    loop_tile raw;
    loop_move(l, k, at, n, raw.bytes, false);
    gm__convert_run(raw.bytes, o->dtype, tile->bytes, l->domain, n);
    return tile->bytes;
}

static void loop_output(const loop_plan *l, int64_t at, int64_t n, const loop_tile *tile) {
    const gm__operand *o = &l->op[l->n_in];
    if (o->dtype == l->domain) {
        loop_move(l, l->n_in, at, n, (char *)tile->bytes, true);
        return;
    }
    loop_tile raw;
    gm__convert_run(tile->bytes, l->domain, raw.bytes, o->dtype, n);
    loop_move(l, l->n_in, at, n, raw.bytes, true);
}

static void loop_piece(const loop_plan *l, int64_t at, int64_t n, bool in_row) {
    loop_tile tile[GM_LOOP_MAX_IN + 1];
    const void *x[GM_LOOP_MAX_IN];
    const gm__operand *o = &l->op[l->n_in];
    for (int k = 0; k < l->n_in; k++) x[k] = loop_input(l, k, at, n, in_row, &tile[k]);
    int64_t within;
    if (o->dtype == l->domain && (l->flat[l->n_in] || (in_row && o->stride[l->n_dims - 1] == 1))) {
        l->f(n, x, (char *)o->data + loop_offset(l, l->n_in, at, &within) * gm__element_bytes(o->dtype), l->p);
        return;
    }
    l->f(n, x, tile[l->n_in].bytes, l->p);
    loop_output(l, at, n, &tile[l->n_in]);
}

/* ---- walking ---- */

static bool loop_all_flat(const loop_plan *l) {
    for (int k = 0; k <= l->n_in; k++)
        if (!l->flat[k]) return false;
    return true;
}

static void loop_run_flat(const loop_plan *l, int64_t begin, int64_t end) {
    const void *x[GM_LOOP_MAX_IN];
    int bytes = gm__element_bytes(l->domain);
    for (int k = 0; k < l->n_in; k++) x[k] = (char *)l->op[k].data + begin * bytes;
    l->f(end - begin, x, (char *)l->op[l->n_in].data + begin * bytes, l->p);
}

static void loop_range(void *env, int64_t begin, int64_t end) {
    const loop_plan *l = env;
    if (loop_all_flat(l)) {
        loop_run_flat(l, begin, end);
        return;
    }
    int64_t row = l->size[l->n_dims - 1];
    bool in_row = row >= LOOP_LONG_ROW;
    while (begin < end) {
        int64_t n = end - begin < LOOP_TILE ? end - begin : LOOP_TILE, left = row - begin % row;
        if (in_row && left < n) n = left;
        loop_piece(l, begin, n, in_row);
        begin += n;
    }
}

void gm__loop(gm__loop_fn f, gm_dtype domain, const gm_shape *shape, int n_in, const gm__operand *in,
              const gm__operand *out, const double *p, int64_t cost) {
    loop_plan l;
    l.f = f, l.domain = domain, l.n_in = n_in, l.n_dims = 0, l.p = p;
    for (int k = 0; k < n_in; k++) l.op[k] = in[k];
    l.op[n_in] = *out;
    loop_prepare(&l, shape);
    if (!l.total) return;
    gm_parallel_for(l.total, LOOP_RANGE_NS * 1000 / (cost > 20 ? cost : 20), loop_range, &l);
}

#define LOOP_IDENTITY(bytes)                                                                                           \
    static void loop_identity##bytes(int64_t n, const void *const *x, void *y, const double *p) {                      \
        (void)p;                                                                                                       \
        memcpy(y, x[0], (size_t)n * bytes);                                                                            \
    }
LOOP_IDENTITY(1)
LOOP_IDENTITY(2)
LOOP_IDENTITY(4)
LOOP_IDENTITY(8)
#undef LOOP_IDENTITY

/* The type whose elements are moved when nothing is converted: raw bits of the same size. */
static gm_dtype loop_raw(gm_dtype dtype) {
    static const gm_dtype raw[] = { [1] = GM_U8, [2] = GM_U16, [4] = GM_I32, [8] = GM_I64 };
    int bytes = gm__element_bytes(dtype);
    return bytes <= 8 ? raw[bytes] : GM_NO_DTYPE;
}

bool gm__copy(const gm_shape *shape, const gm__operand *from, const gm__operand *to) {
    static const gm__loop_fn identity[] = { [1] = loop_identity1, [2] = loop_identity2, [4] = loop_identity4,
                                            [8] = loop_identity8 };
    gm__operand a = *from, b = *to;
    gm_dtype domain = gm__domain(a.dtype);
    if (a.dtype == b.dtype) a.dtype = b.dtype = domain = loop_raw(a.dtype);
    else if (a.dtype == gm__domain(a.dtype)) domain = a.dtype; /* one conversion, on the way out */
    else if (domain && gm__domain(b.dtype) == b.dtype) domain = b.dtype; /* one conversion, on the way in */
    if (!domain || !gm__element_bytes(b.dtype) || !gm__domain(b.dtype))
        return gm_fail(GM_ERROR_DTYPE, "copy: %s to %s", gm_dtype_name(from->dtype), gm_dtype_name(to->dtype));
    gm__loop(identity[gm__element_bytes(domain)], domain, shape, 1, &a, &b, NULL, 300);
    return true;
}
