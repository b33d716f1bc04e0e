/* Exported C against the library, bit for bit: nets on fresh inputs, training steps over many steps, and the cases of
 * every operation that has a C99 form, in one program. Where there is no C compiler, only the refusals are tested. */
#include "ops/op_cases.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static char dir[64];

static bool has(const char *program) {
    char line[256];
    snprintf(line, sizeof line, "command -v %s >/dev/null 2>&1", program);
    return system(line) == 0;
}

static gm_tensor *fresh(gm_shape shape, int seed) {
    gm_tensor *t = gm_zeros(shape, GM_F32);
    return gm_mul_scalar(gm_cast(case_weights(t, seed), GM_F32), 3);
}

typedef struct { const char *compiler, *flags, *runner; } builder;
static const builder builders[] = {
    { "cc", "-O0", "" },
    { "cc", "-O3 -march=native", "" },
    { "clang", "-O0", "" },
    { "clang", "-O3 -march=native", "" },
    { "aarch64-linux-gnu-gcc", "-O2 -static", "qemu-aarch64" },
};
enum { N_BUILDERS = sizeof builders / sizeof *builders };

/* Build NAME.c with these builders and run it with `arguments`; how many times that worked. */
static int build_and_run(const char *name, const char *arguments, int least, int most) {
    int ran = 0;
    for (int i = least; i < most; i++) {
        const builder *b = &builders[i];
        char line[4096];
        if (!has(b->compiler) || (*b->runner && !has(b->runner))) continue;
        snprintf(line, sizeof line,
                 "%s -std=c99 -Wall -Wextra -Werror -pedantic %s %s/%s.c -o %s/%s.run -lm && %s %s/%s.run %s",
                 b->compiler, b->flags, dir, name, dir, name, b->runner, dir, name, arguments);
        bool ok = system(line) == 0;
        CHECK(ok, "%s", line);
        ran += ok;
    }
    return ran;
}

static bool write_raw(const char *name, gm_tensor *t) { /* f32 or i64 */
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "ab");
    bool ok = f && t && gm_data(t) &&
              fwrite(gm_data(t), gm_dtype_of(t) == GM_I64 ? 8 : 4, (size_t)gm_count(t), f) == (size_t)gm_count(t);
    return (!f || !fclose(f)) && ok;
}

/* ---- nets on fresh inputs ---- */

static gm_pack *forward(void *env, gm_pack *in) {
    gm_pack *out = gm_pack_new();
    gm_pack_set(out, "y", gm_forward(env, gm_pack_at(in, 0)));
    return out;
}

static void net_case(const char *name, gm_module *net, gm_shape shape, int weights, int least) {
    char in[64], expected[64], arguments[2048];
    gm_pack *pack = gm_pack_new();
    if (!has("cc")) return;
    gm_set_training(net, false);
    gm_pack_set(pack, "x", fresh(shape, 1));
    gm_fn *f = gm_functionp(forward, net, NULL);
    CHECK(gm_export_c(f, pack, dir, .name = name, .main = 1, .weights = weights), "%s", gm_error_message());
    if (!gm_ok()) { gm_error_clear(); return; }
    snprintf(in, sizeof in, "%s.in", name);
    snprintf(expected, sizeof expected, "%s.expected", name);
    for (int i = 0; i < 3; i++) {
        gm_tensor *x = fresh(shape, i + 2);
        CHECK(write_raw(in, x) && write_raw(expected, gm_contiguous(gm_forward(net, x))));
    }
    char with[160] = "";
    if (weights == GM_EXPORT_FILE) snprintf(with, sizeof with, "%s/%s.weights", dir, name);
    snprintf(arguments, sizeof arguments,
             "%s --selftest >/dev/null && %s/%s.run %s <%s/%s >%s/%s.out && cmp %s/%s.out %s/%s", with, dir, name, with,
             dir, in, dir, name, dir, name, dir, expected);
    CHECK(build_and_run(name, arguments, least, N_BUILDERS - 1) > 0);
    snprintf(arguments, sizeof arguments, "%s --selftest >/dev/null", with);
    build_and_run(name, arguments, N_BUILDERS - 1, N_BUILDERS);
}

static gm_shape shape(int n, int64_t a, int64_t b, int64_t c, int64_t d) {
    return (gm_shape){ n, { 0 }, { a, b, c, d } };
}

static void test_nets(void) {
    GM_SCOPE(s);
    net_case("mlp", gm_sequential(gm_nn_linear(50, 33), gm_nn_relu(), gm_nn_linear(33, 7), gm_nn_gelu()),
             shape(2, 5, 50, 0, 0), GM_EXPORT_EMBED, 0);
    net_case("lenet", gm_sequential(gm_nn_conv2d(1, 6, .kernel = 5, .padding = 2), gm_nn_tanh(), gm_nn_max_pool2d(2),
                                    gm_nn_conv2d(6, 9, .kernel = 5), gm_nn_relu(), gm_nn_avg_pool2d(2), gm_nn_flatten(),
                                    gm_nn_linear(9 * 25, 10)), shape(4, 2, 1, 28, 28), GM_EXPORT_FILE, 0);
    net_case("normed",
             gm_sequential(gm_nn_conv2d(3, 8, .kernel = 3, .padding = 1, .stride = 2), gm_nn_batch_norm(8),
                           gm_nn_relu(), gm_nn_conv2d(8, 8, .kernel = 3, .groups = 2), gm_nn_batch_norm(8),
                           gm_nn_flatten(), gm_nn_linear(8 * 36, 4)),
             shape(4, 2, 3, 16, 16), GM_EXPORT_AUTO, 1);
}

/* ---- training ---- */

typedef struct { gm_module *net; gm_optimizer *optimizer; } training;

static gm_pack *train_step(void *env, gm_pack *in) {
    training *t = env;
    gm_pack *out = gm_pack_new();
    gm_tensor *loss = gm_cross_entropy(gm_forward(t->net, gm_pack_at(in, 0)), gm_pack_at(in, 1));
    gm_backward(loss);
    gm_step(t->optimizer);
    gm_pack_set(out, "loss", loss);
    return out;
}

/* The losses of many steps: here one after the other, there from the state that was exported. */
static void training_case(const char *name, training t, gm_shape s, int steps, int by) {
    char in[64], expected[64], arguments[2048];
    gm_pack *batch = gm_pack_new();
    if (!has("cc")) return;
    snprintf(in, sizeof in, "%s.in", name);
    snprintf(expected, sizeof expected, "%s.expected", name);
    for (int i = 0; i < steps; i++) {
        GM_SCOPE(scope);
        gm_tensor *label = gm_remainder(gm_arange(i, (double)(i + s.d[0]), 1, GM_I64), gm_scalar(7, GM_I64));
        gm_pack_set(batch, "x", fresh(s, i));
        gm_pack_set(batch, "y", label);
        if (i == 0)
            CHECK(gm_export_c(gm_functionp(train_step, &t, NULL), batch, dir, .name = name, .main = 1), "%s",
                  gm_error_message());
        CHECK(write_raw(in, gm_pack_at(batch, 0)) && write_raw(in, label));
        CHECK(write_raw(expected, gm_pack_at(train_step(&t, batch), 0)), "%s", gm_error_message());
    }
    snprintf(arguments, sizeof arguments, "--selftest >/dev/null && %s/%s.run <%s/%s >%s/%s.out && cmp %s/%s.out %s/%s",
             dir, name, dir, in, dir, name, dir, name, dir, expected);
    CHECK(build_and_run(name, arguments, by, by + 1) > 0);
}

static gm_module *small_mlp(void) {
    return gm_sequential(gm_nn_linear(20, 33), gm_nn_relu(), gm_nn_linear(33, 7));
}

static gm_module *small_transformer(void) {
    gm_module *net = gm_sequential_list((gm_module *const[]){ GM_END });
    gm_child(net, "0", gm_nn_transformer_encoder_layer(16, 2, .feedforward = 40, .dropout = GM_REAL(0)));
    gm_child(net, "1", gm_nn_transformer_encoder_layer(16, 4, .feedforward = 24, .dropout = GM_REAL(0.1)));
    gm_child(net, "flat", gm_nn_flatten());
    gm_child(net, "head", gm_nn_linear(9 * 16, 7));
    return net;
}

static void test_training(void) {
    GM_SCOPE(s);
    gm_module *a = small_mlp(), *b = small_mlp();
    gm_module *c = gm_sequential(gm_nn_conv2d(1, 4, .kernel = 5), gm_nn_batch_norm(4), gm_nn_relu(),
                                 gm_nn_max_pool2d(2), gm_nn_flatten(), gm_nn_linear(4 * 16, 7));
    training_case("adamw", (training){ a, gm_adamw(a, 1e-2) }, shape(2, 9, 20, 0, 0), 100, 0);
    training_case("sgd", (training){ b, gm_sgd(b, 1e-2, .momentum = 0.9, .weight_decay = 1e-4) },
                  shape(2, 9, 20, 0, 0), 100, 0);
    for (int i = 0; i < 4; i++) {
        static const char *const names[] = { "adagrad", "rmsprop", "adadelta", "lion" };
        gm_module *net = small_mlp();
        gm_optimizer *o = i == 0   ? gm_adagrad(net, 1e-2, .lr_decay = 0.1, .weight_decay = 1e-3)
                          : i == 1 ? gm_rmsprop(net, 1e-3, .momentum = 0.9, .centered = 1)
                          : i == 2 ? gm_adadelta(net, 1, .weight_decay = 1e-3)
                                   : gm_lion(net, 1e-3, .weight_decay = 1e-2);
        training_case(names[i], (training){ net, o }, shape(2, 9, 20, 0, 0), 20, 0);
    }
    gm_module *lenet = gm_zoo_new("lenet", shape(3, 1, 28, 28, 0), 7);
    training_case("lenet_steps", (training){ lenet, gm_adamw(lenet, 1e-3) }, shape(4, 2, 1, 28, 28), 100, 1);
    gm_module *resnet = gm_resnet18(.classes = 7, .small = 1, .width = 8);
    training_case("resnet", (training){ resnet, gm_sgd(resnet, 1e-2, .momentum = 0.9) }, shape(4, 3, 3, 20, 20), 3, 1);
    gm_module *transformer = small_transformer();
    training_case("transformer", (training){ transformer, gm_adamw(transformer, 1e-3) }, shape(3, 3, 9, 16, 0), 3, 1);
    training_case("convnet", (training){ c, gm_adam(c, 1e-3) }, shape(4, 3, 1, 12, 12), 20, 0);
}

/* ---- what is refused ---- */

static gm_pack *unsupported(void *env, gm_pack *in) {
    gm_tensor *y[2];
    gm_pack *out = gm_pack_new();
    (void)env;
    gm_op_call(gm_op_find("sort"), &(gm_tensor *){ gm_pack_at(in, 0) }, 1, gm_op_find("sort")->cases[0].attrs, y, 2);
    gm_pack_set(out, "y", y[0]);
    return out;
}

/* Files may not grow beyond a few pages: nothing is left of what was begun. */
static void full_disk(gm_module *net, gm_pack *in, const char *path) {
    struct rlimit before, small;
    if (getrlimit(RLIMIT_FSIZE, &before)) return;
    small = before, small.rlim_cur = 8192;
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &small)) return;
    CHECK(!gm_export_c(gm_functionp(forward, net, NULL), in, path) && gm_error_code() == GM_ERROR_IO);
    setrlimit(RLIMIT_FSIZE, &before);
    gm_error_clear();
    CHECK(access(path, F_OK) != 0, "something was left");
}

static void test_refused(void) {
    GM_SCOPE(s);
    gm_pack *in = gm_pack_new();
    gm_module *net = small_mlp();
    char path[128];
    gm_pack_set(in, "*/ \\\n \?\?/ \" evil", fresh(shape(2, 3, 20, 0, 0), 1));
    snprintf(path, sizeof path, "%s/none", dir);
    CHECK(!gm_export_c(gm_functionp(unsupported, NULL, NULL), in, path) && gm_error_code() == GM_ERROR_UNSUPPORTED);
    CHECK(strstr(gm_error_message(), "sort"), "%s", gm_error_message());
    gm_error_clear();
    CHECK(access(path, F_OK) != 0);
    CHECK(!gm_export_c(gm_functionp(forward, net, NULL), in, "/dev/null/x") && gm_error_code() == GM_ERROR_IO);
    gm_error_clear();
    full_disk(net, in, path);
    CHECK(gm_export_c(gm_functionp(forward, net, NULL), in, path, .name = "9 */ \\\n", .main = 1), "%s",
          gm_error_message());
    if (!has("cc")) return;
    CHECK(build_and_run("none/m9______", "--selftest >/dev/null", 0, 1) == 1);
}

/* ---- the cases of operations ---- */

typedef struct { const gm_op *op; int index, n; uint32_t present; } op_case;
enum { MAX_CASES = 600 };
typedef struct { op_case list[MAX_CASES]; int n; } op_cases;

/* Every case of the list, each on its entries of the pack. */
static gm_pack *run_cases(void *env, gm_pack *in) {
    const op_cases *all = env;
    gm_pack *out = gm_pack_new();
    int at = 0;
    for (int i = 0; i < all->n; i++) {
        const op_case *c = &all->list[i];
        gm_tensor *x[CASE_MAX_IN] = { NULL }, *y[GM_OP_MAX_OUT];
        char name[32];
        for (int k = 0; k < c->n; k++)
            if (c->present >> k & 1) x[k] = gm_pack_at(in, at++);
        int n = gm_op_call(c->op, x, c->n, c->op->cases[c->index].attrs, y, GM_OP_MAX_OUT);
        for (int j = 0; j < n; j++) {
            snprintf(name, sizeof name, "c%d_%d", i, j);
            gm_pack_set(out, name, y[j]);
        }
    }
    return out;
}

static void add_inputs(gm_pack *in, const case_inputs *c, op_case *made) {
    char name[32];
    made->n = c->n, made->present = 0;
    for (int k = 0; k < c->n; k++) {
        if (!c->in[k].t) continue;
        made->present |= 1u << k;
        snprintf(name, sizeof name, "x%d", (int)gm_pack_count(in));
        gm_pack_set(in, name, c->in[k].t);
    }
}

/* Whether a case can be exported; anything but UNSUPPORTED is a failure. */
static bool can_export(op_case one, const case_inputs *inputs, const char *path) {
    GM_SCOPE(s);
    static op_cases alone;
    gm_pack *in = gm_pack_new();
    add_inputs(in, inputs, &one);
    alone.list[0] = one, alone.n = 1;
    bool ok = gm_export_c(gm_functionp(run_cases, &alone, NULL), in, path);
    CHECK(ok || gm_error_code() == GM_ERROR_UNSUPPORTED, "%s case %d: %s", one.op->name, one.index, gm_error_message());
    CHECK(ok || access(path, F_OK) != 0, "%s left something", one.op->name);
    if (!ok && getenv("GM_KEEP")) printf("no C99 form: %s\n", gm_error_message());
    gm_error_clear();
    return ok;
}

static void collect(op_cases *all, gm_pack *in) {
    char path[96], line[128];
    snprintf(path, sizeof path, "%s/one", dir);
    snprintf(line, sizeof line, "rm -rf %s", path);
    for (int i = 0; gm_op_at(i); i++)
        for (int k = 0; gm_op_at(i)->cases && gm_op_at(i)->cases[k].in && all->n < MAX_CASES; k++) {
            op_case c = { gm_op_at(i), k, 0, 0 };
            case_inputs inputs;
            if (c.op->flags & GM_OP_DYNAMIC || !case_make(c.op, k, &inputs) || !can_export(c, &inputs, path)) continue;
            add_inputs(in, &inputs, &c);
            all->list[all->n++] = c;
            CHECK(system(line) == 0);
        }
}

static void test_cases(void) {
    GM_SCOPE(s);
    static op_cases all;
    gm_pack *in = gm_pack_new();
    collect(&all, in);
    CHECK(all.n >= 260, "only %d cases have a C99 form", all.n);
    CHECK(gm_export_c(gm_functionp(run_cases, &all, NULL), in, dir, .name = "cases", .main = 1), "%s",
          gm_error_message());
    if (gm_ok() && has("cc")) build_and_run("cases", "--selftest >/dev/null", 0, 1); /* at -O3 it takes minutes */
}

int main(void) {
    snprintf(dir, sizeof dir, "%s/gemel-export-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(dir)) return 1;
    RUN(test_nets);
    RUN(test_training);
    RUN(test_refused);
    RUN(test_cases);
    char line[300];
    snprintf(line, sizeof line, "rm -rf %s", dir);
    if (!getenv("GM_KEEP") && system(line)) return 1;
    return check_done();
}
