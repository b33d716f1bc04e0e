/* builder.h: text that grows. Without memory the builder is marked `failed` (MEMORY is pending) and takes no more;
 * callers look once, at the end. `text` is always terminated, NULL until something was added. */
#ifndef GM_BASE_BUILDER_H
#define GM_BASE_BUILDER_H
#include "gemel/extend.h"

typedef struct { char *text; size_t n, capacity; bool failed; } gm__builder;

void gm__builder_bytes(gm__builder *b, const void *bytes, size_t n);
void gm__builder_add(gm__builder *b, const char *text);
void gm__builder_fill(gm__builder *b, char c, int64_t n); /* nothing if n is not positive */
void gm__builder_format(gm__builder *b, const char *format, ...) GM_PRINTF(2, 3);
/* `text`, which passes if it is UTF-8; each byte that is not becomes U+FFFD. */
void gm__builder_utf8(gm__builder *b, const char *text);
/* The same as a JSON string, quotes included. */
void gm__builder_json(gm__builder *b, const char *text);
/* The shortest decimal that reads back as `value`, whatever the locale; "nan", "inf", "-inf". */
void gm__builder_number(gm__builder *b, double value);
void gm__builder_free(gm__builder *b);

#endif
