/* idx.c: IDX files: two zero bytes, a type, a number of dimensions, big-endian sizes, big-endian elements.
 *
 * Sizes are compared with the bytes that can be there before memory is taken, so a header that lies costs nothing. */
#include "../math/fp.h"
#include "readers.h"
#include "../base/file.h"
#include "gzip.h"

#include <string.h>

enum { IDX_MAX_DIMS = 8 };
typedef struct { gm_dtype dtype; int32_t unit; gm_shape shape; int64_t total; } idx_header; /* total, unit: bytes */

static bool idx_type(int code, idx_header *h) {
    static const struct { int code; gm_dtype dtype; } types[] = { { 8, GM_U8 },   { 9, GM_I8 },   { 11, GM_I16 },
                                                                  { 12, GM_I32 }, { 13, GM_F32 }, { 14, GM_F64 } };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].code == code) h->dtype = types[i].dtype;
    h->unit = gm_dtype_bits(h->dtype) / 8;
    return h->dtype != GM_NO_DTYPE;
}

/* All n bytes, or a FORMAT error that says where the file ended. */
static bool idx_need(gm__gzip *g, void *into, int64_t n, int64_t at) {
    int64_t got = gm__gzip_read(g, into, (size_t)n);
    if (got == n || got < 0) return got == n;
    if (at + got == 0) return gm_fail(GM_ERROR_FORMAT, "load_idx: %s: the file is empty", g->file);
    return gm_fail(GM_ERROR_FORMAT, "load_idx: %s: truncated: the file ends after %lld bytes, its header promises more",
                   g->file, (long long)(at + got));
}

static bool idx_read_sizes(const gm__gzip *g, const uint8_t *b, int n, idx_header *h) {
    h->shape = (gm_shape){ .n = n };
    bool empty = false;
    h->total = h->unit;
    for (int i = 0; i < n; i++, b += 4) {
        int64_t size = h->shape.d[i] = (int64_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
        empty |= size == 0;
        if (__builtin_mul_overflow(h->total, size ? size : 1, &h->total) || h->total > (int64_t)1 << 46)
            return gm_fail(GM_ERROR_FORMAT, "load_idx: %s: the sizes of its header are impossible", g->file);
    }
    if (empty) h->total = 0;
    return true;
}

static bool idx_read_header(gm__gzip *g, idx_header *h) {
    uint8_t b[4 + 4 * IDX_MAX_DIMS];
    if (!idx_need(g, b, 4, 0)) return false;
    if (b[0] || b[1] || !idx_type(b[2], h) || !b[3] || b[3] > IDX_MAX_DIMS)
        return gm_fail(GM_ERROR_FORMAT, "load_idx: %s is no IDX file: it begins %02x %02x %02x %02x", g->file, b[0],
                       b[1], b[2], b[3]);
    if (!idx_need(g, b + 4, 4 * b[3], 4) || !idx_read_sizes(g, b + 4, b[3], h)) return false;
    char text[400];
    if ((uint64_t)h->total > gm__gzip_most(g))
        return gm_fail(GM_ERROR_FORMAT,
                       "load_idx: %s: truncated: the header promises %lld bytes of values (%s of %s), the file has %zu "
                       "bytes in all", g->file, (long long)h->total, gm_shape_text(h->shape, text, sizeof text),
                       gm_dtype_name(h->dtype), g->n);
    return true;
}

static void idx_swap(uint8_t *data, const idx_header *h) {
    if (h->unit == 1 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__) return;
    for (int64_t at = 0; at < h->total; at += h->unit)
        for (int a = 0, b = h->unit - 1; a < b; a++, b--) {
            uint8_t byte = data[at + a];
            data[at + a] = data[at + b];
            data[at + b] = byte;
        }
}

static gm_tensor *idx_read(gm__gzip *g) {
    idx_header h = { 0 };
    gm_tensor *t = idx_read_header(g, &h) ? gm_empty(h.shape, h.dtype) : NULL;
    uint8_t *data = t ? gm_mutable_data(t) : NULL, more;
    if (!data || !idx_need(g, data, h.total, 4 + 4 * h.shape.n)) return NULL;
    int64_t behind = gm__gzip_read(g, &more, 1); /* also checks the sum at the end of compressed data */
    if (behind > 0) gm_fail(GM_ERROR_FORMAT, "load_idx: %s: there are bytes after the values", g->file);
    if (behind) return NULL;
    idx_swap(data, &h);
    return t;
}

gm_tensor *gm__idx_decode(const char *name, const void *data, size_t n) {
    gm__gzip g;
    if (!gm_ok() || !gm__gzip_open(&g, "load_idx", name, data, n)) return NULL;
    gm_scope s = gm_scope_open();
    gm_tensor *t = gm_return(&s, idx_read(&g));
    gm__gzip_close(&g);
    return t;
}

gm_tensor *gm_load_idx(const char *path) {
    gm__file *f = gm__file_open("load_idx", path, true);
    gm_tensor *t = f ? gm__idx_decode(path, f->data, f->bytes) : NULL;
    gm__file_release(f);
    return t;
}
