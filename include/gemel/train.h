/* gemel/train.h: fit, evaluate and predict. Results depend on the net, the data, the options and the seed only. */
#ifndef GEMEL_TRAIN_H
#define GEMEL_TRAIN_H

#include "data.h"
#include "metrics.h"
#include "nn.h"
#include "optim.h"
#include "schedule.h"
#include "watch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A loss: outputs [B, ...], targets [B, ...] -> [], the mean over the batch. */
typedef gm_tensor *(*gm_loss_fn)(gm_tensor *output, gm_tensor *target);

/* A training step of one's own: from a batch to the loss. Validation calls it too, without gradients. */
typedef gm_tensor *(*gm_step_fn)(void *env, gm_module *net, const gm_batch *b);
/* In a step of one's own: the epoch's mean of a number (a tensor of one element) over the batches, weighed by their
 * examples, goes into the logs and the history as `name`. Does nothing for a batch that no fit hands out. */
GM_API bool gm_log_metric(const gm_batch *b, const char *name, gm_tensor *value);

/* ---- What a training came to ------------------------------------------------------------------------------------- */

/* Numbers of a pass. The accuracy is the part of examples whose largest output is the label; NaN where targets are no
 * labels (i64 [B] against outputs [B, C]). */
typedef struct { double loss, accuracy; int64_t count; } gm_metrics;
/* An epoch that is done. `validation` has count 0 if there is none. `values`: every number of it by name ("loss",
 * "accuracy", "val_loss", "lr", metrics, "val_" metrics), valid during the call. */
typedef struct {
    int64_t epoch, steps; /* counted from 1 */
    gm_metrics train, validation;
    double seconds, samples_per_second; /* the rate is the training's, without the validation */
    const gm_log_value *values;
    int64_t n_values;
} gm_epoch;

/* The numbers of every epoch, by name. Belongs to the innermost scope. */
typedef struct gm_history gm_history;
GM_API gm_history *gm_history_new(void);
/* Epochs, and how many names there are; a name, NULL past the last. */
GM_API int64_t gm_history_epochs(const gm_history *h);
GM_API const char *gm_history_name(const gm_history *h, int index);
/* The number of epoch 0, 1 ...; NaN where there is none. */
GM_API double gm_history_at(const gm_history *h, const char *name, int64_t epoch);
GM_API bool gm_history_put(gm_history *h, const char *name, int64_t epoch, double value);
/* The epoch with the smallest (largest) number of that name, by more than `margin` better than the best before it; -1
 * if there is none. */
GM_API int64_t gm_history_best(const gm_history *h, const char *name, bool maximize, double margin);

/* ---- Callbacks --------------------------------------------------------------------------------------------------- */

/* Called after each epoch; false stops the training, which is no error. */
typedef bool (*gm_epoch_fn)(void *env, const gm_epoch *epoch);

typedef int32_t gm_moment;
/* Before the first step; after a step (its loss is known); after an epoch (`result`); after the last. */
enum { GM_FIT_BEGIN = 1, GM_FIT_STEP = 2, GM_FIT_EPOCH = 3, GM_FIT_END = 4 };
typedef struct {
    gm_moment moment;
    int32_t reserved;
    gm_module *net;
    gm_optimizer *optimizer;
    int64_t epoch, step; /* counted from 0; after a step: of this step */
    double loss;         /* of the step, else NaN */
    const gm_epoch *result;
} gm_fit_moment;
/* False stops the training, which is no error; gm_fail makes it fail. */
typedef bool (*gm_callback_fn)(void *env, const gm_fit_moment *at);
typedef struct { gm_callback_fn fn; void *env; } gm_callback;

/* ---- Training ---------------------------------------------------------------------------------------------------- */

typedef struct {
    size_t size;
    gm_loss_fn loss;         /* default gm_cross_entropy: logits [B, C], labels i64 [B] */
    gm_step_fn step;         /* instead of loss(forward(net, b.x), b.y) */
    void *env;               /* for step and on_epoch */
    gm_epoch_fn on_epoch;
    gm_optimizer *optimizer; /* default gm_adamw(net, 1e-3); VALUE error if it steps none of the net's parameters, or
                              * others too, which only a `step` of one's own may need */
    gm_dataset *validation;  /* evaluated after each epoch */
    const char *logdir;      /* TensorBoard's event files go here */
    int32_t batch_size;      /* default 32 */
    int32_t epochs;          /* default 1 */
    int32_t in_order;        /* do not shuffle */
    int32_t quiet;           /* no progress line */
    uint64_t seed;           /* of the shuffling */

    const gm_callback *callbacks; /* ends with an entry whose fn is NULL */
    gm_metric *const *metrics;    /* more numbers of each epoch; ends with NULL */
    gm_history *history;          /* filled in */
    const char *csv_log;          /* a row per epoch */
    const char *json_log;         /* an object per epoch */
    gm_schedule *schedule;        /* of the learning rate; counts epochs */
    gm_average *average;          /* updated after each step; evaluated, and in the net at the end */
    double clip_norm, clip_value; /* of gradients, 0: none */
    int32_t schedule_steps;       /* the schedule counts steps */
    int32_t average_epochs;       /* the average is updated after each epoch instead */
    int32_t accumulate;           /* each batch in this many equal parts, a power of two; default 1 */
    int32_t epoch_steps;          /* an epoch ends after this many batches; 0: with the data */

    const char *monitor;      /* the number that "best" is about; default "val_loss", without validation "loss"; VALUE
                               * error after the first epoch if that is none of its numbers */
    double min_delta;         /* what is less of an improvement is none */
    int32_t maximize;         /* the larger the better */
    int32_t patience;         /* stop after this many epochs without improvement; 0: never */
    int32_t keep_best;        /* at the end the net has the parameters of the best epoch */

    int32_t resume;              /* go on from the checkpoint, if there is one */
    const char *checkpoint_dir;  /* last.safetensors and best.safetensors are kept there */
    int64_t checkpoint_steps;    /* also save after every so many steps; 0: after each epoch only */
    gm_pack *metadata;           /* texts that the files carry */
    const gm_hparam *hparams;    /* for TensorBoard's table of runs; ends with an entry whose name is NULL */
    int32_t compile, reserved_compile; /* 1: each step, and validation, is one program (gm_jit), same bits */
} gm_fit_args;
/* Train the net: on loss(gm_forward(net, b.x), b.y); of a net that takes packs (several inputs) all entries of the
 * batch, by gm_apply, and its first result; x with "x_length", which .pad tells, where the net takes that. Errors:
 * NUMERIC when a loss is NaN or infinite, with the step's number (from 1) and, for a NaN, the operation that made it
 * (the net is as before that step); CALLBACK; INTERRUPTED after gm_interrupt; what the net and the files report. Leaves
 * the net in the mode it found.
 *
 * Checkpoints are written whole or not at all. A run that was stopped anywhere, by kill -9 too, and is started again
 * with the same options and .resume goes on from its last checkpoint and ends with the same bits as one that was never
 * stopped. `epochs` may be larger than before; a change of batch_size, accumulate, seed or the order is a STATE error.
 * A checkpoint that is refused, in whatever part, leaves net, optimizer and all else as they were.
 * best.safetensors holds the net only, as gm_save_safetensors of its state dict does. */
GM_API bool gm_fit_with(gm_module *net, gm_dataset *d, const gm_fit_args *args);

/* Ask the gm_fit that runs, on whatever thread, to stop after its present step, as INTERRUPTED; a checkpoint is saved
 * first if there is a directory for it. May be called in a signal handler. */
GM_API void gm_interrupt(void);

/* ---- Using ------------------------------------------------------------------------------------------------------- */

typedef struct {
    size_t size;
    gm_loss_fn loss;
    int32_t batch_size, compile; /* compile 1: net and loss are one program (gm_jit), with the same bits */
    gm_metric *const *metrics;   /* updated, not reset; ends with NULL */
} gm_evaluate_args;
/* Loss and accuracy over a data set, in evaluation mode, without gradients; batches of 256 by default. After an error
 * the count is 0 and the numbers are NaN. Every module gets back the mode it had, after an error too. */
GM_API gm_metrics gm_evaluate_with(gm_module *net, gm_dataset *d, const gm_evaluate_args *args);
/* The net's output for x [B, ...] in evaluation mode, without gradients. */
GM_API gm_tensor *gm_predict(gm_module *net, gm_tensor *x);
/* The same for every x of a data set, in its order, batch by batch: [N, ...]. batch_size 0: 256. */
GM_API gm_tensor *gm_predict_all(gm_module *net, gm_dataset *d, int32_t batch_size);
typedef struct { size_t size; int32_t batch_size, compile; } gm_predict_args; /* as those of gm_evaluate */
GM_API gm_tensor *gm_predict_all_with(gm_module *net, gm_dataset *d, const gm_predict_args *args);

#ifdef __cplusplus
}
#else
#  define gm_fit(...) gm__fit(__VA_ARGS__, .size = sizeof(gm_fit_args))
#  define gm__fit(net, d, ...) gm_fit_with(net, d, &(gm_fit_args){ __VA_ARGS__ })
#  define GM_METRICS(...) ((gm_metric *const[]){ __VA_ARGS__, NULL })
#  define gm_evaluate(...) gm__evaluate(__VA_ARGS__, .size = sizeof(gm_evaluate_args))
#  define gm__evaluate(net, d, ...) gm_evaluate_with(net, d, &(gm_evaluate_args){ __VA_ARGS__ })
#endif
#endif
