/* table.c: data sets out of the columns of a table: numbers to learn from, and one column to learn. */
#include "../math/fp.h"
#include "../base/args.h"
#include "dataset.h"
#include "gemel/formats.h"
#include "gemel/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_MOST_CLASSES = 1 << 16, TABLE_EVERY = 10 };

typedef struct {
    gm_pack *columns;
    const char *source, *label;
    gm_table_args args;
    int64_t rows;
} table;

/* ---- what to learn from ---- */

/* A column is text for the sake of one field: which one, to be told. */
static bool table_is_text(const table *t, const char *name, gm_tensor *column) {
    int64_t at = 0;
    for (int64_t i = t->rows - 1; i >= 0; i--) {
        const char *text = gm_string_at(column, i);
        if (text && text[strspn(text, "+-.0123456789eE \t")]) at = i;
    }
    return gm_fail(GM_ERROR_VALUE,
                   "%s: column \"%s\" is text, to learn from it numbers are needed: row %lld has \"%.40s\"", t->source,
                   name, (long long)at + 1, t->rows ? gm_string_at(column, at) : "");
}

static bool table_copy(const table *t, const char *name, float *to, int64_t stride) {
    if (!gm_pack_has(t->columns, name))
        return gm_fail(GM_ERROR_INDEX, "%s: there is no column \"%s\"", t->source, name);
    gm_tensor *column = gm_get(t->columns, name);
    if (column && gm_dtype_of(column) == GM_STRING) return table_is_text(t, name, column);
    gm_tensor *reals = gm_contiguous(gm_cast(column, GM_F32));
    const float *from = reals ? gm_data(reals) : NULL;
    for (int64_t i = 0; from && i < t->rows; i++) {
        bool missing = from[i] != from[i];
        if (missing && !t->args.missing.set)
            return gm_fail(GM_ERROR_VALUE, "%s: column \"%s\" has no value in row %lld (missing can be filled)",
                           t->source, name, (long long)i + 1);
        if (from[i] - from[i] != 0 && !missing)
            return gm_fail(GM_ERROR_VALUE, "%s: column \"%s\" in row %lld is %g as f32", t->source, name,
                           (long long)i + 1, (double)from[i]);
        to[i * stride] = missing ? (float)t->args.missing.v : from[i];
    }
    return from != NULL;
}

static gm_tensor *table_numbers(const table *t, gm_tensor *names) {
    int64_t n = gm_count(names);
    if (gm_ok() && (!n || gm_dtype_of(names) != GM_STRING))
        gm_fail(GM_ERROR_VALUE, "%s: there is no column to learn from", t->source);
    gm_tensor *x = gm_ok() ? gm_empty(GM_SHAPE(t->rows, n), GM_F32) : NULL;
    float *to = x ? gm_mutable_data(x) : NULL;
    for (int64_t i = 0; to && i < n; i++)
        if (!table_copy(t, gm_string_at(names, i), to + i, n)) return NULL;
    return x;
}

/* The rows of the first column, and all others must have as many. */
static bool table_open(table *t, gm_pack *columns, const char *source) {
    t->columns = columns;
    t->source = source ? source : "table";
    int64_t n = gm_pack_count(columns);
    if (gm_ok() && !n) gm_fail(GM_ERROR_VALUE, "%s: there are no columns", t->source);
    for (int64_t i = 0; gm_ok() && i < n; i++) {
        gm_tensor *c = gm_pack_at(columns, i);
        if (!i && c && gm_n_dims(c) == 1) t->rows = gm_size(c, 0);
        if (!c || gm_n_dims(c) != 1 || gm_size(c, 0) != t->rows)
            gm_fail(GM_ERROR_SHAPE, "%s: column \"%s\" is not one of %lld values", t->source, gm_pack_name(columns, i),
                    (long long)t->rows);
    }
    return gm_ok();
}

gm_tensor *gm_table_numbers(gm_pack *columns, gm_tensor *names, const char *source, gm_real missing) {
    table t = { .args = { .missing = missing } };
    GM_SCOPE(s);
    if (!gm_ok() || !table_open(&t, columns, source)) return NULL;
    return gm_return(&s, table_numbers(&t, names));
}

static bool table_is_ignored(const table *t, const char *name) {
    size_t n = strlen(name);
    for (const char *at = t->args.ignore; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == n && !memcmp(at, name, n)) return true;
    return !strcmp(name, t->label);
}

/* A name that no column has is a mistake: the column that was meant would be learned from. */
static bool table_check_ignored(const table *t) {
    for (const char *at = t->args.ignore; at && *at; at += strcspn(at, ","), at += *at == ',') {
        char list[240] = "";
        size_t n = strcspn(at, ","), used = 0;
        int64_t i = 0, all = gm_pack_count(t->columns);
        while (i < all && (strlen(gm_pack_name(t->columns, i)) != n || memcmp(gm_pack_name(t->columns, i), at, n))) i++;
        if (i < all || !n) continue;
        for (i = 0; i < all && used < sizeof list - 60; i++)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%.50s", i ? ", " : "",
                                     gm_pack_name(t->columns, i));
        return gm_fail(GM_ERROR_INDEX, "%s: there is no column \"%.*s\" to ignore; there are %s%s", t->source,
                       n < 200 ? (int)n : 200, at, list, i < all ? " ..." : "");
    }
    return gm_ok();
}

/* All columns but the label and the ignored ones. */
static gm_tensor *table_names(const table *t) {
    int64_t all = gm_pack_count(t->columns), n = 0;
    const char **names = gm_alloc((size_t)all * sizeof *names);
    for (int64_t i = 0; names && i < all; i++)
        if (!table_is_ignored(t, gm_pack_name(t->columns, i))) names[n++] = gm_pack_name(t->columns, i);
    gm_tensor *strings = names ? gm_strings(names, n) : NULL;
    gm_free(names);
    return strings;
}

/* ---- what to learn ---- */

typedef struct {
    const char *text;
    int64_t index;
} table_class;

static int table_by_text(const void *a, const void *b) {
    return strcmp(((const table_class *)a)->text, ((const table_class *)b)->text);
}

static void table_sort(table_class *c, int64_t n) {
    if (n) qsort(c, (size_t)n, sizeof *c, table_by_text);
}

/* Each text once, sorted and numbered. */
static gm_tensor *table_distinct(const table *t, gm_tensor *label) {
    table_class *c = gm_alloc((size_t)(t->rows + 1) * sizeof *c);
    const char **names = c ? gm_alloc((size_t)(t->rows + 1) * sizeof *names) : NULL;
    int64_t n = 0;
    for (int64_t i = 0; names && i < t->rows; i++) c[i].text = gm_string_at(label, i);
    if (names) table_sort(c, t->rows);
    for (int64_t i = 0; names && i < t->rows; i++)
        if (!n || strcmp(names[n - 1], c[i].text)) names[n++] = c[i].text;
    if (n > TABLE_MOST_CLASSES)
        gm_fail(GM_ERROR_VALUE, "%s: column \"%s\" has %lld different texts, over %d classes", t->source, t->label,
                (long long)n, TABLE_MOST_CLASSES);
    gm_tensor *strings = names && gm_ok() ? gm_strings(names, n) : NULL;
    gm_free(names);
    gm_free(c);
    return strings;
}

/* The text of a label of either kind. */
static const char *table_label_text(gm_tensor *label, int64_t row, char *buffer, size_t bytes) {
    if (gm_dtype_of(label) == GM_STRING) return gm_string_at(label, row);
    snprintf(buffer, bytes, "%lld", ((const long long *)gm_data(label))[row]);
    return buffer;
}

static bool table_find(const table *t, gm_tensor *label, const table_class *classes, int64_t n, int64_t *to) {
    for (int64_t i = 0; i < t->rows; i++) {
        char number[32];
        table_class own = { table_label_text(label, i, number, sizeof number), 0 };
        if (!*own.text)
            return gm_fail(GM_ERROR_VALUE, "%s: column \"%s\" has no label in row %lld", t->source, t->label,
                           (long long)i + 1);
        const table_class *found = bsearch(&own, classes, (size_t)n, sizeof own, table_by_text);
        if (!found)
            return gm_fail(GM_ERROR_VALUE, "%s: column \"%s\": \"%.60s\" in row %lld is none of the %lld classes",
                           t->source, t->label, own.text, (long long)i + 1, (long long)n);
        to[i] = found->index;
    }
    return true;
}

/* Labels i64 [rows] as places in `names`. */
static gm_tensor *table_look_up(const table *t, gm_tensor *label, gm_tensor *names) {
    int64_t n = gm_count(names);
    table_class *classes = gm_ok() ? gm_alloc((size_t)(n + 1) * sizeof *classes) : NULL;
    gm_tensor *y = classes ? gm_empty(GM_SHAPE(t->rows), GM_I64) : NULL;
    int64_t *to = y ? gm_mutable_data(y) : NULL;
    for (int64_t i = 0; to && i < n; i++) classes[i] = (table_class){ gm_string_at(names, i), i };
    if (to) table_sort(classes, n);
    bool ok = to && gm_ok() && table_find(t, label, classes, n, to);
    gm_free(classes);
    return ok ? y : NULL;
}

/* The names "0" to the largest label. */
gm_tensor *gm__number_names(const char *op, gm_tensor *labels) {
    int64_t n = gm_count(labels), most = -1;
    const int64_t *y = gm_data(labels);
    for (int64_t i = 0; y && i < n; i++) {
        if (y[i] < 0 || y[i] >= TABLE_MOST_CLASSES)
            return gm_fail(GM_ERROR_VALUE, "%s: the label in row %lld is %lld, 0 to %d is possible", op,
                           (long long)i + 1, (long long)y[i], TABLE_MOST_CLASSES - 1),
                   NULL;
        if (y[i] > most) most = y[i];
    }
    const char **names = y ? gm_alloc((size_t)(most + 2) * sizeof *names) : NULL;
    char(*text)[8] = names ? gm_alloc((size_t)(most + 2) * sizeof *text) : NULL;
    for (int64_t i = 0; text && i <= most; i++) {
        snprintf(text[i], sizeof *text, "%d", (int)i);
        names[i] = text[i];
    }
    gm_tensor *t = text ? gm_strings(names, most + 1) : NULL;
    gm_free(text);
    gm_free(names);
    return t;
}

static gm_tensor *table_reals(const table *t, gm_tensor *label) {
    label = gm_contiguous(gm_cast(label, GM_F32));
    const float *v = label ? gm_data(label) : NULL;
    for (int64_t i = 0; v && i < t->rows; i++)
        if (v[i] != v[i])
            return gm_fail(GM_ERROR_VALUE, "%s: column \"%s\" has no value in row %lld", t->source, t->label,
                           (long long)i + 1),
                   NULL;
    return label;
}

/* y; *names for classes, else NULL. */
static gm_tensor *table_targets(const table *t, gm_tensor **names) {
    char op[512];
    if (gm_ok() && !gm_pack_has(t->columns, t->label))
        gm_fail(GM_ERROR_INDEX, "%s: there is no column \"%s\" of labels", t->source, t->label);
    gm_tensor *label = gm_ok() ? gm_get(t->columns, t->label) : NULL;
    if (!label) return NULL;
    gm_dtype dtype = gm_dtype_of(label);
    bool text = dtype == GM_STRING;
    if (!text && dtype != GM_I64) return table_reals(t, label);
    if (!text && !(label = gm_contiguous(label))) return NULL;
    *names = t->args.classes ? t->args.classes : text ? table_distinct(t, label) : NULL;
    if (*names || text) return *names ? table_look_up(t, label, *names) : NULL;
    snprintf(op, sizeof op, "%.300s: column \"%.100s\"", t->source, t->label);
    *names = gm__number_names(op, label);
    return *names ? label : NULL;
}

/* ---- parts ---- */

/* Rows i with i % every == every - 1 are for testing; of less than that, the last. */
static gm_tensor *table_rows(gm_tensor *t, int64_t every, bool test) {
    gm_shape s = gm_shape_of(t);
    int64_t n = s.d[0], row = n ? gm_count(t) / n : 0, step = n < every ? n : every, tested = n > 1 ? n / step : 0;
    size_t bytes = (size_t)row * (size_t)gm_dtype_bits(gm_dtype_of(t)) / 8;
    s.d[0] = test ? tested : n - tested;
    const char *from = gm_data(t);
    gm_tensor *y = gm_empty(s, gm_dtype_of(t));
    char *to = y ? gm_mutable_data(y) : NULL;
    for (int64_t i = 0; to && from && i < n; i++)
        if ((tested && i % step == step - 1) == test) {
            memcpy(to, from + (size_t)i * bytes, bytes);
            to += bytes;
        }
    return y;
}

static bool table_take(gm_table_args *a, const gm_table_args *args) {
    if (!gm_ok() || !gm__args_take("table_dataset", a, sizeof *a, args)) return false;
    if (!a->every) a->every = TABLE_EVERY;
    if (a->every < 2 || a->part < GM_FOLDER_ALL || a->part > GM_FOLDER_TEST || a->header < -1 || a->header > 1)
        return gm_fail(GM_ERROR_VALUE, "table_dataset: every %d, part %d, header %d", a->every, a->part, a->header);
    return true;
}

gm_dataset *gm_table_dataset_with(gm_pack *columns, const gm_table_args *args) {
    table t = { 0 };
    GM_SCOPE(s);
    if (!table_take(&t.args, args) || !table_open(&t, columns, t.args.source) ||
        !table_check_ignored(&t))
        return NULL;
    t.label = t.args.label ? t.args.label : gm_pack_name(columns, gm_pack_count(columns) - 1);
    gm_tensor *names = NULL, *y = table_targets(&t, &names);
    gm_tensor *from = !y ? NULL : t.args.columns ? t.args.columns : table_names(&t);
    gm_tensor *x = from ? table_numbers(&t, from) : NULL;
    if (x && t.args.part) {
        bool test = t.args.part == GM_FOLDER_TEST;
        x = table_rows(x, t.args.every, test), y = table_rows(y, t.args.every, test);
    }
    gm_dataset *d = x ? gm_dataset_of(x, y) : NULL;
    if (names && d) gm_dataset_set_classes(d, names);
    return gm_return(&s, gm_ok() ? d : NULL);
}

gm_dataset *gm_csv_dataset_with(const char *path, const gm_table_args *args) {
    gm_table_args a = { 0 };
    char source[1024];
    GM_SCOPE(s);
    if (!table_take(&a, args)) return NULL;
    if (!path) return gm_fail(GM_ERROR_VALUE, "csv_dataset: the file is NULL"), NULL;
    snprintf(source, sizeof source, "csv_dataset: %s", path);
    a.size = sizeof a;
    if (!a.source) a.source = source;
    gm_pack *columns = gm_load_csv(path, .no_header = a.header < 0, .guess_header = !a.header);
    return gm_return(&s, columns ? gm_table_dataset_with(columns, &a) : NULL);
}
