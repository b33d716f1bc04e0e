/* predict.c: `gemel predict`: what a model file sees in PNG images. */
#include <stdio.h>

#include "command.h"
#include "model.h"

static const cli_flag predict_flags[] = {
    { "top", "N", "how many classes to name (default 3)" },
    { "json", NULL, "print one JSON object per image" },
    { 0 },
};

/* Shares of one row of logits. */
static gm_tensor *softmax_row(gm_tensor *logits) {
    gm_tensor *e = gm_exp(gm_sub(logits, gm_max(logits)));
    return gm_div(e, gm_sum(e));
}

static void print_class(const char *name, double share, bool json, int place) {
    if (!json) {
        printf("  %-14s %6.2f %%\n", name, 100 * share);
        return;
    }
    printf("%s{\"class\": ", place ? ", " : "");
    cli_json_string(name);
    printf(", \"share\": %.6f}", share);
}

static void print_top(const model_file *f, const float *share, int64_t top, bool json) {
    bool taken[4096] = { false };
    for (int place = 0; place < top && place < f->classes; place++) {
        int64_t best = -1;
        for (int64_t i = 0; i < f->classes && i < 4096; i++)
            if (!taken[i] && (best < 0 || share[i] > share[best])) best = i;
        if (best < 0) return;
        taken[best] = true;
        char name[256];
        print_class(model_class(f, best, name, sizeof name), share[best], json, place);
    }
}

static bool predict_one(const model_file *f, const char *path, int64_t top, bool json) {
    GM_SCOPE(s);
    gm_tensor *pixels = gm_load_png(path, (int32_t)f->input[0]);
    if (!pixels) return false;
    gm_shape want = { .n = 3, .d = { f->input[0], f->input[1], f->input[2] } };
    if (!gm_shape_equal(gm_shape_of(pixels), want)) {
        char text[64];
        return gm_fail(GM_ERROR_SHAPE,
                       "%s: the image is %s (channels, height, width), the model wants [%lld, %lld, %lld]", path,
                       gm_shape_text(gm_shape_of(pixels), text, sizeof text), (long long)want.d[0],
                       (long long)want.d[1], (long long)want.d[2]);
    }
    gm_tensor *x = gm_unsqueeze(gm_scale_pixels(pixels, f->mean, f->std), 0);
    gm_tensor *shares = softmax_row(gm_predict(f->net, x));
    const float *share = shares ? gm_data(shares) : NULL;
    if (!share) return false;
    if (json) printf("{\"file\": "), cli_json_string(path), printf(", \"top\": [");
    else printf("%s\n", path);
    print_top(f, share, top, json);
    if (json) printf("]}\n");
    return true;
}

static int predict_run(cli_args *args) {
    int64_t top = cli_int(args, "top", 3, 1, 4096);
    model_file f;
    if (args->bad) return CLI_USAGE;
    if (!model_load(&f, args->operands[0])) return CLI_FAILURE;
    for (int i = 1; i < args->n_operands; i++)
        if (!predict_one(&f, args->operands[i], top, cli_on(args, "json"))) return CLI_FAILURE;
    return CLI_OK;
}

const cli_command command_predict = {
    .name = "predict",
    .summary = "Name what a model file sees in PNG images",
    .operands = "MODEL IMAGE...",
    .min_operands = 2,
    .max_operands = -1,
    .flags = predict_flags,
    .run = predict_run,
};
