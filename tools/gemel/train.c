/* train.c: `gemel train`: train a model by name on a data set by name, and write it to a file. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "model.h"

static const cli_flag train_flags[] = {
    { "model", "NAME", "lenet, mlp, resnet18, resnet50 (default lenet)" },
    { "data", "DATA", "fashion-mnist, or mnist:DIR with the four files of MNIST (default fashion-mnist)" },
    { "epochs", "N", "passes over the training images (default 1)" },
    { "batch-size", "N", "images in a step (default 64)" },
    { "optimizer", "NAME", "sgd (momentum 0.9), adam, adamw, adagrad, rmsprop, adadelta, lamb, lion or adafactor" },
    { "lr", "X", "the learning rate (default 0.001)" },
    { "seed", "N", "of parameters and of the order of images (default 0)" },
    { "checkpoint-dir", "DIR", "keep last.safetensors (the whole run) and best.safetensors (a model) there" },
    { "checkpoint-steps", "N", "save the run after every N steps, too, not only after each epoch" },
    { "resume", NULL, "go on from the checkpoint, if there is one: same bytes as a run never stopped" },
    { "logdir", "DIR", "write TensorBoard event files there" },
    { "out", "FILE", "write the model there (.safetensors)" },
    { "json", NULL, "print one JSON object per epoch" },
    { 0 },
};

static const char *const optimizer_names[] = { "sgd",      "adam", "adamw", "adagrad",   "rmsprop",
                                               "adadelta", "lamb", "lion",  "adafactor", NULL };

static gm_optimizer *new_optimizer(int which, gm_module *net, double lr) {
    switch (which) {
    case 0: return gm_sgd(net, lr, .momentum = 0.9);
    case 1: return gm_adam(net, lr);
    case 3: return gm_adagrad(net, lr);
    case 4: return gm_rmsprop(net, lr);
    case 5: return gm_adadelta(net, lr);
    case 6: return gm_lamb(net, lr);
    case 7: return gm_lion(net, lr);
    case 8: return gm_adafactor(net, lr);
    default: return gm_adamw(net, lr);
    }
}

/* JSON has no NaN: null stands for a number that there is none of. */
static void print_number(const char *key, double value, int digits) {
    if (isfinite(value)) printf(", \"%s\": %.*g", key, digits, value);
    else printf(", \"%s\": null", key);
}

static bool print_json(void *env, const gm_epoch *e) {
    (void)env;
    printf("{\"epoch\": %lld", (long long)e->epoch);
    print_number("loss", e->train.loss, 9);
    print_number("accuracy", e->train.accuracy, 6);
    print_number("val_loss", e->validation.loss, 9);
    print_number("val_accuracy", e->validation.accuracy, 6);
    print_number("seconds", e->seconds, 6);
    print_number("samples_per_second", (double)e->train.count / e->seconds, 6);
    printf("}\n");
    fflush(stdout);
    return true;
}

static bool print_text(void *env, const gm_epoch *e) {
    (void)env;
    printf("epoch %lld: loss %.4f, accuracy %.4f; validation loss %.4f, accuracy %.4f (%.1f s)\n", (long long)e->epoch,
           e->train.loss, e->train.accuracy, e->validation.loss, e->validation.accuracy, e->seconds);
    fflush(stdout);
    return true;
}

/* Better to know before the training than after it. */
static bool can_write(const char *path) {
    char dir[4096];
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

/* A run that was stopped by the user leaves what it has learned so far; after any other error nothing is written. */
static void save_whatever_happened(gm_module *net, const char *name, gm_dataset *d, const char *out) {
    char message[1024] = "";
    bool stopped = gm_error_code() == GM_ERROR_INTERRUPTED;
    if (stopped) {
        snprintf(message, sizeof message, "%s", gm_error_message());
        gm_error_clear();
    }
    if (model_save(net, name, d, out) && stopped) gm_fail(GM_ERROR_INTERRUPTED, "%s", message);
}

static int train_run(cli_args *args) {
    int model = cli_choice(args, "model", model_names(), 0), rule = cli_choice(args, "optimizer", optimizer_names, 2);
    int32_t epochs = (int32_t)cli_int(args, "epochs", 1, 1, 1000000);
    int32_t batch = (int32_t)cli_int(args, "batch-size", 64, 1, 1 << 24);
    uint64_t seed = (uint64_t)cli_int(args, "seed", 0, 0, INT64_MAX);
    double lr = cli_real(args, "lr", 1e-3, 0, 1e9);
    int64_t every = cli_int(args, "checkpoint-steps", 0, 1, INT64_MAX);
    const char *checkpoints = cli_text(args, "checkpoint-dir", NULL), *name = gm_zoo_name(model < 0 ? 0 : model);
    if (args->bad) return CLI_USAGE;
    if (!checkpoints && (every || cli_on(args, "resume")))
        return cli_usage(args, "--%s needs --checkpoint-dir DIR", every ? "checkpoint-steps" : "resume");
    const char *data = cli_text(args, "data", "fashion-mnist"), *out = cli_text(args, "out", NULL);
    if (out && !can_write(out)) return cli_failure(args, "--out: cannot write %s: %s", out, strerror(errno));
    gm_seed(seed);
    gm_dataset *train = model_data(data, GM_SPLIT_TRAIN), *test = model_data(data, GM_SPLIT_TEST);
    gm_shape in = gm_dataset_shape(train);
    gm_module *net = gm_ok() ? gm_zoo_new(name, in, gm_n_classes(train)) : NULL;
    stop_on_signals();
    gm_fit(net, train, .optimizer = new_optimizer(rule, net, lr), .batch_size = batch, .epochs = epochs,
           .validation = test, .seed = seed, .logdir = cli_text(args, "logdir", NULL), .checkpoint_dir = checkpoints,
           .checkpoint_steps = every, .resume = cli_on(args, "resume"), .metadata = model_metadata(name, train),
           .on_epoch = cli_on(args, "json") ? print_json : print_text);
    if (out) save_whatever_happened(net, name, train, out);
    return gm_ok() ? CLI_OK : CLI_FAILURE;
}

const cli_command command_train = {
    .name = "train",
    .summary = "Train a model on images and write it to a file",
    .operands = "",
    .flags = train_flags,
    .notes = "The file does not depend on the number of threads, nor on the machine.",
    .run = train_run,
};
