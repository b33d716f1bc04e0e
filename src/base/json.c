/* json.c: a recursive-descent reader.
 *
 * The items of the arrays and objects that are still open wait on one stack; when one closes, its items are copied into
 * the arena side by side. Objects of more than a few members get an index sorted by key: it finds repeated names and
 * answers look-ups, and no choice of names makes it slow. */
#include "../math/fp.h"
#include "json.h"
#include "decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSON_DEPTH = 128, JSON_CHUNK = 64 * 1024, JSON_SEARCHED = 8 };

typedef struct json_chunk { struct json_chunk *next; size_t used, bytes; } json_chunk;

struct gm__json_document { gm__json root; json_chunk *chunks; };

typedef struct {
    const char *op, *file, *text;
    size_t at, n;
    int depth;
    gm__json_document *document;
    gm__json *stack;
    size_t n_stack, capacity;
} json_reader;

static bool json_value(json_reader *r, gm__json *v);

/* ---- memory and errors ---- */

static void *json_take(gm__json_document *d, size_t bytes) {
    bytes = (bytes + 7) & ~(size_t)7;
    json_chunk *c = d->chunks;
    if (!c || c->bytes - c->used < bytes) {
        size_t room = bytes > JSON_CHUNK / 4 ? bytes : JSON_CHUNK;
        json_chunk *fresh = gm_alloc(sizeof *fresh + room);
        if (!fresh) return NULL;
        fresh->bytes = room;
        /* A chunk for one large piece goes behind the current one, which still has room. */
        if (c && room == bytes) fresh->next = c->next, c->next = fresh;
        else fresh->next = c, d->chunks = fresh;
        c = fresh;
    }
    void *piece = (char *)(c + 1) + c->used;
    c->used += bytes;
    return piece;
}

static bool json_fail(const json_reader *r, size_t at, const char *what) {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        column = r->text[i] == '\n' ? 1 : column + 1;
        line += r->text[i] == '\n';
    }
    return gm_fail(GM_ERROR_FORMAT, "%s: %s: JSON, line %zu, column %zu: %s", r->op, r->file, line, column, what);
}

static bool json_push(json_reader *r, const gm__json *v) {
    if (r->n_stack == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 64;
        gm__json *stack = gm_realloc(r->stack, capacity * sizeof *stack);
        if (!stack) return false;
        r->stack = stack;
        r->capacity = capacity;
    }
    r->stack[r->n_stack++] = *v;
    return true;
}

static void json_skip_blanks(json_reader *r) {
    while (r->at < r->n && strchr(" \t\r\n", r->text[r->at]) && r->text[r->at]) r->at++;
}

static int json_peek(const json_reader *r) { return r->at < r->n ? (unsigned char)r->text[r->at] : -1; }

/* ---- strings ---- */

size_t gm__utf8_sequence(const char *text, size_t n) {
    const unsigned char *s = (const unsigned char *)text;
    if (!n) return 0;
    if (*s < 0x80) return 1;
    size_t length = *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
    if (*s < 0xc2 || *s > 0xf4 || n < length) return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f)) return 0; /* overlong; surrogates */
    if ((*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f)) return 0; /* overlong; past U+10FFFF */
    return length;
}

bool gm__utf8_valid(const char *s, size_t n) {
    for (size_t at = 0, one; at < n; at += one)
        if (!(one = gm__utf8_sequence(s + at, n - at))) return false;
    return true;
}

/* Four hexadecimal digits at r->at; -1 if there are none. */
static int json_hex4(json_reader *r) {
    int value = 0;
    if (r->n - r->at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = r->text[r->at + (size_t)i];
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    r->at += 4;
    return value;
}

static char *json_put_utf8(char *out, uint32_t c) {
    if (c < 0x80) return *out++ = (char)c, out;
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = { 0, 0xc0, 0xe0, 0xf0 };
    *out++ = (char)(lead[more] | c >> (6 * more));
    while (more--) *out++ = (char)(0x80 | ((c >> (6 * more)) & 0x3f));
    return out;
}

/* After "\u". */
static char *json_unicode_escape(json_reader *r, char *out) {
    size_t at = r->at - 2;
    int32_t c = json_hex4(r);
    if (c < 0) return json_fail(r, at, "\\u wants four hexadecimal digits"), NULL;
    if (c == 0) return json_fail(r, at, "a string holds U+0000"), NULL;
    if (c >= 0xd800 && c <= 0xdfff) {
        bool pair = c <= 0xdbff && r->n - r->at >= 6 && r->text[r->at] == '\\' && r->text[r->at + 1] == 'u';
        r->at += pair ? 2 : 0;
        int32_t low = pair ? json_hex4(r) : -1;
        if (low < 0xdc00 || low > 0xdfff) return json_fail(r, at, "half of a surrogate pair"), NULL;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    return json_put_utf8(out, (uint32_t)c);
}

/* After a backslash. */
static char *json_escape(json_reader *r, char *out) {
    static const char letter[] = "bfnrt\"\\/", meaning[] = "\b\f\n\r\t\"\\/";
    int c = json_peek(r);
    r->at++;
    if (c == 'u') return json_unicode_escape(r, out);
    const char *found = c > 0 ? strchr(letter, c) : NULL;
    if (!found) return json_fail(r, r->at - 2, "an escape that JSON does not have"), NULL;
    *out++ = meaning[found - letter];
    return out;
}

/* The end of the string whose first character is at r->at; 0 if it does not end. */
static size_t json_string_end(const json_reader *r) {
    for (size_t at = r->at; at < r->n; at++) {
        if (r->text[at] == '"') return at;
        if (r->text[at] == '\\') at++;
    }
    return 0;
}

static char *json_string_body(json_reader *r, size_t end, char *out) {
    while (out && r->at < end) {
        unsigned char c = (unsigned char)r->text[r->at];
        if (c == '\\') {
            r->at++;
            out = json_escape(r, out);
            continue;
        }
        size_t n = gm__utf8_sequence(r->text + r->at, end - r->at);
        if (c < 32) return json_fail(r, r->at, "a control character in a string"), NULL;
        if (!n) return json_fail(r, r->at, "a string is not UTF-8"), NULL;
        memcpy(out, r->text + r->at, n);
        out += n;
        r->at += n;
    }
    return out;
}

/* At an opening quote; the decoded text is never longer than its source. */
static bool json_string(json_reader *r, const char **text, uint32_t *n) {
    size_t open = r->at++, end = json_string_end(r);
    if (!end) return json_fail(r, open, "a string does not end");
    if (end - open > UINT32_MAX) return json_fail(r, open, "a string of over 4 GB");
    char *copy = json_take(r->document, end - open);
    char *stop = copy ? json_string_body(r, end, copy) : NULL;
    if (!stop) return false;
    *stop = 0;
    *text = copy;
    *n = (uint32_t)(stop - copy);
    r->at = end + 1;
    return true;
}

/* ---- numbers and words ---- */

static size_t json_digits(const json_reader *r, size_t at) {
    while (at < r->n && r->text[at] >= '0' && r->text[at] <= '9') at++;
    return at;
}

/* The end of the number at r->at; r->at itself if there is none. */
static size_t json_number_end(const json_reader *r, bool *whole) {
    size_t first = r->at + (r->text[r->at] == '-'), at = json_digits(r, first);
    *whole = true;
    if (at == first || (at > first + 1 && r->text[first] == '0')) return r->at;
    if (at < r->n && r->text[at] == '.') {
        size_t fraction = at + 1;
        *whole = false;
        at = json_digits(r, fraction);
        if (at == fraction) return r->at;
    }
    if (at < r->n && (r->text[at] | 32) == 'e') {
        *whole = false;
        at++;
        at += at < r->n && (r->text[at] == '-' || r->text[at] == '+');
        size_t exponent = at;
        at = json_digits(r, exponent);
        if (at == exponent) return r->at;
    }
    return at;
}

static bool json_integer(const char *s, size_t n, int64_t *value) {
    bool negative = *s == '-';
    int64_t v = 0;
    for (size_t i = negative; i < n; i++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, s[i] - '0', &v)) return false;
    if (!negative && v == INT64_MIN) return false;
    *value = negative ? v : -v;
    return true;
}

static bool json_number(json_reader *r, gm__json *v) {
    bool whole;
    size_t end = json_number_end(r, &whole), used;
    if (end == r->at) return json_fail(r, r->at, "not a number as JSON writes it");
    v->kind = GM__JSON_NUMBER;
    v->number = gm__decimal_f64(r->text + r->at, end - r->at, &used);
    v->is_integer = whole && json_integer(r->text + r->at, end - r->at, &v->integer);
    r->at = end;
    return true;
}

static bool json_word(json_reader *r, gm__json *v) {
    static const struct { const char *word; size_t n; uint8_t kind; bool truth; } words[] = {
        { "null", 4, GM__JSON_NULL, false }, { "true", 4, GM__JSON_BOOL, true }, { "false", 5, GM__JSON_BOOL, false }
    };
    for (size_t i = 0; i < 3; i++) {
        if (r->n - r->at < words[i].n || memcmp(r->text + r->at, words[i].word, words[i].n)) continue;
        v->kind = words[i].kind;
        v->truth = words[i].truth;
        r->at += words[i].n;
        return true;
    }
    return json_fail(r, r->at, r->at < r->n ? "a value is expected here" : "the text ends early");
}

/* ---- arrays and objects ---- */

static int json_compare_keys(const void *a, const void *b) {
    const gm__json *x = *(const gm__json *const *)a, *y = *(const gm__json *const *)b;
    uint32_t n = x->key_n < y->key_n ? x->key_n : y->key_n;
    int c = memcmp(x->key, y->key, n);
    return c ? c : x->key_n < y->key_n ? -1 : x->key_n > y->key_n;
}

static bool json_twice(const json_reader *r, const gm__json *member) {
    char what[160];
    snprintf(what, sizeof what, "the name \"%.100s\" is in the object twice", member->key);
    return json_fail(r, member->at, what);
}

/* Small objects are compared pair by pair; larger ones get their sorted index. */
static bool json_check_names(json_reader *r, gm__json *v) {
    if (v->n <= JSON_SEARCHED) {
        for (uint32_t i = 0; i < v->n; i++)
            for (uint32_t j = 0; j < i; j++) {
                const gm__json *a = &v->items[i], *b = &v->items[j];
                if (!json_compare_keys(&a, &b)) return json_twice(r, a);
            }
        return true;
    }
    v->sorted = json_take(r->document, v->n * sizeof *v->sorted);
    if (!v->sorted) return false;
    for (uint32_t i = 0; i < v->n; i++) v->sorted[i] = &v->items[i];
    qsort(v->sorted, v->n, sizeof *v->sorted, json_compare_keys);
    for (uint32_t i = 1; i < v->n; i++)
        if (!json_compare_keys(&v->sorted[i - 1], &v->sorted[i])) return json_twice(r, v->sorted[i]);
    return true;
}

static bool json_item(json_reader *r, bool object) {
    gm__json item = { 0 };
    json_skip_blanks(r);
    if (object) {
        if (json_peek(r) != '"') return json_fail(r, r->at, "a name in quotes is expected here");
        if (!json_string(r, &item.key, &item.key_n)) return false;
        json_skip_blanks(r);
        if (json_peek(r) != ':') return json_fail(r, r->at, "a colon is expected here");
        r->at++;
    }
    return json_value(r, &item) && json_push(r, &item);
}

static bool json_items(json_reader *r, bool object) {
    int close = object ? '}' : ']';
    r->at++;
    json_skip_blanks(r);
    if (json_peek(r) == close) return r->at++, true;
    for (;;) {
        if (!json_item(r, object)) return false;
        json_skip_blanks(r);
        int c = json_peek(r);
        if (c != ',' && c != close)
            return json_fail(r, r->at, object ? "a comma or } is expected here" : "a comma or ] is expected here");
        r->at++;
        if (c == close) return true;
    }
}

static bool json_nested(json_reader *r, gm__json *v, bool object) {
    if (++r->depth > JSON_DEPTH) return json_fail(r, r->at, "nested over 128 levels deep");
    size_t first = r->n_stack;
    if (!json_items(r, object)) return false;
    size_t n = r->n_stack - first;
    if (n > INT32_MAX) return json_fail(r, v->at, "too many items");
    gm__json *items = n ? json_take(r->document, n * sizeof *items) : NULL;
    if (n && !items) return false;
    if (n) memcpy(items, r->stack + first, n * sizeof *items);
    r->n_stack = first;
    r->depth--;
    v->kind = object ? GM__JSON_OBJECT : GM__JSON_ARRAY;
    v->n = (uint32_t)n;
    v->items = items;
    return !object || json_check_names(r, v);
}

static bool json_value(json_reader *r, gm__json *v) {
    json_skip_blanks(r);
    v->at = (uint32_t)r->at;
    int c = json_peek(r);
    if (c == '{' || c == '[') return json_nested(r, v, c == '{');
    if (c == '"') {
        v->kind = GM__JSON_STRING;
        return json_string(r, &v->text, &v->n);
    }
    return c == '-' || (c >= '0' && c <= '9') ? json_number(r, v) : json_word(r, v);
}

/* ---- documents ---- */

static bool json_document_read(json_reader *r) {
    if (r->n > UINT32_MAX) return gm_fail(GM_ERROR_FORMAT, "%s: %s: over 4 GB of JSON", r->op, r->file);
    if (!json_value(r, &r->document->root)) return false;
    json_skip_blanks(r);
    return r->at == r->n || json_fail(r, r->at, "something follows the value");
}

gm__json_document *gm__json_open(const char *op, const char *file, const char *text, size_t n) {
    gm__json_document *d = gm_ok() ? gm_alloc(sizeof *d) : NULL;
    if (!d) return NULL;
    json_reader r = { .op = op, .file = file, .text = text, .n = n, .document = d };
    bool ok = json_document_read(&r);
    gm_free(r.stack);
    if (ok) return d;
    gm__json_close(d);
    return NULL;
}

void gm__json_close(gm__json_document *d) {
    if (!d) return;
    for (json_chunk *c = d->chunks, *next; c; c = next) {
        next = c->next;
        gm_free(c);
    }
    gm_free(d);
}

const gm__json *gm__json_root(const gm__json_document *d) { return &d->root; }

const gm__json *gm__json_get(const gm__json *object, const char *key) {
    if (!object || object->kind != GM__JSON_OBJECT) return NULL;
    gm__json wanted = { .key = key, .key_n = (uint32_t)strlen(key) };
    const gm__json *w = &wanted;
    if (object->sorted) {
        const gm__json **found = bsearch(&w, object->sorted, object->n, sizeof w, json_compare_keys);
        return found ? *found : NULL;
    }
    for (uint32_t i = 0; i < object->n; i++) {
        const gm__json *item = &object->items[i];
        if (!json_compare_keys(&item, &w)) return item;
    }
    return NULL;
}

const char *gm__json_text(const gm__json *v) { return v && v->kind == GM__JSON_STRING ? v->text : NULL; }

const char *gm__json_kind_name(const gm__json *v) {
    static const char *const name[] = { "null", "true or false", "a number", "a string", "an array", "an object" };
    return v ? name[v->kind] : "nothing";
}
