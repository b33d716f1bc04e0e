/* rows.c: text files that grow by a row at a time and may be taken up again (rows.h). */
#include "../math/fp.h"
#include "rows.h"
#include "../base/decimal.h"
#include "../base/file.h"

#include <string.h>

static bool rows_drop_half_line(gm__rows *r, const char *op) {
    gm__file *f = gm__file_open(op, r->sink.path, false);
    if (!f) return false;
    size_t whole = f->bytes;
    while (whole && f->data[whole - 1] != '\n') whole--;
    bool done = whole == f->bytes || gm__sink_cut(&r->sink, op, whole);
    gm__file_release(f);
    r->resumes = whole > 0;
    return done;
}

bool gm__rows_open(gm__rows *r, const char *op, const char *path, bool append) {
    r->sink.fd = -1;
    r->resumes = false;
    if (!path || !*path) return gm_fail(GM_ERROR_VALUE, "%s: the path is %s", op, path ? "empty" : "NULL");
    if (!gm__sink_open(&r->sink, op, path, append ? GM__SINK_APPEND : GM__SINK_EMPTY)) return false;
    return !append || rows_drop_half_line(r, op);
}

bool gm__rows_check(const gm__rows *r, const char *op, const gm_log_value *values, int64_t n) {
    if (r->sink.fd < 0) return gm_fail(GM_ERROR_STATE, "%s: the log is closed", op);
    if (n < 1 || !values) return gm_fail(GM_ERROR_VALUE, "%s: a row of %lld values", op, (long long)n);
    for (int64_t i = 0; i < n; i++)
        if (!values[i].name || !*values[i].name)
            return gm_fail(GM_ERROR_VALUE, "%s: value %lld of %s has no name", op, (long long)i, r->sink.path);
    return true;
}

/* The offset of the first line from `at` whose key is not below `key`; the content's length if there is none. */
static size_t rows_find(const gm__file *f, size_t at, double key, gm__rows_key find, const void *env) {
    while (at < f->bytes) {
        const char *line = (const char *)f->data + at, *end = memchr(line, '\n', f->bytes - at);
        size_t length = end ? (size_t)(end - line) : f->bytes - at, number = find(env, line, length), used;
        if (gm__decimal_f64(line + number, length - number, &used) >= key && used) return at;
        at += length + (end != NULL);
    }
    return f->bytes;
}

bool gm__rows_cut(gm__rows *r, const char *op, size_t begin, double key, gm__rows_key find, const void *env) {
    gm__file *f = gm__file_open(op, r->sink.path, false);
    if (!f) return false;
    size_t keep = rows_find(f, begin, key, find, env);
    bool done = keep == f->bytes || gm__sink_cut(&r->sink, op, keep);
    gm__file_release(f);
    return done;
}
