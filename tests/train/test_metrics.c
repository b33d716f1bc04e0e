/* test_metrics.c: each metric against its definition, counted the long way; any cut into batches; errors by name. */
#include "problem.h"

#include <math.h>

enum { N = 60, CLASSES = 4 };
static float output[N][CLASSES];
static int64_t label[N];

static void fill(int classes) {
    GM_SCOPE(s);
    gm_tensor *t = gm_random_of((gm_random_key){ 3, 0, "metric" }, GM_SHAPE(N, CLASSES), GM_F32, 1, 1, 0);
    const float *x = gm_data(t);
    for (int i = 0; i < N; i++) {
        label[i] = (i * 7 + i / 5) % classes;
        for (int c = 0; c < CLASSES; c++) output[i][c] = roundf(2 * x[i * CLASSES + c]) / 2; /* with ties */
        output[i][label[i]] += 0.5f;
    }
}

/* In batches of 7, and whole through a state. */
static double value_of(gm_metric *m, int columns) {
    float narrow[N][2];
    for (int i = 0; i < N; i++) narrow[i][0] = output[i][0], narrow[i][1] = output[i][1];
    gm_tensor *x = columns == CLASSES ? gm_from_data(GM_SHAPE(N, CLASSES), GM_F32, output)
                                      : gm_from_data(GM_SHAPE(N, 2), GM_F32, narrow);
    if (columns == 1) x = gm_contiguous(gm_select(x, 1, 0));
    gm_tensor *y = gm_from_data(GM_SHAPE(N), GM_I64, label);
    for (int64_t at = 0; at < N; at += 7) {
        int64_t n = N - at < 7 ? N - at : 7;
        CHECK(gm_metric_update(m, gm_narrow(x, 0, at, n), gm_narrow(y, 0, at, n)), "%s", gm_error_message());
        gm_tensor *state = gm_metric_state(m);
        if (at == 21) CHECK(gm_metric_reset(m) && isnan(gm_metric_value(m)) && gm_load_metric_state(m, state));
    }
    return gm_metric_value(m);
}

/* A state of another metric: fewer numbers than this one has. */
static void foreign_state(void) {
    GM_SCOPE(s);
    gm_metric *m = gm_metric_accuracy();
    CHECK(gm_load_metric_state(m, gm_ones(GM_SHAPE(1), GM_F64)) && isnan(gm_metric_value(m)), "%s", gm_error_message());
}

static int called(int i, int classes) {
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (output[i][c] > output[i][best]) best = c;
    return best;
}

static void of_classes(void) {
    GM_SCOPE(s);
    double right = 0, top = 0, table[CLASSES][CLASSES] = { { 0 } }, precision = 0, recall = 0, f1 = 0;
    fill(CLASSES);
    for (int i = 0; i < N; i++) {
        int before = 0;
        table[label[i]][called(i, CLASSES)]++;
        right += called(i, CLASSES) == label[i];
        for (int c = 0; c < CLASSES; c++)
            before += output[i][c] > output[i][label[i]] || (output[i][c] == output[i][label[i]] && c < label[i]);
        top += before < 2;
    }
    for (int c = 0; c < CLASSES; c++) {
        double was = 0, said = 0;
        for (int k = 0; k < CLASSES; k++) was += table[c][k], said += table[k][c];
        double p = table[c][c] / said, q = table[c][c] / was;
        precision += p / CLASSES, recall += q / CLASSES, f1 += 2 * p * q / (p + q) / CLASSES;
        if (c == 2) CHECK(fabs(value_of(gm_metric_precision(2), CLASSES) - p) < 1e-14);
        if (c == 3) CHECK(fabs(value_of(gm_metric_recall(3), CLASSES) - q) < 1e-14);
    }
    CHECK(value_of(gm_metric_accuracy(), CLASSES) == right / N && right > N / 3 && right < N);
    CHECK(value_of(gm_metric_top_k(2), CLASSES) == top / N && top > right);
    CHECK(value_of(gm_metric_top_k(4), CLASSES) == 1);
    CHECK(fabs(value_of(gm_metric_precision(-1), CLASSES) - precision) < 1e-14);
    CHECK(fabs(value_of(gm_metric_recall(-1), CLASSES) - recall) < 1e-14);
    CHECK(fabs(value_of(gm_metric_f1(-1), CLASSES) - f1) < 1e-14);
    gm_metric *m = gm_metric_confusion();
    CHECK(value_of(m, CLASSES) == right / N && !strcmp(gm_metric_name(m), "confusion"));
    const int64_t *t = gm_data(gm_metric_table(m));
    for (int i = 0; i < CLASSES * CLASSES; i++) CHECK(t[i] == (int64_t)table[i / CLASSES][i % CLASSES]);
    CHECK(!strcmp(gm_metric_name(gm_metric_top_k(5)), "top_5") && !strcmp(gm_metric_name(gm_metric_f1(1)), "f1_1"));
}

static void of_two(void) {
    GM_SCOPE(s);
    double pairs = 0, one = 0, two = 0;
    fill(2);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < N; k++) {
            if (label[i] != 1 || label[k] != 0) continue;
            double a = output[i][0] - output[k][0];
            double b = (output[i][1] - output[i][0]) - (output[k][1] - output[k][0]);
            pairs++, one += a > 0 ? 1 : a == 0 ? 0.5 : 0, two += b > 0 ? 1 : b == 0 ? 0.5 : 0;
        }
    }
    CHECK(fabs(value_of(gm_metric_auc(), 1) - one / pairs) < 1e-14);
    CHECK(fabs(value_of(gm_metric_auc(), 2) - two / pairs) < 1e-14 && two / pairs > 0.6);
    double right = 0;
    for (int i = 0; i < N; i++) right += (output[i][0] > 0) == label[i];
    CHECK(value_of(gm_metric_accuracy(), 1) == right / N);
    gm_metric *m = gm_metric_auc();
    gm_metric_update(m, gm_ones(GM_SHAPE(3), GM_F32), gm_zeros(GM_SHAPE(3), GM_I64));
    CHECK(isnan(gm_metric_value(m)));
}

static void of_numbers(void) {
    GM_SCOPE(s);
    double a[] = { 1, 2, 3, 4 }, b[] = { 1.5, 2, 1, 4 };
    gm_tensor *x = gm_from_data(GM_SHAPE(2, 2), GM_F64, a), *y = gm_from_data(GM_SHAPE(2, 2), GM_F64, b);
    gm_metric *mae = gm_metric_mae(), *mse = gm_metric_mse();
    gm_metric_update(mae, x, y), gm_metric_update(mse, x, y);
    CHECK(gm_metric_value(mae) == 2.5 / 4 && gm_metric_value(mse) == 4.25 / 4);
    CHECK(!gm_metric_update(mse, x, gm_ones(GM_SHAPE(4), GM_F64)) && gm_error_code() == GM_ERROR_SHAPE);
    gm_error_clear();
}

static void errors(void) {
    GM_SCOPE(s);
    fill(CLASSES);
    gm_tensor *x = gm_from_data(GM_SHAPE(N, CLASSES), GM_F32, output);
    gm_metric *m = gm_metric_f1(-1);
    CHECK(!gm_metric_update(m, x, gm_full(GM_SHAPE(N), 4, GM_I64)) && gm_error_code() == GM_ERROR_INDEX &&
              strstr(gm_error_message(), "label 0 is 4, there are 4 classes"), "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_metric_update(m, x, gm_ones(GM_SHAPE(3), GM_I64)) && gm_error_code() == GM_ERROR_SHAPE);
    gm_error_clear();
    CHECK(!gm_metric_update(gm_metric_auc(), x, gm_ones(GM_SHAPE(N), GM_I64)) && gm_error_code() == GM_ERROR_SHAPE);
    gm_error_clear();
    CHECK(!gm_metric_top_k(0) && gm_error_code() == GM_ERROR_VALUE);
    gm_error_clear();
    CHECK(isnan(gm_metric_value(m)) && !gm_metric_table(m) && gm_error_code() == GM_ERROR_STATE);
    gm_error_clear();
}

int main(void) {
    RUN(foreign_state);
    RUN(of_classes);
    RUN(of_two);
    RUN(of_numbers);
    RUN(errors);
    return check_done();
}
