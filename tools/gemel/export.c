/* export.c: `gemel export`: the net of a model file as C99 source. */
#include <math.h>
#include <stdio.h>

#include <gemel/gemel.h>

#include "command.h"
#include "model.h"

static const cli_flag export_flags[] = {
    { "c", "DIR", "write C99 source into this directory (needed)" },
    { "weights", "WHERE", "embed: inside the source (up to 16 MB); file: beside it; default by size" },
    { "main", NULL, "add a main() that reads raw f32 inputs (and i64 labels) and writes raw f32 scores (or losses)" },
    { "batch", "N", "examples per call (default 1)" },
    { "name", "NAME", "of the files and functions (default model)" },
    { "train-step", NULL, "a step of training: forward, backward and optimizer, in place of the scores" },
    { "optimizer", "NAME", "of the step: sgd, adam or adamw (default)" },
    { "lr", "X", "its learning rate (default 0.001)" },
    { "momentum", "X", "of sgd (default 0.9)" },
    { "weight-decay", "X", "default: the optimizer's, 0.01 for adamw, else 0" },
    { "label-smoothing", "X", "mix so much of the uniform distribution into the labels (default 0)" },
    { 0 },
};

static gm_pack *export_forward(void *env, gm_pack *in) {
    gm_pack *out = gm_pack_new();
    gm_pack_set(out, "scores", gm_forward(env, gm_pack_at(in, 0)));
    return out;
}

typedef struct { gm_module *net; gm_optimizer *optimizer; double smoothing; } export_trainer;

static gm_pack *export_step(void *env, gm_pack *in) {
    export_trainer *t = env;
    gm_pack *out = gm_pack_new();
    gm_tensor *loss = gm_cross_entropy(gm_forward(t->net, gm_pack_at(in, 0)), gm_pack_at(in, 1),
                                       .label_smoothing = t->smoothing);
    gm_backward(loss);
    gm_step(t->optimizer);
    gm_pack_set(out, "loss", loss);
    return out;
}

/* One batch in the shape of the model's input: numbers from -1 to 1, for the self-test. */
static gm_tensor *export_input(const model_file *file, int64_t batch) {
    gm_shape s = { file->form.input.n + 1, { 0 }, { batch } };
    for (int i = 0; i < file->form.input.n; i++) s.d[i + 1] = file->form.input.d[i];
    int64_t n = gm_shape_count(s);
    return gm_reshape(gm_sin(gm_arange(0, (double)n, 1, GM_F32)), s);
}

static const char *const export_optimizers[] = { "sgd", "adam", "adamw", NULL };

/* The flags of a step; false after reporting what is wrong. */
typedef struct { int optimizer; double lr, momentum, decay, smoothing; } export_recipe;

static bool export_read(export_recipe *r, cli_args *args) {
    static const char *const flags[] = { "optimizer", "lr", "momentum", "weight-decay", "label-smoothing" };
    bool step = cli_on(args, "train-step");
    *r = (export_recipe){ .optimizer = cli_choice(args, "optimizer", export_optimizers, 2) };
    r->lr = cli_real(args, "lr", 1e-3, 0, 1e9);
    r->momentum = cli_real_below(args, "momentum", 0.9, 0, 1);
    r->decay = cli_real(args, "weight-decay", NAN, 0, 1e9);
    r->smoothing = cli_real(args, "label-smoothing", 0, 0, 1);
    if (args->bad) return false;
    for (int i = 0; !step && i < 5; i++)
        if (cli_text(args, flags[i], NULL)) return cli_usage(args, "--%s is for --train-step", flags[i]), false;
    if (r->optimizer && cli_text(args, "momentum", NULL))
        return cli_usage(args, "--momentum is for --optimizer sgd"), false;
    return true;
}

static gm_optimizer *export_optimizer(const export_recipe *r, gm_module *net) {
    gm_optimizer *o = r->optimizer == 0   ? gm_sgd(net, r->lr, .momentum = r->momentum)
                      : r->optimizer == 1 ? gm_adam(net, r->lr)
                                          : gm_adamw(net, r->lr);
    if (o && !isnan(r->decay)) gm_set_hyper(o, -1, "weight_decay", r->decay);
    return gm_ok() ? o : NULL;
}

static int export_run(cli_args *args) {
    GM_SCOPE(all);
    static const char *const places[] = { "auto", "embed", "file", NULL };
    const char *dir = cli_text(args, "c", NULL);
    int weights = cli_choice(args, "weights", places, 0);
    int64_t batch = cli_int(args, "batch", 1, 1, 1 << 20);
    model_file file;
    export_recipe recipe;
    if (!export_read(&recipe, args)) return CLI_USAGE;
    if (!dir) return cli_usage(args, "--c DIR says where to");
    if (!model_load(&file, args->operands[0])) return CLI_FAILURE;
    bool step = cli_on(args, "train-step");
    export_trainer trainer = { file.net, step ? export_optimizer(&recipe, file.net) : NULL, recipe.smoothing };
    gm_set_training(file.net, step);
    gm_pack *in = gm_pack_new();
    gm_pack_set(in, "x", export_input(&file, batch));
    if (step)
        gm_pack_set(in, "label", gm_remainder(gm_arange(0, (double)batch, 1, GM_I64), gm_scalar(file.classes, GM_I64)));
    gm_fn *f = step ? gm_functionp(export_step, &trainer, NULL) : gm_functionp(export_forward, file.net, NULL);
    bool ok = gm_export_c(f, in, dir, .name = cli_text(args, "name", "model"), .weights = weights,
                          .main = cli_on(args, "main"));
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
