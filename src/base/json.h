/* json.h: a strict reader of JSON (RFC 8259): one value, UTF-8 checked, no name twice in an object, 128 levels deep.
 *
 * All values of a document lie in its arena and are freed with it. Strings are terminated and hold no NUL. */
#ifndef GM_BASE_JSON_H
#define GM_BASE_JSON_H
#include "gemel/extend.h"

typedef enum {
    GM__JSON_NULL,
    GM__JSON_BOOL,
    GM__JSON_NUMBER,
    GM__JSON_STRING,
    GM__JSON_ARRAY,
    GM__JSON_OBJECT
} gm__json_kind;

typedef struct gm__json gm__json;
struct gm__json {
    uint8_t kind;
    bool truth;      /* of a BOOL */
    bool is_integer; /* a NUMBER without fraction and exponent that fits an i64 */
    uint32_t n;      /* bytes of a STRING, items of an ARRAY or OBJECT */
    uint32_t key_n, at; /* bytes of the key; where in the text the value begins */
    const char *key; /* in an OBJECT, else NULL */
    union {
        const char *text;
        struct { double number; int64_t integer; };
        struct { const gm__json *items; const gm__json **sorted; }; /* sorted by key; NULL in small objects */
    };
};

typedef struct gm__json_document gm__json_document;

/* NULL and a FORMAT error "OP: FILE: line 1, column 2: ..." if `text` is not JSON; freed by gm__json_close. */
gm__json_document *gm__json_open(const char *op, const char *file, const char *text, size_t n);
void gm__json_close(gm__json_document *d);
const gm__json *gm__json_root(const gm__json_document *d);

/* The member of an object; NULL if there is none, or `object` is NULL or no object. */
const gm__json *gm__json_get(const gm__json *object, const char *key);
/* The text of a string; NULL for anything else, and for NULL. */
const char *gm__json_text(const gm__json *v);
/* "an object", "a string" ...; "nothing" for NULL. */
const char *gm__json_kind_name(const gm__json *v);

/* Bytes of the valid UTF-8 sequence at s, at most n; 0 if there is none (overlong forms and surrogates are none). */
size_t gm__utf8_sequence(const char *s, size_t n);
bool gm__utf8_valid(const char *s, size_t n);

#endif
