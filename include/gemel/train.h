/* gemel/train.h: fit, evaluate and predict. Results depend on the net, the data, the options and the seed only. */
#ifndef GEMEL_TRAIN_H
#define GEMEL_TRAIN_H

#include "data.h"
#include "nn.h"
#include "optim.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A loss: outputs [B, ...], targets [B, ...] -> [], the mean over the batch. */
typedef gm_tensor *(*gm_loss_fn)(gm_tensor *output, gm_tensor *target);
/* The default: minus the mean log-softmax of the right class. Logits [B, C], labels i64 [B] in 0..C-1 -> []. */
GM_API gm_tensor *gm_classification_loss(gm_tensor *logits, gm_tensor *labels);

/* A training step of one's own: from a batch to the loss. */
typedef gm_tensor *(*gm_step_fn)(void *env, gm_module *net, const gm_batch *b);

/* Numbers of a pass. The accuracy is the part of examples whose largest output is the label; NaN where targets are no
 * labels (i64 [B] against outputs [B, C]). */
typedef struct { double loss, accuracy; int64_t count; } gm_metrics;
/* An epoch that is done. `validation` has count 0 if there is none. */
typedef struct { int64_t epoch, steps; gm_metrics train, validation; double seconds; } gm_epoch;
/* Called after each epoch; false stops the training, which is no error. */
typedef bool (*gm_epoch_fn)(void *env, const gm_epoch *epoch);

typedef struct {
    size_t size;
    gm_loss_fn loss;         /* default gm_classification_loss */
    gm_step_fn step;         /* instead of loss(forward(net, b.x), b.y) */
    void *env;               /* for step and on_epoch */
    gm_epoch_fn on_epoch;
    gm_optimizer *optimizer; /* default gm_adamw(net, 1e-3) */
    gm_dataset *validation;  /* evaluated after each epoch */
    const char *logdir;      /* TensorBoard's event files go here */
    int32_t batch_size;      /* default 32 */
    int32_t epochs;          /* default 1 */
    int32_t in_order;        /* do not shuffle */
    int32_t quiet;           /* no progress line */
    uint64_t seed;           /* of the shuffling */
} gm_fit_args;
/* Train the net. Errors: NUMERIC when a loss is NaN or infinite, with the step's number (the net is as before that
 * step); CALLBACK; what the net and the files report. Leaves the net in the mode it found. */
GM_API bool gm_fit_with(gm_module *net, gm_dataset *d, const gm_fit_args *args);

typedef struct { size_t size; gm_loss_fn loss; int32_t batch_size, reserved; } gm_evaluate_args;
/* Loss and accuracy over a data set, in evaluation mode, without gradients; batches of 256 by default. After an error
 * the count is 0 and the numbers are NaN. */
GM_API gm_metrics gm_evaluate_with(gm_module *net, gm_dataset *d, const gm_evaluate_args *args);
/* The net's output for x [B, ...] in evaluation mode, without gradients. */
GM_API gm_tensor *gm_predict(gm_module *net, gm_tensor *x);

#ifdef __cplusplus
}
#else
#  define gm_fit(...) gm__fit(__VA_ARGS__, .size = sizeof(gm_fit_args))
#  define gm__fit(net, d, ...) gm_fit_with(net, d, &(gm_fit_args){ __VA_ARGS__ })
#  define gm_evaluate(...) gm__evaluate(__VA_ARGS__, .size = sizeof(gm_evaluate_args))
#  define gm__evaluate(net, d, ...) gm_evaluate_with(net, d, &(gm_evaluate_args){ __VA_ARGS__ })
#endif
#endif
