/* Graphs in files: saved with their tensors, loaded where the code that made them is not at hand. */
#include "tensors.h"

#include <unistd.h>

static char path[64];

static bool fails(gm_error code, const char *part) {
    bool yes = gm_error_code() == code && strstr(gm_error_message(), part);
    if (!yes) printf("got %s: %s; wanted %s\n", gm_error_name(gm_error_code()), gm_error_message(), part);
    gm_error_clear();
    return yes;
}

/* ---- functions ---- */

static gm_pack *two_results(void *env, gm_pack *in) {
    gm_tensor *a = gm_get(in, "a"), *b = gm_get(in, "b"), *w = env;
    return GM_PACK({ "sum", gm_add(gm_matmul(a, w), b), NULL }, { "half", gm_mul_scalar(a, 0.5), NULL });
}

static void functions(void) {
    GM_SCOPE(s);
    gm_tensor *w = gm_randn(GM_SHAPE(3, 4), GM_F32);
    gm_fn *f = gm_function(two_results, w);
    gm_pack *in =
        GM_PACK({ "a", gm_randn(GM_SHAPE(5, 3), GM_F32), NULL }, { "b", gm_randn(GM_SHAPE(5, 4), GM_F32), NULL });
    gm_graph *g = gm_trace_any_batch(f, in);
    CHECK(gm_graph_name(g, GM_PACK({ "weight", w, NULL })));
    CHECK(gm_graph_save(g, path, .metadata = GM_PACK({ "more", gm_strings((const char *[]){ "words" }, 1), NULL })));
    CHECK(!strcmp(gm_get_text(gm_safetensors_metadata(path), "more"), "words"));
    gm_graph *h = gm_graph_load(path);
    gm_pack *x = gm_call_pack(f, in), *y = gm_graph_run(h, in), *z = gm_call_pack(gm_jit(gm_graph_function(h)), in);
    CHECK(same_bits(gm_get(x, "sum"), gm_get(y, "sum")) && same_bits(gm_get(x, "half"), gm_get(y, "half")));
    CHECK(same_bits(gm_get(x, "sum"), gm_get(z, "sum")) && same_bits(gm_get(x, "half"), gm_get(z, "half")));
    gm_graph_port p;
    CHECK(gm_graph_input(h, 1, &p) && !strcmp(p.name, "b") && p.dtype == GM_F32 && p.shape.n == 2);
    CHECK(gm_graph_output(h, 1, &p) && !strcmp(p.name, "half") && p.shape.d[0] == -1 && p.shape.d[1] == 3);
    gm_graph_run(h, GM_PACK({ "a", gm_get(in, "a"), NULL }));
    CHECK(fails(GM_ERROR_VALUE, "1 inputs, 2 are taken"));
    CHECK(!gm_graph_save(g, path, .inputs = in) && fails(GM_ERROR_VALUE, ".inputs"));
    CHECK(gm_save_safetensors(GM_PACK({ "weight", w, NULL }), NULL, path));
    CHECK(!gm_graph_load(path) && fails(GM_ERROR_FORMAT, "holds no graph"));
    CHECK(!gm_graph_load("/no/such/file") && fails(GM_ERROR_IO, "/no/such/file"));
}

/* ---- nets ---- */

typedef struct { gm_module *fc; gm_tensor *table; } tabled; /* the table is no parameter and no buffer */

static gm_tensor *tabled_forward(gm_module *m, gm_tensor *x) {
    tabled *self = gm_state(m);
    return gm_add(gm_forward(self->fc, x), self->table);
}

static void nets(void) {
    GM_SCOPE(s);
    gm_module *net = gm_module_new(tabled), *other = gm_module_new(tabled);
    tabled *self = gm_state(net), *copy = gm_state(other);
    self->fc = gm_child(net, "fc", gm_sequential(gm_nn_linear(6, 3), gm_nn_dropout(0.5), gm_nn_batch_norm(3)));
    copy->fc = gm_child(other, "fc", gm_sequential(gm_nn_linear(6, 3), gm_nn_dropout(0.5), gm_nn_batch_norm(3)));
    self->table = gm_randn(GM_SHAPE(3), GM_F32);
    gm_tensor *x = gm_randn(GM_SHAPE(4, 6), GM_F32);
    gm_set_training(self->fc, true);
    CHECK(gm_save(net, path, .inputs = GM_PACK({ "x", x, NULL })));
    CHECK(gm_is_training(net) && gm_is_training(self->fc));
    gm_pack *saved = gm_load_safetensors(path);
    CHECK(gm_pack_has(saved, "fc.0.weight") && gm_pack_has(saved, "gemel.0"));
    gm_graph *g = gm_graph_load(path);
    CHECK(g && strstr(gm_graph_text(g), "@gemel.0 f32[3]\n") && strstr(gm_graph_text(g), "@fc.2.running_mean"));
    gm_set_training(net, false);
    CHECK(same_bits(gm_forward(net, x), gm_get(gm_graph_run(g, GM_PACK({ "x", x, NULL })), "y")));
    CHECK(gm_load_weights(other, path) &&
          same_bits(gm_get(gm_state_dict(other), "fc.0.weight"), gm_get(saved, "fc.0.weight")));
    CHECK(gm_ok(), "%s", gm_error_message());
}

int main(void) {
    snprintf(path, sizeof path, "/tmp/gemel-graph-%ld.safetensors", (long)getpid());
    RUN(functions);
    RUN(nets);
    unlink(path);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
