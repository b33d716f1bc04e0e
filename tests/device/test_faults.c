/* What can go wrong with devices, by a device that is another one with a fault: memory that ends, kernels that do not
 * build, no doubles. It stands on OpenCL where there is a device, else on the null device. */
#include "device_cases.h"

#include "check_error.h"
#include "device/offload.h"

static const gm__device_kind *below = &gm__device_null;
static int64_t memory_left, n_allocated;
static bool spoils, narrow, bad_launch;

static bool fault_open(gm__device *d, int n) {
    if (!below->open(d, n)) return false;
    snprintf(d->label, sizeof d->label, "faulty");
    if (narrow) d->target.doubles = false;
    return true;
}

static void *fault_allocate(gm__device *d, int64_t bytes) {
    if ((memory_left -= bytes) < 0)
        return gm_fail(GM_ERROR_MEMORY, "%s: no memory for %lld bytes", d->label, (long long)bytes), NULL;
    n_allocated++;
    return below->allocate(d, bytes);
}

static void fault_free(gm__device *d, void *buffer) {
    n_allocated--;
    below->free(d, buffer);
}

static void *fault_build(gm__device *d, const char *text) {
    if (!spoils) return below->build(d, text);
    return below->build(d, "__kernel void wrong(__global float *x) { x[0] = no_such_name; }\n");
}

static bool fault_launch(gm__device *d, const gm__launch *l) {
    return bad_launch ? gm_fail(GM_ERROR_IO, "%s: the launch failed", d->label) : below->launch(d, l);
}

/* The kind below with the faults before it. */
static gm__device *faulty(int64_t bytes) {
    static gm__device_kind kind;
    kind = *below;
    kind.open = fault_open, kind.allocate = fault_allocate, kind.free = fault_free, kind.build = fault_build;
    kind.launch = fault_launch;
    memory_left = bytes, n_allocated = 0;
    return gm__device_open_kind(&kind, 0);
}

/* ---- a small net ---- */

static gm_tensor *net(void *env, gm_tensor *x) {
    (void)env;
    gm_tensor *w = gm_linspace(-1, 1, 24, GM_F32);
    return gm_softmax(gm_tanh(gm_matmul(gm_sin(x), gm_reshape(w, GM_SHAPE(6, 4)))), -1);
}

static gm_tensor *net_input(void) { return gm_reshape(gm_linspace(-3, 9, 30, GM_F32), GM_SHAPE(5, 6)); }

static gm_graph *net_graph(void) { return gm_trace_graph(gm_function(net, NULL), GM_PACK({ "x", net_input(), NULL })); }

/* Each allocation in turn is one too many. Nothing is left over, and what is said names the device. */
static void memory_ends(void) {
    int64_t wanted = 0, failed = 0;
    for (int64_t bytes = 0; failed < 1000; bytes += 64, failed++) {
        GM_SCOPE(s);
        gm__device *d = faulty(bytes);
        gm__offload *p = gm__offload_new(net_graph(), d, 0);
        if (p) {
            wanted = gm__offload_statistics(p).bytes;
            break;
        }
        CHECK(n_allocated == 0, "%lld are left", (long long)n_allocated);
        if (!fails_with(GM_ERROR_MEMORY, "faulty: no memory for ")) CHECK(false, "%lld bytes", (long long)bytes);
    }
    CHECK(failed > 3 && wanted > 0, "%lld failures, %lld bytes", (long long)failed, (long long)wanted);
    CHECK(n_allocated == 0, "%lld are left", (long long)n_allocated);
}

static void kernels_that_do_not_build(void) {
    GM_SCOPE(s);
    spoils = true;
    gm__offload *p = gm__offload_new(net_graph(), faulty(INT64_MAX), 0);
    spoils = false;
    CHECK(!p && n_allocated == 0);
    if (below == &gm__device_opencl) CHECK(fails_with(GM_ERROR_UNSUPPORTED, "faulty: a kernel was not built"));
    else CHECK(fails_with(GM_ERROR_INTERNAL, "faulty: no kernel "));
}

/* An error in a run leaves the program as it was. */
static void a_run_that_fails(void) {
    GM_SCOPE(s);
    gm__offload *p = gm__offload_new(net_graph(), faulty(INT64_MAX), 0);
    gm_tensor *in = net_input(), *out = NULL, *right = net(NULL, in);
    CHECK(p, "%s", gm_error_message());
    bad_launch = true;
    CHECK(!gm__offload_run(p, &in, &out));
    CHECK(fails_with(GM_ERROR_IO, "faulty: the launch failed"));
    bad_launch = false;
    CHECK(gm__offload_run(p, &in, &out), "%s", gm_error_message());
    if (!below->blank) CHECK(case_same_bits(out, right));
}

/* sin of floats computes in doubles: on the CPU; everything else is still on the device. */
static void no_doubles(void) {
    GM_SCOPE(s);
    gm_tensor *in = net_input(), *out = NULL;
    for (narrow = true;; narrow = false) {
        gm__offload *p = gm__offload_new(net_graph(), faulty(INT64_MAX), GM__OFFLOAD_APART);
        CHECK(p && gm__offload_run(p, &in, &out), "%s", gm_error_message());
        gm__offload_stats stats = p ? gm__offload_statistics(p) : (gm__offload_stats){ 0 };
        CHECK(stats.cpu_calls == narrow, "%lld calls", (long long)stats.cpu_calls);
        CHECK(stats.kernels == 4 - narrow, "%lld kernels", (long long)stats.kernels);
        if (!below->blank) CHECK(case_same_bits(out, net(NULL, in)));
        if (!narrow) return;
    }
}

static void names(void) {
    GM_SCOPE(s);
    CHECK(!gm_graph_on(net_graph(), "opencll") &&
          fails_with(GM_ERROR_VALUE, "there is no \"opencll\": cpu, null, opencl"));
    CHECK(!gm_graph_on(net_graph(), "opencl:x") && fails_with(GM_ERROR_VALUE, "\"opencl:x\""));
    CHECK(!gm_graph_on(net_graph(), NULL) && fails_with(GM_ERROR_VALUE, "(NULL)"));
    CHECK(!gm_graph_on(net_graph(), "null:1") && fails_with(GM_ERROR_VALUE, "no number 1"));
    CHECK(!gm_graph_on(NULL, "null") && fails_with(GM_ERROR_HANDLE, "graph"));
    gm_fn *f = gm_graph_on(net_graph(), "null");
    CHECK(!gm_call_pack(f, GM_PACK({ "x", gm_zeros(GM_SHAPE(5, 7), GM_F32), NULL })) &&
          fails_with(GM_ERROR_SHAPE, "x"));
    CHECK(gm_device_statistics(gm_jit(f)).runs == 0 && fails_with(GM_ERROR_VALUE, "not of gm_graph_on"));
    CHECK(gm_graph_on(net_graph(), "cpu"), "%s", gm_error_message());
}

/* The table's own functions: copies, and places outside of a buffer, which the null device refuses. */
static void copies(void) {
    GM_SCOPE(s);
    gm__device *d = gm__device_open_kind(below, 0);
    const gm__device_kind *k = d->kind;
    int32_t from[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, to[8] = { 9, 9, 9, 9, 9, 9, 9, 9 };
    void *a = k->allocate(d, sizeof from), *b = k->allocate(d, sizeof from);
    CHECK(k->copy_in(d, a, 0, from, sizeof from) && k->copy(d, b, 8, a, 4, 12) && k->copy_out(d, to, b, 8, 12));
    CHECK(k->wait(d));
    int32_t expected = below->blank ? 0 : 2;
    CHECK(to[0] == expected && to[3] == 9, "%d %d", to[0], to[3]);
    if (below->blank) {
        CHECK(!k->copy_in(d, a, 4, from, sizeof from) &&
              fails_with(GM_ERROR_INTERNAL, "null: bytes 4 to 36 of a buffer of 32"));
        CHECK(!k->copy_out(d, to, a, -4, 4) && fails_with(GM_ERROR_INTERNAL, "null: bytes -4"));
        CHECK(!k->allocate(d, 0) && fails_with(GM_ERROR_INTERNAL, "null: 0 bytes"));
    }
    k->free(d, a), k->free(d, b);
}

static void all(void) {
    RUN(memory_ends);
    RUN(kernels_that_do_not_build);
    RUN(a_run_that_fails);
    RUN(no_doubles);
    RUN(copies);
}

int main(void) {
    RUN(names);
    RUN(all);
    if (device_present()) {
        below = &gm__device_opencl;
        RUN(all);
    }
    CHECK(gm_exit_status() == 0);
    return check_done();
}
