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
    RUN(skips_and_errors);
    return check_done();
}
