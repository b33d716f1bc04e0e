/* sample.c: `gemel sample`: one test image of a data set as a PNG file. */
#include <stdio.h>

#include "command.h"
#include "model.h"

static const cli_flag sample_flags[] = {
    { "data", "DATA", DATA_HELP },
    { "index", "N", "which image, from 0 (default 0)" },
    { "out", "FILE", "the PNG file (default sample.png)" },
    { 0 },
};

/* u8 [C, H, W] as a file. */
static bool write_sample(gm_tensor *x, const char *out) {
    char text[200];
    if (gm_ok() && (gm_dtype_of(x) != GM_U8 || gm_n_dims(x) != 3))
        return gm_fail(GM_ERROR_SHAPE, "sample: the examples are %s %s: no pictures", gm_dtype_name(gm_dtype_of(x)),
                       gm_shape_text(gm_shape_of(x), text, sizeof text));
    return gm_write_png(out, gm_permute(x, (int32_t[]){ 1, 2, 0 }, 3));
}

static int sample_run(cli_args *args) {
    int64_t index = cli_int(args, "index", 0, 0, INT32_MAX);
    if (args->bad || !data_check(args)) return CLI_USAGE;
    data_form form = { 0 };
    gm_dataset *d = data_open(cli_text(args, "data", DATA_DEFAULT), GM_SPLIT_TEST, &form);
    if (!d) return CLI_FAILURE;
    if (index >= gm_dataset_count(d))
        return cli_failure(args, "--index %lld: there are %lld images, 0 is the first", (long long)index,
                           (long long)gm_dataset_count(d));
    const char *out = cli_text(args, "out", "sample.png");
    gm_pack *example = gm_dataset_get(d, 0, index);
    if (!write_sample(gm_get(example, "x"), out)) return CLI_FAILURE;
    int64_t label = gm_item_i64(gm_get(example, "y"));
    printf("%s: image %lld, %s\n", out, (long long)index, gm_class_name(d, (int32_t)label));
    return CLI_OK;
}

const cli_command command_sample = {
    .name = "sample",
    .summary = "Write one test image of a data set as a PNG file",
    .operands = "",
    .flags = sample_flags,
    .run = sample_run,
};
