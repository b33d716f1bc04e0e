/* test_norms.c: normalisation layers against PyTorch's: training with its running statistics, evaluation, errors. */
#include "recorded_nn.h"

static void check_buffers(const char *name, gm_module *m) {
    static const char *const buffers[] = { "running_mean", "running_var", "num_batches_tracked" };
    gm_pack *p = gm_state_dict(m);
    for (int i = 0; i < 3; i++) {
        char text[100];
        snprintf(text, sizeof text, "%s.%s", name, buffers[i]);
        if (gm_pack_has(p, buffers[i])) recorded_check(text, gm_get(p, buffers[i]), 5e-7);
    }
}

/* One step of training, then evaluation of another batch, with statistics by formula as in the recording. */
static void norm_case(const char *name, gm_module *m, gm_shape in, bool evaluation) {
    recorded_layer(name, m, in, 2e-6);
    check_buffers(name, m);
    if (!evaluation || !m) return;
    char text[100];
    snprintf(text, sizeof text, "%s_eval", name);
    gm_set_training(m, false);
    recorded_fill(m);
    gm_pack *p = gm_parameters(m);
    for (int64_t i = 0; i < gm_pack_count(p); i++) gm_clear_gradient(gm_pack_at(p, i));
    gm_tensor *x = recorded_variable(2, in);
    recorded_check_grads(text, gm_forward(m, x), &x, 1, 2e-6);
    recorded_check_parameters(text, m, 2e-6);
}

static void batch_norms(void) {
    GM_SCOPE(s);
    norm_case("batch1d", gm_nn_batch_norm1d(3), GM_SHAPE(5, 3), true);
    norm_case("batch1d_3", gm_nn_batch_norm1d(3, .momentum = GM_REAL(0.3)), GM_SHAPE(2, 3, 7), true);
    norm_case("batch2d", gm_nn_batch_norm2d(3, .eps = GM_REAL(1e-3)), GM_SHAPE(2, 3, 3, 5), true);
    norm_case("batch3d", gm_nn_batch_norm3d(2, .no_affine = 1), GM_SHAPE(1, 2, 3, 2, 5), true);
    norm_case("batch_cumulative", gm_nn_batch_norm(3, .cumulative = 1), GM_SHAPE(2, 3, 3, 5), true);
    norm_case("batch_plain", gm_nn_batch_norm2d(3, .no_running = 1), GM_SHAPE(2, 3, 3, 5), true);
}

static void other_norms(void) {
    GM_SCOPE(s);
    norm_case("instance", gm_nn_instance_norm(3), GM_SHAPE(2, 3, 4, 5), false);
    norm_case("instance_all", gm_nn_instance_norm(3, .affine = 1, .running = 1), GM_SHAPE(2, 3, 9), true);
    norm_case("layer", gm_nn_layer_norm(GM_SHAPE(7)), GM_SHAPE(2, 3, 7), false);
    norm_case("layer2", gm_nn_layer_norm(GM_SHAPE(3, 5), .eps = GM_REAL(1e-3), .no_bias = 1), GM_SHAPE(2, 3, 5), false);
    norm_case("layer_plain", gm_nn_layer_norm(GM_SHAPE(7), .no_affine = 1), GM_SHAPE(3, 7), false);
    norm_case("rms", gm_nn_rms_norm(GM_SHAPE(7)), GM_SHAPE(2, 3, 7), false);
    norm_case("rms2", gm_nn_rms_norm(GM_SHAPE(3, 5), .eps = GM_REAL(1e-2)), GM_SHAPE(2, 3, 5), false);
    norm_case("group", gm_nn_group_norm(2, 6), GM_SHAPE(2, 6, 3, 3), false);
    norm_case("group1", gm_nn_group_norm(1, 3, .eps = GM_REAL(1e-2)), GM_SHAPE(2, 3, 5), false);
}

/* The plain average of three batches is their mean; a momentum of 0 changes nothing. */
static void averages(void) {
    GM_SCOPE(s);
    gm_module *net = gm_sequential(gm_nn_batch_norm(1, .cumulative = 1)),
              *still = gm_nn_batch_norm(1, .momentum = GM_REAL(0));
    for (int i = 1; i <= 3; i++) {
        gm_tensor *x = gm_full(GM_SHAPE(4, 1), i, GM_F32);
        CHECK(gm_forward(net, x) && gm_forward(still, x));
    }
    gm_pack *p = gm_state_dict(net);
    CHECK(fabs(gm_item(gm_get(p, "0.running_mean")) - 2) < 1e-6 && gm_item(gm_get(p, "0.num_batches_tracked")) == 3);
    CHECK(gm_item(gm_get(gm_state_dict(still), "running_var")) == 1);
    CHECK(gm_pack_count(gm_parameters(net)) == 2 && gm_pack_count(p) == 5);
    CHECK(gm_item(gm_get(p, "0.weight")) == 1 && gm_item(gm_get(p, "0.bias")) == 0);
}

static void errors(void) {
    GM_SCOPE(s);
    struct {
        gm_module *m;
        gm_shape in;
        const char *words;
    } all[] = {
        { gm_nn_batch_norm1d(3), GM_SHAPE(2, 4), "batch_norm: input is [2, 4], [B, 3]" },
        { gm_nn_batch_norm2d(3), GM_SHAPE(2, 3, 4), "batch_norm: input is [2, 3, 4], [B, 3, H, W] is wanted" },
        { gm_nn_batch_norm3d(3), GM_SHAPE(2, 3, 4, 4), "[B, 3, D, H, W] is wanted" },
        { gm_nn_batch_norm(3), GM_SHAPE(1, 3), "one value per channel, [1, 3]" },
        { gm_nn_layer_norm(GM_SHAPE(5)), GM_SHAPE(2, 4), "layer_norm" },
        { gm_nn_rms_norm(GM_SHAPE(5)), GM_SHAPE(2, 4), "rms_norm" },
        { gm_nn_group_norm(2, 4), GM_SHAPE(2, 6), "group_norm: input is [2, 6], [B, 4, ...] is wanted" },
        { gm_nn_instance_norm(2), GM_SHAPE(2, 3, 4), "instance_norm: input is [2, 3, 4]" },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        gm_module *net = gm_sequential(gm_nn_identity(), gm_sequential(all[i].m));
        CHECK(!gm_forward(net, gm_zeros(all[i].in, GM_F32)), "%s", all[i].words);
        CHECK(strstr(gm_error_message(), "(in 1.0)"), "%s", gm_error_message());
        recorded_error(GM_ERROR_SHAPE, all[i].words);
    }
    CHECK(!gm_nn_group_norm(3, 4));
    recorded_error(GM_ERROR_VALUE, "3 groups of 4 channels");
    CHECK(!gm_nn_batch_norm2d(0));
    recorded_error(GM_ERROR_VALUE, "nn_batch_norm2d: 0 channels");
    CHECK(!gm_nn_batch_norm2d(2, .momentum = GM_REAL(2)));
    recorded_error(GM_ERROR_VALUE, "momentum is 2");
    CHECK(!gm_nn_layer_norm(GM_SCALAR));
    recorded_error(GM_ERROR_VALUE, "nn_layer_norm: the shape []");
    CHECK(!gm_nn_rms_norm(GM_SHAPE(2), .eps = GM_REAL(-1)));
    recorded_error(GM_ERROR_VALUE, "eps is -1");
}

int main(void) {
    if (!recorded_open("tests/nn/data/norms.txt")) return check_done();
    RUN(batch_norms);
    RUN(other_norms);
    RUN(averages);
    RUN(errors);
    recorded_close();
    return check_done();
}
