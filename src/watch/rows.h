/* rows.h: a text file of rows: what the CSV and the JSON log share. */
#ifndef GM_WATCH_ROWS_H
#define GM_WATCH_ROWS_H
#include "../base/builder.h"
#include "gemel/watch.h"
#include "sink.h"

/* `resumes` until the first row after opening an old file: then rows that come again are to be cut. */
typedef struct { gm__sink sink; bool resumes; } gm__rows;

/* Open `path`; with `append` keep its whole lines, else empty it. */
bool gm__rows_open(gm__rows *rows, const char *op, const char *path, bool append);
/* True if the row has at least one pair, all of them have names, and the log is open. */
bool gm__rows_check(const gm__rows *rows, const char *op, const gm_log_value *values, int64_t n);

/* Where a line's key is: the offset of its number, `length` if it has none. `env` as given to gm__rows_cut. */
typedef size_t (*gm__rows_key)(const void *env, const char *line, size_t length);
/* Cut the file before the first line, from `begin` on, whose key is not below `key`. */
bool gm__rows_cut(gm__rows *rows, const char *op, size_t begin, double key, gm__rows_key find, const void *env);

#endif
