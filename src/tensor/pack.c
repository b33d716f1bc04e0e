/* pack.c: ordered lists of named tensors and packs.
 *
 * Entries stay in the order in which they came; a name is there once. Small packs are searched from the front, larger
 * ones (state dicts of thousands of tensors) through an open-addressed table of positions, at most half full. A pack
 * holds one count of each of its entries. No pack contains itself, at any depth: flatten and release end. */
#include "../math/fp.h"
#include "../base/grow.h"
#include "tensor.h"

#include <stdio.h>
#include <string.h>

enum { PACK_SEARCHED = 8, PACK_LISTED_BYTES = 512, PACK_MAX_DEPTH = 200 };

typedef struct { char *name; uint32_t hash, length; gm_tensor *t; gm_pack *p; } pack_entry;

struct gm_pack {
    gm_object o;
    int64_t n, capacity;
    pack_entry *entries;
    int32_t *table;  /* positions + 1, 0 is free; NULL while the pack is searched from the front */
    uint32_t n_table; /* a power of two */
};

static void pack_destroy(void *object) {
    gm_pack *p = object;
    for (int64_t i = 0; i < p->n; i++) {
        gm_free(p->entries[i].name);
        gm_release(p->entries[i].t);
        gm_release(p->entries[i].p);
    }
    gm_free(p->entries);
    gm_free(p->table);
}

static const gm_type pack_type = { "pack", sizeof(gm_pack), pack_destroy };

static bool pack_check(const gm_pack *p, const char *op, int argument) {
    return gm_ok() && gm_check_object(p, &pack_type, op, argument);
}

/* ---- finding ---- */

static uint32_t pack_hash(const char *name, size_t n) { /* FNV-1a */
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)name[i]) * 16777619u;
    return h ^ h >> 15;
}

static bool pack_is_named(const pack_entry *e, const char *name, size_t n, uint32_t hash) {
    return e->hash == hash && e->length == n && !memcmp(e->name, name, n);
}

static int64_t pack_find(const gm_pack *p, const char *name, size_t n) {
    uint32_t hash = pack_hash(name, n), mask = p->n_table - 1;
    if (!p->table) {
        for (int64_t i = 0; i < p->n; i++)
            if (pack_is_named(&p->entries[i], name, n, hash)) return i;
        return -1;
    }
    for (uint32_t at = hash & mask; p->table[at]; at = (at + 1) & mask)
        if (pack_is_named(&p->entries[p->table[at] - 1], name, n, hash)) return p->table[at] - 1;
    return -1;
}

/* The entry at a path: the whole path as one name first, then each front part that is a child pack. */
static const pack_entry *pack_walk(const gm_pack *p, const char *path) {
    int64_t i = pack_find(p, path, strlen(path));
    if (i >= 0) return &p->entries[i];
    for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
        i = pack_find(p, path, (size_t)(dot - path));
        const pack_entry *e = i >= 0 && p->entries[i].p ? pack_walk(p->entries[i].p, dot + 1) : NULL;
        if (e) return e;
    }
    return NULL;
}

static void pack_list_names(const gm_pack *p, char *text, size_t bytes) {
    size_t at = 0;
    *text = 0;
    for (int64_t i = 0; i < p->n; i++) {
        const pack_entry *e = &p->entries[i];
        if (at + e->length + 32 > bytes) {
            snprintf(text + at, bytes - at, " and %lld more", (long long)(p->n - i));
            return;
        }
        at += (size_t)snprintf(text + at, bytes - at, "%s%s", i ? ", " : "", e->name);
    }
}

static void pack_not_found(const gm_pack *p, const char *op, const char *name) {
    char names[PACK_LISTED_BYTES];
    pack_list_names(p, names, sizeof names);
    gm_fail(GM_ERROR_INDEX, "%s: the pack has no \"%.200s\"; it has %s", op, name, p->n ? names : "no entries");
}

/* ---- changing ---- */

static void pack_table_put(gm_pack *p, int64_t i) {
    uint32_t mask = p->n_table - 1, at = p->entries[i].hash & mask;
    while (p->table[at]) at = (at + 1) & mask;
    p->table[at] = (int32_t)(i + 1);
}

static bool pack_table_grow(gm_pack *p) {
    uint32_t n = p->n_table ? 2 * p->n_table : 64;
    int32_t *table = gm_alloc(n * sizeof *table);
    if (!table) return false;
    gm_free(p->table);
    p->table = table;
    p->n_table = n;
    for (int64_t i = 0; i < p->n; i++) pack_table_put(p, i);
    return true;
}

static bool pack_reserve(gm_pack *p) {
    if (p->n >= PACK_SEARCHED && 2 * (p->n + 1) > p->n_table && !pack_table_grow(p)) return false;
    if (p->n < p->capacity) return true;
    if (p->n >= 1 << 29) return gm_fail(GM_ERROR_VALUE, "pack_set: %lld entries are too many", (long long)p->n);
    return gm__grow(&p->entries, p->n, &p->capacity, sizeof *p->entries);
}

static bool pack_append(gm_pack *p, const char *name, size_t n, gm_tensor *t, gm_pack *child) {
    if (!pack_reserve(p)) return false;
    char *copy = gm_alloc(n + 1);
    if (!copy) return false;
    memcpy(copy, name, n);
    p->entries[p->n] = (pack_entry){ copy, pack_hash(name, n), (uint32_t)n, gm_retain(t), gm_retain(child) };
    if (p->table) pack_table_put(p, p->n);
    p->n++;
    return true;
}

static void pack_replace(pack_entry *e, gm_tensor *t, gm_pack *child) {
    gm_tensor *old_t = e->t;
    gm_pack *old_p = e->p;
    e->t = gm_retain(t);
    e->p = gm_retain(child);
    gm_release(old_t);
    gm_release(old_p);
}

static bool pack_put(gm_pack *p, const char *op, const char *name, gm_tensor *t, gm_pack *child) {
    char position[24];
    bool unnamed = !name || !*name;
    if (unnamed) snprintf(position, sizeof position, "%lld", (long long)p->n), name = position;
    size_t n = strlen(name);
    if (n > 1 << 20) return gm_fail(GM_ERROR_VALUE, "%s: a name of %zu bytes is too long", op, n);
    int64_t i = pack_find(p, name, n);
    if (i < 0) return pack_append(p, name, n, t, child);
    if (unnamed) return gm_fail(GM_ERROR_VALUE, "%s: a nameless entry would be \"%s\", which is taken", op, name);
    pack_replace(&p->entries[i], t, child);
    return true;
}

/* True if `p` is `in` or lies inside it; also where `in` is nested too deeply to be walked. */
static bool pack_reaches(const gm_pack *in, const gm_pack *p, int depth) {
    if (in == p || depth > PACK_MAX_DEPTH) return true;
    for (int64_t i = 0; i < in->n; i++)
        if (in->entries[i].p && pack_reaches(in->entries[i].p, p, depth + 1)) return true;
    return false;
}

gm_pack *gm_pack_new(void) { return gm_object_new(&pack_type); }

bool gm_pack_set(gm_pack *p, const char *name, gm_tensor *t) {
    return pack_check(p, "pack_set", 1) && gm__check_tensor(t, "pack_set", 3) && pack_put(p, "pack_set", name, t, NULL);
}

bool gm_pack_set_pack(gm_pack *p, const char *name, gm_pack *child) {
    if (!pack_check(p, "pack_set_pack", 1) || !pack_check(child, "pack_set_pack", 3)) return false;
    if (pack_reaches(child, p, 0))
        return gm_fail(GM_ERROR_VALUE, "pack_set_pack: \"%s\" would put the pack into itself, or is over %d deep",
                       name ? name : "", PACK_MAX_DEPTH);
    return pack_put(p, "pack_set_pack", name, NULL, child);
}

static bool pack_add_entry(gm_pack *p, const gm_entry *e, size_t i) {
    if (e->t && e->p) return gm_fail(GM_ERROR_VALUE, "pack_of: entry %zu is both a tensor and a pack", i);
    if (e->p) return gm_pack_set_pack(p, e->name, e->p);
    if (e->t) return gm_pack_set(p, e->name, e->t);
    return gm_fail(GM_ERROR_HANDLE, "pack_of: entry %zu (\"%s\") is NULL", i, e->name ? e->name : "");
}

gm_pack *gm_pack_of(const gm_entry *entries, size_t n) {
    gm_pack *p = gm_pack_new();
    for (size_t i = 0; p && i < n; i++)
        if (!pack_add_entry(p, &entries[i], i)) return NULL; /* the scope takes what was made */
    return p;
}

/* ---- looking ---- */

int64_t gm_pack_count(const gm_pack *p) { return pack_check(p, "pack_count", 1) ? p->n : -1; }

static const pack_entry *pack_entry_at(const gm_pack *p, int64_t index, const char *op) {
    if (!pack_check(p, op, 1)) return NULL;
    if (index >= 0 && index < p->n) return &p->entries[index];
    gm_fail(GM_ERROR_INDEX, "%s: entry %lld of a pack of %lld", op, (long long)index, (long long)p->n);
    return NULL;
}

const char *gm_pack_name(const gm_pack *p, int64_t index) {
    const pack_entry *e = pack_entry_at(p, index, "pack_name");
    return e ? e->name : NULL;
}

gm_tensor *gm_pack_at(const gm_pack *p, int64_t index) {
    const pack_entry *e = pack_entry_at(p, index, "pack_at");
    return e ? e->t : NULL;
}

gm_pack *gm_pack_child(const gm_pack *p, int64_t index) {
    const pack_entry *e = pack_entry_at(p, index, "pack_child");
    return e ? e->p : NULL;
}

static const pack_entry *pack_get(const gm_pack *p, const char *op, const char *name) {
    if (!pack_check(p, op, 1)) return NULL;
    if (!name) return gm_fail(GM_ERROR_VALUE, "%s: the name is NULL", op), NULL;
    const pack_entry *e = pack_walk(p, name);
    if (!e) pack_not_found(p, op, name);
    return e;
}

gm_tensor *gm_get(const gm_pack *p, const char *name) {
    const pack_entry *e = pack_get(p, "get", name);
    if (e && !e->t) gm_fail(GM_ERROR_INDEX, "get: \"%.200s\" is a pack, not a tensor", name);
    return e ? e->t : NULL;
}

gm_pack *gm_get_pack(const gm_pack *p, const char *name) {
    const pack_entry *e = pack_get(p, "get_pack", name);
    if (e && !e->p) gm_fail(GM_ERROR_INDEX, "get_pack: \"%.200s\" is a tensor, not a pack", name);
    return e ? e->p : NULL;
}

bool gm_pack_has(const gm_pack *p, const char *name) {
    return pack_check(p, "pack_has", 1) && name && pack_walk(p, name);
}

/* ---- texts ---- */

bool gm_pack_set_text(gm_pack *p, const char *name, const char *text) {
    if (!pack_check(p, "pack_set_text", 1)) return false;
    if (!text) return gm_fail(GM_ERROR_VALUE, "pack_set_text: the text of \"%.200s\" is NULL", name ? name : "");
    GM_SCOPE(s);
    return gm_pack_set(p, name, gm_strings(&text, 1));
}

const char *gm_get_text(const gm_pack *p, const char *name) {
    gm_tensor *t = gm_get(p, name);
    if (t && (t->dtype != GM_STRING || gm_shape_count(t->shape) != 1))
        return gm_fail(GM_ERROR_DTYPE, "get_text: \"%.200s\" is %s %s, one string is needed", name,
                       gm_dtype_name(t->dtype), gm__tensor_shape_str(t)), NULL;
    return t ? gm_string_at(t, 0) : NULL;
}

/* ---- flattening ---- */

static bool pack_flatten_into(gm_pack *flat, const gm_pack *p, const char *prefix, int depth);

static bool pack_flatten_entry(gm_pack *flat, const pack_entry *e, const char *prefix, int depth) {
    size_t n = strlen(prefix), total = n + e->length + 2;
    char *path = gm_alloc(total);
    if (!path) return false;
    snprintf(path, total, "%s%s%s", prefix, n ? "." : "", e->name);
    bool ok;
    if (e->p) ok = pack_flatten_into(flat, e->p, path, depth + 1);
    else if (pack_find(flat, path, strlen(path)) >= 0)
        ok = gm_fail(GM_ERROR_VALUE, "pack_flatten: two tensors have the path \"%.200s\"", path);
    else ok = pack_append(flat, path, strlen(path), e->t, NULL);
    gm_free(path);
    return ok;
}

static bool pack_flatten_into(gm_pack *flat, const gm_pack *p, const char *prefix, int depth) {
    if (depth > PACK_MAX_DEPTH) return gm_fail(GM_ERROR_VALUE, "pack_flatten: over %d packs deep", PACK_MAX_DEPTH);
    for (int64_t i = 0; i < p->n; i++)
        if (!pack_flatten_entry(flat, &p->entries[i], prefix, depth)) return false;
    return true;
}

gm_pack *gm_pack_flatten(const gm_pack *p) {
    gm_pack *flat = pack_check(p, "pack_flatten", 1) ? gm_pack_new() : NULL;
    return flat && pack_flatten_into(flat, p, "", 0) ? flat : NULL;
}
