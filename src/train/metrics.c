/* metrics.c: the metrics: of classes (a confusion matrix and what is read off it), of ranks, of numbers. */
#include "../math/fp.h"
#include "gemel/extend.h"
#include "gemel/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- outputs and labels of a batch ---- */

typedef struct {
    double *output;
    int64_t *label;
    int64_t n, classes;
    bool binary;
} metrics_batch; /* output [n, classes] */

static void metrics_close(metrics_batch *b) {
    gm_free(b->output);
    gm_free(b->label);
}

static bool metrics_labels(const char *op, metrics_batch *b) {
    for (int64_t i = 0; i < b->n; i++)
        if (b->label[i] < 0 || b->label[i] >= (b->binary ? 2 : b->classes))
            return gm_fail(GM_ERROR_INDEX, "%s: label %lld is %lld, there are %lld classes", op, (long long)i,
                           (long long)b->label[i], (long long)(b->binary ? 2 : b->classes));
    return true;
}

/* Outputs [B, C], or [B] and [B, 1] for two classes; labels [B] (or [B, 1]). To be closed whatever it returns. */
static bool metrics_open(const char *op, metrics_batch *b, gm_tensor *output, gm_tensor *target) {
    int dims = gm_n_dims(output);
    if (!gm_ok() || (dims != 1 && dims != 2) || gm_count(target) != gm_size(output, 0))
        return gm_ok() && gm_fail(GM_ERROR_SHAPE,
                                  "%s: outputs are [B, C] or [B], labels [B]; these have %lld and %lld "
                                  "elements",
                                  op, (long long)gm_count(output), (long long)gm_count(target));
    b->n = gm_size(output, 0);
    b->classes = dims == 2 ? gm_size(output, 1) : 1;
    b->binary = b->classes == 1;
    size_t outputs = (size_t)(b->n * b->classes) * sizeof *b->output, labels = (size_t)b->n * sizeof *b->label;
    b->output = gm_alloc(outputs + 1), b->label = gm_alloc(labels + 1);
    return b->output && b->label && gm_read(output, GM_F64, b->output, outputs) &&
           gm_read(target, GM_I64, b->label, labels) && metrics_labels(op, b);
}

/* The class of the largest output, the first of several; a NaN is largest. */
static int64_t metrics_called(const metrics_batch *b, int64_t i) {
    const double *x = b->output + i * b->classes;
    int64_t best = 0;
    if (b->binary) return x[0] > 0;
    for (int64_t c = 1; c < b->classes; c++)
        if (x[c] > x[best] || (isnan(x[c]) && !isnan(x[best]))) best = c;
    return best;
}

/* ---- parts of examples: numbers are { right, seen } ---- */

static double metrics_part(const double *s, int64_t n, int64_t option) {
    (void)option;
    return n > 1 && s[1] > 0 ? s[0] / s[1] : NAN;
}

static bool metrics_accuracy(gm_metric *m, gm_tensor *output, gm_tensor *target) {
    metrics_batch b = { 0 };
    double *s = gm_metric_numbers(m, 2);
    bool ok = s && metrics_open("metric_accuracy", &b, output, target);
    for (int64_t i = 0; ok && i < b.n; i++) s[0] += metrics_called(&b, i) == b.label[i];
    if (ok) s[1] += (double)b.n;
    metrics_close(&b);
    return ok;
}

/* The label is among the k largest if fewer than k outputs come before it: larger, or equal and of a lower class. */
static bool metrics_top_k(gm_metric *m, gm_tensor *output, gm_tensor *target) {
    metrics_batch b = { 0 };
    double *s = gm_metric_numbers(m, 2);
    bool ok = s && metrics_open("metric_top_k", &b, output, target);
    if (ok && b.binary) ok = gm_fail(GM_ERROR_SHAPE, "metric_top_k: outputs are [B, C]");
    for (int64_t i = 0; ok && i < b.n; i++) {
        const double *x = b.output + i * b.classes;
        int64_t before = 0, label = b.label[i];
        for (int64_t c = 0; c < b.classes; c++)
            before += !(x[c] < x[label]) && c != label && (x[c] != x[label] || c < label);
        s[0] += before < gm_metric_option(m);
    }
    if (ok) s[1] += (double)b.n;
    metrics_close(&b);
    return ok;
}

static gm_metric *metrics_new(const char *format, int64_t number, gm_metric_class c, int64_t option);

gm_metric *gm_metric_accuracy(void) {
    return metrics_new("accuracy", 0, (gm_metric_class){ .update = metrics_accuracy, .value = metrics_part }, 0);
}

gm_metric *gm_metric_top_k(int64_t k) {
    if (gm_ok() && k < 1) return gm_fail(GM_ERROR_VALUE, "metric_top_k: k is %lld", (long long)k), NULL;
    return metrics_new("top_%lld", k, (gm_metric_class){ .update = metrics_top_k, .value = metrics_part }, k);
}

/* ---- a confusion matrix, and what is read off it: numbers are [C, C], rows the labels ---- */

static bool metrics_confusion(gm_metric *m, gm_tensor *output, gm_tensor *target) {
    metrics_batch b = { 0 };
    bool ok = metrics_open("metric_confusion", &b, output, target);
    int64_t classes = b.binary ? 2 : b.classes, had = gm_n_metric_numbers(m);
    if (ok && had && had != classes * classes)
        ok = gm_fail(GM_ERROR_SHAPE, "metric_confusion: outputs of %lld classes, another number before",
                     (long long)classes);
    double *s = ok ? gm_metric_numbers(m, classes * classes) : NULL;
    for (int64_t i = 0; s && i < b.n; i++) s[b.label[i] * classes + metrics_called(&b, i)] += 1;
    metrics_close(&b);
    return s != NULL;
}

typedef struct { double right, called, labelled; } metrics_class;

static metrics_class metrics_of_class(const double *s, int64_t classes, int64_t c) {
    metrics_class k = { s[c * classes + c], 0, 0 };
    for (int64_t i = 0; i < classes; i++) k.called += s[i * classes + c], k.labelled += s[c * classes + i];
    return k;
}

typedef double (*metrics_score)(const metrics_class *k);
static double metrics_precision(const metrics_class *k) { return k->called > 0 ? k->right / k->called : 0; }
static double metrics_recall(const metrics_class *k) { return k->labelled > 0 ? k->right / k->labelled : 0; }
static double metrics_f1(const metrics_class *k) {
    double both = k->called + k->labelled;
    return both > 0 ? 2 * k->right / both : 0;
}

/* Of one class, or the mean over those that are labels or were called. */
static double metrics_scored(const double *s, int64_t n, int64_t index, metrics_score f) {
    int64_t classes = (int64_t)sqrt((double)n), occur = 0;
    double total = 0;
    if (!n || index >= classes) return NAN;
    for (int64_t c = 0; c < classes; c++) {
        metrics_class k = metrics_of_class(s, classes, c);
        if (c == index) return f(&k);
        if (k.called + k.labelled == 0) continue;
        total += f(&k);
        occur++;
    }
    return occur ? total / (double)occur : NAN;
}

static double metrics_precision_of(const double *s, int64_t n, int64_t o) {
    return metrics_scored(s, n, o, metrics_precision);
}
static double metrics_recall_of(const double *s, int64_t n, int64_t o) {
    return metrics_scored(s, n, o, metrics_recall);
}
static double metrics_f1_of(const double *s, int64_t n, int64_t o) { return metrics_scored(s, n, o, metrics_f1); }

static double metrics_diagonal(const double *s, int64_t n, int64_t option) {
    int64_t classes = (int64_t)sqrt((double)n);
    double right = 0, all = 0;
    (void)option;
    for (int64_t i = 0; i < n; i++) all += s[i], right += i % (classes + 1) ? 0 : s[i];
    return all > 0 ? right / all : NAN;
}

static gm_metric *metrics_of(const char *all, const char *one, int64_t index,
                             double (*value)(const double *, int64_t, int64_t)) {
    gm_metric_class c = { .update = metrics_confusion, .value = value };
    return metrics_new(index < 0 ? all : one, index, c, index < 0 ? -1 : index);
}

gm_metric *gm_metric_precision(int64_t index) {
    return metrics_of("precision", "precision_%lld", index, metrics_precision_of);
}
gm_metric *gm_metric_recall(int64_t index) { return metrics_of("recall", "recall_%lld", index, metrics_recall_of); }
gm_metric *gm_metric_f1(int64_t index) { return metrics_of("f1", "f1_%lld", index, metrics_f1_of); }
gm_metric *gm_metric_confusion(void) { return metrics_of("confusion", "", -1, metrics_diagonal); }

/* ---- the area under the curve: numbers are pairs { score, label } ---- */

static bool metrics_auc(gm_metric *m, gm_tensor *output, gm_tensor *target) {
    metrics_batch b = { 0 };
    bool ok = metrics_open("metric_auc", &b, output, target);
    if (ok && b.classes > 2)
        ok = gm_fail(GM_ERROR_SHAPE, "metric_auc: outputs of %lld classes, it is for two", (long long)b.classes);
    int64_t had = ok ? gm_n_metric_numbers(m) : 0;
    double *s = ok ? gm_metric_numbers(m, had + 2 * b.n) : NULL;
    for (int64_t i = 0; s && i < b.n; i++) {
        const double *x = b.output + i * b.classes;
        s[had + 2 * i] = b.binary ? x[0] : x[1] - x[0];
        s[had + 2 * i + 1] = (double)b.label[i];
    }
    metrics_close(&b);
    return s != NULL;
}

static int metrics_by_score(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The sum of the ranks of class 1, equal scores sharing the mean of theirs (Mann and Whitney). */
static double metrics_area(const double *s, int64_t n, int64_t option) {
    int64_t pairs = n / 2;
    double ones = 0, ranks = 0;
    (void)option;
    double *sorted = gm_alloc((size_t)(n + 1) * sizeof *sorted);
    if (!sorted) return NAN;
    for (int64_t i = 0; i < n; i++) sorted[i] = s[i];
    qsort(sorted, (size_t)pairs, 2 * sizeof *sorted, metrics_by_score);
    for (int64_t i = 0, j; i < pairs; i = j) {
        double here = 0;
        for (j = i; j < pairs && sorted[2 * j] == sorted[2 * i]; j++) here += sorted[2 * j + 1];
        if (j == i) j++, ranks = NAN; /* a NaN */
        ones += here;
        ranks += here * (0.5 * (double)(i + 1 + j));
    }
    gm_free(sorted);
    double zeros = (double)pairs - ones;
    return ones > 0 && zeros > 0 ? (ranks - 0.5 * ones * (ones + 1)) / (ones * zeros) : NAN;
}

gm_metric *gm_metric_auc(void) {
    return metrics_new("auc", 0, (gm_metric_class){ .update = metrics_auc, .value = metrics_area }, 0);
}

/* ---- errors of numbers: numbers are { sum, seen }; option 1: squares ---- */

static bool metrics_errors(gm_metric *m, gm_tensor *output, gm_tensor *target) {
    int64_t n = gm_count(output);
    bool square = gm_metric_option(m) == 1;
    double *s = gm_metric_numbers(m, 2);
    if (!s) return false;
    if (!gm_shape_equal(gm_shape_of(output), gm_shape_of(target)))
        return gm_fail(GM_ERROR_SHAPE, "metric_%s: output and target have different shapes", square ? "mse" : "mae");
    double *x = gm_alloc((size_t)(2 * n + 1) * sizeof *x);
    bool ok =
        x && gm_read(output, GM_F64, x, (size_t)n * sizeof *x) && gm_read(target, GM_F64, x + n, (size_t)n * sizeof *x);
    for (int64_t i = 0; ok && i < n; i++) {
        double d = x[i] - x[n + i];
        s[0] += square ? d * d : fabs(d);
    }
    if (ok) s[1] += (double)n;
    gm_free(x);
    return ok;
}

gm_metric *gm_metric_mae(void) {
    return metrics_new("mae", 0, (gm_metric_class){ .update = metrics_errors, .value = metrics_part }, 0);
}
gm_metric *gm_metric_mse(void) {
    return metrics_new("mse", 0, (gm_metric_class){ .update = metrics_errors, .value = metrics_part }, 1);
}

/* `format` has a place for the number where the name has one. */
static gm_metric *metrics_new(const char *format, int64_t number, gm_metric_class c, int64_t option) {
    char name[64];
    snprintf(name, sizeof name, format, (long long)number);
    c.size = sizeof c, c.name = name;
    return gm_metric_new(&c, option);
}
