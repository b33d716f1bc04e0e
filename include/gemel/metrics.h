/* gemel/metrics.h: measures of how well a net does, summed over batches.
 *
 * Outputs are logits or scores [B, C] against labels i64 [B] in 0..C-1; where there are two classes also [B] or [B, 1]
 * against labels of any dtype, class 1 where the output is above 0. Errors of a number are for outputs and targets of
 * one shape. New metrics belong to the innermost scope. */
#ifndef GEMEL_METRICS_H
#define GEMEL_METRICS_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gm_metric gm_metric;

/* The part of examples whose largest output is the label; whose label is among the k largest outputs. */
GM_API gm_metric *gm_metric_accuracy(void);
GM_API gm_metric *gm_metric_top_k(int64_t k);
/* Of what was called a class, the part that is one; of what is one, the part that was called so; their harmonic mean.
 * Of class `index`, or with index -1 the mean over the classes that occur (0 where nothing was called so). */
GM_API gm_metric *gm_metric_precision(int64_t index);
GM_API gm_metric *gm_metric_recall(int64_t index);
GM_API gm_metric *gm_metric_f1(int64_t index);
/* The area under the receiver operating characteristic, for two classes; equal scores count half. NaN if one class does
 * not occur. Keeps the score of every example. With two outputs the score is their difference. */
GM_API gm_metric *gm_metric_auc(void);
/* How often class i (row) was called j (column); its number is the accuracy. */
GM_API gm_metric *gm_metric_confusion(void);
/* Means of |output - target| and of its square. */
GM_API gm_metric *gm_metric_mae(void);
GM_API gm_metric *gm_metric_mse(void);

/* Add a batch. Errors: SHAPE, DTYPE; INDEX for labels that are no class. */
GM_API bool gm_metric_update(gm_metric *m, gm_tensor *output, gm_tensor *target);
/* The number; NaN if there was no example. */
GM_API double gm_metric_value(const gm_metric *m);
/* The counts of a confusion matrix (or of what is made of one): i64 [C, C]. STATE if there is none. */
GM_API gm_tensor *gm_metric_table(const gm_metric *m);
GM_API bool gm_metric_reset(gm_metric *m);
/* "accuracy", "top_5", "precision_2" ... */
GM_API const char *gm_metric_name(const gm_metric *m);
/* What it has summed up: a copy, f64 [n]; and replacing it. */
GM_API gm_tensor *gm_metric_state(const gm_metric *m);
GM_API bool gm_load_metric_state(gm_metric *m, gm_tensor *state);

/* A metric of one's own: numbers, zero at first, that updates change. `update` asks for them by gm_metric_numbers,
 * which grows them (kept values first); `value` is for n numbers and `option`. */
typedef struct {
    size_t size;
    const char *name;
    bool (*update)(gm_metric *m, gm_tensor *output, gm_tensor *target);
    double (*value)(const double *numbers, int64_t n, int64_t option);
} gm_metric_class;
GM_API gm_metric *gm_metric_new(const gm_metric_class *c, int64_t option);
GM_API double *gm_metric_numbers(gm_metric *m, int64_t n);
GM_API int64_t gm_metric_option(const gm_metric *m);
/* How many numbers there are. */
GM_API int64_t gm_n_metric_numbers(const gm_metric *m);

#ifdef __cplusplus
}
#endif
#endif
