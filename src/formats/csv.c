/* csv.c: tables as text (RFC 4180).
 *
 * The text is gone through twice: once to count rows and to see what each column is, once to fill the columns. Numbers
 * are recognised whether quoted or not, so that a column's type does not depend on who wrote the file. */
#include "../math/fp.h"
#include "../base/grow.h"
#include "readers.h"
#include "../base/args.h"
#include "../base/builder.h"
#include "../base/decimal.h"
#include "../base/file.h"
#include "../base/json.h"
#include "gzip.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CSV_MAX_COLUMNS = 1 << 20 };
typedef enum { CSV_INTEGER, CSV_NUMBER, CSV_TEXT } csv_kind; /* each can hold what the ones before it can */

/* A field as it stands in the text, without its quotes. */
typedef struct { const char *at; size_t n; int64_t line; bool doubled; } csv_field; /* doubled: "" stands for " */

typedef struct {
    char *name;
    csv_kind kind, most; /* what it is; what it may be */
    bool missing;
    gm_tensor *t;
    union { int64_t *i; float *f; double *d; size_t *text; } out; /* `text`: offsets into `texts` */
    gm__builder texts;
} csv_column;

typedef struct {
    const char *file, *text, *end, *at;
    char separator, line_end; /* the last character of a line end */
    int64_t line; /* of `at`, from 1 */
    gm_load_csv_args args;
    csv_column *columns;
    int64_t n_columns, n_rows;
} csv_reader;

/* ---- fields ---- */

/* Lines end with LF, or with CR LF; with CR alone in a text without an LF outside of quotes, as old spreadsheets write
 * it. */
static char csv_find_line_end(const char *text, size_t n) {
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"') quoted = !quoted;
        if (text[i] == '\n' && !quoted) return '\n';
    }
    return memchr(text, '\r', n) ? '\r' : '\n';
}

static bool csv_fail(const csv_reader *r, int64_t line, int64_t column, const char *what) {
    if (column < r->n_columns && r->columns && r->columns[column].name)
        return gm_fail(GM_ERROR_FORMAT, "load_csv: %s: line %lld, column %lld (\"%.100s\"): %s", r->file,
                       (long long)line, (long long)column + 1, r->columns[column].name, what);
    return gm_fail(GM_ERROR_FORMAT, "load_csv: %s: line %lld, column %lld: %s", r->file, (long long)line,
                   (long long)column + 1, what);
}

static bool csv_at_line_end(const csv_reader *r) {
    return r->at == r->end || *r->at == r->line_end ||
           (*r->at == '\r' && (r->at + 1 == r->end || r->at[1] == '\n'));
}

static void csv_skip_line_end(csv_reader *r) {
    if (r->at < r->end && *r->at == '\r' && r->line_end == '\n') r->at++;
    if (r->at < r->end) r->at++;
    r->line++;
}

/* After the opening quote, up to the closing one. */
static bool csv_quoted(csv_reader *r, int64_t column, csv_field *f) {
    f->at = ++r->at;
    for (;;) {
        const char *quote = memchr(r->at, '"', (size_t)(r->end - r->at));
        if (!quote) return csv_fail(r, f->line, column, "a quote that does not end");
        for (const char *c = r->at; c < quote; c++) r->line += *c == r->line_end;
        r->at = quote + 1;
        if (r->at == r->end || *r->at != '"') break;
        f->doubled = true;
        r->at++;
    }
    f->n = (size_t)(r->at - 1 - f->at);
    if (csv_at_line_end(r) || *r->at == r->separator) return true;
    return csv_fail(r, r->line, column, "something follows the closing quote");
}

static bool csv_next_field(csv_reader *r, int64_t column, csv_field *f) {
    *f = (csv_field){ r->at, 0, r->line, false };
    if (r->at < r->end && *r->at == '"') return csv_quoted(r, column, f);
    while (!csv_at_line_end(r) && *r->at != r->separator) {
        if (*r->at == '"') return csv_fail(r, r->line, column, "a quote inside a field that does not begin with one");
        r->at++;
    }
    f->n = (size_t)(r->at - f->at);
    return true;
}

static void csv_skip_blank_lines(csv_reader *r) {
    while (r->at < r->end && csv_at_line_end(r)) csv_skip_line_end(r);
}

/* Blanks around a number or a mark of something missing. */
static csv_field csv_trimmed(csv_field f) {
    while (f.n && (f.at[0] == ' ' || f.at[0] == '\t')) f.at++, f.n--;
    while (f.n && (f.at[f.n - 1] == ' ' || f.at[f.n - 1] == '\t')) f.n--;
    return f;
}

static bool csv_is_word(const csv_field *f, const char *const *words) {
    for (; *words; words++)
        if (strlen(*words) == f->n && !memcmp(*words, f->at, f->n)) return true;
    return false;
}

static bool csv_is_missing(csv_field f) {
    static const char *const words[] = { "", "NA", "N/A", "NaN", "nan", "null", "NULL", "?", NULL };
    f = csv_trimmed(f);
    return csv_is_word(&f, words);
}

static bool csv_integer(csv_field f, int64_t *value) {
    bool negative = f.n && *f.at == '-';
    int64_t v = 0;
    if (f.n && (*f.at == '-' || *f.at == '+')) f.at++, f.n--;
    for (size_t i = 0; i < f.n; i++) {
        if (f.at[i] < '0' || f.at[i] > '9') return false;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, f.at[i] - '0', &v)) return false;
    }
    if (!f.n || (!negative && v == INT64_MIN)) return false;
    *value = negative ? v : -v;
    return true;
}

static bool csv_infinite(csv_field f, double *value) {
    static const char *const words[] = { "inf", "Inf", "INF", "Infinity", "infinity", NULL };
    bool negative = f.n && *f.at == '-';
    if (f.n && (*f.at == '-' || *f.at == '+')) f.at++, f.n--;
    *value = negative ? -INFINITY : INFINITY;
    return csv_is_word(&f, words);
}

static bool csv_f64(csv_field f, double *value) {
    size_t used;
    *value = gm__decimal_f64(f.at, f.n, &used);
    return (used == f.n && used) || csv_infinite(f, value);
}

static bool csv_f32(csv_field f, float *value) {
    size_t used;
    double infinite;
    *value = gm__decimal_f32(f.at, f.n, &used);
    if (used == f.n && used) return true;
    bool ok = csv_infinite(f, &infinite);
    *value = (float)infinite;
    return ok;
}

static csv_kind csv_kind_of(csv_field f) {
    int64_t i;
    double d;
    f = csv_trimmed(f);
    if (csv_integer(f, &i)) return CSV_INTEGER;
    return (f.n && gm__decimal_length(f.at, f.n) == f.n) || csv_infinite(f, &d) ? CSV_NUMBER : CSV_TEXT;
}

/* ---- the header ---- */

/* The text of a field, doubled quotes undone, appended and terminated. */
static void csv_append(gm__builder *b, const csv_field *f) {
    const char *at = f->at, *end = f->at + f->n;
    while (f->doubled && at < end) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        if (!quote) break;
        gm__builder_bytes(b, at, (size_t)(quote + 1 - at));
        at = quote + 2;
    }
    gm__builder_bytes(b, at, (size_t)(end - at));
    gm__builder_bytes(b, "", 1);
}

static bool csv_check_text(const csv_reader *r, const csv_field *f, int64_t column) {
    return gm__utf8_valid(f->at, f->n) || csv_fail(r, f->line, column, "not UTF-8");
}

/* True if `name` is one of "a,b,c", or that is "*". */
static bool csv_is_listed(const char *list, const char *name) {
    size_t n = strlen(name);
    if (!list) return false;
    if (!strcmp(list, "*")) return true;
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (!strncmp(at, name, n) && (!at[n] || at[n] == ',')) return true;
    return false;
}

static bool csv_add_column(csv_reader *r, const csv_field *f, int64_t *capacity) {
    if (r->n_columns == CSV_MAX_COLUMNS) return csv_fail(r, f->line, r->n_columns, "over 1,048,576 columns");
    if (!gm__grow(&r->columns, r->n_columns, capacity, sizeof *r->columns)) return false;
    if (!csv_check_text(r, f, r->n_columns)) return false;
    gm__builder name = { 0 };
    if (r->args.no_header || !f->n) gm__builder_format(&name, "%lld", (long long)r->n_columns);
    else csv_append(&name, f);
    if (name.failed) return gm__builder_free(&name), false;
    r->columns[r->n_columns++] = (csv_column){ .name = name.text };
    return true;
}

static int csv_by_name(const void *a, const void *b) {
    return strcmp((*(csv_column *const *)a)->name, (*(csv_column *const *)b)->name);
}

static bool csv_check_names(const csv_reader *r, int64_t line) {
    csv_column **sorted = gm_alloc((size_t)r->n_columns * sizeof *sorted);
    if (!sorted) return false;
    for (int64_t i = 0; i < r->n_columns; i++) sorted[i] = &r->columns[i];
    qsort(sorted, (size_t)r->n_columns, sizeof *sorted, csv_by_name);
    bool ok = true;
    for (int64_t i = 1; ok && i < r->n_columns; i++)
        if (!strcmp(sorted[i - 1]->name, sorted[i]->name))
            ok = gm_fail(GM_ERROR_FORMAT, "load_csv: %s: line %lld: two columns are called \"%.100s\"", r->file,
                         (long long)line, sorted[i]->name);
    gm_free(sorted);
    return ok;
}

/* Every name of a list must be there. */
static bool csv_check_list(const csv_reader *r, const char *option, const char *list) {
    for (const char *at = list && strcmp(list, "*") ? list : NULL; at && *at;) {
        size_t n = strcspn(at, ",");
        bool found = false;
        for (int64_t i = 0; i < r->n_columns && !found; i++)
            found = strlen(r->columns[i].name) == n && !memcmp(r->columns[i].name, at, n);
        if (!found)
            return gm_fail(GM_ERROR_INDEX, "load_csv: %s: no column is called \"%.*s\" (option %s)", r->file, (int)n,
                           at, option);
        at += n + (at[n] == ',');
    }
    return true;
}

/* Whether a field of the line at hand is a number. */
static bool csv_line_has_number(const csv_reader *r) {
    csv_reader look = *r;
    for (int64_t column = 0;; column++, look.at++) {
        csv_field f;
        if (!csv_next_field(&look, column, &f)) return false;
        if (csv_kind_of(f) != CSV_TEXT) return true;
        if (csv_at_line_end(&look)) return false;
    }
}

static bool csv_read_header(csv_reader *r) {
    if (r->end - r->at >= 3 && !memcmp(r->at, "\xef\xbb\xbf", 3)) r->at += 3;
    csv_skip_blank_lines(r);
    if (r->at == r->end) return gm_fail(GM_ERROR_FORMAT, "load_csv: %s: the file is empty", r->file);
    if (r->args.guess_header && csv_line_has_number(r)) r->args.no_header = true;
    const char *first = r->at;
    int64_t line = r->line, capacity = 0;
    for (bool more = true; more; r->at += more) {
        csv_field f;
        if (!csv_next_field(r, r->n_columns, &f) || !csv_add_column(r, &f, &capacity)) return false;
        more = !csv_at_line_end(r);
    }
    csv_skip_line_end(r);
    if (r->args.no_header) r->at = first, r->line = line;
    return csv_check_names(r, line) && csv_check_list(r, "numbers", r->args.numbers) &&
           csv_check_list(r, "strings", r->args.strings);
}

/* ---- rows ---- */

typedef bool (*csv_visit)(csv_reader *r, int64_t column, int64_t row, const csv_field *f);

static bool csv_read_row(csv_reader *r, int64_t row, csv_visit visit) {
    int64_t line = r->line, n = 0;
    for (bool more = true; more; r->at += more) {
        csv_field f;
        if (!csv_next_field(r, n, &f)) return false;
        if (n < r->n_columns && !visit(r, n, row, &f)) return false;
        n++;
        more = !csv_at_line_end(r);
    }
    csv_skip_line_end(r);
    if (n == r->n_columns) return true;
    return gm_fail(GM_ERROR_FORMAT, "load_csv: %s: line %lld has %lld columns, the first line has %lld", r->file,
                   (long long)line, (long long)n, (long long)r->n_columns);
}

static bool csv_read_rows(csv_reader *r, csv_visit visit) {
    r->n_rows = 0;
    for (csv_skip_blank_lines(r); r->at < r->end; csv_skip_blank_lines(r))
        if (!csv_read_row(r, r->n_rows++, visit)) return false;
    return true;
}

static bool csv_measure(csv_reader *r, int64_t column, int64_t row, const csv_field *f) {
    csv_column *c = &r->columns[column];
    (void)row;
    if (csv_is_missing(*f)) {
        c->missing = true;
        return c->kind != CSV_TEXT || csv_check_text(r, f, column);
    }
    csv_kind kind = c->kind == CSV_TEXT ? CSV_TEXT : csv_kind_of(*f);
    if (kind > c->most) {
        char what[80];
        snprintf(what, sizeof what, "\"%.*s\" is not a number", f->n < 40 ? (int)f->n : 40, f->at);
        return csv_fail(r, f->line, column, what);
    }
    if (kind > c->kind) c->kind = kind;
    return kind != CSV_TEXT || csv_check_text(r, f, column);
}

static bool csv_store(csv_reader *r, int64_t column, int64_t row, const csv_field *f) {
    csv_column *c = &r->columns[column];
    bool missing = csv_is_missing(*f);
    csv_field trimmed = csv_trimmed(*f);
    if (c->kind == CSV_TEXT) {
        c->out.text[row] = c->texts.n;
        csv_append(&c->texts, f);
        return !c->texts.failed;
    }
    if (c->kind == CSV_INTEGER) csv_integer(trimmed, &c->out.i[row]);
    else if (r->args.floats == GM_F64) missing ? (void)(c->out.d[row] = NAN) : (void)csv_f64(trimmed, &c->out.d[row]);
    else missing ? (void)(c->out.f[row] = NAN) : (void)csv_f32(trimmed, &c->out.f[row]);
    return true;
}

/* ---- columns ---- */

static void csv_begin_columns(csv_reader *r) {
    for (int64_t i = 0; i < r->n_columns; i++) {
        csv_column *c = &r->columns[i];
        c->most = csv_is_listed(r->args.numbers, c->name) ? CSV_NUMBER : CSV_TEXT;
        if (csv_is_listed(r->args.strings, c->name)) c->kind = c->most = CSV_TEXT;
    }
}

/* Integers with gaps are floats; so is a column in which everything is missing. */
static bool csv_make_column(csv_reader *r, csv_column *c) {
    if (c->kind == CSV_INTEGER && (c->missing || !r->n_rows)) c->kind = CSV_NUMBER;
    gm_shape shape = { 1, { 0 }, { r->n_rows } };
    if (c->kind == CSV_TEXT) return (c->out.text = gm_alloc((size_t)r->n_rows * sizeof *c->out.text)) != NULL;
    c->t = gm_empty(shape, c->kind == CSV_INTEGER ? GM_I64 : r->args.floats);
    c->out.i = c->t ? gm_mutable_data(c->t) : NULL;
    return c->out.i != NULL;
}

static gm_tensor *csv_text_column(csv_column *c, int64_t n) {
    const char **texts = gm_alloc((size_t)(n + 1) * sizeof *texts);
    for (int64_t i = 0; texts && i < n; i++) texts[i] = c->texts.text + c->out.text[i];
    gm_tensor *t = texts ? gm_strings(texts, n) : NULL;
    gm_free(texts);
    return t;
}

static gm_pack *csv_pack(csv_reader *r) {
    gm_pack *p = gm_pack_new();
    for (int64_t i = 0; p && i < r->n_columns; i++) {
        csv_column *c = &r->columns[i];
        if (c->kind == CSV_TEXT) c->t = csv_text_column(c, r->n_rows);
        if (!gm_pack_set(p, c->name, c->t)) return NULL;
    }
    return p;
}

static gm_pack *csv_read(csv_reader *r) {
    if (!csv_read_header(r)) return NULL;
    const char *rows = r->at;
    int64_t line = r->line;
    csv_begin_columns(r);
    if (!csv_read_rows(r, csv_measure)) return NULL;
    for (int64_t i = 0; i < r->n_columns; i++)
        if (!csv_make_column(r, &r->columns[i])) return NULL;
    r->at = rows, r->line = line;
    return csv_read_rows(r, csv_store) ? csv_pack(r) : NULL;
}

static void csv_close(csv_reader *r) {
    for (int64_t i = 0; i < r->n_columns; i++) {
        csv_column *c = &r->columns[i];
        if (c->kind == CSV_TEXT) gm_free(c->out.text);
        gm__builder_free(&c->texts);
        gm_free(c->name);
    }
    gm_free(r->columns);
}

static gm_pack *csv_decode_text(const char *name, const char *text, size_t n, const gm_load_csv_args *args) {
    csv_reader r = { .file = name, .text = text, .at = text, .end = text + n, .line = 1 };
    if (!gm__args_take("load_csv", &r.args, sizeof r.args, args)) return NULL;
    if (!r.args.floats) r.args.floats = GM_F32;
    if (r.args.floats != GM_F32 && r.args.floats != GM_F64)
        return gm_fail(GM_ERROR_DTYPE, "load_csv: floats is %s, f32 or f64 is possible", gm_dtype_name(r.args.floats)),
               NULL;
    r.line_end = csv_find_line_end(text, n);
    r.separator = r.args.separator ? (char)r.args.separator : ',';
    if (r.args.separator < 0 || r.args.separator > 127 || strchr("\"\r\n", r.separator))
        return gm_fail(GM_ERROR_VALUE, "load_csv: the separator is character %d", r.args.separator), NULL;
    if (memchr(text, 0, n)) return gm_fail(GM_ERROR_FORMAT, "load_csv: %s: it holds NUL bytes: no text", name), NULL;
    GM_SCOPE(s);
    gm_pack *p = csv_read(&r);
    csv_close(&r);
    return gm_return(&s, p);
}

/* All of a compressed file into *text, which the caller frees. */
static bool csv_unpack(gm__gzip *g, gm__builder *text) {
    enum { PIECE = 1 << 16 };
    char *piece = gm_alloc(PIECE);
    int64_t got = piece ? PIECE : -1;
    while (got == PIECE && !text->failed) {
        got = gm__gzip_read(g, piece, PIECE);
        if (got > 0) gm__builder_bytes(text, piece, (size_t)got);
    }
    gm_free(piece);
    return got >= 0 && !text->failed;
}

gm_pack *gm__csv_decode(const char *name, const void *data, size_t n, const gm_load_csv_args *args) {
    gm__gzip g;
    gm__builder text = { 0 };
    gm_pack *p = NULL;
    if (!gm_ok() || !gm__gzip_open(&g, "load_csv", name, data, n)) return NULL;
    if (!g.state) p = csv_decode_text(name, data ? data : "", n, args);
    else if (csv_unpack(&g, &text)) p = csv_decode_text(name, text.text ? text.text : "", text.n, args);
    gm__builder_free(&text);
    gm__gzip_close(&g);
    return p;
}

gm_pack *gm_load_csv_with(const char *path, const gm_load_csv_args *args) {
    gm__file *f = gm__file_open("load_csv", path, true);
    gm_pack *p = f ? gm__csv_decode(path, f->data, f->bytes, args) : NULL;
    gm__file_release(f);
    return p;
}
