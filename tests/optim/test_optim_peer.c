/* test_optim_peer.c: optimizers, groups, clipping, averages and schedules against what PyTorch computed in f64. */
#include "../ops/recorded.h"

enum { STEPS = 6 };
typedef struct { gm_tensor *matrix, *vector; } pair;
static gm_tensor *pair_forward(gm_module *m, gm_tensor *x) { return gm_mul(((pair *)gm_state(m))->vector, x); }

static gm_module *pair_new(void) {
    gm_module *m = gm_module_new(pair);
    pair *self = gm_state(m);
    self->matrix = gm_param(m, "matrix", gm_cast(recorded_input(1, GM_SHAPE(4, 6)), GM_F64));
    self->vector = gm_param(m, "vector", gm_cast(recorded_input(2, GM_SHAPE(7)), GM_F64));
    return m;
}

/* The t-th gradients: larger each time. */
static void set_gradients(gm_module *net, int t) {
    pair *self = gm_state(net);
    gm_tensor *p[] = { self->matrix, self->vector };
    for (int i = 0; i < 2; i++) {
        gm_tensor *g = gm_cast(recorded_input(10 * t + i + 20, gm_shape_of(p[i])), GM_F64);
        gm_set_gradient(p[i], gm_mul_scalar(g, 1 + t));
    }
}

static void check_pair(const char *name, gm_module *net, const char *suffixes[2]) {
    char text[64];
    pair *self = gm_state(net);
    snprintf(text, sizeof text, "%s.%s", name, suffixes[0]);
    recorded_check(text, self->matrix, 5e-9);
    snprintf(text, sizeof text, "%s.%s", name, suffixes[1]);
    recorded_check(text, self->vector, 5e-9);
}

static void run(const char *name, gm_module *net, gm_optimizer *o) {
    for (int t = 0; t < STEPS; t++) {
        set_gradients(net, t);
        CHECK(gm_step(o), "%s %s", name, gm_error_message());
    }
    check_pair(name, net, (const char *[]){ "0", "1" });
}

/* m: a new net. */
#define OPTIMIZER(name, call)                                                                                          \
    do {                                                                                                               \
        GM_SCOPE(s);                                                                                                   \
        gm_module *m = pair_new();                                                                                     \
        run(name, m, call);                                                                                            \
    } while (0)

static void optimizers(void) {
    OPTIMIZER("sgd_plain", gm_sgd(m, 0.1));
    OPTIMIZER("sgd_momentum", gm_sgd(m, 0.1, .momentum = 0.9, .weight_decay = 0.01));
    OPTIMIZER("sgd", gm_sgd(m, 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = 1));
    OPTIMIZER("adam", gm_adam(m, 0.05, .weight_decay = GM_REAL(0.1)));
    OPTIMIZER("adamw", gm_adamw(m, 0.05));
    OPTIMIZER("adagrad", gm_adagrad(m, 0.1, .lr_decay = 0.2, .weight_decay = 0.01, .initial = 0.5));
    OPTIMIZER("rmsprop", gm_rmsprop(m, 0.01));
    OPTIMIZER("rmsprop_all", gm_rmsprop(m, 0.01, .alpha = GM_REAL(0.9), .momentum = 0.8, .centered = 1,
                                        .weight_decay = 0.02));
    OPTIMIZER("adadelta", gm_adadelta(m, 1.0, .weight_decay = 0.02));
    OPTIMIZER("adafactor", gm_adafactor(m, 0.05));
    OPTIMIZER("adafactor_all", gm_adafactor(m, 0.7, .decay = GM_REAL(-0.5), .eps = GM_REAL(0.1), .clip = GM_REAL(1.5),
                                            .weight_decay = 0.1));
    OPTIMIZER("lamb", gm_lamb(m, 0.05, .weight_decay = GM_REAL(0.1)));
    OPTIMIZER("lion", gm_lion(m, 0.05, .weight_decay = 0.1));
}

static void groups_and_clipping(void) {
    GM_SCOPE(s);
    gm_module *net = pair_new();
    gm_optimizer *o = gm_adamw(net, 0.05);
    int g = gm_optimizer_group(o, "bias*|*ctor");
    CHECK(g == 1 && gm_n_optimizer_groups(o) == 2, "%s", gm_error_message());
    CHECK(gm_set_hyper(o, g, "lr", 0.2) && gm_set_hyper(o, g, "weight_decay", 0));
    double norm = NAN;
    for (int t = 0; t < STEPS; t++) {
        set_gradients(net, t);
        norm = gm_clip_gradient_norm(o, 3.0);
        gm_step(o);
    }
    check_pair("groups", net, (const char *[]){ "0", "1" });
    recorded_check("groups.norm", gm_scalar(norm, GM_F64), 5e-9);
    CHECK(gm_hyper(o, 0, "lr") == 0.05 && gm_hyper(o, 1, "lr") == 0.2 && gm_hyper(o, 1, "beta2") == 0.999);
}

/* Four parts of each batch, and gradients cut by value. */
static void parts(void) {
    GM_SCOPE(s);
    gm_module *net = pair_new();
    pair *self = gm_state(net);
    gm_tensor *p[] = { self->matrix, self->vector };
    gm_optimizer *o = gm_sgd(net, 0.1);
    for (int t = 0; t < STEPS; t++) {
        for (int k = 0; k < 4; k++) {
            for (int i = 0; i < 2; i++) {
                gm_tensor *g = gm_cast(recorded_input(100 * k + 10 * t + i + 20, gm_shape_of(p[i])), GM_F64);
                gm_set_gradient(p[i], gm_mul_scalar(g, 1 + t));
            }
            CHECK(gm_accumulate(o), "%s", gm_error_message());
        }
        CHECK(gm_accumulate_end(o) && gm_clip_gradient_values(o, 0.6) && gm_step(o), "%s", gm_error_message());
    }
    check_pair("parts", net, (const char *[]){ "0", "1" });
}

static void schedule(const char *name, gm_schedule *s, int n, bool measured) {
    double lr[64];
    GM_SCOPE(scope);
    gm_optimizer *o = gm_sgd(pair_new(), 0.5);
    gm_schedule_apply(s, o);
    for (int t = 0; t < n; t++) {
        lr[t] = 2 * gm_learning_rate(o);
        double measure = 1.0 - 0.1 * t;
        gm_schedule_advance(s, o, measured ? fmax(measure, 0.55) + (t % 3 ? 0.001 : 0) : NAN);
    }
    CHECK(gm_schedule_wants_measure(s) == measured);
    recorded_check(name, gm_from_data(GM_SHAPE(n), GM_F64, lr), 5e-9);
}

static void schedules(void) {
    GM_SCOPE(s);
    int64_t milestones[] = { 2, 5, 6 };
    schedule("schedule.step", gm_schedule_step(3, 0.5), 12, false);
    schedule("schedule.multistep", gm_schedule_multistep(milestones, 3, 0.3), 12, false);
    schedule("schedule.exponential", gm_schedule_exponential(0.9), 12, false);
    schedule("schedule.polynomial", gm_schedule_polynomial(8, 2), 12, false);
    schedule("schedule.cosine", gm_schedule_cosine(10, .least = 0.1), 11, false);
    schedule("schedule.restarts", gm_schedule_cosine(4, .restarts = 1, .grow = 2), 30, false);
    schedule("schedule.one_cycle", gm_schedule_one_cycle(20), 20, false);
    schedule("schedule.one_cycle_linear", gm_schedule_one_cycle(20, .warm = 0.4, .linear = 1), 20, false);
    schedule("schedule.warmup", gm_schedule_warmup(5, 0.2, NULL), 12, false);
    schedule("schedule.warmup_cosine", gm_schedule_warmup(4, 0.25, gm_schedule_cosine(8, .least = 0.1)), 13, false);
    schedule("schedule.plateau",
             gm_schedule_plateau(.factor = 0.5, .patience = GM_INT(2), .cooldown = 1, .least = 0.1), 30, true);
}

static void averages(void) {
    GM_SCOPE(s);
    gm_module *net = pair_new();
    pair *self = gm_state(net);
    gm_average *ema = gm_average_new(net, .decay = GM_REAL(0.9)), *swa = gm_average_new(net);
    CHECK(!gm_average_swap(swa) && gm_error_code() == GM_ERROR_STATE);
    gm_error_clear();
    for (int t = 0; t < 5; t++) {
        gm_assign(self->matrix, recorded_input(t + 3, GM_SHAPE(4, 6)));
        CHECK(gm_average_update(ema) && gm_average_update(swa), "%s", gm_error_message());
    }
    double last = gm_item(gm_sum(self->matrix));
    gm_average_swap(ema);
    recorded_check("average.ema", self->matrix, 5e-9);
    gm_average_swap(ema);
    CHECK(gm_item(gm_sum(self->matrix)) == last);
    gm_average_swap(swa);
    recorded_check("average.swa", self->matrix, 5e-9);
    gm_average *copy = gm_average_new(net);
    gm_fail(GM_ERROR_VALUE, "test: something failed");
    CHECK(!gm_average_swap(swa) && gm_error_code() == GM_ERROR_VALUE);
    gm_error_clear();
    CHECK(gm_item(gm_sum(self->matrix)) == last);
    CHECK(gm_load_average_state(copy, gm_average_state(swa)) && gm_average_swap(copy), "%s", gm_error_message());
    recorded_check("average.swa", self->matrix, 5e-9);
}

int main(void) {
    if (!recorded_open("tests/optim/data/optim.txt")) return check_done();
    RUN(optimizers);
    RUN(groups_and_clipping);
    RUN(parts);
    RUN(schedules);
    RUN(averages);
    recorded_close();
    return check_done();
}
