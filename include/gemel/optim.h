/* gemel/optim.h: optimizers: how gradients change parameters; schedules of the learning rate; averages of weights.
 * Formulas, rounding by rounding: docs/numerics/optim.md. */
#ifndef GEMEL_OPTIM_H
#define GEMEL_OPTIM_H

#include "nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An optimizer holds the parameters of a net (f32 and f64), their state, and hyper-parameters such as the learning
 * rate, which are 0-d tensors of f64. A parameter without a gradient is left alone. */
typedef struct gm_optimizer gm_optimizer;

/* ---- The optimizers: net, learning rate, options ----------------------------------------------------------------- */

/* g' = g + weight_decay p; b = momentum b + g' (first: g'); p - lr b, with nesterov p - lr (g' + momentum b). */
typedef struct { size_t size; double momentum, weight_decay; int32_t nesterov, reserved; } gm_sgd_args;
GM_API gm_optimizer *gm_sgd_with(gm_module *net, double lr, const gm_sgd_args *args);

/* Adam (Kingma and Ba 2015). Defaults: beta1 0.9, beta2 0.999, eps 1e-8, weight_decay 0 (added to the gradient). */
typedef struct { size_t size; gm_real beta1, beta2, eps, weight_decay; } gm_adam_args;
GM_API gm_optimizer *gm_adam_with(gm_module *net, double lr, const gm_adam_args *args);
/* AdamW (Loshchilov and Hutter 2019): weight decay, default 0.01, shrinks the parameter itself. */
typedef gm_adam_args gm_adamw_args;
GM_API gm_optimizer *gm_adamw_with(gm_module *net, double lr, const gm_adamw_args *args);

/* Adagrad (Duchi et al. 2011): steps divided by the root of the sum of squares, which begins with `initial`; the rate
 * at step t is lr / (1 + (t - 1) lr_decay). Defaults: eps 1e-10, all else 0. */
typedef struct { size_t size; double lr_decay, weight_decay, initial; gm_real eps; } gm_adagrad_args;
GM_API gm_optimizer *gm_adagrad_with(gm_module *net, double lr, const gm_adagrad_args *args);

/* RMSprop (Hinton 2012); centered: divided by the deviation instead of the root mean square (Graves 2013). Defaults:
 * alpha 0.99, eps 1e-8, momentum 0, weight_decay 0. */
typedef struct {
    size_t size;
    gm_real alpha, eps;
    double momentum, weight_decay;
    int32_t centered, reserved;
} gm_rmsprop_args;
GM_API gm_optimizer *gm_rmsprop_with(gm_module *net, double lr, const gm_rmsprop_args *args);

/* Adadelta (Zeiler 2012). Defaults: rho 0.9, eps 1e-6, weight_decay 0; the paper's lr is 1. */
typedef struct { size_t size; gm_real rho, eps; double weight_decay; } gm_adadelta_args;
GM_API gm_optimizer *gm_adadelta_with(gm_module *net, double lr, const gm_adadelta_args *args);

/* LAMB (You et al. 2020): Adam's direction, each parameter's step as long as lr times the parameter. Defaults: beta1
 * 0.9, beta2 0.999, eps 1e-6, weight_decay 0.01. */
typedef gm_adam_args gm_lamb_args;
GM_API gm_optimizer *gm_lamb_with(gm_module *net, double lr, const gm_lamb_args *args);

/* Lion (Chen et al. 2023): the sign of a momentum. Defaults: beta1 0.9, beta2 0.99, weight_decay 0 (shrinks the
 * parameter itself). */
typedef struct { size_t size; gm_real beta1, beta2; double weight_decay; } gm_lion_args;
GM_API gm_optimizer *gm_lion_with(gm_module *net, double lr, const gm_lion_args *args);

/* Adafactor (Shazeer and Stern 2018): squares kept as one sum per row and column; the step is lr (less at first) times
 * the size of the parameter. Defaults: decay -0.8, eps 1e-3 (the least size), clip 1, weight_decay 0 (shrinks). */
typedef struct { size_t size; gm_real decay, eps, clip; double weight_decay; } gm_adafactor_args;
GM_API gm_optimizer *gm_adafactor_with(gm_module *net, double lr, const gm_adafactor_args *args);

/* ---- Stepping ---------------------------------------------------------------------------------------------------- */

/* Change every parameter that has a gradient, then clear the gradients. Leaves everything alone while an error is
 * pending. (LAMB and Adafactor need memory on the way: if that cannot be had, parameters before it have changed.) */
GM_API bool gm_step(gm_optimizer *optimizer);
/* Clear the gradients, those that gm_accumulate has put aside too. */
GM_API bool gm_zero_grad(gm_optimizer *optimizer);
/* Steps taken so far. */
GM_API int64_t gm_step_count(const gm_optimizer *optimizer);

/* Hold every gradient within [-limit, limit]. */
GM_API bool gm_clip_gradient_values(gm_optimizer *optimizer, double limit);
/* Scale all gradients together so that their norm, over all parameters, is at most `limit` (INFINITY: only look).
 * Returns the norm before; NaN after an error: NUMERIC, with the name of the parameter, where it is not finite. While a
 * function is recorded there is no norm yet: it returns NaN, and the program looks at the norm when it runs. */
GM_API double gm_clip_gradient_norm(gm_optimizer *optimizer, double limit);

/* Gradients of a batch in several parts: after each part's backward pass put its gradients aside; at the end of the
 * batch make the mean of what was put aside the gradients. The parts (1, 2, 4, 8 ...: VALUE for other numbers) are
 * added in a balanced tree, so that several processes can get the same bits. */
GM_API bool gm_accumulate(gm_optimizer *optimizer);
GM_API bool gm_accumulate_end(gm_optimizer *optimizer);

/* ---- Groups and hyper-parameters --------------------------------------------------------------------------------- */

/* Parameters in group 0 until now whose names match `pattern` become a group with hyper-parameters of its own, copies
 * of those of group 0. `*` is any text, `|` separates alternatives: "*.bias|*norm*". Returns the group's number; -1 and
 * INDEX if no name matches. */
GM_API int gm_optimizer_group(gm_optimizer *optimizer, const char *pattern);
GM_API int gm_n_optimizer_groups(const gm_optimizer *optimizer);
/* A hyper-parameter of a group by name, as PyTorch calls it, but "beta1", "beta2". Changing one is for the steps to
 * come; group -1: of all groups. Errors: INDEX (lists the names), VALUE. */
GM_API double gm_hyper(const gm_optimizer *optimizer, int group, const char *name);
GM_API bool gm_set_hyper(gm_optimizer *optimizer, int group, const char *name, double value);
/* The learning rate of group 0; setting that of all groups, and what schedules start from. */
GM_API double gm_learning_rate(const gm_optimizer *optimizer);
GM_API bool gm_set_learning_rate(gm_optimizer *optimizer, double lr);
/* Every group's learning rate becomes its initial one times `factor`. */
GM_API bool gm_scale_learning_rate(gm_optimizer *optimizer, double factor);

/* The parameters that it steps, under the names that they had in its net. The tensors themselves, not copies. */
GM_API gm_pack *gm_optimizer_parameters(gm_optimizer *optimizer);

/* ---- Tables ------------------------------------------------------------------------------------------------------ */

/* The gradient of an embedding's table is kept as the rows that a batch has used (gm_gradient_rows), and where a step
 * changes nothing in the other rows (SGD and Adagrad without momentum and weight decay) only these are visited: the
 * same bits, at the cost of the batch instead of the table.
 *
 * Optimizers with running averages change all rows at every step. A lazy parameter is stepped only in the rows that
 * have a gradient; values and states of the others wait (as in PyTorch's SparseAdam): other results, cheap steps. The
 * pattern is that of gm_optimizer_group. Returns how many parameters match. Errors, with -1: INDEX if none does,
 * UNSUPPORTED for LAMB and Adafactor, whose steps need the whole parameter. */
GM_API int64_t gm_optimizer_lazy(gm_optimizer *optimizer, const char *pattern);

/* ---- State ------------------------------------------------------------------------------------------------------- */

/* Everything that steps depend on, under names such as "group.0.lr" and "state.0.weight.exp_avg" (states as PyTorch
 * calls them; "step" is the count of the parameter's steps, then running products of the betas). The tensors are the
 * optimizer's, not copies. STATE error between gm_accumulate and gm_accumulate_end. */
GM_API gm_pack *gm_optimizer_state(gm_optimizer *optimizer);
/* Copy the values of such a pack, nested or flat, into the optimizer: all or, after an error, none: INDEX for a name
 * that is missing or too much, SHAPE. */
GM_API bool gm_load_optimizer_state(gm_optimizer *optimizer, gm_pack *values);

/* ---- Averages of weights ----------------------------------------------------------------------------------------- */

/* A running average of a net's parameters, beside them. With .decay d each update moves it towards the parameters by
 * the part 1 - d (exponential, "EMA"); without, all updates weigh the same ("SWA", Izmailov et al. 2018). The first one
 * is a copy. Buffers are not averaged: batch norm wants a pass over training data after gm_average_swap. */
typedef struct gm_average gm_average;
typedef struct { size_t size; gm_real decay; } gm_average_args;
GM_API gm_average *gm_average_new_with(gm_module *net, const gm_average_args *args);
GM_API bool gm_average_update(gm_average *a);
/* Exchange the net's parameters and the average; a second call changes them back. Works while an error is pending.
 * STATE before the first update. */
GM_API bool gm_average_swap(gm_average *a);
/* "updates" and the averages under the parameters' names, not copies; and copying such a pack into it. */
GM_API gm_pack *gm_average_state(gm_average *a);
GM_API bool gm_load_average_state(gm_average *a, gm_pack *values);

/* ---- Optimizers of one's own ------------------------------------------------------------------------------------- */

enum { GM_OPTIMIZER_MAX_HYPERS = 16, GM_OPTIMIZER_MAX_STATES = 4 };
/* One parameter's step: change p and the states in place (gemel/ops/update.h, gm_assign). */
typedef struct {
    gm_tensor *p, *g;        /* contiguous, of one shape and dtype */
    gm_tensor *const *state; /* in the class's order; NULL where there is none */
    const double *hyper;     /* of its group, in the class's order */
    const double *power;     /* the hyper-parameters with `power`, to the t */
    int64_t t;               /* 1 at this parameter's first step */
} gm_optimizer_step;
/* A hyper-parameter: low <= value < high. power: its running product is kept (at most two of these). */
typedef struct { const char *name; double low, high; int32_t power, reserved; } gm_hyper_kind;
typedef struct {
    size_t size;
    const char *name;
    const gm_hyper_kind *hypers; /* the first is "lr"; ends with a name of NULL */
    const char *const *states;   /* names; ends with NULL */
    /* A new state `index` of p; NULL, without an error, if there is none under these hyper-parameters. Default: zeros
     * like p. */
    gm_tensor *(*new_state)(int index, gm_tensor *p, const double *hyper);
    bool (*update)(const gm_optimizer_step *step);
    /* Whether, under these hyper-parameters, a step leaves elements and states as they are where the gradient is 0.
     * Default: never. */
    bool (*keeps_zeros)(const double *hyper);
    int32_t elementwise, reserved; /* every element is stepped by itself: rows can be stepped alone */
} gm_optimizer_class;
/* `hyper` has a value for each hyper-parameter. */
GM_API gm_optimizer *gm_optimizer_new(const gm_optimizer_class *c, gm_module *net, const double *hyper);

#ifdef __cplusplus
}
#else
#  define gm_sgd(...) gm__sgd(__VA_ARGS__, .size = sizeof(gm_sgd_args))
#  define gm__sgd(net, lr, ...) gm_sgd_with(net, lr, &(gm_sgd_args){ __VA_ARGS__ })
#  define gm_average_new(...) gm__average_new(__VA_ARGS__, .size = sizeof(gm_average_args))
#  define gm__average_new(net, ...) gm_average_new_with(net, &(gm_average_args){ __VA_ARGS__ })
#  define gm_adam(...) gm__adam(__VA_ARGS__, .size = sizeof(gm_adam_args))
#  define gm__adam(net, lr, ...) gm_adam_with(net, lr, &(gm_adam_args){ __VA_ARGS__ })
#  define gm_adamw(...) gm__adamw(__VA_ARGS__, .size = sizeof(gm_adamw_args))
#  define gm__adamw(net, lr, ...) gm_adamw_with(net, lr, &(gm_adamw_args){ __VA_ARGS__ })
#  define gm_adagrad(...) gm__adagrad(__VA_ARGS__, .size = sizeof(gm_adagrad_args))
#  define gm__adagrad(net, lr, ...) gm_adagrad_with(net, lr, &(gm_adagrad_args){ __VA_ARGS__ })
#  define gm_rmsprop(...) gm__rmsprop(__VA_ARGS__, .size = sizeof(gm_rmsprop_args))
#  define gm__rmsprop(net, lr, ...) gm_rmsprop_with(net, lr, &(gm_rmsprop_args){ __VA_ARGS__ })
#  define gm_adadelta(...) gm__adadelta(__VA_ARGS__, .size = sizeof(gm_adadelta_args))
#  define gm__adadelta(net, lr, ...) gm_adadelta_with(net, lr, &(gm_adadelta_args){ __VA_ARGS__ })
#  define gm_lamb(...) gm__lamb(__VA_ARGS__, .size = sizeof(gm_lamb_args))
#  define gm__lamb(net, lr, ...) gm_lamb_with(net, lr, &(gm_lamb_args){ __VA_ARGS__ })
#  define gm_lion(...) gm__lion(__VA_ARGS__, .size = sizeof(gm_lion_args))
#  define gm__lion(net, lr, ...) gm_lion_with(net, lr, &(gm_lion_args){ __VA_ARGS__ })
#  define gm_adafactor(...) gm__adafactor(__VA_ARGS__, .size = sizeof(gm_adafactor_args))
#  define gm__adafactor(net, lr, ...) gm_adafactor_with(net, lr, &(gm_adafactor_args){ __VA_ARGS__ })
#endif
#endif
