/* text.h: text that goes into files: UTF-8, JSON strings, numbers. Nothing here depends on the locale. */
#ifndef GM_WATCH_TEXT_H
#define GM_WATCH_TEXT_H
#include "gemel/extend.h"

/* Bytes of the longest valid UTF-8 prefix of `text`. */
size_t gm__utf8_run(const char *text);
/* Bytes of the valid character at the front of `text`, 0 if there is none. */
size_t gm__utf8_first(const char *text);
/* Columns that valid UTF-8 takes on a terminal, one per code point. */
size_t gm__utf8_columns(const char *text);
/* `text` between quotes, escaped for JSON, into `out` of `bytes` bytes, cut to fit (never inside an escape or a
 * character). Returns the length. bytes >= 3. */
size_t gm__json_string(char *out, size_t bytes, const char *text);
/* The shortest decimal that reads back as `value`; "nan", "inf", "-inf". Returns the length. */
enum { GM__NUMBER_BYTES = 32 };
size_t gm__number_text(char out[GM__NUMBER_BYTES], double value);
/* Reads what gm__number_text writes; *end is where it stopped, `text` if there was no number. */
double gm__number_read(const char *text, const char **end);

#endif
