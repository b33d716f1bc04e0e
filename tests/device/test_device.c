/* Programs on devices: the operations of the table, whole nets, and graphs of random operations, with the bits of the
 * CPU; and what can go wrong. The null device runs everywhere; what computes needs an OpenCL device. */
#include "device_cases.h"

#include "check_error.h"

/* ---- the table of operations, in one program ---- */

enum { TABLE_MAX = 2048 };
typedef struct { const gm_op *op; int k, first, n, absent; } table_case;
typedef struct { table_case of[TABLE_MAX]; int n, inputs; bool spread; } table;

static const char *number(int i) {
    static char text[8][16];
    static int next;
    char *t = text[next++ % 8];
    snprintf(t, sizeof text[0], "%d", i);
    return t;
}

/* Adds a case's inputs, floats as `dtype`. */
static bool table_add(table *t, gm_pack *in, const gm_op *op, int k, gm_dtype dtype) {
    case_inputs c = { 0 };
    if (t->n == TABLE_MAX || !case_make(op, k, &c)) return false;
    table_case *x = &t->of[t->n++];
    *x = (table_case){ op, k, t->inputs, c.n, 0 };
    for (int i = 0; i < c.n; i++) {
        gm_tensor *v = c.in[i].t;
        if (!v) x->absent |= 1 << i;
        else gm_pack_set(in, number(t->inputs), gm_dtype_of(v) == GM_F32 ? gm_cast(v, dtype) : v);
        t->inputs++;
    }
    return gm_ok();
}

static gm_pack *table_run(void *env, gm_pack *in) {
    const table *t = env;
    gm_pack *out = gm_pack_new();
    for (int i = 0; i < t->n && gm_ok(); i++) {
        const table_case *x = &t->of[i];
        gm_tensor *list[CASE_MAX_IN], *made[GM_OP_MAX_OUT];
        for (int j = 0; j < x->n; j++) {
            list[j] = x->absent >> j & 1 ? NULL : gm_get(in, number(x->first + j));
            if (t->spread && list[j]) list[j] = case_spread(list[j]);
        }
        int n = gm_op_call(x->op, list, x->n, x->op->cases[x->k].attrs, made, GM_OP_MAX_OUT);
        for (int j = 0; j < n; j++) {
            char name[80];
            snprintf(name, sizeof name, "%s_%d_%d", x->op->name, x->k, j);
            gm_pack_set(out, name, made[j]);
        }
    }
    return gm_ok() ? out : NULL;
}

/* Those that have kernels of their own. */
static bool has_kernel(const gm_op *op) {
    static const char *const names[] = { "sum", "mean", "max", "min", "argmax", "argmin", "matmul", "linear", "softmax",
                                         "log_softmax", "conv", "max_pool" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], op->name)) return true;
    return false;
}

/* Of elementwise operations, which the grid has, only what broadcasts; of all but the plainest table only what has
 * kernels. */
static bool table_wants(const table *t, const gm_op *op, int k, gm_dtype dtype) {
    if (op->cases[k].flags & GM_CASE_RANDOM || !op->n_out || op->flags & GM_OP_DYNAMIC) return false;
    if (dtype == GM_F64 && op->cases[k].flags & GM_CASE_NO_F64) return false;
    if (dtype == GM_F64 || t->spread) return has_kernel(op);
    return !(op->flags & GM_OP_ELEMENTWISE) || k;
}

static void table_on(const char *device, gm_dtype dtype, bool spread) {
    GM_SCOPE(s);
    table *t = calloc(1, sizeof *t);
    gm_pack *in = gm_pack_new();
    t->spread = spread;
    for (int i = 0; gm_op_at(i); i++)
        for (int k = 0; gm_op_at(i)->cases && gm_op_at(i)->cases[k].in; k++)
            if (table_wants(t, gm_op_at(i), k, dtype)) table_add(t, in, gm_op_at(i), k, dtype);
    gm_graph *g = gm_trace_graph(gm_function(table_run, t), in);
    CHECK(g, "%s", gm_error_message());
    gm_fn *f = gm_graph_on(g, device, .no_fusion = 1);
    gm_pack *out = gm_call_pack(f, in);
    CHECK(out, "%s", gm_error_message());
    gm_device_stats stats = f ? gm_device_statistics(f) : (gm_device_stats){ 0 };
    printf("%s %s: %d cases, %lld kernels, %lld operations on the CPU\n", device, gm_dtype_name(dtype), t->n,
           (long long)stats.kernels, (long long)stats.cpu_calls);
    CHECK(stats.kernels > 30, "%lld kernels", (long long)stats.kernels);
    if (strcmp(device, "null")) device_same(out, table_run(t, in), "the table");
    free(t);
}

static void operations(void) {
    table_on("opencl", GM_F32, false);
    table_on("opencl", GM_F32, true);
    table_on("opencl", GM_F64, false);
}

static void operations_null(void) { table_on("null", GM_F32, false); }

/* ---- elementwise operations on every kind of number, fused ---- */

static const double special[] = { 0.0, -0.0, 1, -1, 0.5, -0.5, 2, -3, 0.1, 1e-3, -1e-9, 1e-40, -1e-45, 1e30, -1e38, 88,
                                  -104, 3.4e38, 1e5, -7.25, 1e15, INFINITY, -INFINITY, NAN, 0.999, 1.001, 20, -20 };
enum { SPECIALS = sizeof special / sizeof *special, GRID = SPECIALS * SPECIALS };

/* Input k: each special number, in another order for each k. */
static gm_tensor *grid_input(int k, gm_dtype dtype) {
    double x[GRID];
    for (int i = 0; i < GRID; i++) x[i] = special[(k == 0 ? i : k == 1 ? i / SPECIALS : i * 11 + 3) % SPECIALS];
    return gm_cast(gm_from_data(GM_SHAPE(SPECIALS, SPECIALS), GM_F64, x), dtype);
}

enum { GRID_APART = 6 }; /* operations that share inputs */

/* The inputs are made by nodes, so that what reads them is fused with them. */
static gm_pack *grid_run(void *env, gm_pack *in) {
    gm_pack *out = gm_pack_new();
    gm_tensor *x[3] = { NULL };
    int n = 0;
    (void)env;
    for (int i = 0; gm_op_at(i) && gm_ok(); i++) {
        const gm_op *op = gm_op_at(i);
        bool bits = !strncmp(op->name, "bitwise", 7) || !strncmp(op->name, "shift", 5);
        if (!(op->flags & GM_OP_ELEMENTWISE) || bits) continue;
        for (int k = 0; k < 3 && n % GRID_APART == 0; k++) x[k] = gm_neg(gm_get(in, number(n / GRID_APART * 3 + k)));
        gm_pack_set(out, op->name, gm_op_call1(op, x, op->min_in, op->cases[0].attrs));
        n++;
    }
    gm_pack_set(out, "cast", gm_add(gm_cast(gm_cast(x[0], GM_F16), GM_F32), gm_cast(gm_cast(x[1], GM_BF16), GM_F32)));
    return gm_ok() ? out : NULL;
}

static void grid(gm_dtype dtype) {
    GM_SCOPE(s);
    gm_pack *in = gm_pack_new();
    bool wide = dtype == GM_F32 || dtype == GM_F64;
    for (int i = 0; i < 60; i++) gm_pack_set(in, number(i), grid_input(i % 3, dtype));
    gm_fn *f = gm_graph_on(gm_trace_graph(gm_function(grid_run, NULL), in), "opencl");
    gm_pack *out = gm_call_pack(f, in);
    CHECK(out, "%s", gm_error_message());
    gm_device_stats stats = f ? gm_device_statistics(f) : (gm_device_stats){ 0 };
    printf("grid of %s: %lld operations, %lld kernels, %lld on the CPU\n", gm_dtype_name(dtype),
           (long long)gm_pack_count(out), (long long)stats.kernels, (long long)stats.cpu_calls);
    CHECK(gm_pack_count(out) > 90 && stats.kernels < 30, "%lld kernels", (long long)stats.kernels);
    CHECK(!wide || !stats.cpu_calls, "%lld operations on the CPU", (long long)stats.cpu_calls);
    device_same(out, grid_run(NULL, in), gm_dtype_name(dtype));
}

static void grids(void) {
    grid(GM_F32);
    grid(GM_F64);
    grid(GM_BF16);
    grid(GM_F16);
}

/* ---- programs with state ---- */

typedef struct { gm_tensor *count, *weight; } state;

/* The count goes up by the CPU, between kernels. */
static gm_tensor *counting(void *env, gm_tensor *x) {
    state *s = env;
    gm_tensor *y = gm_mul(gm_add(x, s->count), s->weight);
    gm_assign(s->count, gm_add_scalar(s->count, 1));
    return gm_add(gm_exp(y), s->count);
}

static void states_on(const char *device, bool constant) {
    GM_SCOPE(s);
    state on = { gm_full(GM_SCALAR, 2, GM_F32), gm_linspace(-1, 1, 5, GM_F32) };
    state off = { gm_copy(on.count), gm_copy(on.weight) };
    gm_tensor *x = gm_reshape(gm_linspace(0, 1, 35, GM_F32), GM_SHAPE(7, 5));
    gm_graph *g = gm_trace_graph(gm_function(counting, &on), GM_PACK({ "x", x, NULL }));
    gm_fn *f = gm_graph_on(g, device, .constant = constant);
    for (int i = 0; i < 3; i++) {
        gm_tensor *y = gm_call(f, x), *z = counting(&off, x);
        CHECK(y, "%s", gm_error_message());
        if (!strcmp(device, "null")) continue;
        CHECK(case_same_bits(y, z), "run %d", i);
        CHECK(case_same_bits(on.count, off.count));
        if (i) continue;
        gm_assign(on.weight, gm_mul_scalar(on.weight, 3)); /* is seen, unless it was said to be constant */
        if (!constant) gm_assign(off.weight, gm_mul_scalar(off.weight, 3));
    }
    gm_device_stats stats = gm_device_statistics(f);
    CHECK(stats.runs == 3 && stats.programs == 1 && stats.cpu_calls >= 1 && stats.kernels >= 2);
    CHECK(stats.copies_in == 3 + !constant, "%lld copies", (long long)stats.copies_in);
    if (!strcmp(device, "null")) CHECK(gm_item(on.count) == 2); /* nothing is computed */
}

/* Any batch: a program for each, kept for the latest; random draws are where the CPU has them. */
static gm_tensor *drawing(void *env, gm_tensor *x) {
    (void)env;
    return gm_sum_dim(gm_add(gm_silu(x), gm_randn(GM_SHAPE(1, 3), GM_F32)), 1, false);
}

static void batches(void) {
    GM_SCOPE(s);
    gm_graph *g =
        gm_trace_any_batch(gm_function(drawing, NULL), GM_PACK({ "x", gm_zeros(GM_SHAPE(2, 3), GM_F32), NULL }));
    gm_fn *f = gm_graph_on(g, "opencl");
    CHECK(f, "%s", gm_error_message());
    for (int round = 0; round < 2; round++)
        for (int n = 1; n < 11; n++) {
            GM_SCOPE(one);
            gm_tensor *x = gm_reshape(gm_linspace(-2, 2, 3 * n, GM_F32), GM_SHAPE(n, 3));
            gm_seed((uint64_t)n);
            gm_tensor *y = gm_call(f, x);
            gm_seed((uint64_t)n);
            CHECK(case_same_bits(y, drawing(NULL, x)), "a batch of %d: %s", n, gm_error_message());
        }
    CHECK(gm_device_statistics(f).programs == 8 && gm_device_statistics(f).runs == 20);
}

static void states(void) {
    states_on("opencl", false);
    states_on("opencl", true);
    batches();
}

/* Inside of a recording, and below a gradient, it is the graph itself. */
static gm_tensor *through(void *env, gm_tensor *x) { return gm_call_list(env, &x, 1); }

static void inside(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_linspace(0.5, 2, 6, GM_F32);
    state st = { gm_full(GM_SCALAR, 2, GM_F32), gm_linspace(-1, 1, 6, GM_F32) };
    gm_graph *g = gm_trace_graph(gm_function(counting, &st), GM_PACK({ "x", x, NULL }));
    gm_fn *f = gm_graph_on(g, "null");
    gm_graph *outer = gm_trace_graph(gm_function(through, f), GM_PACK({ "x", x, NULL }));
    CHECK(outer && gm_graph_n_nodes(outer) == gm_graph_n_nodes(g), "%s", gm_error_message());
    gm_set_requires_grad(x, true);
    CHECK(gm_gradients(gm_sum(gm_call(f, x)), GM_PACK({ "x", x, NULL })), "%s", gm_error_message());
    CHECK(gm_device_statistics(f).runs == 0);
}

int main(void) {
    states_on("null", false);
    RUN(inside);
    RUN(operations_null);
    if (device_present()) {
        RUN(grids);
        RUN(operations);
        RUN(states);
    }
    CHECK(gm_exit_status() == 0);
    return check_done();
}
