/* train.c: `gemel train`: train a model by name on a data set by name, and write it to a file. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "augment.h"
#include "command.h"
#include "model.h"
#include "recipe.h"

static const cli_flag train_flags[] = {
    { "model", "NAME", "lenet (default), mlp, resnet18, resnet50, vit_tiny, lstm" },
    { "data", "DATA", DATA_HELP },
    { "image-size", "N", "pictures of folder:DIR become N x N, or HxW (default: the data's, at most the model's own)" },
    { "augment", "LIST", "change training pictures: crop (moved by up to an eighth), flip, rotate, color, erase" },
    { "val-split", "X", "validate on this part of the training examples, not on the test examples" },
    { "epochs", "N", "passes over the training examples (default 1)" },
    { "batch-size", "N", "examples in a step (default 64)" },
    { "compile", NULL, "run each step as one compiled program: the same bits" },
    { "accumulate", "N", "cut each batch into so many parts, a power of two, to need less memory" },
    { "seed", "N", "of parameters, dropout and the order of examples (default 0)" },
    { "optimizer", "NAME", "sgd, adam, adamw (default), adagrad, rmsprop, adadelta, lamb, lion or adafactor" },
    { "lr", "X", "the learning rate (default 0.001)" },
    { "momentum", "X", "of sgd (default 0.9) and rmsprop (default 0)" },
    { "nesterov", NULL, "sgd looks ahead" },
    { "weight-decay", "X", "default: the optimizer's, 0.01 for adamw and lamb, else 0" },
    { "schedule", "NAME", "constant, step, multistep, exponential, cosine, restarts, one-cycle, polynomial, plateau" },
    { "warmup-epochs", "X", "rise to the learning rate over so many epochs, a fraction too (default 0)" },
    { "step-size", "N", "epochs in a step (default 30) or from a restart to the next (default 10)" },
    { "milestones", "N,N...", "epochs after which multistep lowers the learning rate" },
    { "gamma", "X", "what the learning rate is multiplied by (default 0.1; exponential 0.9, each epoch)" },
    { "min-lr", "X", "where cosine, restarts and plateau end (default 0)" },
    { "power", "X", "of polynomial (default 1: a straight line)" },
    { "clip", "X", "scale gradients so that their norm over all parameters is at most X" },
    { "clip-value", "X", "cut every gradient to [-X, X]" },
    { "label-smoothing", "X", "mix so much of the uniform distribution into the labels (default 0)" },
    { "ema", "X", "use a running average of the weights, which keeps the part X at each step: 0.999" },
    { "swa", NULL, "use the mean of the weights after each epoch" },
    { "patience", "N", "stop after N epochs without a better validation loss" },
    { "keep-best", NULL, "write the model of the best epoch, not of the last" },
    { "checkpoint-dir", "DIR", "keep last.safetensors (the whole run) and best.safetensors (a model) there" },
    { "checkpoint-steps", "N", "save the run after every N steps, too, not only after each epoch" },
    { "resume", NULL, "go on from the checkpoint, if there is one: same bytes as a run never stopped" },
    { "logdir", "DIR", "write TensorBoard event files there" },
    { "csv", "FILE", "write a row for each epoch there" },
    { "out", "FILE", "write the model there (.safetensors)" },
    { "json", NULL, "print one JSON object per epoch" },
    { "quiet", NULL, "no progress on standard error" },
    { 0 },
};

static void print_number(const char *key, double value, int digits) {
    printf(", \"%s\": ", key);
    cli_json_number(value, digits);
}

static bool print_json(void *env, const gm_epoch *e) {
    (void)env;
    printf("{\"epoch\": %lld", (long long)e->epoch);
    print_number("loss", e->train.loss, 9);
    print_number("accuracy", e->train.accuracy, 6);
    print_number("val_loss", e->validation.loss, 9);
    print_number("val_accuracy", e->validation.accuracy, 6);
    print_number("seconds", e->seconds, 6);
    print_number("samples_per_second", e->samples_per_second, 6);
    printf("}\n");
    cli_flush();
    return true;
}

static bool print_text(void *env, const gm_epoch *e) {
    (void)env;
    printf("epoch %lld: loss %.4f, accuracy %.4f; validation loss %.4f, accuracy %.4f (%.1f s)\n", (long long)e->epoch,
           e->train.loss, e->train.accuracy, e->validation.loss, e->validation.accuracy, e->seconds);
    cli_flush();
    return true;
}

/* Better to know before the training than after it. */
static bool can_write(const char *path) {
    char dir[4096];
    struct stat st;
    if (!*path) return errno = ENOENT, false;
    if (!stat(path, &st) && S_ISDIR(st.st_mode)) return errno = EISDIR, false;
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    return !access(dir, W_OK | X_OK);
}

/* The first Ctrl-C asks for an orderly stop, a second one ends the process. */
static void on_signal(int number) {
    signal(number, SIG_DFL);
    gm_interrupt();
}

static void stop_on_signals(void) {
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
}

/* On a terminal the line that progress leaves says the same already. */
static gm_epoch_fn reporter(cli_args *args) {
    if (cli_on(args, "json")) return print_json;
    const char *log = getenv("GM_LOG");
    bool silent = cli_on(args, "quiet") || (log && !strcmp(log, "0"));
    return isatty(STDOUT_FILENO) && isatty(STDERR_FILENO) && !silent ? NULL : print_text;
}

typedef struct {
    const char *name; /* of the model */
    gm_dataset *train, *validation;
    gm_module *net;
    data_form form;
} train_job;

/* A run that was stopped by the user leaves what it has learned so far; after any other error nothing is written. */
static void save_whatever_happened(const train_job *j, const char *out) {
    char message[1024] = "";
    bool stopped = gm_error_code() == GM_ERROR_INTERRUPTED;
    if (stopped) {
        snprintf(message, sizeof message, "%s", gm_error_message());
        gm_error_clear();
    }
    if (model_save(j->net, j->name, &j->form, out) && stopped) gm_fail(GM_ERROR_INTERRUPTED, "%s", message);
}

/* "N" or "HxW"; false after reporting. */
static bool read_image_size(data_form *form, cli_args *args) {
    const char *text = cli_text(args, "image-size", NULL);
    char *end = NULL;
    if (!text) return true;
    form->height = form->width = strtol(text, &end, 10);
    if (end != text && *end == 'x') form->width = strtol(text = end + 1, &end, 10);
    bool ok =
        end != text && !*end && form->height > 0 && form->width > 0 && form->height <= 8192 && form->width <= 8192;
    return ok || (cli_usage(args, "--image-size: \"%s\" is no size such as 224 or 240x320, at most 8192",
                            cli_text(args, "image-size", NULL)),
                  false);
}

/* Data and net by the flags. */
static bool set_up(train_job *j, const recipe *r, cli_args *args, int model) {
    const char *data = cli_text(args, "data", DATA_DEFAULT);
    j->name = gm_zoo_name(model);
    gm_seed(r->seed);
    j->form.side = gm_zoo_side(model);
    j->train = data_open(data, GM_SPLIT_TRAIN, &j->form);
    j->validation = r->split > 0 ? recipe_split(r, j->train, true) : data_open(data, GM_SPLIT_TEST, &j->form);
    if (r->split > 0) j->train = recipe_split(r, j->train, false);
    j->train = augment(j->train, args, r->seed);
    j->net = gm_ok() ? gm_zoo_new(j->name, j->form.input, gm_count(j->form.classes)) : NULL;
    return gm_ok();
}

/* For the tab "Graphs", in a file of its own. */
static bool log_graph(const train_job *j, const char *logdir) {
    if (!logdir) return true;
    GM_SCOPE(s);
    gm_events *log = gm_events_open(logdir, .suffix = ".graph");
    return gm_events_graph(log, model_graph(j->net, j->form.input)) && gm_events_close(log);
}

static bool fit(const train_job *j, const recipe *r, cli_args *args) {
    bool by_steps;
    int64_t n = gm_dataset_count(j->train);
    gm_schedule *schedule = recipe_schedule(r, (n + r->batch_size - 1) / r->batch_size, &by_steps);
    const gm_hparam settings[] = {
        { .name = "model", .text = j->name },
        { .name = "data", .text = cli_text(args, "data", DATA_DEFAULT) },
        { .name = "optimizer", .text = cli_text(args, "optimizer", "adamw") },
        { .name = "schedule", .text = cli_text(args, "schedule", "constant") },
        { .name = "lr", .number = r->lr },
        { .name = "batch_size", .number = r->batch_size },
        { .name = "epochs", .number = r->epochs },
        { .name = "seed", .number = (double)r->seed },
        { .name = NULL },
    };
    return gm_fit(j->net, j->train, .optimizer = recipe_optimizer(r, j->net), .loss = recipe_loss,
                  .batch_size = r->batch_size, .epochs = r->epochs, .accumulate = r->accumulate,
                  .compile = cli_on(args, "compile"), .validation = j->validation, .seed = r->seed,
                  .schedule = schedule, .schedule_steps = by_steps, .average = recipe_average(r, j->net),
                  .average_epochs = r->swa, .clip_norm = r->clip_norm, .clip_value = r->clip_value,
                  .patience = r->patience, .keep_best = r->keep_best, .logdir = cli_text(args, "logdir", NULL),
                  .csv_log = cli_text(args, "csv", NULL), .checkpoint_dir = cli_text(args, "checkpoint-dir", NULL),
                  .checkpoint_steps = cli_int(args, "checkpoint-steps", 0, 1, INT64_MAX),
                  .resume = cli_on(args, "resume"), .metadata = model_metadata(j->net, j->name, &j->form),
                  .quiet = cli_on(args, "quiet"), .hparams = settings, .on_epoch = reporter(args));
}

static int train_run(cli_args *args) {
    recipe r;
    train_job job = { 0 };
    int model = cli_choice(args, "model", model_names(), 0);
    int64_t every = cli_int(args, "checkpoint-steps", 0, 1, INT64_MAX);
    if (!recipe_read(&r, args) || !data_check(args)) return CLI_USAGE;
    if (!cli_text(args, "checkpoint-dir", NULL) && (every || cli_on(args, "resume")))
        return cli_usage(args, "--%s needs --checkpoint-dir DIR", every ? "checkpoint-steps" : "resume");
    const char *out = cli_text(args, "out", NULL);
    if (out && !can_write(out)) return cli_failure(args, "--out: cannot write %s: %s", out, strerror(errno));
    if (!read_image_size(&job.form, args) || !augment_check(args)) return CLI_USAGE;
    stop_on_signals();
    if (!set_up(&job, &r, args, model) || !log_graph(&job, cli_text(args, "logdir", NULL))) return CLI_FAILURE;
    fit(&job, &r, args);
    if (out) save_whatever_happened(&job, out);
    return gm_ok() ? CLI_OK : CLI_FAILURE;
}

const cli_command command_train = {
    .name = "train",
    .summary = "Train a model on data and write it to a file",
    .operands = "",
    .flags = train_flags,
    .notes = "The file does not depend on the number of threads, nor on the machine.",
    .run = train_run,
};
