/* table.c: data sets out of the columns of a CSV file: numbers to learn from, and one column to learn. */
#include "../math/fp.h"
#include "../base/args.h"
#include "dataset.h"
#include "gemel/formats.h"
#include "gemel/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_MOST_CLASSES = 1 << 16 };

typedef struct {
    const char *path;
    gm_pack *columns;
    const char *label;
    gm_csv_dataset_args args;
    int64_t rows;
} table;

static bool table_is_ignored(const table *t, const char *name) {
    size_t n = strlen(name);
    for (const char *at = t->args.ignore; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == n && !memcmp(at, name, n)) return true;
    return false;
}

/* ---- what to learn from ---- */

static bool table_copy(const table *t, const char *name, gm_tensor *column, float *to, int64_t stride) {
    if (gm_dtype_of(column) == GM_STRING)
        return gm_fail(GM_ERROR_VALUE,
                       "csv_dataset: %s: column \"%s\" is text: leave it out (.ignore) or make numbers of it", t->path,
                       name);
    gm_tensor *reals = gm_cast(column, GM_F32);
    const float *from = reals ? gm_data(reals) : NULL;
    for (int64_t i = 0; from && i < t->rows; i++) {
        bool missing = from[i] != from[i];
        if (missing && !t->args.missing.set)
            return gm_fail(GM_ERROR_VALUE,
                           "csv_dataset: %s: column \"%s\" has no value in row %lld (.missing fills it)", t->path, name,
                           (long long)i + 1);
        to[i * stride] = missing ? (float)t->args.missing.v : from[i];
    }
    return from != NULL;
}

static gm_tensor *table_inputs(const table *t) {
    int64_t all = gm_pack_count(t->columns), n = 0;
    for (int64_t i = 0; i < all; i++) {
        const char *name = gm_pack_name(t->columns, i);
        n += strcmp(name, t->label) && !table_is_ignored(t, name);
    }
    if (!n) return gm_fail(GM_ERROR_VALUE, "csv_dataset: %s: no columns but the label \"%s\"", t->path, t->label), NULL;
    gm_tensor *x = gm_empty(GM_SHAPE(t->rows, n), GM_F32);
    float *to = x ? gm_mutable_data(x) : NULL;
    for (int64_t i = 0; to && i < all; i++) {
        const char *name = gm_pack_name(t->columns, i);
        if (strcmp(name, t->label) && !table_is_ignored(t, name) &&
            !table_copy(t, name, gm_pack_at(t->columns, i), to++, n))
            return NULL;
    }
    return x;
}

/* ---- what to learn ---- */

static int table_by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted and each once; the number of them. */
static int64_t table_distinct(const char **text, int64_t n) {
    int64_t kept = 0;
    if (n) qsort(text, (size_t)n, sizeof *text, table_by_text);
    for (int64_t i = 0; i < n; i++)
        if (!kept || strcmp(text[kept - 1], text[i])) text[kept++] = text[i];
    return kept;
}

static gm_tensor *table_of_texts(const table *t, gm_tensor *label, gm_tensor **names) {
    const char **text = gm_alloc((size_t)(t->rows + 1) * sizeof *text);
    gm_tensor *y = text ? gm_empty(GM_SHAPE(t->rows), GM_I64) : NULL;
    int64_t *to = y ? gm_mutable_data(y) : NULL;
    for (int64_t i = 0; to && i < t->rows; i++) text[i] = gm_string_at(label, i);
    int64_t n = to ? table_distinct(text, t->rows) : 0;
    for (int64_t i = 0; to && i < t->rows; i++) {
        const char *own = gm_string_at(label, i);
        to[i] = (const char **)bsearch(&own, text, (size_t)n, sizeof *text, table_by_text) - text;
    }
    *names = to ? gm_strings(text, n) : NULL;
    gm_free(text);
    return y;
}

/* The names "0" to the largest label. */
gm_tensor *gm__number_names(const char *op, gm_tensor *labels) {
    int64_t n = gm_count(labels), most = -1;
    const int64_t *y = gm_data(labels);
    for (int64_t i = 0; y && i < n; i++) {
        if (y[i] < 0 || y[i] >= TABLE_MOST_CLASSES)
            return gm_fail(GM_ERROR_VALUE, "%s: label %lld is %lld, 0 to %d is possible", op, (long long)i,
                           (long long)y[i], TABLE_MOST_CLASSES - 1),
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

static gm_tensor *table_targets(const table *t, gm_tensor **names) {
    gm_tensor *label = gm_get(t->columns, t->label);
    char op[512];
    snprintf(op, sizeof op, "csv_dataset: %.200s: column \"%.100s\"", t->path, t->label);
    if (!gm_ok()) return NULL;
    if (gm_dtype_of(label) == GM_STRING) return table_of_texts(t, label, names);
    if (gm_dtype_of(label) == GM_I64) return *names = gm__number_names(op, label), label;
    const float *v = gm_data(label);
    for (int64_t i = 0; v && i < t->rows; i++)
        if (v[i] != v[i]) return gm_fail(GM_ERROR_VALUE, "%s has no value in row %lld", op, (long long)i + 1), NULL;
    return label;
}

/* ---- parts ---- */

/* Rows i with (i % every == every - 1) == test. */
static gm_tensor *table_rows(gm_tensor *t, int64_t every, bool test) {
    gm_shape s = gm_shape_of(t);
    int64_t n = s.d[0], row = n ? gm_count(t) / n : 0, tenth = n / every;
    size_t bytes = (size_t)row * (size_t)gm_dtype_bits(gm_dtype_of(t)) / 8;
    s.d[0] = test ? tenth : n - tenth;
    const char *from = gm_data(t);
    gm_tensor *y = gm_empty(s, gm_dtype_of(t));
    char *to = y ? gm_mutable_data(y) : NULL;
    for (int64_t i = 0; to && from && i < n; i++)
        if ((i % every == every - 1) == test) {
            memcpy(to, from + (size_t)i * bytes, bytes);
            to += bytes;
        }
    return y;
}

gm_dataset *gm_csv_dataset_with(const char *path, const gm_csv_dataset_args *args) {
    table t = { .path = path };
    if (!gm_ok() || !gm__args_take("csv_dataset", &t.args, sizeof t.args, args)) return NULL;
    if (!t.args.every) t.args.every = 10;
    if (!path || t.args.every < 2 || t.args.part < GM_FOLDER_ALL || t.args.part > GM_FOLDER_TEST)
        return gm_fail(GM_ERROR_VALUE, "csv_dataset: file %s, every %d, part %d", path ? path : "NULL", t.args.every,
                       t.args.part),
               NULL;
    GM_SCOPE(s);
    gm_tensor *names = NULL;
    t.columns = gm_load_csv(path);
    if (!t.columns) return NULL;
    t.label = t.args.label ? t.args.label : gm_pack_name(t.columns, gm_pack_count(t.columns) - 1);
    t.rows = gm_size(gm_pack_at(t.columns, 0), 0);
    gm_tensor *y = table_targets(&t, &names), *x = y ? table_inputs(&t) : NULL;
    if (x && t.args.part) {
        bool test = t.args.part == GM_FOLDER_TEST;
        x = table_rows(x, t.args.every, test), y = table_rows(y, t.args.every, test);
    }
    gm_dataset *d = x ? gm_dataset_of(x, y) : NULL;
    if (names) gm_dataset_set_classes(d, names);
    return gm_return(&s, gm_ok() ? d : NULL);
}
