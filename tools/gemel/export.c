/* export.c: `gemel export`: the net of a model file as C99 source. */
#include <stdio.h>

#include <gemel/gemel.h>

#include "command.h"
#include "model.h"

static const cli_flag export_flags[] = {
    { "c", "DIR", "write C99 source into this directory (needed)" },
    { "weights", "WHERE", "embed: inside the source (up to 16 MB); file: beside it; default by size" },
    { "main", NULL, "add a main() that reads raw f32 inputs and writes raw f32 scores" },
    { "batch", "N", "examples per call (default 1)" },
    { "name", "NAME", "of the files and functions (default model)" },
    { 0 },
};

static gm_pack *export_forward(void *env, gm_pack *in) {
    gm_pack *out = gm_pack_new();
    gm_pack_set(out, "scores", gm_forward(env, gm_pack_at(in, 0)));
    return out;
}

/* One batch in the shape of the model's input: numbers from -1 to 1, for the self-test. */
static gm_tensor *export_input(const model_file *file, int64_t batch) {
    gm_shape s = { file->form.input.n + 1, { 0 }, { batch } };
    for (int i = 0; i < file->form.input.n; i++) s.d[i + 1] = file->form.input.d[i];
    int64_t n = gm_shape_count(s);
    return gm_reshape(gm_sin(gm_arange(0, (double)n, 1, GM_F32)), s);
}

static int export_run(cli_args *args) {
    GM_SCOPE(all);
    static const char *const places[] = { "auto", "embed", "file", NULL };
    const char *dir = cli_text(args, "c", NULL);
    int weights = cli_choice(args, "weights", places, 0);
    int64_t batch = cli_int(args, "batch", 1, 1, 1 << 20);
    model_file file;
    if (args->bad) return CLI_USAGE;
    if (!dir) return cli_usage(args, "--c DIR says where to");
    if (!model_load(&file, args->operands[0])) return CLI_FAILURE;
    gm_set_training(file.net, false);
    gm_pack *in = gm_pack_new();
    gm_pack_set(in, "x", export_input(&file, batch));
    bool ok = gm_export_c(gm_functionp(export_forward, file.net, NULL), in, dir,
                          .name = cli_text(args, "name", "model"), .weights = weights, .main = cli_on(args, "main"));
    if (!ok) return CLI_FAILURE;
    printf("%s: C99 source, see its README.md\n", dir);
    return CLI_OK;
}

const cli_command command_export = {
    .name = "export",
    .summary = "Write a model file as C99 source that needs nothing else",
    .operands = "MODEL",
    .min_operands = 1,
    .max_operands = 1,
    .flags = export_flags,
    .notes = "The source gives the bits that gemel predict computes its shares from (docs/export.md).",
    .run = export_run,
};
