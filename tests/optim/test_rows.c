/* test_rows.c: row-sparse gradients of tables: kept as rows, summed as rows, read as a whole by everybody else; steps
 * by rows have the bits of full steps, lazy ones leave the other rows alone; memory and time go with the batch. */
#include "check.h"
#include "gemel/gemel.h"

#include <string.h>

enum { ROWS = 5000, DIM = 3, USED = 6 };
static const int64_t used[USED] = { 7, 4999, 7, 0, 12, 7 }, other[3] = { 12, 1, 4999 };

static gm_module *table_new(void) { return gm_nn_embedding(ROWS, DIM); }

static gm_tensor *table_loss(gm_tensor *w, const int64_t *at, int n, double scale) {
    gm_tensor *x = gm_embedding(w, gm_from_data(GM_SHAPE(n), GM_I64, at));
    return gm_sum(gm_mul_scalar(gm_mul(x, gm_sin(x)), scale));
}

/* The gradient of w as it is after two uses, with its history cut off. */
static void table_backward(gm_tensor *w) {
    gm_backward(gm_add(table_loss(w, used, USED, 1), table_loss(w, other, 3, 0.7)));
}

static gm_tensor *weight_of(gm_module *m) { return gm_get(gm_parameters(m), "weight"); }

static bool same(gm_tensor *a, gm_tensor *b) {
    const void *x = gm_data(a), *y = gm_data(b);
    return x && y && !memcmp(x, y, (size_t)gm_count(a) * sizeof(float));
}

static void test_rows_of_a_gradient(void) {
    GM_SCOPE(s);
    gm_tensor *w = weight_of(table_new()), *rows, *values;
    CHECK(!gm_gradient_rows(w, &rows, &values) && gm_ok());
    table_backward(w);
    CHECK(gm_gradient_rows(w, &rows, &values), "%s", gm_error_message());
    static const int64_t want[] = { 0, 1, 7, 12, 4999 };
    CHECK(gm_count(rows) == 5 && !memcmp(gm_data(rows), want, sizeof want));
    CHECK(gm_size(values, 0) == 5 && gm_size(values, 1) == DIM);
    gm_tensor *kept = gm_copy(values), *dense = gm_gradient_of(w);
    CHECK(gm_size(dense, 0) == ROWS && gm_size(dense, 1) == DIM);
    gm_tensor *seen = gm_index_select(dense, 0, rows);
    CHECK(same(seen, kept), "rows of the whole gradient differ");
    CHECK(gm_item(gm_sum(gm_abs(dense))) > 0 && gm_item_i64(gm_sum(gm_cast(gm_any_dim(dense, 1, false), GM_I64))) == 5);
    CHECK(!gm_gradient_rows(w, &rows, &values) && gm_ok(), "read, it is whole");
}

/* The gradient by rows against that of a leaf below the tables, which gets two whole ones. */
static void test_sum_has_the_bits_of_the_whole(void) {
    GM_SCOPE(s);
    gm_tensor *w = weight_of(table_new()), *v = gm_detach(w), *rows, *values;
    gm_set_requires_grad(v, true);
    table_backward(w), table_backward(w);
    gm_tensor *first = gm_mul_scalar(v, 1), *second = gm_mul_scalar(v, 1);
    gm_backward(gm_add(table_loss(first, used, USED, 1), table_loss(second, other, 3, 0.7)));
    gm_tensor *once = gm_copy(gm_gradient_of(v));
    CHECK(gm_gradient_rows(w, &rows, &values), "accumulated gradients stay rows");
    CHECK(same(gm_gradient_of(w), gm_add(once, once)), "%s", gm_error_message());
}

typedef gm_optimizer *(*rule)(gm_module *net);
static gm_optimizer *rule_sgd(gm_module *net) { return gm_sgd(net, 0.1); }
static gm_optimizer *rule_adagrad(gm_module *net) { return gm_adagrad(net, 0.1, .lr_decay = 0.01); }
static gm_optimizer *rule_momentum(gm_module *net) { return gm_sgd(net, 0.1, .momentum = 0.9, .weight_decay = 0.01); }
static gm_optimizer *rule_adam(gm_module *net) { return gm_adam(net, 0.1); }
static gm_optimizer *rule_adamw(gm_module *net) { return gm_adamw(net, 0.1); }
static gm_optimizer *rule_rmsprop(gm_module *net) { return gm_rmsprop(net, 0.1, .momentum = 0.5, .centered = 1); }
static gm_optimizer *rule_adadelta(gm_module *net) { return gm_adadelta(net, 1); }
static gm_optimizer *rule_lion(gm_module *net) { return gm_lion(net, 0.1, .weight_decay = 0.1); }
static gm_optimizer *rule_lamb(gm_module *net) { return gm_lamb(net, 0.1); }
static gm_optimizer *rule_adafactor(gm_module *net) { return gm_adafactor(net, 0.1); }
static const rule rules[] = { rule_sgd,      rule_adagrad, rule_momentum, rule_adam, rule_adamw, rule_rmsprop,
                              rule_adadelta, rule_lion,    rule_lamb,     rule_adafactor };
enum { RULES = sizeof rules / sizeof *rules, LAZY_RULES = 8 };

/* Some steps; `whole`: every gradient is read first, which makes it whole. */
static gm_tensor *train(rule make, int steps, bool whole, bool lazy) {
    gm_module *net = table_new();
    gm_tensor *w = weight_of(net), *rows, *values;
    gm_assign(w, gm_sin(gm_reshape(gm_arange(0, ROWS * DIM, 1, GM_F32), GM_SHAPE(ROWS, DIM))));
    gm_optimizer *o = make(net);
    if (lazy) CHECK(gm_optimizer_lazy(o, "*") == 1, "%s", gm_error_message());
    for (int i = 0; i < steps; i++) {
        gm_backward(table_loss(w, i == 1 ? other : used, i == 1 ? 3 : USED, 1));
        CHECK(gm_gradient_rows(w, &rows, &values));
        if (whole) gm_data(gm_gradient_of(w));
        CHECK(gm_step(o), "%s", gm_error_message());
    }
    return w;
}

static void test_steps_by_rows_have_the_bits_of_full_ones(void) {
    for (int i = 0; i < RULES; i++) {
        GM_SCOPE(s);
        CHECK(same(train(rules[i], 3, false, false), train(rules[i], 3, true, false)), "rule %d", i);
    }
}

/* A first lazy step is the full step in the used rows; others wait, also when running averages would move them. */
static void test_lazy_steps(void) {
    for (int i = 0; i < LAZY_RULES; i++) {
        GM_SCOPE(s);
        gm_tensor *begin = gm_sin(gm_reshape(gm_arange(0, ROWS * DIM, 1, GM_F32), GM_SHAPE(ROWS, DIM)));
        gm_tensor *moved = gm_any_dim(gm_ne(train(rules[i], 3, false, true), begin), 1, false);
        CHECK(gm_item_i64(gm_sum(gm_cast(moved, GM_I64))) == 5, "rule %d moved other rows", i);
        gm_tensor *at = gm_from_data(GM_SHAPE(USED), GM_I64, used);
        gm_tensor *lazy = gm_index_select(train(rules[i], 1, false, true), 0, at);
        gm_tensor *full = gm_index_select(train(rules[i], 1, true, false), 0, at);
        CHECK(same(lazy, full) && !same(full, gm_index_select(begin, 0, at)), "rule %d", i);
    }
    GM_SCOPE(s);
    gm_optimizer *o = gm_lamb(table_new(), 0.1);
    CHECK(gm_optimizer_lazy(o, "*") == -1 && gm_error_code() == GM_ERROR_UNSUPPORTED);
    gm_error_clear();
    o = gm_adam(table_new(), 0.1);
    CHECK(gm_optimizer_lazy(o, "bias") == -1 && gm_error_code() == GM_ERROR_INDEX);
    gm_error_clear();
}

/* Everybody else sees a whole gradient: operations, views, clipping, hooks, printing. */
static gm_tensor *hook_twice(void *env, gm_tensor *x, gm_tensor *g) {
    (void)env, (void)x;
    return gm_mul_scalar(g, 2);
}

static void test_others_see_it_whole(void) {
    GM_SCOPE(s);
    gm_module *net = table_new();
    gm_tensor *w = weight_of(net), *rows, *values;
    table_backward(w);
    gm_tensor *once = gm_copy(gm_gradient_of(w));
    gm_clear_gradient(w);
    gm_on_gradient(w, hook_twice, NULL, NULL);
    table_backward(w);
    CHECK(!gm_gradient_rows(w, &rows, &values) && same(gm_gradient_of(w), gm_mul_scalar(once, 2)));
    gm_module *second = table_new();
    w = weight_of(second);
    table_backward(w);
    gm_tensor *view = gm_slice(gm_gradient_of(w), 0, 4000, ROWS, 1);
    CHECK(gm_size(view, 0) == ROWS - 4000 && gm_item(gm_sum(gm_abs(view))) > 0);
    gm_clear_gradient(w);
    gm_optimizer *o = gm_sgd(second, 0.1);
    table_backward(w);
    double norm = gm_clip_gradient_norm(o, 1e-3);
    CHECK(norm > 1e-3 && gm_step(o), "%g %s", norm, gm_error_message());
    table_backward(w);
    char text[4096];
    CHECK(gm_text(gm_gradient_of(w), text, sizeof text) > 0 && strchr(text, '['));
}

/* A step in a large table takes memory for the batch. */
static void test_memory_goes_with_the_batch(void) {
    GM_SCOPE(s);
    gm_module *net = gm_nn_embedding(1 << 20, 16);
    gm_optimizer *o = gm_sgd(net, 0.1);
    gm_tensor *w = weight_of(net);
    gm_memory_reset_peak();
    int64_t before = gm_memory_stats().bytes_in_use;
    for (int i = 0; i < 3; i++) {
        GM_SCOPE(t);
        gm_backward(table_loss(w, used, USED, 1));
        CHECK(gm_step(o));
    }
    int64_t more = gm_memory_stats().bytes_peak - before;
    CHECK(more < 1 << 20, "%lld bytes more at the peak", (long long)more);
}

int main(void) {
    RUN(test_rows_of_a_gradient);
    RUN(test_sum_has_the_bits_of_the_whole);
    RUN(test_steps_by_rows_have_the_bits_of_full_ones);
    RUN(test_lazy_steps);
    RUN(test_others_see_it_whole);
    RUN(test_memory_goes_with_the_batch);
    return check_done();
}
