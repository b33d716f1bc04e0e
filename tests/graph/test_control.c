/* Control flow: in eager mode, recorded and compiled the same bits, gradients too; against loops in C; transformed,
 * nested, with state, and with mistakes. */
#include "tensors.h"

#include <math.h>

static bool near_to(gm_tensor *a, gm_tensor *b) {
    if (!a || !b || !gm_ok() || !gm_shape_equal(gm_shape_of(a), gm_shape_of(b))) return false;
    return !gm_count(a) || gm_item(gm_max(gm_abs(gm_sub(gm_cast(a, GM_F64), gm_cast(b, GM_F64))))) < 1e-4;
}

static bool packs(gm_pack *a, gm_pack *b, bool (*same)(gm_tensor *a, gm_tensor *b)) {
    if (!a || !b) return false;
    a = gm_pack_flatten(a), b = gm_pack_flatten(b);
    bool ok = gm_pack_count(a) == gm_pack_count(b);
    for (int64_t i = 0; ok && i < gm_pack_count(a); i++)
        ok = !strcmp(gm_pack_name(a, i), gm_pack_name(b, i)) && same(gm_pack_at(a, i), gm_pack_at(b, i));
    return ok && gm_ok();
}

#define CHECK_OK(condition, what)                                                    \
    do {                                                                             \
        CHECK(condition, "%s: %s", what, gm_ok() ? "" : gm_error_message());         \
        gm_error_clear();                                                            \
    } while (0)

static gm_pack *seeded(gm_fn *f, gm_pack *in) {
    gm_set_random_state(3, 9);
    return gm_call_pack(f, in);
}

/* f compiled and stepped gives the bits of f in eager mode. */
static void recorded(const char *what, gm_fn *f, gm_pack *in) {
    GM_SCOPE(s);
    gm_pack *eager = seeded(f, in);
    CHECK_OK(eager != NULL, what);
    if (!eager) return;
    gm_fn *compiled = gm_jit(f);
    for (int i = 0; i < 2; i++) CHECK_OK(packs(seeded(compiled, in), eager, same_bits), what);
    CHECK(gm_jit_statistics(compiled).runs == 2, "%s", what);
    gm_graph *g = gm_trace_graph(f, in);
    gm_set_random_state(3, 9);
    CHECK_OK(g && packs(gm_graph_run(g, in), eager, same_bits), what);
}

/* Tensors f32 of in, moved by h along v. */
static gm_pack *moved(gm_pack *in, gm_pack *v, double h) {
    gm_pack *p = gm_pack_new();
    for (int64_t i = 0; i < gm_pack_count(in); i++)
        gm_pack_set(p, gm_pack_name(in, i), gm_add(gm_pack_at(in, i), gm_mul_scalar(gm_pack_at(v, i), h)));
    return p;
}

static gm_pack *only(gm_tensor *t) { return t ? GM_PACK({ "0", t, NULL }) : NULL; }

/* The sum of squares of what a function gives, a loss. */
static gm_pack *loss_of(void *env, gm_pack *in) {
    gm_pack *out = gm_call_pack(env, in);
    gm_tensor *total = NULL;
    out = out ? gm_pack_flatten(out) : NULL;
    for (int64_t i = 0; out && i < gm_pack_count(out); i++) {
        if (!gm_is_float(gm_dtype_of(gm_pack_at(out, i)))) continue;
        gm_tensor *t = gm_sum(gm_square(gm_pack_at(out, i)));
        total = total ? gm_add(total, t) : t;
    }
    return only(total);
}

/* Gradients of the loss with respect to every input. */
static gm_pack *gradients_of(void *env, gm_pack *in) {
    gm_pack *given = gm_pack_new(), *wrapped = gm_pack_new();
    (void)wrapped;
    for (int64_t i = 0; i < gm_pack_count(in); i++) gm_pack_set(given, gm_pack_name(in, i), gm_pack_at(in, i));
    gm_pack_set(given, "gradient", gm_scalar(1, gm_dtype_of(gm_pack_at(in, 0))));
    gm_pack *out = gm_call_pack(gm_vjp(gm_functionp(loss_of, env, NULL)), given);
    return out ? gm_get_pack(out, "grad") : NULL;
}

static double dot(gm_pack *a, gm_pack *b) {
    double total = 0;
    for (int64_t i = 0; a && i < gm_pack_count(a); i++)
        total += gm_item(gm_sum(gm_mul(gm_cast(gm_pack_at(a, i), GM_F64), gm_cast(gm_pack_at(b, i), GM_F64))));
    return a ? total : NAN;
}

static gm_pack *tangents_of(void *env, gm_pack *in) {
    gm_pack *both = gm_pack_new();
    gm_pack_set_pack(both, "in", gm_get_pack(in, "in"));
    gm_pack_set_pack(both, "tangent", gm_get_pack(in, "v"));
    return gm_call_pack(gm_jvp(env), both);
}

static double number(gm_fn *f, gm_pack *in) {
    gm_pack *p = seeded(f, in);
    return p ? gm_item(gm_pack_at(p, 0)) : NAN;
}

/* Everything about f, all of whose inputs are floats f64: gradients against differences and tangents, second
 * derivatives against differences, all of it recorded. */
static void differentiated(const char *what, gm_fn *f, gm_pack *in, bool backwards) {
    GM_SCOPE(s);
    gm_pack *v = gm_pack_new(), *both = gm_pack_new();
    for (int64_t i = 0; i < gm_pack_count(in); i++)
        gm_pack_set(v, gm_pack_name(in, i),
                    gm_cos(gm_reshape(gm_arange(0, (double)gm_count(gm_pack_at(in, i)), 1, GM_F64),
                                      gm_shape_of(gm_pack_at(in, i)))));
    gm_pack_set_pack(both, "in", in), gm_pack_set_pack(both, "v", v);
    gm_fn *loss = gm_functionp(loss_of, f, NULL), *rise = gm_functionp(tangents_of, loss, NULL);
    const double h = 1e-5;
    double numeric = (number(loss, moved(in, v, h)) - number(loss, moved(in, v, -h))) / (2 * h);
    gm_pack *tangent = seeded(rise, both);
    double along = tangent ? gm_item(gm_get(tangent, "tangent")) : NAN, scale = fabs(numeric) > 1 ? fabs(numeric) : 1;
    CHECK(fabs(along - numeric) < 1e-6 * scale, "%s: tangent %g, differences %g: %s", what, along, numeric,
          gm_ok() ? "" : gm_error_message());
    gm_error_clear();
    recorded(what, f, in);
    recorded(what, rise, both);
    if (!backwards) return;
    gm_fn *g = gm_functionp(gradients_of, f, NULL);
    gm_pack *slope = seeded(g, in);
    double got = dot(slope, v);
    CHECK(fabs(got - numeric) < 1e-6 * scale, "%s: gradient %g, differences %g: %s", what, got, numeric,
          gm_ok() ? "" : gm_error_message());
    gm_error_clear();
    recorded(what, g, in);
    /* second order: of gradients along v */
    double up = dot(seeded(g, moved(in, v, h)), v), down = dot(seeded(g, moved(in, v, -h)), v);
    double bend = (up - down) / (2 * h), bends = fabs(bend) > 1 ? fabs(bend) : 1;
    gm_fn *curve = gm_functionp(tangents_of, g, NULL);
    gm_pack *second = seeded(curve, both);
    double bent = NAN;
    if (second) {
        for (int64_t i = 0; i < gm_pack_count(second); i++)
            if (!strcmp(gm_pack_name(second, i), "tangent"))
                bent = dot(gm_pack_at(second, i) ? only(gm_pack_at(second, i)) : gm_pack_child(second, i), v);
    }
    CHECK(fabs(bent - bend) < 1e-5 * bends, "%s: second order %g, differences %g: %s", what, bent, bend,
          gm_ok() ? "" : gm_error_message());
    gm_error_clear();
    recorded(what, curve, both);
}

/* vmap of f over the first dimension of all of `in` is the loop over its entries. */
static void batched(const char *what, gm_fn *f, gm_pack *in) {
    GM_SCOPE(s);
    gm_fn *all = gm_vmap(f);
    gm_pack *y = seeded(all, in);
    CHECK_OK(y != NULL, what);
    if (!y) return;
    y = gm_pack_flatten(y);
    for (int64_t b = 0; b < gm_size(gm_pack_at(in, 0), 0); b++) {
        gm_pack *one = gm_pack_new(), *mine = gm_pack_new();
        for (int64_t i = 0; i < gm_pack_count(in); i++)
            gm_pack_set(one, gm_pack_name(in, i), gm_select(gm_pack_at(in, i), 0, b));
        for (int64_t i = 0; i < gm_pack_count(y); i++)
            gm_pack_set(mine, gm_pack_name(y, i), gm_select(gm_pack_at(y, i), 0, b));
        CHECK_OK(packs(mine, gm_pack_flatten(seeded(f, one)), same_bits), what);
    }
    recorded(what, all, in);
}

static gm_tensor *of(gm_pack *p, const char *name) { return gm_get(p, name); }
static gm_pack *f64_inputs(const gm_shape *shapes, int n) {
    gm_pack *p = gm_pack_new();
    char name[4];
    gm_seed(1);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%c", 'a' + i);
        gm_pack_set(p, name, gm_mul_scalar(gm_randn(shapes[i], GM_F64), 0.7));
    }
    return p;
}

/* ---- cond ---- */

static gm_tensor *weight; /* captured */

static gm_pack *warm(void *env, gm_pack *in) {
    (void)env;
    gm_tensor *x = of(in, "a");
    return GM_PACK({ "y", gm_mul(gm_mul(x, weight), gm_sin(x)), NULL }, { "n", gm_sum(gm_mul(x, of(in, "b"))), NULL });
}
static gm_pack *cold(void *env, gm_pack *in) {
    (void)env;
    gm_tensor *x = of(in, "a");
    return GM_PACK({ "y", gm_exp(gm_mul(x, weight)), NULL }, { "n", gm_sum(gm_add(x, weight)), NULL });
}
static gm_pack *either(void *env, gm_pack *in) {
    gm_tensor *sum = gm_sum(of(in, "a"));
    return gm_cond(gm_gt_scalar(sum, env ? 1e9 : -1e9), gm_functionp(warm, NULL, NULL), gm_functionp(cold, NULL, NULL),
                   in);
}
static gm_pack *by_sign(void *env, gm_pack *in) {
    (void)env;
    return gm_cond(gm_gt_scalar(gm_sum(of(in, "a")), 0), gm_functionp(warm, NULL, NULL), gm_functionp(cold, NULL, NULL),
                   in);
}
static gm_pack *dropped(void *env, gm_pack *in) {
    (void)env;
    return only(gm_dropout(gm_mul(of(in, "a"), weight), 0.5));
}
static gm_pack *plain(void *env, gm_pack *in) {
    (void)env;
    return only(gm_square(of(in, "a")));
}
static gm_pack *drawing(void *env, gm_pack *in) {
    (void)env;
    gm_tensor *yes = gm_gt_scalar(gm_sum(of(in, "a")), -1e9), *no = gm_gt_scalar(gm_sum(of(in, "a")), 1e9);
    gm_pack *x = gm_cond(yes, gm_functionp(dropped, NULL, NULL), gm_functionp(plain, NULL, NULL), in);
    gm_pack *y = gm_cond(no, gm_functionp(dropped, NULL, NULL), gm_functionp(plain, NULL, NULL), in);
    return x && y ? only(gm_mul(gm_add(gm_pack_at(x, 0), gm_pack_at(y, 0)), gm_randn(GM_SHAPE(3), GM_F64))) : NULL;
}

static void conditions(void) {
    GM_SCOPE(s);
    gm_pack *in = f64_inputs((gm_shape[]){ GM_SHAPE(3), GM_SHAPE(3) }, 2);
    gm_set(&weight, gm_full(GM_SHAPE(3), 0.6, GM_F64));
    differentiated("cond, second", gm_functionp(either, &in, NULL), in, true);
    differentiated("cond, first", gm_functionp(either, NULL, NULL), in, true);
    differentiated("cond, draws", gm_functionp(drawing, NULL, NULL), in, true);
    batched("cond", gm_functionp(either, NULL, NULL), f64_inputs((gm_shape[]){ GM_SHAPE(4, 3), GM_SHAPE(4, 3) }, 2));
    batched("cond by entry", gm_functionp(by_sign, NULL, NULL),
            f64_inputs((gm_shape[]){ GM_SHAPE(6, 3), GM_SHAPE(6, 3) }, 2));
    batched("gradient of cond by entry", gm_functionp(gradients_of, gm_functionp(by_sign, NULL, NULL), NULL),
            f64_inputs((gm_shape[]){ GM_SHAPE(6, 3), GM_SHAPE(6, 3) }, 2));
    gm_set(&weight, NULL);
}

/* ---- while ---- */

static gm_pack *not_there(void *env, gm_pack *in) {
    (void)env;
    return only(gm_lt_scalar(of(in, "n"), 5));
}
static gm_pack *still_small(void *env, gm_pack *in) {
    (void)env;
    return only(gm_lt_scalar(gm_sum(gm_square(of(in, "x"))), 9));
}
static gm_pack *further(void *env, gm_pack *in) {
    (void)env;
    gm_tensor *x = of(in, "x");
    x = gm_add(gm_mul(x, weight), gm_mul(gm_sin(x), weight));
    return GM_PACK({ "x", x, NULL }, { "n", gm_add_scalar(of(in, "n"), 1), NULL });
}
typedef struct { int64_t bound; gm_fnp cond; } loop;
static gm_pack *walking(void *env, gm_pack *in) {
    loop *l = env;
    gm_tensor *before = gm_sum(gm_mul(of(in, "a"), weight));
    gm_pack *state = GM_PACK({ "x", of(in, "a"), NULL }, { "n", gm_scalar_i64(0, GM_I64), NULL });
    gm_pack *end = gm_while(gm_functionp(l->cond, NULL, NULL), gm_functionp(further, NULL, NULL), state,
                            .bound = l->bound);
    gm_tensor *after = gm_mul(weight, of(in, "a"));
    return end ? GM_PACK({ "x", gm_add(of(end, "x"), after), NULL }, { "s", before, NULL }) : NULL;
}
static gm_pack *walking_by_weight(void *env, gm_pack *in) { /* the captured weight as an input */
    gm_tensor *before = gm_keep(weight);
    gm_set(&weight, of(in, "w"));
    gm_pack *out = walking(env, GM_PACK({ "a", of(in, "a"), NULL }));
    gm_set(&weight, before);
    gm_release(before);
    return out;
}

static void loops(void) {
    GM_SCOPE(s);
    gm_set(&weight, gm_full(GM_SHAPE(3), 0.8, GM_F64));
    gm_pack *in = f64_inputs((gm_shape[]){ GM_SHAPE(3) }, 1), *both = gm_pack_new();
    loop counted = { 8, not_there }, free_one = { 0, not_there }, small = { 0, still_small },
         bounded = { 12, still_small };
    gm_pack_set(both, "a", of(in, "a")), gm_pack_set(both, "w", weight);
    differentiated("while, counted", gm_functionp(walking, &counted, NULL), in, true);
    differentiated("while, of weights", gm_functionp(walking_by_weight, &counted, NULL), both, true);
    differentiated("while, until large", gm_functionp(walking_by_weight, &bounded, NULL), both, true);
    differentiated("while, unbounded", gm_functionp(walking, &free_one, NULL), in, false);
    gm_pack *many = f64_inputs((gm_shape[]){ GM_SHAPE(5, 3) }, 1);
    batched("while", gm_functionp(walking, &free_one, NULL), many);
    batched("while by entry", gm_functionp(walking, &small, NULL), many);
    batched("gradient of while by entry", gm_functionp(gradients_of, gm_functionp(walking, &bounded, NULL), NULL),
            many);
    gm_pack *g = gm_call_pack(gm_jit(gm_functionp(gradients_of, gm_functionp(walking, &free_one, NULL), NULL)), in);
    CHECK(!g && gm_error_code() == GM_ERROR_UNSUPPORTED && strstr(gm_error_message(), ".bound"), "%s",
          gm_error_message());
    gm_error_clear();
    loop short_one = { 3, not_there };
    gm_fn *f = gm_functionp(walking, &short_one, NULL);
    CHECK(!gm_call_pack(f, in) && gm_error_code() == GM_ERROR_VALUE, "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_call_pack(gm_jit(f), in) && gm_error_code() == GM_ERROR_VALUE, "%s", gm_error_message());
    gm_error_clear();
    gm_set(&weight, NULL);
}

/* ---- scan ---- */

typedef struct { bool reverse, noisy; int length; } walk;

/* h = tanh(x + h u) with weights from outside, used twice */
static gm_pack *cell(void *env, gm_pack *in) {
    const walk *w = env;
    gm_tensor *h = of(in, "carry.h"), *x = of(in, "x.a");
    gm_tensor *next = gm_tanh(gm_add(x, gm_matmul(gm_add(h, gm_mul(h, gm_sum(weight))), weight)));
    if (w->noisy) next = gm_dropout(next, 0.3);
    gm_pack *out = gm_pack_new();
    gm_pack_set_pack(out, "carry", GM_PACK({ "h", next, NULL }, { "n", gm_add_scalar(of(in, "carry.n"), 1), NULL }));
    gm_pack_set_pack(out, "y", GM_PACK({ "h", next, NULL }, { "g", gm_mul(next, x), NULL }));
    return out;
}
static gm_pack *recurrent(void *env, gm_pack *in) {
    const walk *w = env;
    gm_tensor *before = gm_keep(weight);
    gm_set(&weight, of(in, "c"));
    gm_pack *carry = GM_PACK({ "h", of(in, "b"), NULL }, { "n", gm_scalar_i64(0, GM_I64), NULL });
    gm_pack *out = gm_scan(gm_functionp(cell, env, NULL), carry, GM_PACK({ "a", of(in, "a"), NULL }),
                           .reverse = w->reverse);
    gm_set(&weight, before);
    gm_release(before);
    return out;
}
static gm_pack *only_y(void *env, gm_pack *in) {
    gm_pack *out = recurrent(env, in);
    return out ? only(of(out, "y.g")) : NULL;
}
static gm_pack *unrolled(void *env, gm_pack *in) {
    const walk *w = env;
    gm_tensor *rows[2][8], *x = of(in, "a"), *before = gm_keep(weight);
    int64_t T = gm_size(x, 0);
    gm_pack *carry = GM_PACK({ "h", of(in, "b"), NULL }, { "n", gm_scalar_i64(0, GM_I64), NULL });
    gm_set(&weight, of(in, "c"));
    for (int64_t k = 0; k < T; k++) {
        int64_t t = w->reverse ? T - 1 - k : k;
        gm_pack *given = gm_pack_new();
        gm_pack_set_pack(given, "carry", carry);
        gm_pack_set_pack(given, "x", GM_PACK({ "a", gm_select(x, 0, t), NULL }));
        gm_pack *out = cell(env, given);
        carry = gm_get_pack(out, "carry");
        rows[0][t] = of(out, "y.h"), rows[1][t] = of(out, "y.g");
    }
    gm_set(&weight, before);
    gm_release(before);
    gm_pack *out = gm_pack_new();
    gm_pack_set_pack(out, "carry", carry);
    gm_pack_set_pack(out, "y",
                     GM_PACK({ "h", gm_stack(rows[0], (int)T, 0), NULL }, { "g", gm_stack(rows[1], (int)T, 0), NULL }));
    return out;
}

/* Powers without inputs: 1, 2, 4 ... */
static gm_pack *doubling(void *env, gm_pack *in) {
    (void)env;
    gm_tensor *p = of(in, "carry.p");
    return GM_PACK({ "carry", gm_mul_scalar(p, 2), NULL }, { "y", p, NULL });
}
static gm_pack *powers(void *env, gm_pack *in) {
    return gm_scan(gm_functionp(doubling, NULL, NULL), GM_PACK({ "p", of(in, "a"), NULL }), NULL,
                   .length = *(int *)env);
}

static void scans(void) {
    GM_SCOPE(s);
    for (int T = 1; T <= 5; T += 2)
        for (int reverse = 0; reverse < 2; reverse++) {
            walk w = { reverse, false, 0 }, noisy = { reverse, true, 0 };
            gm_pack *in = f64_inputs((gm_shape[]){ GM_SHAPE(T, 2, 3), GM_SHAPE(2, 3), GM_SHAPE(3, 3) }, 3);
            gm_fn *f = gm_functionp(recurrent, &w, NULL), *u = gm_functionp(unrolled, &w, NULL);
            CHECK_OK(packs(seeded(f, in), seeded(u, in), same_bits), "scan, unrolled");
            CHECK_OK(packs(gradients_of(f, in), gradients_of(u, in), near_to), "scan, unrolled gradients");
            differentiated("scan", f, in, true);
            differentiated("scan, noisy", gm_functionp(recurrent, &noisy, NULL), in, true);
            differentiated("scan, y only", gm_functionp(only_y, &w, NULL), in, true);
        }
    walk w = { false, false, 0 };
    gm_pack *many = f64_inputs((gm_shape[]){ GM_SHAPE(4, 5, 2, 3), GM_SHAPE(4, 2, 3), GM_SHAPE(4, 3, 3) }, 3);
    batched("scan", gm_functionp(recurrent, &w, NULL), many);
    batched("gradient of scan", gm_functionp(gradients_of, gm_functionp(recurrent, &w, NULL), NULL), many);
    int length = 4, none = 0;
    gm_pack *one = GM_PACK({ "a", gm_scalar(1, GM_F32), NULL });
    gm_pack *p = powers(&length, one);
    CHECK_OK(p && gm_item(of(p, "carry.p")) == 16 && gm_item(gm_select(of(p, "y"), 0, 3)) == 8, "powers");
    recorded("powers", gm_functionp(powers, &length, NULL), one);
    p = powers(&none, one);
    CHECK_OK(p && gm_item(of(p, "carry.p")) == 1 && gm_size(of(p, "y"), 0) == 0, "no powers");
    recorded("no powers", gm_functionp(powers, &none, NULL), one);
}

/* f32, with relu: zeros of both signs come out as they do in eager mode. */
static gm_pack *relu_cell(void *env, gm_pack *in) {
    (void)env;
    gm_tensor *h = gm_relu(gm_add(of(in, "carry.h"), gm_mul(of(in, "x.a"), weight)));
    return GM_PACK({ "carry", h, NULL }, { "y", gm_mul(h, gm_neg(weight)), NULL });
}
static gm_pack *relus(void *env, gm_pack *in) {
    (void)env;
    return gm_scan(gm_functionp(relu_cell, NULL, NULL), GM_PACK({ "h", of(in, "b"), NULL }),
                   GM_PACK({ "a", of(in, "a"), NULL }));
}
static gm_tensor *leaf_loss(void *env, gm_tensor *x) {
    gm_tensor *h = gm_zeros(GM_SHAPE(16), GM_F32);
    gm_pack *out = relus(env, GM_PACK({ "a", x, NULL }, { "b", h, NULL }));
    gm_tensor *before = gm_sum(gm_mul(weight, weight)); /* other uses of the weight, before and behind */
    return out ? gm_add(gm_add(gm_sum(gm_square(of(out, "y"))), before), gm_mean(gm_relu(gm_mul(x, weight)))) : NULL;
}
static gm_tensor *backward_of(void *env, gm_tensor *x) {
    gm_tensor *loss = leaf_loss(env, x);
    gm_backward(loss);
    return loss;
}

static void leaves(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_randn(GM_SHAPE(7, 16), GM_F32), *w = gm_randn(GM_SHAPE(16), GM_F32);
    gm_set_requires_grad(w, true);
    gm_set(&weight, w);
    gm_tensor *eager = backward_of(NULL, x), *of_w = gm_copy(gm_gradient_of(w));
    gm_clear_gradient(w);
    gm_fn *f = gm_jit(gm_function(backward_of, NULL));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(same_bits(gm_call(f, x), eager), "loss");
        CHECK_OK(same_bits(gm_gradient_of(w), of_w), "gradient of a leaf");
        gm_clear_gradient(w);
    }
    gm_set(&weight, NULL);
}

/* ---- in each other ---- */

static gm_pack *choosing(void *env, gm_pack *in) { /* of a scan: a cond, which has a while in it */
    (void)env;
    gm_tensor *x = of(in, "x.a");
    loop l = { 8, not_there };
    gm_pack *state = GM_PACK({ "a", gm_add(of(in, "carry.h"), x), NULL });
    gm_pack *out = gm_cond(gm_gt_scalar(gm_sum(x), 0), gm_functionp(walking, &l, NULL), gm_functionp(walking, &l, NULL),
                           state);
    if (!out) return NULL;
    gm_pack *p = gm_pack_new();
    gm_pack_set_pack(p, "carry", GM_PACK({ "h", gm_tanh(of(out, "x")), NULL }));
    gm_pack_set(p, "y", of(out, "s"));
    return p;
}
static gm_pack *scanning(void *env, gm_pack *in) {
    (void)env;
    return gm_scan(gm_functionp(choosing, NULL, NULL), GM_PACK({ "h", of(in, "b"), NULL }),
                   GM_PACK({ "a", of(in, "a"), NULL }));
}
static gm_pack *nothing(void *env, gm_pack *in) {
    (void)env;
    gm_pack *p = gm_pack_new();
    gm_pack_set_pack(p, "carry", GM_PACK({ "h", gm_mul_scalar(of(in, "b"), 3), NULL }));
    gm_pack_set(p, "y", gm_zeros(GM_SHAPE(4), GM_F64));
    return p;
}
static gm_pack *inside(void *env, gm_pack *in) {
    (void)env;
    return gm_cond(gm_lt_scalar(gm_sum(of(in, "b")), 1e9), gm_functionp(scanning, NULL, NULL),
                   gm_functionp(nothing, NULL, NULL), in);
}
static gm_pack *remat_cell(void *env, gm_pack *in) { return gm_call_pack(gm_remat(gm_functionp(cell, env, NULL)), in); }
static gm_pack *remat_scan(void *env, gm_pack *in) {
    gm_set(&weight, of(in, "c")); /* it stays: the cell runs again */
    gm_pack *carry = GM_PACK({ "h", of(in, "b"), NULL }, { "n", gm_scalar_i64(0, GM_I64), NULL });
    return gm_scan(gm_functionp(remat_cell, env, NULL), carry, GM_PACK({ "a", of(in, "a"), NULL }));
}

static void nested(void) {
    GM_SCOPE(s);
    gm_set(&weight, gm_full(GM_SHAPE(3), 0.8, GM_F64));
    gm_pack *in = f64_inputs((gm_shape[]){ GM_SHAPE(4, 3), GM_SHAPE(3) }, 2);
    differentiated("nested", gm_functionp(inside, NULL, NULL), in, true);
    batched("nested", gm_functionp(inside, NULL, NULL),
            f64_inputs((gm_shape[]){ GM_SHAPE(3, 4, 3), GM_SHAPE(3, 3) }, 2));
    walk w = { false, true, 0 };
    gm_pack *rnn = f64_inputs((gm_shape[]){ GM_SHAPE(4, 2, 3), GM_SHAPE(2, 3), GM_SHAPE(3, 3) }, 3);
    differentiated("computed again in a scan", gm_functionp(remat_scan, &w, NULL), rnn, true);
    gm_fn *a = gm_functionp(gradients_of, gm_functionp(remat_scan, &w, NULL), NULL);
    gm_fn *b = gm_functionp(gradients_of, gm_functionp(recurrent, &w, NULL), NULL);
    CHECK_OK(packs(seeded(a, rnn), seeded(b, rnn), same_bits), "computed again");
    gm_set(&weight, gm_full(GM_SHAPE(3), 0.8, GM_F64));
    /* and as text */
    gm_fn *g = gm_functionp(gradients_of, gm_functionp(inside, NULL, NULL), NULL);
    gm_graph *graph = gm_trace_graph(g, in);
    gm_pack *captured = graph ? gm_graph_tensors(graph) : NULL;
    gm_graph *again = captured ? gm_graph_parse(gm_graph_text(graph), captured) : NULL;
    CHECK_OK(again && packs(gm_graph_run(again, in), gm_graph_run(graph, in), same_bits), "text");
    gm_set(&weight, NULL);
}

/* ---- effects ---- */

typedef struct { gm_module *net; gm_optimizer *optimizer; gm_tensor *steps; } training;

static gm_pack *one_batch(void *env, gm_pack *in) {
    training *t = env;
    gm_tensor *loss = gm_cross_entropy(gm_forward(t->net, of(in, "x.x")), of(in, "x.y"));
    gm_backward(loss);
    gm_clip_gradient_norm(t->optimizer, 0.5);
    gm_step(t->optimizer);
    gm_assign(t->steps, gm_add_scalar(t->steps, 1));
    return GM_PACK({ "y", gm_detach(loss), NULL });
}
static gm_pack *epoch(void *env, gm_pack *in) { return gm_scan(gm_functionp(one_batch, env, NULL), NULL, in); }

static training new_training(void) {
    gm_seed(4);
    gm_module *net = gm_sequential(gm_nn_linear(4, 8), gm_nn_batch_norm1d(8), gm_nn_relu(), gm_nn_dropout(0.2),
                                   gm_nn_linear(8, 3));
    gm_forward(net, gm_zeros(GM_SHAPE(2, 4), GM_F32));
    return (training){ net, gm_adamw(net, 1e-2), gm_keep(gm_scalar(0, GM_F32)) };
}

static void a_whole_epoch(void) {
    GM_SCOPE(s);
    training eager = new_training(), compiled = new_training();
    gm_fn *a = gm_functionp(epoch, &eager, NULL), *b = gm_jit(gm_functionp(epoch, &compiled, NULL));
    for (int e = 0; e < 3; e++) {
        gm_seed(10 + (uint64_t)e);
        gm_pack *in = GM_PACK({ "x", gm_randn(GM_SHAPE(5, 6, 4), GM_F32), NULL },
                              { "y", gm_randint(GM_SHAPE(5, 6), 0, 3, GM_I64), NULL });
        CHECK_OK(packs(seeded(b, in), seeded(a, in), same_bits), "losses");
    }
    CHECK_OK(packs(gm_state_dict(eager.net), gm_state_dict(compiled.net), same_bits), "states");
    CHECK(gm_item(eager.steps) == 15 && gm_item(compiled.steps) == 15, "%g steps", gm_item(compiled.steps));
    gm_jit_stats t = gm_jit_statistics(b);
    CHECK(t.runs == 3 && gm_step_count(compiled.optimizer) == 15, "%lld runs, %lld steps", (long long)t.runs,
          (long long)gm_step_count(compiled.optimizer));
    gm_release(eager.steps), gm_release(compiled.steps);
}

/* ---- eager mode is C ---- */

static gm_pack *with_numbers(void *env, gm_pack *in) {
    double h = gm_item(of(in, "carry.h"));
    ++*(int *)env;
    return GM_PACK({ "carry", gm_scalar(h > 3 ? h : h + 1, GM_F32), NULL }, { "y", gm_scalar(h, GM_F32), NULL });
}

static void eager_is_c(void) {
    GM_SCOPE(s);
    int calls = 0;
    gm_fn *body = gm_functionp(with_numbers, &calls, NULL);
    gm_pack *out = gm_scan(body, GM_PACK({ "h", gm_scalar(0, GM_F32), NULL }), NULL, .length = 6);
    CHECK_OK(out && calls == 6 && gm_item(of(out, "carry.h")) == 4, "numbers are read");
}

/* ---- mistakes ---- */

static gm_pack *other_shape(void *env, gm_pack *in) {
    (void)env, (void)in;
    return GM_PACK({ "y", gm_zeros(GM_SHAPE(4), GM_F64), NULL }, { "n", gm_scalar(0, GM_F64), NULL });
}
static gm_pack *mismatched(void *env, gm_pack *in) {
    (void)env;
    return gm_cond(gm_sum(of(in, "a")), gm_functionp(warm, NULL, NULL), gm_functionp(other_shape, NULL, NULL), in);
}
static gm_pack *growing(void *env, gm_pack *in) {
    (void)env;
    gm_tensor *x = of(in, "x");
    return GM_PACK({ "x", gm_concat((gm_tensor *[]){ x, x }, 2, 0), NULL }, { "n", of(in, "n"), NULL });
}
static gm_pack *growing_loop(void *env, gm_pack *in) {
    (void)env;
    gm_pack *state = GM_PACK({ "x", of(in, "a"), NULL }, { "n", gm_scalar_i64(0, GM_I64), NULL });
    return gm_while(gm_functionp(not_there, NULL, NULL), gm_functionp(growing, NULL, NULL), state);
}
static gm_pack *no_carry(void *env, gm_pack *in) { return (void)env, GM_PACK({ "z", of(in, "x.a"), NULL }); }
static gm_pack *bad_scan(void *env, gm_pack *in) {
    (void)env;
    return gm_scan(gm_functionp(no_carry, NULL, NULL), NULL, in);
}
static gm_pack *leaving(void *env, gm_pack *in) {
    gm_backward(gm_sum(gm_mul(env, of(in, "x.a"))));
    return GM_PACK({ "y", of(in, "x.a"), NULL });
}
static gm_pack *leaving_scan(void *env, gm_pack *in) { return gm_scan(gm_functionp(leaving, env, NULL), NULL, in); }

static void expect(gm_fn *f, gm_pack *in, gm_error code, const char *words) {
    CHECK(!gm_call_pack(f, in) && gm_error_code() == code && strstr(gm_error_message(), words), "%s",
          gm_error_message());
    gm_error_clear();
}

static void mistakes(void) {
    GM_SCOPE(s);
    gm_pack *in = f64_inputs((gm_shape[]){ GM_SHAPE(3), GM_SHAPE(3) }, 2);
    gm_set(&weight, gm_full(GM_SHAPE(3), 0.8, GM_F64));
    gm_fn *f = gm_functionp(mismatched, NULL, NULL);
    expect(gm_jit(f), in, GM_ERROR_SHAPE, "the first branch gives \"y\" f64 [3], the second \"y\" f64 [4]");
    f = gm_functionp(growing_loop, NULL, NULL);
    expect(f, in, GM_ERROR_SHAPE, "\"x\" f64 [3], the body gives \"x\" f64 [6]");
    expect(gm_jit(f), in, GM_ERROR_SHAPE, "\"x\" f64 [3], the body gives \"x\" f64 [6]");
    gm_pack *entries = GM_PACK({ "a", gm_zeros(GM_SHAPE(4, 3), GM_F32), NULL });
    f = gm_functionp(bad_scan, NULL, NULL);
    expect(f, entries, GM_ERROR_VALUE, "\"z\"");
    expect(gm_jit(f), entries, GM_ERROR_VALUE, "\"z\"");
    gm_tensor *w = gm_ones(GM_SHAPE(3), GM_F32);
    gm_set_requires_grad(w, true);
    expect(gm_jit(gm_functionp(leaving_scan, w, NULL)), entries, GM_ERROR_UNSUPPORTED, "gradients are left");
    CHECK(!gm_gradient_of(w));
    expect(f, GM_PACK({ "a", gm_zeros(GM_SHAPE(4, 3), GM_F32), NULL }, { "b", gm_zeros(GM_SHAPE(5), GM_F32), NULL }),
           GM_ERROR_SHAPE, "5 entries");
    CHECK(!gm_cond(gm_zeros(GM_SHAPE(2), GM_F32), f, f, NULL) && gm_error_code() == GM_ERROR_SHAPE);
    gm_error_clear();
    CHECK(!gm_cond(w, NULL, f, NULL) && gm_error_code() == GM_ERROR_HANDLE);
    gm_error_clear();
    gm_set(&weight, NULL);
}

int main(void) {
    RUN(conditions);
    RUN(loops);
    RUN(scans);
    RUN(leaves);
    RUN(nested);
    RUN(a_whole_epoch);
    RUN(eager_is_c);
    RUN(mistakes);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
