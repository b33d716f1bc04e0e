/* npy.c: NumPy's files of one array: numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 *
 *   "\x93NUMPY", version 1 to 3 and 0, bytes of the header (u16; u32 from version 2), header, elements
 *
 * The header is a Python dictionary {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }, written by many hands:
 * names in any order, either quote, any blanks. Byte orders are swapped, Fortran order is turned, structures and Python
 * objects are refused. The files written are NumPy's, byte for byte. */
#include "../math/fp.h"
#include "npy.h"
#include "../base/builder.h"
#include "../base/file.h"
#include "../base/nan.h"
#include "../base/save.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char npy_magic[6] = { '\x93', 'N', 'U', 'M', 'P', 'Y' };

/* ---- the header ---- */

typedef struct {
    const char *file;
    const char *at, *end; /* the text not yet read */
    gm_dtype dtype;
    bool swap, fortran, has_descr, has_order, has_shape;
    gm_shape shape;
} npy_header;

static bool npy_fail(const npy_header *h, const char *field, const char *what) {
    return gm_fail(GM_ERROR_FORMAT, "load_npy: %s: %s: %s", h->file, field, what);
}

static void npy_skip_blanks(npy_header *h) {
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\n' || *h->at == '\t' || *h->at == '\r')) h->at++;
}

/* True, and passed over, if the next character is `c`. */
static bool npy_take(npy_header *h, char c) {
    npy_skip_blanks(h);
    if (h->at == h->end || *h->at != c) return false;
    h->at++;
    return true;
}

static bool npy_take_word(npy_header *h, const char *word) {
    size_t n = strlen(word);
    npy_skip_blanks(h);
    if ((size_t)(h->end - h->at) < n || memcmp(h->at, word, n)) return false;
    h->at += n;
    return true;
}

/* A quoted text without escapes; false if there is none or it does not fit. */
static bool npy_take_text(npy_header *h, char *out, size_t room) {
    npy_skip_blanks(h);
    char quote = h->at < h->end ? *h->at : 0;
    if (quote != '\'' && quote != '"') return false;
    const char *first = h->at + 1, *stop = memchr(first, quote, (size_t)(h->end - first));
    if (!stop || (size_t)(stop - first) >= room || memchr(first, '\\', (size_t)(stop - first))) return false;
    memcpy(out, first, (size_t)(stop - first));
    out[stop - first] = 0;
    h->at = stop + 1;
    return true;
}

static bool npy_read_descr(npy_header *h) {
    static const struct { char name[5]; gm_dtype dtype; } known[] = {
        { "f2", GM_F16 }, { "f4", GM_F32 }, { "f8", GM_F64 }, { "i1", GM_I8 },  { "i2", GM_I16 }, { "i4", GM_I32 },
        { "i8", GM_I64 }, { "u1", GM_U8 },  { "u2", GM_U16 }, { "u4", GM_U32 }, { "u8", GM_U64 }, { "b1", GM_BOOL },
        { "c8", GM_C64 },
    };
    char text[32];
    npy_skip_blanks(h);
    if (h->at < h->end && *h->at == '[')
        return gm_fail(GM_ERROR_UNSUPPORTED, "load_npy: %s: descr: a structured array, which is not read", h->file);
    if (!npy_take_text(h, text, sizeof text)) return npy_fail(h, "descr", "no text in quotes");
    char order = *text;
    if (!order || !strchr("<>|=", order)) return npy_fail(h, "descr", "it does not begin with <, >, | or =");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(text + 1, known[i].name)) h->dtype = known[i].dtype;
    if (!h->dtype)
        return gm_fail(GM_ERROR_UNSUPPORTED, "load_npy: %s: descr: elements '%s'%s are not read", h->file, text,
                       text[1] == 'O' ? " (Python objects)" : "");
    h->swap = order == '>';
    return true;
}

static bool npy_read_order(npy_header *h) {
    h->fortran = npy_take_word(h, "True");
    return h->fortran || npy_take_word(h, "False") || npy_fail(h, "fortran_order", "neither True nor False");
}

/* A size with an "L" of Python 2 behind it or without. */
static bool npy_read_size(npy_header *h, int64_t *size) {
    npy_skip_blanks(h);
    const char *first = h->at;
    *size = 0;
    for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++)
        if (__builtin_mul_overflow(*size, 10, size) || __builtin_add_overflow(*size, *h->at - '0', size)) return false;
    if (h->at == first) return false;
    if (h->at < h->end && *h->at == 'L') h->at++;
    return true;
}

static bool npy_read_shape(npy_header *h) {
    if (!npy_take(h, '(')) return npy_fail(h, "shape", "no tuple");
    while (!npy_take(h, ')')) {
        if (h->shape.n == GM_MAX_DIMS) return npy_fail(h, "shape", "over 16 dimensions");
        if (!npy_read_size(h, &h->shape.d[h->shape.n++])) return npy_fail(h, "shape", "a size is no integer >= 0");
        if (npy_take(h, ',')) continue;
        if (h->shape.n < 2 || !npy_take(h, ')')) return npy_fail(h, "shape", "not a tuple of integers");
        return true;
    }
    return true;
}

/* One "name: value"; each of the three names once. */
static bool npy_read_field(npy_header *h) {
    static bool (*const read[])(npy_header *) = { npy_read_descr, npy_read_order, npy_read_shape };
    static const char *const names[] = { "descr", "fortran_order", "shape" };
    bool *seen[] = { &h->has_descr, &h->has_order, &h->has_shape };
    char name[32];
    if (!npy_take_text(h, name, sizeof name)) return npy_fail(h, "header", "a name in quotes is expected");
    if (!npy_take(h, ':')) return npy_fail(h, "header", "a colon is expected");
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, names[i])) continue;
        if (*seen[i]) return npy_fail(h, names[i], "it is there twice");
        *seen[i] = true;
        return read[i](h);
    }
    return npy_fail(h, "header", "a name that is none of descr, fortran_order, shape");
}

static bool npy_read_header(npy_header *h) {
    if (!npy_take(h, '{')) return npy_fail(h, "header", "no dictionary");
    while (!npy_take(h, '}')) {
        if (!npy_read_field(h)) return false;
        if (npy_take(h, ',')) continue;
        if (!npy_take(h, '}')) return npy_fail(h, "header", "a comma or } is expected");
        break;
    }
    npy_skip_blanks(h);
    if (h->at != h->end) return npy_fail(h, "header", "something follows the dictionary");
    return (h->has_descr && h->has_order && h->has_shape) ||
           npy_fail(h, "header", "descr, fortran_order or shape is missing");
}

/* Where the elements begin; 0 after an error. */
static size_t npy_open(npy_header *h, const uint8_t *data, size_t n) {
    if (n < 10 || memcmp(data, npy_magic, sizeof npy_magic))
        return npy_fail(h, "magic", n < 10 ? "truncated" : "it does not begin with \\x93NUMPY: no .npy file"), 0;
    int version = data[6];
    if (version < 1 || version > 3 || data[7])
        return gm_fail(GM_ERROR_UNSUPPORTED, "load_npy: %s: version %d.%d, 1.0 to 3.0 are read", h->file, version,
                       data[7]), 0;
    size_t begin = version == 1 ? 10 : 12, length = data[8] | (size_t)data[9] << 8;
    if (version > 1) length |= n < 12 ? 0 : (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (begin > n || length > n - begin) return npy_fail(h, "header", "truncated"), 0;
    h->at = (const char *)data + begin;
    h->end = h->at + length;
    return npy_read_header(h) ? begin + length : 0;
}

/* ---- elements ---- */

static void npy_swap(char *data, size_t bytes, size_t unit) {
    for (size_t i = 0; i < bytes; i += unit)
        for (size_t a = 0, b = unit - 1; a < b; a++, b--) {
            char c = data[i + a];
            data[i + a] = data[i + b];
            data[i + b] = c;
        }
}

/* The first dimension innermost: a row-major array of the sizes backwards, looked at from the other side. */
static gm_tensor *npy_turn(gm_tensor *back, const gm_shape *shape) {
    gm_tensor *view = back ? gm__tensor_over(back->storage, 0, shape, back->dtype) : NULL;
    gm_tensor *t = view ? gm_empty(*shape, back->dtype) : NULL;
    if (!t) return NULL;
    for (int i = 0; i < shape->n; i++) view->stride[i] = back->stride[shape->n - 1 - i];
    return gm_read(view, t->dtype, t->storage->data, t->storage->bytes) ? t : NULL;
}

static gm_tensor *npy_copy(const npy_header *h, const uint8_t *data) {
    gm_shape shape = h->shape;
    for (int i = 0; h->fortran && i < shape.n; i++) shape.d[i] = h->shape.d[shape.n - 1 - i];
    gm_tensor *t = gm_from_data(shape, h->dtype, data);
    if (!t) return NULL;
    uint8_t *bytes = t->storage->data;
    size_t unit = (size_t)gm__element_bytes(h->dtype) / (h->dtype == GM_C64 ? 2 : 1);
    if (h->swap) npy_swap(t->storage->data, t->storage->bytes, unit);
    if (h->dtype == GM_BOOL)
        for (size_t i = 0; i < t->storage->bytes; i++) bytes[i] = bytes[i] != 0;
    return h->fortran && shape.n > 1 ? npy_turn(t, &h->shape) : t;
}

/* The bytes that the shape asks for must be what is left of the file. */
static bool npy_check_size(const npy_header *h, size_t left) {
    int64_t needed = gm_dtype_bits(h->dtype), size; /* in bits, as tensors count */
    bool fits = true, empty = false;
    char text[400];
    for (int i = 0; i < h->shape.n && fits; i++) {
        size = h->shape.d[i];
        empty |= size == 0;
        fits = !__builtin_mul_overflow(needed, size ? size : 1, &needed) && needed <= INT64_MAX - 7;
    }
    needed = empty ? 0 : needed / 8;
    if (fits && (uint64_t)needed == left) return true;
    gm_shape_text(h->shape, text, sizeof text);
    if (!fits) return gm_fail(GM_ERROR_FORMAT, "load_npy: %s: shape: %s is too large", h->file, text);
    return gm_fail(GM_ERROR_FORMAT, "load_npy: %s: %s: %s of %s needs %" PRId64 " bytes, the file has %zu", h->file,
                   (uint64_t)needed > left ? "truncated" : "too long", text, gm_dtype_name(h->dtype), needed, left);
}

gm_tensor *gm__npy_decode(const char *name, const void *data, size_t n) {
    npy_header h = { .file = name };
    if (!gm_ok()) return NULL;
    size_t begin = npy_open(&h, data, n);
    if (!begin || !npy_check_size(&h, n - begin)) return NULL;
    GM_SCOPE(s);
    return gm_return(&s, npy_copy(&h, (const uint8_t *)data + begin));
}

gm_tensor *gm_load_npy(const char *path) {
    gm__file *f = gm__file_open("load_npy", path, true);
    gm_tensor *t = f ? gm__npy_decode(path, f->data, f->bytes) : NULL;
    gm__file_release(f);
    return t;
}

/* ---- writing ---- */

static const char *npy_descr(gm_dtype dtype) {
    switch (dtype) {
    case GM_F16: return "<f2";
    case GM_F32: return "<f4";
    case GM_F64: return "<f8";
    case GM_I8: return "|i1";
    case GM_I16: return "<i2";
    case GM_I32: return "<i4";
    case GM_I64: return "<i8";
    case GM_U8: return "|u1";
    case GM_U16: return "<u2";
    case GM_U32: return "<u4";
    case GM_U64: return "<u8";
    case GM_BOOL: return "|b1";
    case GM_C64: return "<c8";
    default: return NULL;
    }
}

/* NumPy leaves room for the first size to grow to 21 digits, then pads the whole to 64 bytes (by 64 where it fits). */
static void npy_write_header(gm__builder *b, const char *descr, const gm_shape *shape) {
    gm__builder_format(b, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    size_t first = b->n, digits = 0;
    for (int i = 0; i < shape->n; i++) {
        gm__builder_format(b, "%s%" PRId64, i ? ", " : "", shape->d[i]);
        if (!i) digits = b->n - first;
    }
    gm__builder_add(b, shape->n == 1 ? ",), }" : "), }");
    if (shape->n) gm__builder_fill(b, ' ', 21 - (int64_t)digits);
    gm__builder_fill(b, ' ', 64 - (int64_t)((10 + b->n + 1) % 64));
    gm__builder_add(b, "\n");
}

static bool npy_write(gm__save *s, const gm__builder *header, gm_dtype dtype, void *data, size_t bytes) {
    uint8_t front[10] = { 0, 0, 0, 0, 0, 0, 1, 0, (uint8_t)header->n, (uint8_t)(header->n >> 8) };
    memcpy(front, npy_magic, sizeof npy_magic);
    gm__nan_canonical(dtype, data, bytes);
    return gm__save_write(s, front, sizeof front) && gm__save_write(s, header->text, header->n) &&
           gm__save_write(s, data, bytes);
}

bool gm_save_npy(gm_tensor *t, const char *path) {
    if (!gm_ok() || !gm__check_tensor(t, "save_npy", 1)) return false;
    const char *descr = npy_descr(t->dtype);
    if (!descr)
        return gm_fail(GM_ERROR_DTYPE, "save_npy: NumPy has no %s; convert to another type first",
                       gm_dtype_name(t->dtype));
    size_t bytes = (size_t)gm__bytes_of(t->dtype, gm_shape_count(t->shape));
    gm__builder header = { 0 };
    npy_write_header(&header, descr, &t->shape);
    void *copy = header.failed ? NULL : gm_alloc(bytes);
    gm__save *s = copy && gm_read(t, t->dtype, copy, bytes) ? gm__save_open("save_npy", path) : NULL;
    bool ok = gm__save_close(s, s && npy_write(s, &header, t->dtype, copy, bytes));
    gm_free(copy);
    gm__builder_free(&header);
    return ok;
}
