/* idx.c: reader of IDX files: two zero bytes, a type, a number of dimensions, big-endian sizes, big-endian elements.
 *
 * The values are read in growing pieces, so that a header whose sizes lie costs no more memory than the file has bytes. */
#include "../math/fp.h"
#include "gemel/extend.h"
#include "gemel/formats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#ifdef GM_HAVE_ZLIB
#  include <zlib.h>
#endif

enum { IDX_PIECE = 1 << 20, IDX_MAX_DIMS = 8 };
typedef struct { const char *path; void *file; } idx_source;
typedef struct { gm_dtype dtype; int32_t bytes; gm_shape shape; int64_t total; } idx_header;

#ifdef GM_HAVE_ZLIB
static void *idx_open(const char *path) { return gzopen(path, "rb"); }
static int64_t idx_read(void *file, void *into, int64_t n) { return gzread(file, into, (unsigned)n); }
static void idx_close(void *file) { gzclose(file); }
#else
static void *idx_open(const char *path) { return fopen(path, "rb"); }
static int64_t idx_read(void *file, void *into, int64_t n) { return (int64_t)fread(into, 1, (size_t)n, file); }
static void idx_close(void *file) { fclose(file); }
#endif

static bool idx_type(int code, idx_header *h) {
    static const struct { int code; gm_dtype dtype; int32_t bytes; } types[] = {
        { 8, GM_U8, 1 }, { 9, GM_I8, 1 }, { 11, GM_I16, 2 }, { 12, GM_I32, 4 }, { 13, GM_F32, 4 }, { 14, GM_F64, 8 },
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].code == code) return h->dtype = types[i].dtype, h->bytes = types[i].bytes, true;
    return false;
}

/* All n bytes, or a FORMAT error that says where the file ended. */
static bool idx_need(const idx_source *s, void *into, int64_t n, int64_t at) {
    int64_t got = idx_read(s->file, into, n);
    if (got == n) return true;
    if (got < 0) return gm_fail(GM_ERROR_FORMAT, "load_idx: %s: the compressed data are damaged", s->path);
    return gm_fail(GM_ERROR_FORMAT, "load_idx: %s: the file ends after %lld bytes, its header promises more", s->path,
                   (long long)(at + got));
}

static bool idx_read_header(const idx_source *s, idx_header *h) {
    uint8_t b[4 + 4 * IDX_MAX_DIMS];
    if (!idx_need(s, b, 4, 0)) return false;
    if (b[0] == 0x1f && b[1] == 0x8b)
        return gm_fail(GM_ERROR_UNSUPPORTED, "load_idx: %s is compressed, and this build has no zlib", s->path);
    if (b[0] || b[1] || !idx_type(b[2], h) || !b[3] || b[3] > IDX_MAX_DIMS)
        return gm_fail(GM_ERROR_FORMAT, "load_idx: %s is no IDX file: it begins %02x %02x %02x %02x", s->path, b[0], b[1],
                       b[2], b[3]);
    if (!idx_need(s, b + 4, 4 * b[3], 4)) return false;
    h->shape = (gm_shape){ .n = b[3] };
    h->total = h->bytes;
    for (int i = 0; i < b[3]; i++) {
        const uint8_t *d = b + 4 + 4 * i;
        h->shape.d[i] = (int64_t)d[0] << 24 | d[1] << 16 | d[2] << 8 | d[3];
        if (__builtin_mul_overflow(h->total, h->shape.d[i], &h->total) || h->total > (int64_t)1 << 46)
            return gm_fail(GM_ERROR_FORMAT, "load_idx: %s: the sizes of its header are impossible", s->path);
    }
    return true;
}

static bool idx_read_values(const idx_source *s, const idx_header *h, uint8_t **data) {
    for (int64_t at = 0; at < h->total;) {
        int64_t n = at < IDX_PIECE ? IDX_PIECE : at < 64 * IDX_PIECE ? at : 64 * IDX_PIECE;
        if (n > h->total - at) n = h->total - at;
        uint8_t *grown = gm_realloc(*data, (size_t)(at + n));
        if (!grown) return false;
        *data = grown;
        if (!idx_need(s, grown + at, n, at + 4 + 4 * h->shape.n)) return false;
        at += n;
    }
    uint8_t more;
    if (idx_read(s->file, &more, 1) == 0) return true;
    return gm_fail(GM_ERROR_FORMAT, "load_idx: %s: there are bytes after the values", s->path);
}

static void idx_swap(uint8_t *data, const idx_header *h) {
    if (h->bytes == 1 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__) return;
    for (int64_t at = 0; at < h->total; at += h->bytes) {
        for (int i = 0; i < h->bytes / 2; i++) {
            uint8_t b = data[at + i];
            data[at + i] = data[at + h->bytes - 1 - i], data[at + h->bytes - 1 - i] = b;
        }
    }
}

gm_tensor *gm_load_idx(const char *path) {
    if (!gm_ok()) return NULL;
    if (!path) return gm_fail(GM_ERROR_VALUE, "load_idx: the path is NULL"), NULL;
    errno = 0;
    idx_source s = { path, idx_open(path) };
    if (!s.file) return gm_fail(GM_ERROR_IO, "load_idx: cannot read %s: %s", path, strerror(errno)), NULL;
    idx_header h = { 0 };
    uint8_t *data = NULL;
    gm_tensor *t = NULL;
    if (idx_read_header(&s, &h) && idx_read_values(&s, &h, &data)) {
        idx_swap(data, &h);
        t = gm_from_data(h.shape, h.dtype, data ? data : (uint8_t *)"");
    }
    gm_free(data);
    idx_close(s.file);
    return t;
}
