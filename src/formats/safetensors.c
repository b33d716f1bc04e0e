/* safetensors.c: model files: github.com/huggingface/safetensors.
 *
 *   u64, little-endian: bytes of the header
 *   header: a JSON object, name -> { "dtype", "shape", "data_offsets": [begin, end) }, "__metadata__" -> { text: text }
 *   the elements, row-major, little-endian, without gaps or overlaps
 *
 * Reading maps the file and lays tensors over it; one that is not aligned to its element size is copied. A header is
 * believed in nothing: sizes are compared with shapes, and the ranges, sorted, must tile the data exactly.
 *
 * Writing orders tensors as the reference does, by data type (widest first) and then name, so that the bytes depend on
 * the content only and everything is aligned. Gemel's 4-bit integers, which the format does not have, are written as
 * U8; what they are stands in the metadata as "gemel.dtype.NAME" = "i4:3,5". */
#include "../math/fp.h"
#include "safetensors.h"
#include "../base/args.h"
#include "../base/builder.h"
#include "../base/json.h"
#include "../base/nan.h"
#include "../base/save.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAFETENSORS_MAX_HEADER = 100000000, SAFETENSORS_BLOCK = 64 * 1024 };
static const char safetensors_mark[] = "gemel.dtype.";

/* In the reference's order, in which files are sorted; GM_NO_DTYPE: known to the format, not to Gemel. */
static const struct { const char *name; gm_dtype dtype; } safetensors_dtypes[] = {
    { "BOOL", GM_BOOL },       { "F4", GM_NO_DTYPE },      { "F6_E2M3", GM_NO_DTYPE }, { "F6_E3M2", GM_NO_DTYPE },
    { "U8", GM_U8 },           { "I8", GM_I8 },            { "F8_E5M2", GM_F8E5M2 },   { "F8_E4M3", GM_F8E4M3 },
    { "F8_E8M0", GM_NO_DTYPE }, { "I16", GM_I16 },         { "U16", GM_U16 },          { "F16", GM_F16 },
    { "BF16", GM_BF16 },       { "I32", GM_I32 },          { "U32", GM_U32 },          { "F32", GM_F32 },
    { "C64", GM_C64 },         { "F64", GM_F64 },          { "I64", GM_I64 },          { "U64", GM_U64 },
};
enum { SAFETENSORS_N_DTYPES = sizeof safetensors_dtypes / sizeof *safetensors_dtypes };

/* ---- reading the header ---- */

typedef struct { const char *name; gm_dtype dtype; gm_shape shape; uint64_t begin, end; } safetensors_entry;

typedef struct {
    const char *op, *file;
    const uint8_t *data; /* behind the header */
    uint64_t n_data;
    gm__json_document *json;
    const gm__json *metadata; /* NULL if there is none */
    safetensors_entry *entries; /* in the header's order */
    uint32_t n;
} safetensors_reader;

static bool safetensors_fail(const safetensors_reader *r, const char *tensor, const char *what) {
    return gm_fail(GM_ERROR_FORMAT, "%s: %s: tensor \"%.200s\": %s", r->op, r->file, tensor, what);
}

static bool safetensors_open_header(safetensors_reader *r, const uint8_t *bytes, size_t n) {
    uint64_t length = 0;
    if (n < 8)
        return gm_fail(GM_ERROR_FORMAT, "%s: %s: %zu bytes, a safetensors file has at least 8", r->op, r->file, n);
    for (int i = 7; i >= 0; i--) length = length << 8 | bytes[i];
    if (length > SAFETENSORS_MAX_HEADER)
        return gm_fail(GM_ERROR_FORMAT, "%s: %s: a header of %" PRIu64 " bytes, at most %d: not a safetensors file",
                       r->op, r->file, length, SAFETENSORS_MAX_HEADER);
    if (length > n - 8)
        return gm_fail(GM_ERROR_FORMAT, "%s: %s: truncated: the header has %" PRIu64 " bytes, the file %zu behind it",
                       r->op, r->file, length, n - 8);
    if (!length || bytes[8] != '{')
        return gm_fail(GM_ERROR_FORMAT, "%s: %s: the header does not begin with {", r->op, r->file);
    r->data = bytes + 8 + length;
    r->n_data = n - 8 - length;
    r->json = gm__json_open(r->op, r->file, (const char *)bytes + 8, (size_t)length);
    return r->json != NULL;
}

static bool safetensors_read_metadata(safetensors_reader *r) {
    const gm__json *m = gm__json_get(gm__json_root(r->json), "__metadata__");
    if (!m) return true;
    if (m->kind != GM__JSON_OBJECT)
        return gm_fail(GM_ERROR_FORMAT, "%s: %s: __metadata__ is %s, an object is needed", r->op, r->file,
                       gm__json_kind_name(m));
    for (uint32_t i = 0; i < m->n; i++)
        if (m->items[i].kind != GM__JSON_STRING)
            return gm_fail(GM_ERROR_FORMAT, "%s: %s: __metadata__ \"%.100s\" is %s, a string is needed", r->op, r->file,
                           m->items[i].key, gm__json_kind_name(&m->items[i]));
    r->metadata = m;
    return true;
}

static bool safetensors_read_dtype(const safetensors_reader *r, const gm__json *info, safetensors_entry *e) {
    const gm__json *dtype = gm__json_get(info, "dtype");
    const char *name = gm__json_text(dtype);
    if (!name) return safetensors_fail(r, e->name, "dtype is missing or no string");
    for (int i = 0; i < SAFETENSORS_N_DTYPES; i++) {
        if (strcmp(name, safetensors_dtypes[i].name)) continue;
        e->dtype = safetensors_dtypes[i].dtype;
        return e->dtype || gm_fail(GM_ERROR_UNSUPPORTED, "%s: %s: tensor \"%.200s\": dtype %s is not supported", r->op,
                                   r->file, e->name, name);
    }
    return gm_fail(GM_ERROR_FORMAT, "%s: %s: tensor \"%.200s\": unknown dtype \"%.40s\"", r->op, r->file, e->name,
                   name);
}

static bool safetensors_read_shape(const safetensors_reader *r, const gm__json *info, safetensors_entry *e) {
    const gm__json *shape = gm__json_get(info, "shape");
    if (!shape || shape->kind != GM__JSON_ARRAY) return safetensors_fail(r, e->name, "shape is missing or no array");
    if (shape->n > GM_MAX_DIMS)
        return gm_fail(GM_ERROR_FORMAT, "%s: %s: tensor \"%.200s\": %u dimensions, at most %d are possible", r->op,
                       r->file, e->name, shape->n, GM_MAX_DIMS);
    e->shape.n = (int32_t)shape->n;
    for (uint32_t i = 0; i < shape->n; i++) {
        const gm__json *d = &shape->items[i];
        if (d->kind != GM__JSON_NUMBER || !d->is_integer || d->integer < 0)
            return safetensors_fail(r, e->name, "a size in shape is not a non-negative integer");
        e->shape.d[i] = d->integer;
    }
    return true;
}

/* Bytes of the elements; false if the product of the sizes (zeros aside) overflows. */
static bool safetensors_bytes(const gm_shape *shape, gm_dtype dtype, uint64_t *bytes) {
    int64_t bits = gm_dtype_bits(dtype);
    bool empty = false;
    for (int i = 0; i < shape->n; i++) {
        empty |= shape->d[i] == 0;
        if (__builtin_mul_overflow(bits, shape->d[i] ? shape->d[i] : 1, &bits) || bits > INT64_MAX - 7) return false;
    }
    *bytes = empty ? 0 : (uint64_t)(bits + 7) / 8;
    return true;
}

static bool safetensors_read_offsets(const safetensors_reader *r, const gm__json *info, safetensors_entry *e) {
    const gm__json *o = gm__json_get(info, "data_offsets");
    if (!o || o->kind != GM__JSON_ARRAY || o->n != 2 || !o->items[0].is_integer || !o->items[1].is_integer ||
        o->items[0].integer < 0 || o->items[1].integer < o->items[0].integer)
        return safetensors_fail(r, e->name, "data_offsets is not [begin, end] with 0 <= begin <= end");
    e->begin = (uint64_t)o->items[0].integer;
    e->end = (uint64_t)o->items[1].integer;
    uint64_t needed;
    if (!safetensors_bytes(&e->shape, e->dtype, &needed)) return safetensors_fail(r, e->name, "the shape is too large");
    char text[400];
    if (e->end - e->begin != needed)
        return gm_fail(GM_ERROR_FORMAT,
                       "%s: %s: tensor \"%.200s\": data_offsets [%" PRIu64 ", %" PRIu64
                       "] hold %" PRIu64 " bytes, %s of %s needs %" PRIu64, r->op, r->file, e->name, e->begin, e->end,
                       e->end - e->begin, gm_shape_text(e->shape, text, sizeof text), gm_dtype_name(e->dtype), needed);
    return e->end <= r->n_data ||
           gm_fail(GM_ERROR_FORMAT,
                   "%s: %s: truncated: tensor \"%.200s\" ends at %" PRIu64 ", the file has %" PRIu64 " bytes of data",
                   r->op, r->file, e->name, e->end, r->n_data);
}

static bool safetensors_read_entries(safetensors_reader *r) {
    const gm__json *root = gm__json_root(r->json);
    r->entries = gm_alloc((root->n + 1) * sizeof *r->entries);
    if (!r->entries) return false;
    for (uint32_t i = 0; i < root->n; i++) {
        const gm__json *info = &root->items[i];
        safetensors_entry *e = &r->entries[r->n];
        if (!strcmp(info->key, "__metadata__")) continue;
        e->name = info->key;
        if (info->kind != GM__JSON_OBJECT) return safetensors_fail(r, e->name, "its description is no object");
        if (!safetensors_read_dtype(r, info, e) || !safetensors_read_shape(r, info, e) ||
            !safetensors_read_offsets(r, info, e))
            return false;
        r->n++;
    }
    return true;
}

static int safetensors_by_begin(const void *a, const void *b) {
    const safetensors_entry *x = *(safetensors_entry *const *)a, *y = *(safetensors_entry *const *)b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static bool safetensors_check_tiling(const safetensors_reader *r, safetensors_entry **sorted) {
    uint64_t at = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        const safetensors_entry *e = sorted[i];
        if (e->begin != at)
            return gm_fail(GM_ERROR_FORMAT,
                           "%s: %s: tensor \"%.200s\" begins at %" PRIu64 ", the one before it ends at %" PRIu64 ": %s",
                           r->op, r->file, e->name, e->begin, at, e->begin < at ? "they overlap" : "a gap");
        at = e->end;
    }
    return at == r->n_data ||
           gm_fail(GM_ERROR_FORMAT, "%s: %s: %" PRIu64 " bytes of data, the tensors take %" PRIu64, r->op, r->file,
                   r->n_data, at);
}

static bool safetensors_check_ranges(const safetensors_reader *r) {
    safetensors_entry **sorted = gm_alloc((r->n + 1) * sizeof *sorted);
    if (!sorted) return false;
    for (uint32_t i = 0; i < r->n; i++) sorted[i] = &r->entries[i];
    qsort(sorted, r->n, sizeof *sorted, safetensors_by_begin);
    bool ok = safetensors_check_tiling(r, sorted);
    gm_free(sorted);
    return ok;
}

static bool safetensors_open(safetensors_reader *r, const uint8_t *bytes, size_t n) {
    return safetensors_open_header(r, bytes, n) && safetensors_read_metadata(r) && safetensors_read_entries(r) &&
           safetensors_check_ranges(r);
}

static void safetensors_close(safetensors_reader *r) {
    gm_free(r->entries);
    gm__json_close(r->json);
}

/* ---- 4-bit integers: U8 in the file, named in the metadata ---- */

/* The next number of "3,5" at *text, moving on; false at anything else. */
static bool safetensors_next_size(const char **text, int64_t *size) {
    int64_t v = 0;
    const char *at = *text;
    for (; *at >= '0' && *at <= '9' && v < INT64_MAX / 16; at++) v = v * 10 + (*at - '0');
    bool ok = at > *text && ((*at == ',' && at[1]) || !*at);
    *text = *at ? at + 1 : at;
    *size = v;
    return ok;
}

/* "i4:3,5" into the dtype and shape. */
static bool safetensors_parse_packed(const char *text, gm_dtype *dtype, gm_shape *shape) {
    *dtype = !strncmp(text, "i4:", 3) ? GM_I4 : !strncmp(text, "u4:", 3) ? GM_U4 : GM_NO_DTYPE;
    if (!*dtype) return false;
    *shape = (gm_shape){ 0 };
    for (text += 3; *text;)
        if (shape->n == GM_MAX_DIMS || !safetensors_next_size(&text, &shape->d[shape->n++])) return false;
    return true;
}

static bool safetensors_unpack(const safetensors_reader *r, safetensors_entry *e) {
    char key[300];
    if (!r->metadata || e->dtype != GM_U8 || strlen(e->name) > 256) return true;
    snprintf(key, sizeof key, "%s%s", safetensors_mark, e->name);
    const char *text = gm__json_text(gm__json_get(r->metadata, key));
    if (!text) return true;
    uint64_t bytes;
    if (!safetensors_parse_packed(text, &e->dtype, &e->shape) || !safetensors_bytes(&e->shape, e->dtype, &bytes) ||
        bytes != e->end - e->begin)
        return gm_fail(GM_ERROR_FORMAT, "%s: %s: tensor \"%.200s\": __metadata__ calls it \"%.60s\", it has %" PRIu64
                       " bytes", r->op, r->file, e->name, text, e->end - e->begin);
    return true;
}

/* ---- making tensors ---- */

/* Bytes other than 0 and 1 are true, and are made 1. */
static gm_tensor *safetensors_bools(const gm_shape *shape, const uint8_t *data) {
    gm_tensor *t = gm_from_data(*shape, GM_BOOL, data);
    uint8_t *bytes = t ? gm_mutable_data(t) : NULL;
    for (int64_t i = 0, n = bytes ? gm_count(t) : 0; i < n; i++) bytes[i] = bytes[i] != 0;
    return t;
}

static gm_tensor *safetensors_tensor(const safetensors_reader *r, const safetensors_entry *e, gm__file *over) {
    const uint8_t *data = r->data + e->begin;
    size_t unit = (size_t)(gm_dtype_bits(e->dtype) + 7) / 8;
    if (e->dtype == GM_BOOL) return safetensors_bools(&e->shape, data);
    if (e->dtype == GM_C64) unit = 4;
    if (!over || e->begin == e->end || (uintptr_t)data % unit) return gm_from_data(e->shape, e->dtype, data);
    gm_tensor *t = gm_from_memory(e->shape, e->dtype, (void *)data, gm__file_release, over);
    if (t) gm__file_retain(over);
    return t;
}

/* `over`: the file to lay tensors over, NULL to copy. */
static bool safetensors_fill(const safetensors_reader *r, gm_pack *pack, gm__file *over) {
    for (uint32_t i = 0; i < r->n; i++) {
        GM_SCOPE(s);
        safetensors_entry e = r->entries[i];
        if (!*e.name) return safetensors_fail(r, "", "it has no name");
        if (!safetensors_unpack(r, &e) || !gm_pack_set(pack, e.name, safetensors_tensor(r, &e, over))) return false;
    }
    return true;
}

static gm_pack *safetensors_decode(const char *name, const uint8_t *data, size_t n, gm__file *over) {
    safetensors_reader r = { .op = "load_safetensors", .file = name };
    gm_pack *pack = gm_pack_new();
    bool ok = pack && safetensors_open(&r, data, n) && safetensors_fill(&r, pack, over);
    safetensors_close(&r);
    return ok ? pack : NULL;
}

gm_pack *gm__safetensors_decode(const char *name, const void *data, size_t n) {
    return safetensors_decode(name, data, n, NULL);
}

gm_pack *gm_load_safetensors_with(const char *path, const gm_load_safetensors_args *args) {
    gm_load_safetensors_args a;
    if (!gm_ok() || !gm__args_take("load_safetensors", &a, sizeof a, args)) return NULL;
    gm__file *f = gm__file_open("load_safetensors", path, true);
    gm_pack *pack = f ? safetensors_decode(path, f->data, f->bytes, a.copy ? NULL : f) : NULL;
    gm__file_release(f);
    return pack;
}

static bool safetensors_fill_metadata(const safetensors_reader *r, gm_pack *pack) {
    for (uint32_t i = 0; r->metadata && i < r->metadata->n; i++) {
        const gm__json *m = &r->metadata->items[i];
        if (!strncmp(m->key, safetensors_mark, sizeof safetensors_mark - 1)) continue;
        if (!gm_pack_set_text(pack, m->key, m->text)) return false;
    }
    return true;
}

gm_pack *gm_safetensors_metadata(const char *path) {
    gm__file *f = gm__file_open("safetensors_metadata", path, true);
    if (!f) return NULL;
    safetensors_reader r = { .op = "safetensors_metadata", .file = path };
    gm_pack *pack = gm_pack_new();
    bool ok = pack && safetensors_open(&r, f->data, f->bytes) && safetensors_fill_metadata(&r, pack);
    safetensors_close(&r);
    gm__file_release(f);
    return ok ? pack : NULL;
}

/* ---- writing ---- */

typedef struct { const char *name; gm_tensor *t; int rank; uint64_t bytes; } safetensors_item;

static int safetensors_by_rank(const void *a, const void *b) {
    const safetensors_item *x = a, *y = b;
    return x->rank != y->rank ? (x->rank > y->rank ? -1 : 1) : strcmp(x->name, y->name);
}

static bool safetensors_is_packed(gm_dtype dtype) { return dtype == GM_I4 || dtype == GM_U4; }

/* The place of a dtype in the table; -1 if the format has no such elements. */
static int safetensors_rank(gm_dtype dtype) {
    if (safetensors_is_packed(dtype)) dtype = GM_U8;
    for (int i = 0; i < SAFETENSORS_N_DTYPES; i++)
        if (safetensors_dtypes[i].dtype == dtype) return i;
    return -1;
}

static bool safetensors_check_item(const char *path, safetensors_item *item) {
    gm_shape shape = gm_shape_of(item->t);
    gm_dtype dtype = gm_dtype_of(item->t);
    item->rank = safetensors_rank(dtype);
    if (item->rank < 0)
        return gm_fail(GM_ERROR_DTYPE, "save_safetensors: %s: tensor \"%.200s\" is %s, which the format does not have",
                       path, item->name, gm_dtype_name(dtype));
    if (!strcmp(item->name, "__metadata__") || !gm__utf8_valid(item->name, strlen(item->name)))
        return gm_fail(GM_ERROR_VALUE, "save_safetensors: %s: a tensor cannot be called \"%.200s\"", path, item->name);
    if (safetensors_is_packed(dtype) && strlen(item->name) > 256)
        return gm_fail(GM_ERROR_VALUE, "save_safetensors: %s: the name \"%.100s...\" is over 256 bytes", path,
                       item->name);
    return safetensors_bytes(&shape, dtype, &item->bytes);
}

static safetensors_item *safetensors_collect(const char *path, const gm_pack *flat, int64_t n) {
    safetensors_item *items = gm_alloc((size_t)(n + 1) * sizeof *items);
    for (int64_t i = 0; items && i < n; i++) {
        items[i] = (safetensors_item){ gm_pack_name(flat, i), gm_pack_at(flat, i), 0, 0 };
        if (safetensors_check_item(path, &items[i])) continue;
        gm_free(items);
        return NULL;
    }
    if (items) qsort(items, (size_t)n, sizeof *items, safetensors_by_rank);
    return items;
}

/* ---- writing: metadata, sorted by key ---- */

typedef struct { char *key, *text; } safetensors_note; /* owned */
typedef struct { safetensors_note *notes; int64_t n; } safetensors_notes;

static int safetensors_by_key(const void *a, const void *b) {
    return strcmp(((const safetensors_note *)a)->key, ((const safetensors_note *)b)->key);
}

static bool safetensors_add_note(safetensors_notes *a, const char *before, const char *key, const char *text) {
    size_t bytes = strlen(before) + strlen(key) + 1;
    safetensors_note *note = &a->notes[a->n++];
    note->key = gm_alloc(bytes);
    note->text = note->key ? gm_strdup(text) : NULL;
    if (!note->text) return false;
    snprintf(note->key, bytes, "%s%s", before, key);
    return true;
}

static bool safetensors_note_text(safetensors_notes *a, const char *path, const char *key, const char *text) {
    if (!text) return false;
    if (!gm__utf8_valid(key, strlen(key)) || !gm__utf8_valid(text, strlen(text)))
        return gm_fail(GM_ERROR_VALUE, "save_safetensors: %s: metadata \"%.100s\" is not UTF-8", path, key);
    if (!strncmp(key, safetensors_mark, sizeof safetensors_mark - 1))
        return gm_fail(GM_ERROR_VALUE, "save_safetensors: %s: metadata \"%.100s\": names that begin with %s are taken",
                       path, key, safetensors_mark);
    return safetensors_add_note(a, "", key, text);
}

static bool safetensors_note_packed(safetensors_notes *a, const safetensors_item *item) {
    gm__builder b = { 0 };
    gm_shape shape = gm_shape_of(item->t);
    gm__builder_format(&b, "%s:", gm_dtype_name(gm_dtype_of(item->t)));
    for (int i = 0; i < shape.n; i++) gm__builder_format(&b, "%s%" PRId64, i ? "," : "", shape.d[i]);
    bool ok = !b.failed && safetensors_add_note(a, safetensors_mark, item->name, b.text);
    gm__builder_free(&b);
    return ok;
}

static bool safetensors_fill_notes(safetensors_notes *a, const char *path, gm_pack *metadata,
                                   const safetensors_item *items, int64_t n) {
    int64_t n_metadata = metadata ? gm_pack_count(metadata) : 0;
    a->notes = gm_ok() ? gm_alloc((size_t)(n_metadata + n + 1) * sizeof *a->notes) : NULL;
    if (!a->notes) return false;
    for (int64_t i = 0; i < n_metadata; i++) {
        const char *key = gm_pack_name(metadata, i);
        if (!safetensors_note_text(a, path, key, gm_get_text(metadata, key))) return false;
    }
    for (int64_t i = 0; i < n; i++)
        if (safetensors_is_packed(gm_dtype_of(items[i].t)) && !safetensors_note_packed(a, &items[i])) return false;
    qsort(a->notes, (size_t)a->n, sizeof *a->notes, safetensors_by_key);
    return true;
}

static void safetensors_free_notes(safetensors_notes *a) {
    for (int64_t i = 0; i < a->n; i++) {
        gm_free(a->notes[i].key);
        gm_free(a->notes[i].text);
    }
    gm_free(a->notes);
}

/* ---- writing: the file ---- */

static void safetensors_header_notes(gm__builder *b, const safetensors_notes *a) {
    if (!a->n) return;
    gm__builder_add(b, "\"__metadata__\":{");
    for (int64_t i = 0; i < a->n; i++) {
        if (i) gm__builder_add(b, ",");
        gm__builder_json(b, a->notes[i].key);
        gm__builder_add(b, ":");
        gm__builder_json(b, a->notes[i].text);
    }
    gm__builder_add(b, "}");
}

static void safetensors_header_item(gm__builder *b, const safetensors_item *item, uint64_t begin) {
    gm_shape shape = gm_shape_of(item->t);
    if (safetensors_is_packed(gm_dtype_of(item->t))) shape = (gm_shape){ 1, { 0 }, { (int64_t)item->bytes } };
    gm__builder_json(b, item->name);
    gm__builder_format(b, ":{\"dtype\":\"%s\",\"shape\":[", safetensors_dtypes[item->rank].name);
    for (int i = 0; i < shape.n; i++) gm__builder_format(b, "%s%" PRId64, i ? "," : "", shape.d[i]);
    gm__builder_format(b, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, begin + item->bytes);
}

/* Padded with blanks to a multiple of 8 bytes, so that the data behind it is aligned. */
static void safetensors_header(gm__builder *b, const safetensors_notes *notes, const safetensors_item *items,
                               int64_t n) {
    uint64_t at = 0;
    gm__builder_add(b, "{");
    safetensors_header_notes(b, notes);
    for (int64_t i = 0; i < n; i++) {
        if (i || notes->n) gm__builder_add(b, ",");
        safetensors_header_item(b, &items[i], at);
        at += items[i].bytes;
    }
    gm__builder_add(b, "}");
    gm__builder_fill(b, ' ', -(int64_t)b->n & 7);
}

static bool safetensors_put(gm__save *s, gm_dtype dtype, const uint8_t *data, uint64_t n, uint8_t *block) {
    for (uint64_t at = 0; at < n; at += SAFETENSORS_BLOCK) {
        size_t part = n - at < SAFETENSORS_BLOCK ? (size_t)(n - at) : SAFETENSORS_BLOCK;
        memcpy(block, data + at, part);
        gm__nan_canonical(dtype, block, part);
        if (!gm__save_write(s, block, part)) return false;
    }
    return true;
}

static bool safetensors_put_item(gm__save *s, const safetensors_item *item, uint8_t *block) {
    gm_dtype dtype = gm_dtype_of(item->t);
    if (gm_is_contiguous(item->t) || safetensors_is_packed(dtype)) {
        const void *data = gm_data(item->t);
        return data ? safetensors_put(s, dtype, data, item->bytes, block) : gm_ok();
    }
    void *copy = gm_alloc(item->bytes);
    bool ok = copy && gm_read(item->t, dtype, copy, item->bytes) && safetensors_put(s, dtype, copy, item->bytes, block);
    gm_free(copy);
    return ok;
}

static bool safetensors_put_all(gm__save *s, const gm__builder *header, const safetensors_item *items, int64_t n) {
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)((uint64_t)header->n >> (8 * i));
    uint8_t *block = gm_alloc(SAFETENSORS_BLOCK);
    bool ok = block && gm__save_write(s, length, sizeof length) && gm__save_write(s, header->text, header->n);
    for (int64_t i = 0; ok && i < n; i++) ok = safetensors_put_item(s, &items[i], block);
    gm_free(block);
    return ok;
}

static bool safetensors_save(const char *path, const gm__builder *header, const safetensors_item *items, int64_t n) {
    if (header->failed) return false;
    if (header->n > SAFETENSORS_MAX_HEADER)
        return gm_fail(GM_ERROR_VALUE, "save_safetensors: %s: a header of %zu bytes, at most %d", path, header->n,
                       SAFETENSORS_MAX_HEADER);
    gm__save *s = gm__save_open("save_safetensors", path);
    return gm__save_close(s, s && safetensors_put_all(s, header, items, n));
}

bool gm_save_safetensors(gm_pack *tensors, gm_pack *metadata, const char *path) {
    GM_SCOPE(scope);
    const char *shown = path ? path : "NULL";
    gm_pack *flat = gm_pack_flatten(tensors);
    int64_t n = flat ? gm_pack_count(flat) : 0;
    safetensors_item *items = flat ? safetensors_collect(shown, flat, n) : NULL;
    safetensors_notes notes = { 0 };
    gm__builder header = { 0 };
    bool ok = items && safetensors_fill_notes(&notes, shown, metadata, items, n);
    if (ok) safetensors_header(&header, &notes, items, n);
    ok = ok && safetensors_save(path, &header, items, n);
    gm__builder_free(&header);
    safetensors_free_notes(&notes);
    gm_free(items);
    return ok;
}
