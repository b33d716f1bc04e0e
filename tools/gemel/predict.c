/* predict.c: `gemel predict`: what a model file sees in pictures, or in the rows of a table. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "model.h"

static const cli_flag predict_flags[] = {
    { "top", "N", "how many classes to name (default 3)" },
    { "json", NULL, "print one JSON object per picture or row" },
    { 0 },
};

enum { PREDICT_TOP = 4096, PREDICT_ROWS = 256 };

typedef struct {
    model_file file;
    int64_t top;
    bool json;
} prediction;

static void print_class(const char *name, double share, bool json, int64_t place) {
    if (!json) {
        printf("  %-14s %6.2f %%\n", name, 100 * share);
        return;
    }
    printf("%s{\"class\": ", place ? ", " : "");
    cli_json_string(name);
    printf(", \"share\": %.6f}", share);
}

/* The largest that is not larger than the one before it, nor that one or one before it in order. */
static int64_t next_best(const float *share, int64_t n, int64_t before) {
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++) {
        bool later = before < 0 || share[i] < share[before] || (share[i] == share[before] && i > before);
        if (later && (best < 0 || share[i] > share[best])) best = i;
    }
    return best;
}

/* `row` 0: there is only one. */
static bool print_top(const prediction *p, const char *path, int64_t row, const float *share) {
    if (isnan(*share)) return gm_fail(GM_ERROR_NUMERIC, "predict: %s: what the model gives is not finite", path);
    if (p->json) {
        printf("{\"file\": ");
        cli_json_string(path);
        if (row) printf(", \"row\": %lld", (long long)row);
        printf(", \"top\": [");
    } else if (row) printf("%s, row %lld\n", path, (long long)row);
    else printf("%s\n", path);
    int64_t best = -1;
    for (int64_t place = 0; place < p->top; place++) {
        best = next_best(share, p->file.classes, best);
        if (best < 0) break;
        print_class(gm_string_at(p->file.form.classes, best), share[best], p->json, place);
    }
    if (p->json) printf("]}\n");
    return true;
}

static bool predict_picture(const prediction *p, const char *path) {
    GM_SCOPE(s);
    gm_tensor *pixels = data_picture(path, &p->file.form);
    gm_tensor *x = gm_unsqueeze(gm_scale_pixels(pixels, p->file.form.mean, p->file.form.std), 0);
    gm_tensor *shares = gm_softmax(gm_predict(p->file.net, x), 1);
    const float *share = shares ? gm_data(shares) : NULL;
    return share && print_top(p, path, 0, share);
}

static bool predict_rows(const prediction *p, const char *path) {
    GM_SCOPE(all);
    gm_tensor *x = data_rows(path, &p->file.form);
    int64_t n = gm_ok() ? gm_size(x, 0) : 0;
    for (int64_t first = 0; gm_ok() && first < n; first += PREDICT_ROWS) {
        GM_SCOPE(s);
        int64_t count = n - first < PREDICT_ROWS ? n - first : PREDICT_ROWS;
        gm_tensor *shares = gm_softmax(gm_predict(p->file.net, gm_narrow(x, 0, first, count)), 1);
        const float *share = shares ? gm_data(shares) : NULL;
        for (int64_t i = 0; share && i < count; i++)
            if (!print_top(p, path, first + i + 1, share + i * p->file.classes)) return false;
    }
    return gm_ok();
}

static int predict_run(cli_args *args) {
    prediction p = { .top = cli_int(args, "top", 3, 1, PREDICT_TOP), .json = cli_on(args, "json") };
    if (args->bad) return CLI_USAGE;
    if (!model_load(&p.file, args->operands[0])) return CLI_FAILURE;
    for (int i = 1; i < args->n_operands; i++)
        if (!(p.file.form.columns ? predict_rows : predict_picture)(&p, args->operands[i])) return CLI_FAILURE;
    return CLI_OK;
}

const cli_command command_predict = {
    .name = "predict",
    .summary = "Name what a model file sees in pictures (JPEG, PNG) or in the rows of a table (CSV)",
    .operands = "MODEL FILE...",
    .min_operands = 2,
    .max_operands = -1,
    .flags = predict_flags,
    .notes = "Pictures of any size are resized until they cover the model's input, and the middle is taken.",
    .run = predict_run,
};
