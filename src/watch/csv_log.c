/* csv_log.c: comma-separated values with a line of names (RFC 4180, lines end with \n).
 *
 * The columns are those of the first row. A later row may lack some (empty fields) or bring new ones: then the file is
 * written anew beside the old one, wider, and put in its place. */
#include "../math/fp.h"
#include "../base/args.h"
#include "../base/file.h"
#include "../base/save.h"
#include "rows.h"
#include "text.h"

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
    gm__file *f = gm__file_open("csv_log_open", log->rows.sink.path, false);
    if (!f) return false;
    const char *at = (const char *)f->data, *end = memchr(at, '\n', f->bytes);
    bool good = end != NULL;
    while (good && at <= end) {
        good = csv_log_add_column(log, csv_log_read_field(&at, end));
        at++;
    }
    gm__file_release(f);
    return good || (gm_ok() && gm_fail(GM_ERROR_FORMAT, "csv_log_open: %s has no line of names", log->rows.sink.path));
}

/* ---- writing ---- */

static void csv_log_put_name(gm__builder *b, const char *name) {
    bool plain = !name[strcspn(name, ",\"\r\n")];
    if (!plain) gm__builder_add(b, "\"");
    for (; *name; name++) {
        if (*name == '"') gm__builder_add(b, "\"");
        gm__builder_bytes(b, *name == '\n' || *name == '\r' ? " " : name, 1); /* a name is one line */
    }
    if (!plain) gm__builder_add(b, "\"");
}

static void csv_log_put_names(gm__builder *b, const gm_csv_log *log) {
    for (int64_t i = 0; i < log->n_columns; i++) {
        if (i) gm__builder_add(b, ",");
        csv_log_put_name(b, log->columns[i]);
    }
    gm__builder_add(b, "\n");
}

static void csv_log_put_row(gm__builder *b, const gm_csv_log *log, const gm_log_value *values, int64_t n) {
    for (int64_t i = 0; i < log->n_columns; i++) {
        if (i) gm__builder_add(b, ",");
        for (int64_t j = 0; j < n; j++) {
            if (strcmp(values[j].name, log->columns[i])) continue;
            gm__builder_number(b, values[j].value);
            break;
        }
    }
    gm__builder_add(b, "\n");
}

/* The old content with `more` empty fields behind each row, under the new line of names. */
static void csv_log_widened(gm__builder *wide, const gm_csv_log *log, const gm__file *old, int64_t more) {
    csv_log_put_names(wide, log);
    const char *end = (const char *)old->data + old->bytes, *at = memchr(old->data, '\n', old->bytes);
    for (const char *line; at && (line = at + 1) < end;) {
        at = memchr(line, '\n', (size_t)(end - line));
        gm__builder_bytes(wide, line, (size_t)((at ? at : end) - line));
        gm__builder_fill(wide, ',', more);
        gm__builder_add(wide, "\n");
    }
}

/* Put `content` in the place of the log's file, whole or not at all, and go on behind it. */
static bool csv_log_replace(gm_csv_log *log, const gm__builder *content) {
    gm__save *save = content->failed ? NULL : gm__save_open("csv_log_row", log->rows.sink.path);
    if (!save) return false;
    bool written = gm__save_write(save, content->text, content->n);
    if (!gm__save_close(save, written)) return false;
    gm__sink next;
    if (!gm__sink_open(&next, "csv_log_row", log->rows.sink.path, GM__SINK_APPEND)) return false;
    gm__sink_close(&log->rows.sink, "csv_log_row");
    log->rows.sink = next;
    return true;
}

static bool csv_log_widen(gm_csv_log *log, int64_t more) {
    gm__file *old = gm__file_open("csv_log_row", log->rows.sink.path, false);
    if (!old) return false;
    gm__builder wide = { 0 };
    csv_log_widened(&wide, log, old, more);
    gm__file_release(old);
    bool done = csv_log_replace(log, &wide);
    gm__builder_free(&wide);
    return done;
}

/* Columns for the names that are new. On failure they are taken back, so that the file and the list agree. */
static bool csv_log_fit(gm_csv_log *log, const gm_log_value *values, int64_t n) {
    int64_t before = log->n_columns;
    bool good = true;
    for (int64_t i = 0; good && i < n; i++)
        if (csv_log_column(log, values[i].name) < 0) good = csv_log_add_column(log, gm_strdup(values[i].name));
    if (good && log->n_columns > before) {
        gm__builder names = { 0 };
        if (!before) csv_log_put_names(&names, log);
        if (before) good = csv_log_widen(log, log->n_columns - before);
        else good = !names.failed && gm__sink_put_whole(&log->rows.sink, "csv_log_row", names.text, names.n);
        gm__builder_free(&names);
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
static size_t csv_log_key(const void *env, const char *line, size_t length) {
    size_t at = 0;
    for (int64_t skip = *(const int64_t *)env; skip > 0 && at < length; at++) skip -= line[at] == ',';
    return at;
}

static bool csv_log_resume(gm_csv_log *log, const gm_log_value *key) {
    int64_t column = csv_log_column(log, key->name);
    gm__builder names = { 0 };
    csv_log_put_names(&names, log);
    bool done = !names.failed &&
                (column < 0 || gm__rows_cut(&log->rows, "csv_log_row", names.n, key->value, csv_log_key, &column));
    gm__builder_free(&names);
    log->rows.resumes = !done;
    return done;
}

bool gm_csv_log_row(gm_csv_log *log, const gm_log_value *values, int64_t n) {
    if (!gm_ok() || !gm_check_object(log, &csv_log_type, "csv_log_row", 1)) return false;
    if (!gm__rows_check(&log->rows, "csv_log_row", values, n)) return false;
    if (log->rows.resumes && !csv_log_resume(log, values)) return false;
    if (!csv_log_fit(log, values, n)) return false;
    gm__builder line = { 0 };
    csv_log_put_row(&line, log, values, n);
    bool written = !line.failed && gm__sink_put_whole(&log->rows.sink, "csv_log_row", line.text, line.n);
    gm__builder_free(&line);
    return written;
}

bool gm_csv_log_close(gm_csv_log *log) {
    if (!gm_check_object(log, &csv_log_type, "csv_log_close", 1)) return false;
    return gm__sink_close(&log->rows.sink, "csv_log_close");
}
