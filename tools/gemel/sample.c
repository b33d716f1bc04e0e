/* sample.c: `gemel sample`: one test image of a data set as a PNG file. */
#include <stdio.h>

#include "command.h"
#include "model.h"

static const cli_flag sample_flags[] = {
    { "data", "DATA", "fashion-mnist or mnist:DIR (default fashion-mnist)" },
    { "index", "N", "which image, from 0 (default 0)" },
    { "out", "FILE", "the PNG file (default sample.png)" },
    { 0 },
};

static int sample_run(cli_args *args) {
    int64_t index = cli_int(args, "index", 0, 0, INT32_MAX);
    if (args->bad) return CLI_USAGE;
    gm_dataset *d = model_data(cli_text(args, "data", "fashion-mnist"), GM_SPLIT_TEST);
    if (!d) return CLI_FAILURE;
    if (index >= gm_dataset_count(d))
        return cli_failure(args, "there are %lld images", (long long)gm_dataset_count(d));
    const char *out = cli_text(args, "out", "sample.png");
    gm_tensor *image = gm_select(gm_dataset_x(d), 0, index);
    gm_shape shape = gm_dataset_shape(d);
    const uint8_t *pixels = gm_data(gm_contiguous(image));
    if (!gm_ok() || !gm_png_write(out, pixels, shape.d[1], shape.d[2], 1)) return CLI_FAILURE;
    int64_t label = gm_item_i64(gm_select(gm_dataset_y(d), 0, index));
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
