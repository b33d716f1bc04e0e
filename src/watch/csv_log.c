/* csv_log.c: comma-separated values with a line of names (RFC 4180, lines end with \n).
 *
 * The columns are those of the first row. A later row may lack some (empty fields) or bring new ones: then the file is
 * written anew beside the old one, wider, and put in its place. */
#include "../math/fp.h"
#include "../base/args.h"
#include "rows.h"
#include "text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CSV_LOG_MOST_COLUMNS = 4096 };

struct gm_csv_log {
    gm_object object;
    gm__rows rows;
    char **columns;
    int64_t n_columns;
};

static void csv_log_destroy(void *object) {
    gm_csv_log *log = object;
    gm_csv_log_close(log);
    for (int64_t i = 0; i < log->n_columns; i++) gm_free(log->columns[i]);
    gm_free(log->columns);
}
static const gm_type csv_log_type = { "CSV log", sizeof(gm_csv_log), csv_log_destroy };

/* ---- columns ---- */

static int64_t csv_log_column(const gm_csv_log *log, const char *name) {
    for (int64_t i = 0; i < log->n_columns; i++)
        if (strcmp(log->columns[i], name) == 0) return i;
    return -1;
}

/* Takes `name`, made by gm_alloc; NULL is a failed one. */
static bool csv_log_add_column(gm_csv_log *log, char *name) {
    char **columns = name ? gm_realloc(log->columns, (size_t)(log->n_columns + 1) * sizeof *columns) : NULL;
    if (columns) log->columns = columns;
    bool added = columns && log->n_columns < CSV_LOG_MOST_COLUMNS;
    if (columns && !added)
        gm_fail(GM_ERROR_FORMAT, "csv_log: %s has over %d columns", log->rows.sink.path, CSV_LOG_MOST_COLUMNS);
    if (added) columns[log->n_columns++] = name;
    else gm_free(name);
    return added;
}

/* One field of the line of names, from *at on; a quoted one may hold commas and doubled quotes. */
static char *csv_log_read_field(const char **at, const char *end) {
    char *name = gm_alloc((size_t)(end - *at) + 1);
    if (!name) return NULL;
    bool quoted = *at < end && **at == '"';
    size_t n = 0;
    for (const char *p = *at += quoted; p <= end; *at = ++p) {
        bool twice = quoted && p + 1 < end && p[0] == '"' && p[1] == '"';
        if (p == end || (!quoted && *p == ',')) break;
        if (quoted && *p == '"' && !twice) quoted = false;
        else name[n++] = *p;
        p += twice;
    }
    if (n && name[n - 1] == '\r') n--;
    name[n] = 0;
    return name;
}

static bool csv_log_read_columns(gm_csv_log *log) {
    gm__bytes b;
    if (!gm__rows_read("csv_log_open", log->rows.sink.path, &b)) return false;
    const char *at = (const char *)b.data, *end = at + strcspn(at, "\n");
    bool good = *end == '\n';
    while (good && at <= end) {
        good = csv_log_add_column(log, csv_log_read_field(&at, end));
        at++;
    }
    gm__bytes_free(&b);
    if (!good && gm_ok()) gm_fail(GM_ERROR_FORMAT, "csv_log_open: %s has no line of names", log->rows.sink.path);
    return good;
}

/* ---- writing ---- */

static void csv_log_put_name(gm__bytes *b, const char *name) {
    bool plain = !name[strcspn(name, ",\"\r\n")];
    if (!plain) gm__bytes_text(b, "\"");
    for (; *name; name++) {
        if (*name == '"') gm__bytes_text(b, "\"");
        gm__bytes_append(b, *name == '\n' || *name == '\r' ? " " : name, 1); /* a name is one line */
    }
    if (!plain) gm__bytes_text(b, "\"");
}

static void csv_log_put_names(gm__bytes *b, const gm_csv_log *log) {
    for (int64_t i = 0; i < log->n_columns; i++) {
        if (i) gm__bytes_text(b, ",");
        csv_log_put_name(b, log->columns[i]);
    }
    gm__bytes_text(b, "\n");
}

static void csv_log_put_row(gm__bytes *b, const gm_csv_log *log, const gm_log_value *values, int64_t n) {
    for (int64_t i = 0; i < log->n_columns; i++) {
        if (i) gm__bytes_text(b, ",");
        for (int64_t j = 0; j < n; j++) {
            if (strcmp(values[j].name, log->columns[i])) continue;
            char number[GM__NUMBER_BYTES];
            gm__number_text(number, values[j].value);
            gm__bytes_text(b, number);
            break;
        }
    }
    gm__bytes_text(b, "\n");
}

/* The old content with `more` empty fields behind each row, under the new line of names. */
static void csv_log_widened(gm__bytes *wide, const gm_csv_log *log, const gm__bytes *old, int64_t more) {
    csv_log_put_names(wide, log);
    const char *at = (const char *)old->data + strcspn((const char *)old->data, "\n");
    for (const char *end; *at && (end = strchr(at + 1, '\n')); at = end) {
        gm__bytes_append(wide, at + 1, (size_t)(end - at - 1));
        for (int64_t i = 0; i < more; i++) gm__bytes_text(wide, ",");
        gm__bytes_text(wide, "\n");
    }
}

/* Put `content` in the place of the log's file, whole or not at all, and go on behind it. */
static bool csv_log_replace(gm_csv_log *log, const gm__bytes *content) {
    gm__sink next;
    gm__bytes beside = { 0 };
    gm__bytes_text(&beside, log->rows.sink.path);
    gm__bytes_append(&beside, ".new", 5);
    const char *path = (const char *)beside.data;
    bool opened = !content->failed && !beside.failed && gm__sink_open(&next, "csv_log_row", path, GM__SINK_EMPTY);
    bool good = opened && gm__sink_put(&next, "csv_log_row", content->data, content->n);
    if (good && rename(path, log->rows.sink.path))
        good = gm_fail(GM_ERROR_IO, "csv_log_row: replacing %s: %s", log->rows.sink.path, strerror(errno));
    if (good) { /* the descriptors change places: the old file's goes */
        int fd = log->rows.sink.fd;
        log->rows.sink.fd = next.fd;
        next.fd = fd;
    }
    if (opened && !good) {
        next.n = 0;
        remove(path);
    }
    if (opened) gm__sink_close(&next, "csv_log_row");
    gm__bytes_free(&beside);
    return good;
}

static bool csv_log_widen(gm_csv_log *log, int64_t more) {
    gm__bytes old, wide = { 0 };
    if (!gm__rows_read("csv_log_row", log->rows.sink.path, &old)) return false;
    csv_log_widened(&wide, log, &old, more);
    bool done = csv_log_replace(log, &wide);
    gm__bytes_free(&old);
    gm__bytes_free(&wide);
    return done;
}

/* Columns for the names that are new. On failure they are taken back, so that the file and the list agree. */
static bool csv_log_fit(gm_csv_log *log, const gm_log_value *values, int64_t n) {
    int64_t before = log->n_columns;
    bool good = true;
    for (int64_t i = 0; good && i < n; i++)
        if (csv_log_column(log, values[i].name) < 0) good = csv_log_add_column(log, gm_strdup(values[i].name));
    if (good && log->n_columns > before) {
        gm__bytes names = { 0 };
        if (!before) csv_log_put_names(&names, log);
        if (before) good = csv_log_widen(log, log->n_columns - before);
        else good = !names.failed && gm__sink_put_whole(&log->rows.sink, "csv_log_row", names.data, names.n);
        gm__bytes_free(&names);
    }
    while (!good && log->n_columns > before) gm_free(log->columns[--log->n_columns]);
    return good;
}

/* ---- the log ---- */

gm_csv_log *gm_csv_log_open_with(const char *path, const gm_csv_log_args *args) {
    gm_csv_log_args o;
    if (!gm_ok() || !gm__args_take("csv_log_open", &o, sizeof o, args)) return NULL;
    gm_csv_log *log = gm_object_new(&csv_log_type);
    if (!log || !gm__rows_open(&log->rows, "csv_log_open", path, o.append)) return NULL;
    return !log->rows.resumes || csv_log_read_columns(log) ? log : NULL;
}

/* `env` is the number of the key's column. */
static const char *csv_log_key(const void *env, const char *line, size_t length) {
    const char *end = line + length;
    for (int64_t skip = *(const int64_t *)env; skip > 0; skip--) {
        line = memchr(line, ',', (size_t)(end - line));
        if (!line++) return NULL;
    }
    return line;
}

static bool csv_log_resume(gm_csv_log *log, const gm_log_value *key) {
    int64_t column = csv_log_column(log, key->name);
    gm__bytes names = { 0 };
    csv_log_put_names(&names, log);
    bool done = !names.failed &&
                (column < 0 || gm__rows_cut(&log->rows, "csv_log_row", names.n, key->value, csv_log_key, &column));
    gm__bytes_free(&names);
    log->rows.resumes = !done;
    return done;
}

bool gm_csv_log_row(gm_csv_log *log, const gm_log_value *values, int64_t n) {
    if (!gm_ok() || !gm_check_object(log, &csv_log_type, "csv_log_row", 1)) return false;
    if (!gm__rows_check(&log->rows, "csv_log_row", values, n)) return false;
    if (log->rows.resumes && !csv_log_resume(log, values)) return false;
    if (!csv_log_fit(log, values, n)) return false;
    gm__bytes line = { 0 };
    csv_log_put_row(&line, log, values, n);
    bool written = !line.failed && gm__sink_put_whole(&log->rows.sink, "csv_log_row", line.data, line.n);
    gm__bytes_free(&line);
    return written;
}

bool gm_csv_log_close(gm_csv_log *log) {
    if (!gm_check_object(log, &csv_log_type, "csv_log_close", 1)) return false;
    return gm__sink_close(&log->rows.sink, "csv_log_close");
}
