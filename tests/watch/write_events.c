/* write_events DIR: writes the event files that test_tensorboard.py reads, through the public headers alone. */
#include <gemel/gemel.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static void write_curves(gm_events *e) {
    for (int step = 0; step < 200; step++) {
        gm_events_scalar(e, "loss/train", step, 2.5 / (step + 1));
        if (step % 20 == 0) gm_events_scalar(e, "loss/val", step, 3.5 / (step + 1));
    }
    gm_events_scalar(e, "strange", 0, NAN);
    gm_events_scalar(e, "strange", 1, -INFINITY);
    gm_events_scalar(e, "strange", 5000000000, 0);
    gm_events_scalar(e, "bad utf-8 \xff\xc3 \xc3\xa9", 0, 1);
}

/* Values that test_tensorboard.py computes too: a spread over many magnitudes, both signs, and the edges. */
static void write_histograms(gm_events *e) {
    double wide[4000], edges[] = { 0, 1e-12, -1e-12, 1e20, -1e20, 3e38, -3e38, 1e-300, 1.0, -1.0 };
    double power = 1e-14;
    for (int i = 0; i < 4000; i++, power *= 1.02) wide[i] = i % 3 ? power : -power;
    float narrow[1000];
    for (int i = 0; i < 1000; i++) narrow[i] = (float)((i * 37 % 1000 - 500) * 0.001);
    gm_events_histogram(e, "histogram/wide", 0, wide, 4000);
    gm_events_histogram(e, "histogram/edges", 0, edges, sizeof edges / sizeof *edges);
    gm_events_histogram(e, "histogram/empty", 0, NULL, 0);
    for (int step = 0; step < 5; step++) gm_events_histogram_f32(e, "histogram/narrow", step, narrow, 1000);
}

static void write_images(gm_events *e) {
    static const char *const tags[] = { "", "image/gray", "image/gray-alpha", "image/rgb", "image/rgba" };
    enum { HEIGHT = 61, WIDTH = 83 };
    static uint8_t pixels[HEIGHT * WIDTH * 4];
    for (int channels = 1; channels <= 4; channels++) {
        for (int i = 0; i < HEIGHT * WIDTH * channels; i++)
            pixels[i] = (uint8_t)(i * 7 + i / 83 * 3 + (i % 5) * (i % 11));
        gm_events_image(e, tags[channels], 10, pixels, HEIGHT, WIDTH, channels);
    }
}

/* The values of "histogram/narrow", and three images in one picture. */
static void write_tensors(gm_events *e) {
    GM_SCOPE(s);
    float narrow[1000], unit[3 * 3 * 4 * 5];
    double same[1000];
    uint8_t bytes[2 * 3];
    for (int i = 0; i < 1000; i++) same[i] = narrow[i] = (float)((i * 37 % 1000 - 500) * 0.001);
    for (int i = 0; i < 180; i++) unit[i] = (float)(i - 10) / 150;
    for (int i = 0; i < 6; i++) bytes[i] = (uint8_t)(40 * i);
    gm_events_histogram_tensor(e, "tensor/f32", 0, gm_from_data(GM_SHAPE(10, 100), GM_F32, narrow));
    gm_events_histogram_tensor(e, "tensor/f64", 0, gm_from_data(GM_SHAPE(1000), GM_F64, same));
    gm_events_image_tensor(e, "tensor/images", 0, gm_from_data(GM_SHAPE(3, 3, 4, 5), GM_F32, unit));
    gm_events_image_tensor(e, "tensor/bytes", 0, gm_from_data(GM_SHAPE(2, 3), GM_U8, bytes));
}

static void write_texts(gm_events *e) {
    gm_events_text(e, "notes", 0, "# Title\n\n| a | b |\n|---|---|\n| 1 | \xc3\xa9 |\n");
    gm_events_text(e, "notes", 1, "");
    static const gm_chart charts[] = { { "quality", "losses", "loss/.*" }, { "quality", "odd", "strange" },
                                       { "other", "again", "loss/train" } };
    gm_events_charts(e, charts, 3);
}

static void write_trial(const char *root, const char *name, double rate, bool fails) {
    GM_SCOPE(s);
    char dir[1000];
    snprintf(dir, sizeof dir, "%s/%s", root, name);
    gm_events *e = gm_events_open(dir, .wall_time = 1700000000);
    const gm_hparam params[] = { { .name = "lr", .number = rate },
                                 { .name = "optimizer", .text = "adamw" },
                                 { .name = "augment", .number = rate > 0.05, .is_bool = 1 } };
    static const char *const metrics[] = { "accuracy/val" };
    gm_events_hparams(e, params, 3, metrics, 1);
    gm_events_scalar(e, "accuracy/val", 1, 0.5 + rate);
    if (fails) gm_fail(GM_ERROR_NUMERIC, "a loss of NaN");
    gm_events_close(e);
    if (fails) gm_error_clear();
}

/* A run stopped at step 9, resumed from a checkpoint of step 5. */
static void write_resumed(const char *root) {
    GM_SCOPE(s);
    char dir[1000];
    snprintf(dir, sizeof dir, "%s/resumed", root);
    gm_events *first = gm_events_open(dir, .wall_time = 1700000000);
    for (int step = 0; step < 10; step++) gm_events_scalar(first, "loss", step, 100 + step);
    gm_events_close(first);
    gm_events *second = gm_events_open(dir, .wall_time = 1700000100, .purge_step = GM_INT(5));
    for (int step = 5; step < 8; step++) gm_events_scalar(second, "loss", step, 200 + step);
}

static gm_pack *two_layers(void *env, gm_pack *in) {
    gm_module *net = env;
    gm_tensor *h = gm_forward(net, gm_get(in, "x"));
    return GM_PACK({ "logits", h, NULL }, { "largest", gm_max_dim(h, 1, false), NULL });
}

static void write_graph(gm_events *e) {
    GM_SCOPE(s);
    gm_module *net = gm_sequential(gm_sequential(gm_nn_conv2d(1, 4, .kernel = 3), gm_nn_relu()), gm_nn_flatten(),
                                   gm_nn_linear(4 * 6 * 6, 3));
    gm_pack *in = GM_PACK({ "x", gm_zeros(GM_SHAPE(2, 1, 8, 8), GM_F32), NULL });
    gm_graph *g = gm_trace_any_batch(gm_function(two_layers, net), in);
    gm_graph_name(g, gm_state_dict(net));
    gm_events_graph(e, g);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    char dir[1000];
    snprintf(dir, sizeof dir, "%s/main", argv[1]);
    gm_events *e = gm_events_open(dir, .wall_time = 1700000000.25);
    write_curves(e);
    write_histograms(e);
    write_images(e);
    write_tensors(e);
    write_texts(e);
    write_graph(e);
    write_trial(argv[1], "trial-a", 0.01, false);
    write_trial(argv[1], "trial-b", 0.1, true);
    write_resumed(argv[1]);
    return gm_exit_status();
}
