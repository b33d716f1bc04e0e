/* One jitted function called from several threads: pure programs run side by side, programs that write tensors one
 * after the other, and the plan may be exchanged for the one with emitted loops while they do. */
#include "tensors.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, CALLS = 60 };

/* ---- an operation that waits until another call is in it, too ---- */

static pthread_mutex_t met_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t met_another = PTHREAD_COND_INITIALIZER;
static int met_inside, met_wanted, met_most;

static void meet(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&met_lock);
    if (++met_inside > met_most) met_most = met_inside;
    pthread_cond_broadcast(&met_another);
    while (met_most < met_wanted && !pthread_cond_timedwait(&met_another, &met_lock, &until)) continue;
    met_inside--;
    pthread_mutex_unlock(&met_lock);
}

static int32_t meet_infer(const gm_op_args *a, gm_spec *out) {
    out[0].shape = gm_shape_of(a->in[0]), out[0].dtype = gm_dtype_of(a->in[0]);
    return 1;
}

static bool meet_kernel(const gm_op_args *a, gm_tensor **out) {
    meet();
    memcpy(gm_op_out(out, 0), gm_op_in(a, 0), (size_t)gm_count(out[0]) * 4);
    return true;
}

static const gm_op meet_op = { .size = sizeof(gm_op), .name = "test.meet", .version = 1, .min_in = 1, .max_in = 1,
                               .n_out = 1, .flags = GM_OP_NO_GRAD | GM_OP_CONTIGUOUS, .infer = meet_infer,
                               .kernel = meet_kernel, .doc = "waits for another call" };

static gm_tensor *meeting(void *env, gm_tensor *x) {
    gm_tensor *y = gm_exp(gm_mul(x, env)), *z = gm_op_call1(&meet_op, &y, 1, NULL);
    return gm_add(gm_tanh(gm_sub(z, x)), y);
}

/* ---- threads ---- */

typedef struct { gm_fn *f; gm_tensor *x, *want; int calls; bool ok; char message[200]; } caller;

static void *call_often(void *env) {
    caller *c = env;
    c->ok = true;
    for (int i = 0; i < c->calls && c->ok; i++) {
        GM_SCOPE(s);
        c->ok = same_bits(gm_call(c->f, c->x), c->want);
    }
    if (!gm_ok()) snprintf(c->message, sizeof c->message, "%s", gm_error_message());
    gm_error_clear();
    return NULL;
}

static void start(pthread_t *t, caller *c, int n) {
    for (int i = 0; i < n; i++) CHECK(!pthread_create(&t[i], NULL, call_often, &c[i]));
}

static void finish(pthread_t *t, caller *c, int n) {
    for (int i = 0; i < n; i++) {
        pthread_join(t[i], NULL);
        CHECK(c[i].ok, "thread %d: %s", i, c[i].message);
    }
}

static void side_by_side(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_full(GM_SHAPE(33), 0.5, GM_F32);
    gm_fn *f = gm_jit(gm_function(meeting, w));
    pthread_t t[2];
    caller c[2];
    for (int i = 0; i < 2; i++) {
        gm_tensor *x = gm_randn(GM_SHAPE(7, 33), GM_F32);
        c[i] = (caller){ f, x, meeting(w, x), 1, false, "" };
    }
    CHECK(same_bits(gm_call(f, c[0].x), c[0].want)); /* nobody is waited for yet */
    met_most = 0, met_wanted = 2;
    start(t, c, 2), finish(t, c, 2);
    gm_jit_stats stats = gm_jit_statistics(f);
    CHECK(met_most == 2 && stats.most_at_once == 2 && stats.programs == 1, "%d at once, %lld by the statistics",
          met_most, (long long)stats.most_at_once);
    met_wanted = 0;
}

static gm_tensor *chain(void *env, gm_tensor *x) {
    gm_tensor *w = env;
    for (int i = 0; i < 6; i++) x = gm_tanh(gm_add(gm_mul(x, w), gm_exp(gm_mul_scalar(x, -0.5))));
    return gm_matmul(x, gm_transpose(x, 0, 1));
}

/* While a compiler builds the loops, and through the exchange. */
static void exchanged(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_full(GM_SHAPE(40), 0.75, GM_F32);
    gm_fn *f = gm_jit(gm_function(chain, w));
    pthread_t t[THREADS];
    caller c[THREADS];
    for (int i = 0; i < THREADS; i++) {
        gm_tensor *x = gm_randn(GM_SHAPE(5 + i % 2, 40), GM_F32);
        c[i] = (caller){ f, x, chain(w, x), CALLS, false, "" };
    }
    start(t, c, THREADS);
    bool built = gm_jit_wait(f); /* with what is there by now */
    finish(t, c, THREADS);
    CHECK(gm_jit_wait(f), "%s", built ? "was built" : gm_ok() ? "not built" : gm_error_message());
    start(t, c, THREADS), finish(t, c, THREADS);
    gm_jit_stats stats = gm_jit_statistics(f);
    CHECK(stats.built == 2 && stats.traces == 2 && stats.programs == 2 && stats.runs == 2 * THREADS * CALLS,
          "%lld built, %lld traces, %lld runs", (long long)stats.built, (long long)stats.traces, (long long)stats.runs);
}

/* More at once than frames are kept: memory comes back. */
static void many(void) {
    enum { MANY = 24 };
    GM_SCOPE(s);
    gm_tensor *w = gm_full(GM_SHAPE(5), 0.5, GM_F32), *x = gm_randn(GM_SHAPE(3, 5), GM_F32), *want = meeting(w, x);
    gm_fn *f = gm_jit(gm_function(meeting, w));
    pthread_t t[MANY];
    caller c[MANY];
    for (int i = 0; i < MANY; i++) c[i] = (caller){ f, x, want, 1, false, "" };
    met_most = 0, met_wanted = MANY;
    start(t, c, MANY), finish(t, c, MANY);
    CHECK(met_most == MANY && gm_jit_statistics(f).most_at_once == MANY, "%d at once", met_most);
    met_wanted = 0;
}

/* ---- with state ---- */

static gm_tensor *total; /* written by two programs */

static gm_tensor *count_up(void *env, gm_tensor *x) {
    gm_tensor *next = gm_add(total, x);
    gm_assign(total, next);
    return gm_mul(x, env);
}

static void one_after_the_other(void) {
    GM_SCOPE(s);
    gm_tensor *one = gm_ones(GM_SHAPE(16), GM_F32);
    gm_set(&total, gm_zeros(GM_SHAPE(16), GM_F32));
    gm_fn *f[2] = { gm_jit(gm_function(count_up, one)), gm_jit(gm_function(count_up, one)) };
    pthread_t t[THREADS];
    caller c[THREADS];
    for (int i = 0; i < THREADS; i++) c[i] = (caller){ f[i % 2], one, one, CALLS, false, "" };
    met_most = 0, met_wanted = 0;
    start(t, c, THREADS), finish(t, c, THREADS);
    CHECK(same_bits(total, gm_full(GM_SHAPE(16), THREADS * CALLS, GM_F32)), "%g calls counted",
          gm_item(gm_select(total, 0, 0)));
    gm_set(&total, NULL);
}

/* ---- called from inside ---- */

static gm_fn *inner_jit;

static bool calling_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *y = gm_call(inner_jit, a->in[0]);
    if (y) memcpy(gm_op_out(out, 0), gm_data(y), (size_t)gm_count(out[0]) * 4);
    return y != NULL;
}

static const gm_op calling_op = { .size = sizeof(gm_op), .name = "test.calling", .version = 1, .min_in = 1, .max_in = 1,
                                  .n_out = 1, .flags = GM_OP_NO_GRAD | GM_OP_CONTIGUOUS, .infer = meet_infer,
                                  .kernel = calling_kernel, .doc = "calls a jitted function" };

static gm_tensor *nested(void *env, gm_tensor *x) {
    (void)env;
    gm_assign(total, gm_add(total, x));
    return gm_op_call1(&calling_op, &x, 1, NULL);
}

static void inside_of_itself(void) {
    GM_SCOPE(s);
    gm_tensor *one = gm_ones(GM_SHAPE(16), GM_F32);
    gm_set(&total, gm_zeros(GM_SHAPE(16), GM_F32));
    gm_fn *outer = gm_jit(gm_function(nested, NULL));
    inner_jit = gm_jit(gm_function(count_up, one)); /* the same state */
    CHECK(!gm_call(outer, one) && gm_error_code() == GM_ERROR_STATE && strstr(gm_error_message(), "busy"), "%s",
          gm_error_message());
    gm_error_clear();
    CHECK(same_bits(gm_call(inner_jit, one), one)); /* nothing stays locked */
    gm_set(&total, NULL);
}

int main(void) {
    own_cache();
    RUN(side_by_side);
    RUN(exchanged);
    RUN(many);
    RUN(one_after_the_other);
    RUN(inside_of_itself);
    CHECK(gm_exit_status() == 0);
    leave_cache();
    return check_done();
}
