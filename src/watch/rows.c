/* rows.c: text files that grow by a row at a time and may be taken up again (rows.h). */
#include "../math/fp.h"
#include "rows.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool rows_read_all(FILE *f, gm__bytes *into) {
    while (gm__bytes_reserve(into, 65536)) {
        size_t n = fread(into->data + into->n, 1, 65536, f);
        into->n += n;
        if (!n) break;
    }
    gm__bytes_append(into, "", 1);
    into->n -= !into->failed;
    return !into->failed && !ferror(f);
}

bool gm__rows_read(const char *op, const char *path, gm__bytes *into) {
    *into = (gm__bytes){ 0 };
    FILE *f = fopen(path, "rb");
    if (!f) return gm_fail(GM_ERROR_IO, "%s: cannot read %s: %s", op, path, strerror(errno));
    bool good = rows_read_all(f, into);
    if (!good) gm_fail(GM_ERROR_IO, "%s: reading %s: %s", op, path, strerror(errno)); /* MEMORY stays, if it was that */
    fclose(f);
    if (!good) gm__bytes_free(into);
    return good;
}

static bool rows_drop_half_line(gm__rows *r, const char *op) {
    gm__bytes b;
    if (!gm__rows_read(op, r->sink.path, &b)) return false;
    size_t whole = b.n;
    while (whole && b.data[whole - 1] != '\n') whole--;
    bool done = whole == b.n || gm__sink_cut(&r->sink, op, whole);
    gm__bytes_free(&b);
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
static size_t rows_find(const gm__bytes *b, size_t at, double key, gm__rows_key find, const void *env) {
    while (at < b->n) {
        const char *line = (const char *)b->data + at, *end = memchr(line, '\n', b->n - at), *stop = NULL;
        size_t length = end ? (size_t)(end - line) : b->n - at;
        const char *number = find(env, line, length);
        if (number && gm__number_read(number, &stop) >= key && stop > number) return at;
        at += length + (end != NULL);
    }
    return b->n;
}

bool gm__rows_cut(gm__rows *r, const char *op, size_t begin, double key, gm__rows_key find, const void *env) {
    gm__bytes b;
    if (!gm__rows_read(op, r->sink.path, &b)) return false;
    size_t keep = rows_find(&b, begin, key, find, env);
    bool done = keep == b.n || gm__sink_cut(&r->sink, op, keep);
    gm__bytes_free(&b);
    return done;
}
