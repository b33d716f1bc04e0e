/* What compiled functions see of the world between calls: values always, modes by a new recording, C variables never;
 * and what becomes of side effects. */
#include "check.h"
#include "gemel/gemel.h"

#include <unistd.h>

static bool near_to(gm_tensor *a, gm_tensor *b) {
    return gm_ok() && gm_shape_equal(gm_shape_of(a), gm_shape_of(b)) && gm_item(gm_max(gm_abs(gm_sub(a, b)))) < 1e-6;
}

static gm_tensor *forward_of(void *env, gm_tensor *x) {
    GM_NO_GRAD;
    return gm_forward(env, x);
}

static gm_module *new_net(void) {
    return gm_sequential(gm_nn_linear(3, 4), gm_nn_batch_norm1d(4), gm_nn_dropout(0.5), gm_nn_linear(4, 2));
}

/* ---- values ---- */

static void assignments_are_seen(void) {
    GM_SCOPE(s);
    gm_module *net = gm_nn_linear(3, 2), *other = gm_nn_linear(3, 2);
    gm_tensor *x = gm_randn(GM_SHAPE(5, 3), GM_F32);
    gm_init_parameters(other, NULL, GM_INIT_NORMAL, 0, 1);
    gm_fn *f = gm_jit(gm_function(forward_of, net));
    CHECK(near_to(gm_call(f, x), gm_forward(net, x)));
    CHECK(!near_to(gm_forward(other, x), gm_forward(net, x)));
    gm_load_state_dict(net, gm_state_dict(other));
    CHECK(near_to(gm_call(f, x), gm_forward(other, x)));
    gm_assign(gm_get(gm_parameters(net), "bias"), gm_full(GM_SHAPE(2), 7, GM_F32));
    CHECK(near_to(gm_call(f, x), gm_forward(net, x)));
    float *w = gm_mutable_data(gm_get(gm_parameters(net), "weight"));
    for (int i = 0; i < 6; i++) w[i] = (float)i;
    CHECK(near_to(gm_call(f, x), gm_forward(net, x)));
    gm_jit_stats t = gm_jit_statistics(f);
    CHECK(t.traces == 1 && t.runs == 4, "%lld traces", (long long)t.traces);
}

typedef struct { gm_module *net; gm_optimizer *optimizer; } training;

static gm_tensor *train_step(void *env, gm_tensor *x) {
    training *t = env;
    gm_tensor *loss = gm_mean(gm_square(gm_forward(t->net, x)));
    gm_backward(loss);
    gm_step(t->optimizer);
    return loss;
}

static void learning_rates_are_seen(void) {
    GM_SCOPE(s);
    training t = { gm_nn_linear(3, 2), NULL };
    t.optimizer = gm_sgd(t.net, 0.1);
    gm_fn *f = gm_jit(gm_function(train_step, &t));
    gm_tensor *x = gm_randn(GM_SHAPE(5, 3), GM_F32), *w = gm_get(gm_parameters(t.net), "weight");
    gm_call(f, x);
    gm_tensor *before = gm_copy(gm_detach(w));
    gm_set_learning_rate(t.optimizer, 0);
    gm_call(f, x);
    CHECK(near_to(w, before));
    gm_set_learning_rate(t.optimizer, 0.1);
    gm_call(f, x);
    CHECK(!near_to(w, before));
    CHECK(gm_jit_statistics(f).traces == 1 && gm_step_count(t.optimizer) == 3 && gm_ok());
}

/* ---- modes ---- */

static void training_and_evaluation(void) {
    GM_SCOPE(s);
    gm_module *net = new_net();
    gm_fn *f = gm_jit(gm_function(forward_of, net));
    gm_tensor *x = gm_randn(GM_SHAPE(6, 3), GM_F32);
    for (int i = 0; i < 4; i++) {
        gm_set_training(net, i % 2 == 0);
        gm_seed(1);
        gm_pack *before = gm_pack_new(), *own = gm_state_dict(net);
        for (int64_t k = 0; k < gm_pack_count(own); k++)
            gm_pack_set(before, gm_pack_name(own, k), gm_copy(gm_detach(gm_pack_at(own, k))));
        gm_tensor *y = gm_call(f, x);
        gm_load_state_dict(net, before);
        gm_seed(1);
        CHECK(near_to(y, forward_of(net, x)), "%d", i);
        gm_set_training(net, i % 2 == 0); /* no change: no new recording */
        gm_call(f, x);
    }
    gm_jit_stats t = gm_jit_statistics(f);
    CHECK(t.programs == 2 && t.traces == 4 && t.runs == 8, "%lld programs, %lld traces, %lld runs",
          (long long)t.programs, (long long)t.traces, (long long)t.runs);
}

static void freezing(void) {
    GM_SCOPE(s);
    training t = { gm_sequential(gm_nn_linear(3, 4), gm_nn_linear(4, 2)), NULL };
    t.optimizer = gm_sgd(t.net, 0.1);
    gm_fn *f = gm_jit(gm_function(train_step, &t));
    gm_tensor *x = gm_randn(GM_SHAPE(5, 3), GM_F32), *w = gm_get(gm_parameters(t.net), "0.weight");
    for (int i = 0; i < 3; i++) {
        gm_tensor *before = gm_copy(gm_detach(w));
        if (i == 1) gm_freeze(t.net, "0");
        else gm_unfreeze(t.net, "0");
        gm_call(f, x);
        CHECK(near_to(w, before) == (i == 1), "%d", i);
    }
    gm_jit_stats g = gm_jit_statistics(f);
    CHECK(g.programs == 2 && g.traces == 3 && gm_ok(), "%lld programs", (long long)g.programs);
}

static void modes_of_the_thread(void) {
    GM_SCOPE(s);
    gm_module *net = gm_nn_linear(3, 2);
    gm_fn *f = gm_jit(gm_function((gm_fn1)gm_forward, net));
    gm_tensor *x = gm_randn(GM_SHAPE(5, 3), GM_F32);
    {
        GM_NO_GRAD;
        CHECK(!gm_requires_grad(gm_call(f, x)));
    }
    gm_tensor *y = gm_call(f, x); /* with gradients */
    CHECK(gm_requires_grad(y) && gm_backward(gm_sum(y)));
    CHECK(gm_gradient_of(gm_get(gm_parameters(net), "weight")));
    gm_jit_stats t = gm_jit_statistics(f);
    CHECK(t.runs == 2 && t.traces == 2 && t.gradient_runs == 1);
}

/* ---- hooks ---- */

static int hook_calls;
static gm_tensor *doubling(void *env, gm_tensor *x, gm_tensor *g) {
    (void)env, (void)x;
    hook_calls++;
    return gm_mul_scalar(g, 2);
}
static gm_tensor *looking(void *env, gm_tensor *x, gm_tensor *g) {
    (void)env, (void)x;
    return gm_item(gm_sum(g)) > 0 ? g : NULL;
}
static bool on_forward(void *env, const gm_forward_event *e) {
    (void)e;
    ++*(int *)env;
    return true;
}

static void hooks(void) {
    GM_SCOPE(s);
    training t = { gm_nn_linear(3, 2), NULL }, plain = { gm_nn_linear(3, 2), NULL };
    gm_tensor *x = gm_randn(GM_SHAPE(5, 3), GM_F32);
    int forwards = 0;
    gm_forward(t.net, x), gm_forward(plain.net, x);
    t.optimizer = gm_sgd(t.net, 0.1), plain.optimizer = gm_sgd(plain.net, 0.2);
    gm_fn *f = gm_jit(gm_function(train_step, &t));
    gm_call(f, x), train_step(&plain, x);
    gm_load_state_dict(plain.net, gm_state_dict(t.net));
    gm_pack *p = gm_parameters(t.net);
    for (int64_t i = 0; i < gm_pack_count(p); i++) gm_on_gradient(gm_pack_at(p, i), doubling, NULL, NULL);
    int64_t id = gm_on_forward(t.net, on_forward, &forwards, NULL);
    for (int i = 0; i < 3; i++) gm_call(f, x), train_step(&plain, x);
    CHECK(near_to(gm_pack_at(p, 0), gm_pack_at(gm_parameters(plain.net), 0))); /* what a hook computes is recorded */
    CHECK(hook_calls == 2 && forwards == 1); /* what else it does was done once */
    gm_remove_hook(t.net, id);
    gm_call(f, x);
    CHECK(gm_jit_statistics(f).traces == 3 && gm_ok());
    gm_on_gradient(gm_pack_at(p, 0), looking, NULL, NULL);
    CHECK(!gm_call(f, x) && gm_error_code() == GM_ERROR_STATE, "%s", gm_error_message());
    CHECK(strstr(gm_error_message(), "recorded"), "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_gradient_of(gm_pack_at(p, 0)) || gm_item(gm_sum(gm_gradient_of(gm_pack_at(p, 0)))) == 0);
}

/* ---- what does not go into a recording ---- */

static gm_tensor *with_schedule(void *env, gm_tensor *x) {
    gm_set_learning_rate(env, 0.5);
    return x;
}

static gm_tensor *accumulating(void *env, gm_tensor *x) {
    training *t = env;
    gm_tensor *loss = gm_mean(gm_square(gm_forward(t->net, x)));
    gm_backward(loss);
    gm_accumulate(t->optimizer);
    return loss;
}

static gm_tensor *clipped(void *env, gm_tensor *x) {
    training *t = env;
    gm_backward(gm_mean(gm_square(gm_forward(t->net, x))));
    CHECK(gm_clip_gradient_norm(t->optimizer, 1) != 0); /* NaN */
    gm_step(t->optimizer);
    return x;
}

static void refusals(void) {
    GM_SCOPE(s);
    training t = { gm_nn_linear(3, 2), NULL };
    gm_tensor *x = gm_randn(GM_SHAPE(5, 3), GM_F32);
    t.optimizer = gm_sgd(t.net, 0.1);
    CHECK(!gm_call(gm_jit(gm_function(with_schedule, t.optimizer)), x) && gm_error_code() == GM_ERROR_STATE);
    CHECK(strstr(gm_error_message(), "between calls"), "%s", gm_error_message());
    gm_error_clear();
    CHECK(gm_learning_rate(t.optimizer) == 0.1);
    gm_call(gm_jit(gm_function(accumulating, &t)), x); /* the sum would be there once, in the recording */
    CHECK(!gm_accumulate_end(t.optimizer) && gm_error_code() == GM_ERROR_STATE, "%s", gm_error_message());
    gm_error_clear();
    gm_zero_grad(t.optimizer);
    gm_fn *f = gm_jit(gm_function(clipped, &t));
    CHECK(gm_call(f, x));
    gm_tensor *before = gm_copy(gm_detach(gm_get(gm_parameters(t.net), "weight")));
    CHECK(!gm_call(f, gm_full_like(x, 1e30)) && gm_error_code() == GM_ERROR_NUMERIC, "%s", gm_error_message());
    gm_error_clear();
    CHECK(near_to(before, gm_get(gm_parameters(t.net), "weight")));
    CHECK(gm_call(f, x) && gm_ok());
}

/* ---- printing ---- */

static int printed_from;
static FILE *printed;
static void catch_output(void) {
    fflush(stdout);
    printed = tmpfile();
    printed_from = dup(1);
    dup2(fileno(printed), 1);
}

static const char *caught_output(void) {
    static char text[2000];
    fflush(stdout);
    dup2(printed_from, 1);
    close(printed_from);
    rewind(printed);
    text[fread(text, 1, sizeof text - 1, printed)] = 0;
    fclose(printed);
    return text;
}

static gm_tensor *printing(void *env, gm_tensor *x) {
    gm_tensor *count = env, *y = gm_mul_scalar(x, 2);
    gm_print("y", y);
    gm_assign(count, gm_add_scalar(count, 1));
    gm_print("count", count);
    gm_print(NULL, x);
    return gm_sum(y);
}

static void prints(void) {
    GM_SCOPE(s);
    gm_tensor *count = gm_scalar(0, GM_F32), *x = gm_ones(GM_SHAPE(2), GM_F32);
    gm_fn *f = gm_jit(gm_function(printing, count));
    catch_output();
    gm_call(f, x);
    gm_call(f, gm_mul_scalar(x, 3));
    const char *text = caught_output();
    CHECK(!strcmp(text, "y = [2. 2.]\ncount = 1.0\n[1. 1.]\ny = [6. 6.]\ncount = 2.0\n[3. 3.]\n"), "%s", text);
    CHECK(gm_jit_statistics(f).traces == 1);
    catch_output();
    gm_call(gm_grad(gm_function(printing, count)), x);
    text = caught_output();
    CHECK(!strcmp(text, "y = [2. 2.]\ncount = 3.0\n[1. 1.]\n"), "%s", text);
    catch_output();
    gm_call(gm_jit(gm_grad(gm_function(printing, count))), x);
    text = caught_output();
    CHECK(!strcmp(text, "y = [2. 2.]\ncount = 4.0\n[1. 1.]\n"), "%s", text);
    catch_output();
    CHECK(!gm_call(gm_vmap(gm_function(printing, count)), gm_ones(GM_SHAPE(3, 2), GM_F32)) || gm_ok());
    text = caught_output();
    CHECK(strstr(text, "y = [[2. 2.]\n     [2. 2.]\n     [2. 2.]]\ncount = 5.0\n"), "%s", text);
    gm_error_clear();
}

int main(void) {
    RUN(assignments_are_seen);
    RUN(learning_rates_are_seen);
    RUN(training_and_evaluation);
    RUN(freezing);
    RUN(modes_of_the_thread);
    RUN(hooks);
    RUN(refusals);
    RUN(prints);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
