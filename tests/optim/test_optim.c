/* test_optim.c: each optimizer against its formula, written out here operation by operation, bit for bit; any
 * threads. */
#include <gemel/autograd.h>
#include <gemel/ops.h>
#include <gemel/optim.h>

#include <math.h>

#include "../check.h"

enum { N = 40001, STEPS = 4 };
typedef struct { gm_tensor *w; } one;
static gm_tensor *one_forward(gm_module *m, gm_tensor *x) { return gm_mul(((one *)gm_state(m))->w, x); }
static gm_module *one_new(void) {
    gm_module *m = gm_module_new(one);
    one *self = gm_state(m);
    self->w = gm_param_init(m, "w", GM_SHAPE(N), GM_F32, GM_INIT_NORMAL, 0, 1);
    return m;
}

typedef struct { float *p, *m, *v; float g; int64_t i; int t; } cell;
typedef void (*rule)(cell *c);

static void sgd_rule(cell *c) {
    float g = c->g + 0.01f * c->p[c->i], b = c->t == 1 ? g : 0.9f * c->m[c->i] + g;
    c->m[c->i] = b;
    c->p[c->i] = c->p[c->i] - 0.1f * b;
}
static void nesterov_rule(cell *c) {
    float g = c->g, b = c->t == 1 ? g : 0.9f * c->m[c->i] + g;
    c->m[c->i] = b;
    c->p[c->i] = c->p[c->i] - 0.1f * (g + 0.9f * b);
}
static void adam_any(cell *c, float g, float p, double b1, double b2) {
    double c1 = 1, c2 = 1;
    for (int t = 0; t < c->t; t++) c1 *= b1, c2 *= b2;
    float *m = &c->m[c->i], *v = &c->v[c->i];
    *m = fmaf((float)(1 - b1), g - *m, *m);
    float gg = g * g, old = (float)b2 * *v;
    *v = fmaf((float)(1 - b2), gg, old);
    float den = sqrtf(*v) / (float)sqrt(1 - c2) + 1e-8f;
    c->p[c->i] = p - (float)(0.01 / (1 - c1)) * (*m / den);
}
static void adam_rule(cell *c) { adam_any(c, c->g + 0.1f * c->p[c->i], c->p[c->i], 0.8, 0.999); }
static void adamw_rule(cell *c) { adam_any(c, c->g, c->p[c->i] * (float)(1 - 0.01 * 0.01), 0.9, 0.999); }

static float state_p[N], state_m[N], state_v[N];

static void against(const char *name, gm_module *net, gm_optimizer *o, rule f) {
    GM_SCOPE(s);
    gm_tensor *w = gm_get(gm_parameters(net), "w");
    memcpy(state_p, gm_data(w), sizeof state_p);
    memset(state_m, 0, sizeof state_m);
    memset(state_v, 0, sizeof state_v);
    for (int t = 1; t <= STEPS; t++) {
        gm_tensor *g = gm_randn(GM_SHAPE(N), GM_F32);
        gm_set_gradient(w, g);
        const float *gs = gm_data(g);
        for (int64_t i = 0; i < N; i++) f(&(cell){ state_p, state_m, state_v, gs[i], i, t });
        CHECK(gm_step(o) && !gm_gradient_of(w), "%s %s", name, gm_error_message());
    }
    const float *p = gm_data(w);
    int64_t differ = 0;
    for (int64_t i = 0; i < N; i++) differ += p[i] != state_p[i];
    CHECK(!differ, "%s: %lld of %d differ", name, (long long)differ, N);
    CHECK(gm_step_count(o) == STEPS);
}

static void formulas(void) {
    for (int threads = 1; threads <= 3; threads++) {
        GM_SCOPE(s);
        gm_set_threads(threads);
        gm_module *n = one_new();
        against("sgd", n, gm_sgd(n, 0.1, .momentum = 0.9, .weight_decay = 0.01), sgd_rule);
        against("nesterov", n, gm_sgd(n, 0.1, .momentum = 0.9, .nesterov = 1), nesterov_rule);
        against("adam", n, gm_adam(n, 0.01, .beta1 = GM_REAL(0.8), .weight_decay = GM_REAL(0.1)), adam_rule);
        against("adamw", n, gm_adamw(n, 0.01), adamw_rule);
    }
}

/* f32, any number of threads: the same bits, and the same from a state that went through a pack halfway. */
static gm_optimizer *nth(int i, gm_module *n) {
    switch (i) {
    case 0: return gm_adagrad(n, 0.1);
    case 1: return gm_rmsprop(n, 0.1, .momentum = 0.5, .centered = 1);
    case 2: return gm_adadelta(n, 1);
    case 3: return gm_lamb(n, 0.1);
    case 4: return gm_lion(n, 0.1, .weight_decay = 0.1);
    case 5: return gm_adafactor(n, 0.1);
    case 6: return gm_sgd(n, 0.1, .momentum = 0.9);
    case 7: return gm_adamw(n, 0.1);
    default: return NULL;
    }
}

static bool steps(gm_module *net, gm_optimizer *o, int from, int to) {
    for (int t = from; t < to; t++) {
        GM_SCOPE(s);
        gm_random_key key = { 7, (uint64_t)t, "gradient" };
        gm_set_gradient(gm_get(gm_parameters(net), "w"), gm_random_of(key, GM_SHAPE(N), GM_F32, 1, 1, 0));
        gm_step(o);
    }
    return gm_ok();
}

static gm_pack *copy_of(gm_pack *p) {
    gm_pack *c = gm_pack_new();
    for (int64_t i = 0; i < gm_pack_count(p); i++)
        gm_pack_set(c, gm_pack_name(p, i), gm_add_scalar(gm_pack_at(p, i), 0));
    return c;
}

static void threads_and_states(void) {
    for (int i = 0; i < 8; i++) {
        for (int threads = 1; threads <= 3; threads++) {
            GM_SCOPE(s);
            gm_set_threads(threads);
            gm_module *net = one_new(), *other = one_new();
            gm_tensor *w = gm_get(gm_parameters(net), "w");
            gm_optimizer *o = nth(i, net), *resumed = nth(i, other);
            CHECK(steps(net, o, 0, 2), "%s", gm_error_message());
            gm_load_state_dict(other, gm_state_dict(net));
            CHECK(gm_load_optimizer_state(resumed, copy_of(gm_optimizer_state(o))), "%s", gm_error_message());
            CHECK(steps(net, o, 2, 4) && steps(other, resumed, 2, 4), "%s", gm_error_message());
            if (threads == 1) memcpy(state_p, gm_data(w), sizeof state_p);
            CHECK(!memcmp(gm_data(w), state_p, sizeof state_p), "%d, %d threads", i, threads);
            CHECK(!memcmp(gm_data(gm_get(gm_parameters(other), "w")), state_p, sizeof state_p), "%d", i);
            CHECK(gm_step_count(resumed) == 4);
        }
    }
}

static void states_that_do_not_fit(void) {
    GM_SCOPE(s);
    gm_module *net = one_new();
    gm_optimizer *sgd = gm_sgd(net, 0.1), *adam = gm_adam(net, 0.1);
    gm_set_learning_rate(adam, 0.5);
    CHECK(!gm_load_optimizer_state(adam, gm_optimizer_state(sgd)) && gm_error_code() == GM_ERROR_INDEX);
    CHECK(strstr(gm_error_message(), "\"group.0.beta1\" is missing"), "%s", gm_error_message());
    gm_error_clear();
    gm_pack *more = copy_of(gm_optimizer_state(sgd));
    gm_pack_set(more, "state.x.step", gm_ones(GM_SHAPE(1), GM_F64));
    CHECK(!gm_load_optimizer_state(sgd, more) && strstr(gm_error_message(), "is no part of"), "%s", gm_error_message());
    gm_error_clear();
    gm_pack *state = copy_of(gm_optimizer_state(adam));
    gm_pack_set(state, "state.w.exp_avg", gm_zeros(GM_SHAPE(3), GM_F32));
    gm_set_learning_rate(adam, 0.25);
    CHECK(!gm_load_optimizer_state(adam, state) && gm_error_code() == GM_ERROR_SHAPE);
    gm_error_clear();
    static const uint8_t nibbles[N]; /* nothing converts these */
    gm_pack_set(state, "state.w.exp_avg", gm_from_data(GM_SHAPE(N), GM_I4, nibbles));
    CHECK(!gm_load_optimizer_state(adam, state) && gm_error_code() == GM_ERROR_DTYPE, "%s", gm_error_message());
    gm_error_clear();
    CHECK(gm_learning_rate(adam) == 0.25);
}

/* Four parts in a tree, bit for bit; three are none. */
static void accumulation(void) {
    GM_SCOPE(s);
    gm_module *net = one_new();
    gm_optimizer *o = gm_sgd(net, 1);
    gm_tensor *w = gm_get(gm_parameters(net), "w"), *g[4];
    for (int i = 0; i < 4; i++) {
        g[i] = gm_randn(GM_SHAPE(N), GM_F32);
        gm_set_gradient(w, g[i]);
        CHECK(gm_accumulate(o) && !gm_gradient_of(w));
    }
    CHECK(!gm_optimizer_state(o) && gm_error_code() == GM_ERROR_STATE);
    gm_error_clear();
    CHECK(gm_accumulate_end(o), "%s", gm_error_message());
    gm_tensor *want = gm_mul_scalar(gm_add(gm_add(g[0], g[1]), gm_add(g[2], g[3])), 0.25), *got = gm_gradient_of(w);
    CHECK(got && !memcmp(gm_data(got), gm_data(want), N * sizeof(float)));
    CHECK(gm_clip_gradient_values(o, 0.125) && gm_item(gm_max(gm_gradient_of(w))) == 0.125 &&
          gm_item(gm_min(gm_gradient_of(w))) == -0.125);
    double norm = gm_clip_gradient_norm(o, 1), after = gm_clip_gradient_norm(o, INFINITY);
    CHECK(norm > 1 && fabs(after - 1) < 1e-5, "%g %g", norm, after);
    for (int i = 0; i < 3; i++) gm_set_gradient(w, g[i]), gm_accumulate(o);
    CHECK(!gm_accumulate_end(o) && gm_error_code() == GM_ERROR_VALUE);
    gm_error_clear();
    gm_set_gradient(w, gm_div_scalar(g[0], 0));
    CHECK(isnan(gm_clip_gradient_norm(o, 1)) && gm_error_code() == GM_ERROR_NUMERIC &&
          strstr(gm_error_message(), "\"w\""), "%s", gm_error_message());
    gm_error_clear();
}

/* A class of one's own: the sign of the gradient, with a state that counts. */
static bool sign_update(const gm_optimizer_step *s) {
    gm_assign(s->state[0], gm_add_scalar(s->state[0], s->power[0]));
    return gm_assign(s->p, gm_sub(s->p, gm_mul_scalar(gm_sign(s->g), s->hyper[0])));
}

static void own_class(void) {
    GM_SCOPE(s);
    static const gm_hyper_kind hypers[] = { { "lr", 0, 10, 0, 0 }, { "decay", 0, 1, 1, 0 }, { 0 } };
    static const char *const states[] = { "seen", NULL };
    static const gm_optimizer_class sign = { sizeof sign, "sign", hypers, states, NULL, sign_update, NULL, 1, 0 };
    gm_module *net = one_new();
    gm_tensor *w = gm_get(gm_parameters(net), "w");
    float before = ((const float *)gm_data(w))[1];
    gm_optimizer *o = gm_optimizer_new(&sign, net, (double[]){ 0.5, 0.5 });
    for (int i = 0; i < 2; i++) gm_set_gradient(w, gm_ones(GM_SHAPE(N), GM_F32)), gm_step(o);
    CHECK(((const float *)gm_data(w))[1] == before - 0.5f - 0.5f, "%s", gm_error_message());
    CHECK(((const float *)gm_data(gm_get(gm_optimizer_state(o), "state.w.seen")))[0] == 0.75f);
    CHECK(!gm_optimizer_new(&sign, net, (double[]){ 11, 0.5 }) && strstr(gm_error_message(), "sign: lr is 11"), "%s",
          gm_error_message());
    gm_error_clear();
    CHECK(isnan(gm_hyper(o, 0, "momentum")) && strstr(gm_error_message(), "it has lr, decay"), "%s",
          gm_error_message());
    gm_error_clear();
    CHECK(gm_optimizer_group(o, "*.bias") == -1 && gm_error_code() == GM_ERROR_INDEX);
    gm_error_clear();
}

static void skips_and_errors(void) {
    GM_SCOPE(s);
    gm_module *n = one_new();
    gm_tensor *w = gm_get(gm_parameters(n), "w");
    gm_optimizer *o = gm_sgd(n, 0.5);
    memcpy(state_p, gm_data(w), sizeof state_p);
    CHECK(gm_step(o) && !memcmp(gm_data(w), state_p, sizeof state_p));
    gm_set_gradient(w, gm_ones(GM_SHAPE(N), GM_F32));
    gm_fail(GM_ERROR_VALUE, "test: something failed");
    CHECK(!gm_step(o));
    gm_error_clear();
    CHECK(!memcmp(gm_data(w), state_p, sizeof state_p));
    CHECK(gm_set_learning_rate(o, 0.25) && gm_step(o));
    CHECK(((const float *)gm_data(w))[3] == state_p[3] - 0.25f);
    CHECK(!gm_sgd(n, -1.0) && gm_error_code() == GM_ERROR_VALUE);
    gm_error_clear();
    CHECK(!gm_adam(n, 0.1, .beta1 = GM_REAL(1.0)) && gm_error_code() == GM_ERROR_VALUE);
    gm_error_clear();
}

int main(void) {
    RUN(formulas);
    RUN(threads_and_states);
    RUN(states_that_do_not_fit);
    RUN(accumulation);
    RUN(own_class);
    RUN(skips_and_errors);
    return check_done();
}
