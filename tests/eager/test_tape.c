/* Recording, backward passes, gradients of gradients, hooks, and what is refused. */
#include "check.h"
#include "gemel/autograd.h"
#include "gemel/ops.h"

#include "gemel/extend.h"

#include <math.h>
#include <pthread.h>

static gm_tensor *leaf(double v) {
    gm_tensor *x = gm_scalar(v, GM_F64);
    gm_set_requires_grad(x, true);
    return x;
}

static void simple(void) {
    GM_SCOPE(s);
    gm_tensor *x = leaf(3), *y = leaf(2);
    gm_tensor *z = gm_add(gm_mul(x, y), gm_exp(y));
    CHECK(gm_backward(z), "%s", gm_error_message());
    CHECK(gm_item(gm_gradient_of(x)) == 2);
    CHECK(fabs(gm_item(gm_gradient_of(y)) - (3 + exp(2))) < 1e-12);
    CHECK(!gm_backward(z) && gm_error_code() == GM_ERROR_GRADIENT, "the tape is used up");
    gm_error_clear();
    CHECK(gm_backward(gm_mul(x, x)));
    CHECK(gm_item(gm_gradient_of(x)) == 8, "added to what was there");
}

static void second_order(void) {
    GM_SCOPE(s);
    gm_tensor *x = leaf(2), *y = gm_mul(x, gm_mul(x, x));
    gm_tensor *g = gm_get(gm_gradients(y, GM_PACK({ "x", x, NULL }), .create_graph = 1), "x");
    CHECK(gm_item(g) == 12);
    gm_tensor *h = gm_get(gm_gradients(g, GM_PACK({ "x", x, NULL }), .create_graph = 1), "x");
    CHECK(gm_item(h) == 12);
    CHECK(gm_item(gm_get(gm_gradients(h, GM_PACK({ "x", x, NULL })), "x")) == 6);
    CHECK(!gm_gradient_of(x));
}

static void modes(void) {
    GM_SCOPE(s);
    gm_tensor *x = leaf(2), *y;
    {
        GM_NO_GRAD;
        y = gm_mul(x, x);
    }
    CHECK(!gm_requires_grad(y));
    CHECK(gm_requires_grad(gm_mul(x, x)));
    CHECK(!gm_requires_grad(gm_detach(gm_mul(x, x))));
    CHECK(!gm_backward(y) && gm_error_code() == GM_ERROR_GRADIENT);
    gm_error_clear();
}

static void changed_value(void) {
    GM_SCOPE(s);
    gm_tensor *x = leaf(2), *y = gm_mul(x, x);
    gm_assign(x, gm_scalar(5, GM_F64));
    CHECK(!gm_backward(y) && gm_error_code() == GM_ERROR_GRADIENT);
    CHECK(strstr(gm_error_message(), "changed in place"), "%s", gm_error_message());
    gm_error_clear();
}

/* A gradient of few rows of a large table is no memory yet where it is assigned from or to. */
static void assigned_rows(void) {
    GM_SCOPE(s);
    gm_tensor *w[2], *index = gm_arange(0, 3, 1, GM_I64), *y = gm_zeros(GM_SHAPE(5000, 4), GM_F32);
    for (int i = 0; i < 2; i++) {
        w[i] = gm_zeros(GM_SHAPE(5000, 4), GM_F32);
        gm_set_requires_grad(w[i], true);
        CHECK(gm_backward(gm_sum(gm_embedding(w[i], index))));
    }
    CHECK(gm_assign(y, gm_gradient_of(w[0])) && gm_item(gm_sum(y)) == 12, "%s", gm_error_message());
    CHECK(gm_assign(gm_select(gm_gradient_of(w[1]), 0, 1), gm_scalar(2, GM_F32)), "%s", gm_error_message());
    CHECK(gm_item(gm_sum(gm_gradient_of(w[1]))) == 16);
}

/* Reading in two threads: one takes the rows, the other makes the memory, which drops them. */
static void *read_all(void *x) {
    GM_SCOPE(s);
    double *sum = gm_alloc(sizeof *sum);
    if (sum) *sum = gm_item(gm_sum(gm_gradient_of(x)));
    return sum;
}

static void rows_in_threads(void) {
    for (int i = 0; i < 40; i++) {
        GM_SCOPE(s);
        gm_tensor *w = gm_zeros(GM_SHAPE(5000, 4), GM_F32), *rows, *values;
        gm_set_requires_grad(w, true);
        gm_backward(gm_sum(gm_embedding(w, gm_arange(0, 3, 1, GM_I64))));
        pthread_t other;
        CHECK(!pthread_create(&other, NULL, read_all, w));
        bool few = gm_gradient_rows(w, &rows, &values);
        CHECK(!few || (gm_item(gm_sum(rows)) == 3 && gm_item(gm_sum(values)) == 12), "%s", gm_error_message());
        void *sum = NULL;
        CHECK(!pthread_join(other, &sum) && sum && *(double *)sum == 12);
        gm_free(sum);
    }
}

/* Zero to the power zero is 1 whichever moves. */
static void zero_power(void) {
    GM_SCOPE(s);
    gm_tensor *a = gm_from_data(GM_SHAPE(3), GM_F64, (double[]){ 0, 0, 2 }),
              *b = gm_from_data(GM_SHAPE(3), GM_F64, (double[]){ 0, 2, 0 });
    gm_set_requires_grad(a, true), gm_set_requires_grad(b, true);
    CHECK(gm_backward(gm_sum(gm_pow(a, b))), "%s", gm_error_message());
    const double *da = gm_data(gm_gradient_of(a)), *db = gm_data(gm_gradient_of(b));
    CHECK(da[0] == 0 && da[1] == 0 && da[2] == 0, "%g %g %g", da[0], da[1], da[2]);
    CHECK(db[0] == 0 && db[1] == 0 && fabs(db[2] - log(2)) < 1e-15, "%g %g %g", db[0], db[1], db[2]);
}

static void empty_extreme(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_zeros(GM_SHAPE(0, 0), GM_F64);
    gm_set_requires_grad(x, true);
    CHECK(gm_backward(gm_sum(gm_max_dim(x, 1, false))), "%s", gm_error_message());
    CHECK(gm_gradient_of(x) && gm_shape_equal(gm_shape_of(gm_gradient_of(x)), GM_SHAPE(0, 0)));
}

static gm_tensor *halve(void *env, gm_tensor *x, gm_tensor *g) {
    (void)x;
    ++*(int *)env;
    return gm_mul_scalar(g, 0.5);
}

static void hooks(void) {
    GM_SCOPE(s);
    int calls = 0;
    gm_tensor *x = leaf(2), *y = gm_mul(x, x), *z = gm_mul_scalar(y, 3);
    gm_on_gradient(y, halve, &calls, NULL);
    gm_on_gradient(x, halve, &calls, NULL);
    gm_retain_gradient(y);
    CHECK(gm_backward(z), "%s", gm_error_message());
    CHECK(calls == 2);
    CHECK(gm_item(gm_gradient_of(y)) == 1.5);
    CHECK(gm_item(gm_gradient_of(x)) == 3);
}

/* What a hook adds, to its own tensor or to any other, is for the next pass. */
typedef struct { gm_tensor *to[3]; int calls, added; } adder;
static gm_tensor *add_hooks(void *env, gm_tensor *x, gm_tensor *g) {
    adder *a = env;
    (void)x, (void)g;
    a->calls++;
    for (int i = 0; i < 3 && a->added < 1000; i++) a->added += gm_on_gradient(a->to[i], add_hooks, a, NULL);
    return NULL;
}

static void hooks_that_add_hooks(void) {
    GM_SCOPE(s);
    gm_tensor *x = leaf(2), *w = leaf(5), *y = gm_mul(x, w), *z = gm_mul_scalar(y, 3);
    adder a = { .to = { y, x, w } };
    gm_on_gradient(y, add_hooks, &a, NULL);
    CHECK(gm_backward(z, .retain = 1) && a.calls == 1 && a.added == 3, "%d calls, %d added", a.calls, a.added);
    CHECK(gm_backward(z, .retain = 1) && a.calls == 5 && a.added == 15, "%d calls, %d added", a.calls, a.added);
    gm_tensor *alone = leaf(2), *square = gm_mul(alone, alone);
    adder b = { .to = { alone, alone, alone } };
    gm_on_gradient(alone, add_hooks, &b, NULL);
    for (int i = 0; i < 3; i++) CHECK(gm_backward(square, .retain = 1), "%s", gm_error_message());
    CHECK(b.calls == 1 + 4 + 16 && b.added == 3 * 21 && gm_item(gm_gradient_of(alone)) == 12, "%d calls", b.calls);
}

static gm_tensor *count(void *env, gm_tensor *x, gm_tensor *g) {
    (void)x, (void)g;
    ++*(int *)env;
    return NULL;
}

static double gradient(gm_tensor *y, gm_tensor *x) {
    gm_tensor *g = gm_get(gm_gradients(y, GM_PACK({ "x", x, NULL })), "x");
    return g ? gm_item(g) : NAN;
}

/* gm_gradients walks what leads to the wanted values, and nothing else. */
static void only_what_leads(void) {
    GM_SCOPE(s);
    int at_u = 0, at_v = 0;
    gm_tensor *a = leaf(2), *b = leaf(3), *u = gm_mul(a, a), *v = gm_mul(b, b), *other = leaf(7);
    gm_tensor *y = gm_add(gm_mul(u, v), gm_exp(v));
    gm_on_gradient(u, count, &at_u, NULL);
    gm_on_gradient(v, count, &at_v, NULL);
    CHECK(gradient(y, a) == 2 * 2 * 9 && at_u == 1 && at_v == 0);
    CHECK(gradient(y, u) == 9 && at_u == 2 && at_v == 0);
    CHECK(fabs(gradient(y, b) - 6 * (4 + exp(9))) < 1e-10 && at_u == 2 && at_v == 1);
    CHECK(gradient(y, y) == 1 && gradient(a, a) == 1 && at_u == 2 && at_v == 1);
    CHECK(gradient(y, other) == 0 && at_u == 2 && at_v == 1);
    gm_pack *both = gm_gradients(y, GM_PACK({ "u", u, NULL }, { "a", a, NULL }, { "b", b, NULL }));
    CHECK(gm_item(gm_get(both, "u")) == 9 && gm_item(gm_get(both, "a")) == 36, "a value and what it was made of");
    CHECK(at_u == 3 && at_v == 2);
    gm_assign(b, gm_scalar(5, GM_F64)); /* the square of b can no longer be derived; nothing else needs b */
    CHECK(gradient(y, a) == 36, "%s", gm_error_message());
    CHECK(isnan(gradient(y, b)) && gm_error_code() == GM_ERROR_GRADIENT);
    gm_error_clear();
}

/* A ladder of 40 rungs has 2^40 ways down; each entry is looked at once. */
static void many_ways(void) {
    GM_SCOPE(s);
    gm_tensor *x = leaf(1), *y = x;
    for (int i = 0; i < 40; i++) y = gm_add(y, y);
    CHECK(gradient(y, x) == 0x1p40);
}

static void long_chain(void) {
    GM_SCOPE(s);
    gm_tensor *x = leaf(1), *y = NULL;
    gm_set(&y, x);
    for (int i = 0; i < 200000; i++) {
        GM_SCOPE(inner);
        gm_set(&y, gm_add_scalar(y, 1));
    }
    CHECK(gm_backward(y));
    CHECK(gm_item(gm_gradient_of(x)) == 1);
    gm_set(&y, gm_add_scalar(x, 0));
    for (int i = 0; i < 100000; i++) {
        GM_SCOPE(inner);
        gm_set(&y, gm_add_scalar(y, 1));
    }
    CHECK(gradient(y, x) == 1);
    gm_set(&y, NULL);
}

static void flat_memory(void) {
    int64_t objects = 0;
    GM_SCOPE(s);
    gm_tensor *x = leaf(1);
    for (int i = 0; i < 10000; i++) {
        GM_SCOPE(inner);
        gm_exp(gm_mul(x, x));
        if (i == 10) objects = gm_memory_stats().n_objects;
        if (i > 10) CHECK(gm_memory_stats().n_objects == objects);
    }
}

/* The rules of expand and flip give views; what is stored is row-major, as the variable is. */
static void layout(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_ones(GM_SHAPE(2, 3), GM_F64);
    gm_set_requires_grad(x, true);
    gm_backward(gm_sum(x));
    CHECK(gm_is_contiguous(gm_gradient_of(x)) && gm_data(gm_gradient_of(x)));
    gm_clear_gradient(x);
    gm_backward(gm_flip(gm_transpose(x, 0, 1), (int32_t[]){ 0 }, 1),
                .gradient = gm_reshape(gm_arange(0, 6, 1, GM_F64), GM_SHAPE(3, 2)));
    const double *g = gm_data(gm_gradient_of(x));
    CHECK(g && g[0] == 4 && g[1] == 2 && g[2] == 0 && g[3] == 5 && g[5] == 1, "%s", gm_error_message());
}

static void anomaly(void) {
    GM_SCOPE(s);
    gm_set_anomaly(true);
    gm_log(leaf(-1));
    CHECK(gm_error_code() == GM_ERROR_NUMERIC && strstr(gm_error_message(), "log"), "%s", gm_error_message());
    gm_error_clear();
    gm_set_anomaly(false);
}

int main(void) {
    RUN(assigned_rows);
    RUN(empty_extreme);
    RUN(rows_in_threads);
    RUN(zero_power);
    RUN(simple);
    RUN(second_order);
    RUN(modes);
    RUN(changed_value);
    RUN(hooks);
    RUN(hooks_that_add_hooks);
    RUN(only_what_leads);
    RUN(many_ways);
    RUN(long_chain);
    RUN(flat_memory);
    RUN(layout);
    RUN(anomaly);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
