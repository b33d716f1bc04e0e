/* gemel/schedule.h: schedules of the learning rate.
 *
 * A schedule is a factor of the initial learning rate of each group, as a function of a count t = 0, 1, 2 ... of epochs
 * or steps, whichever the caller counts. Formulas: docs/numerics/optim.md. New schedules belong to the innermost scope.
 */
#ifndef GEMEL_SCHEDULE_H
#define GEMEL_SCHEDULE_H

#include "optim.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gm_schedule gm_schedule;

/* gamma after every `every` counts: gamma^floor(t / every). gamma in (0, 1] is usual; any positive number is taken. */
GM_API gm_schedule *gm_schedule_step(int64_t every, double gamma);
/* gamma after each of the n milestones, which ascend. */
GM_API gm_schedule *gm_schedule_multistep(const int64_t *milestones, int64_t n, double gamma);
/* gamma^t. */
GM_API gm_schedule *gm_schedule_exponential(double gamma);
/* (1 - t / total)^power, and 0 from `total` on. */
GM_API gm_schedule *gm_schedule_polynomial(int64_t total, double power);

/* Half a cosine from 1 to `least` over `period` counts, which stays; with `restarts` it begins again, each period
 * `grow` times as long as the last (default 1) (Loshchilov and Hutter 2017). */
typedef struct { size_t size; double least; int64_t grow; int32_t restarts, reserved; } gm_schedule_cosine_args;
GM_API gm_schedule *gm_schedule_cosine_with(int64_t period, const gm_schedule_cosine_args *args);

/* From 1 / div up to 1 over the part `warm` of `total` counts, then down to 1 / (div final_div) (Smith and Topin 2018).
 * Defaults: warm 0.3, div 25, final_div 1e4, half cosines; `linear`: straight lines. */
typedef struct {
    size_t size;
    double warm, div, final_div;
    int32_t linear, reserved;
} gm_schedule_one_cycle_args;
GM_API gm_schedule *gm_schedule_one_cycle_with(int64_t total, const gm_schedule_one_cycle_args *args);

/* From `start` (0 to 1) in a straight line to 1 over `counts`, then `then` (NULL: 1) with its own t from 0. */
GM_API gm_schedule *gm_schedule_warmup(int64_t counts, double start, gm_schedule *then);

/* Times `factor` (default 0.1) when the number given to gm_schedule_advance has not improved for more than `patience`
 * counts (default 10). An improvement is by more than the part `threshold` (default 1e-4) of the best; larger is better
 * with `maximize`. After a change it waits `cooldown` counts. Never below `least`. */
typedef struct {
    size_t size;
    double factor, least;
    gm_real threshold;
    gm_int patience;
    int64_t cooldown;
    int32_t maximize, reserved;
} gm_schedule_plateau_args;
GM_API gm_schedule *gm_schedule_plateau_with(const gm_schedule_plateau_args *args);

/* The factor at t. A plateau's and what is behind it is what it has come to. NaN after an error. */
GM_API double gm_schedule_at(const gm_schedule *s, int64_t t);
/* Set the optimizer's learning rates for the present count, which is 0 at first: once before training. */
GM_API bool gm_schedule_apply(gm_schedule *s, gm_optimizer *optimizer);
/* Count one up and apply. `measure` is for plateaus (a validation loss, for instance); others do not look at it. */
GM_API bool gm_schedule_advance(gm_schedule *s, gm_optimizer *optimizer, double measure);
/* True if it, or what follows its warm-up, is a plateau. */
GM_API bool gm_schedule_wants_measure(const gm_schedule *s);
/* What it depends on: f64 [6], the schedule's own, not a copy; and copying one into it. Errors: SHAPE, DTYPE. */
GM_API gm_tensor *gm_schedule_state(gm_schedule *s);
GM_API bool gm_load_schedule_state(gm_schedule *s, gm_tensor *state);

#ifdef __cplusplus
}
#else
#  define gm_schedule_cosine(...) gm__schedule_cosine(__VA_ARGS__, .size = sizeof(gm_schedule_cosine_args))
#  define gm__schedule_cosine(period, ...)                                                                             \
      gm_schedule_cosine_with(period, &(gm_schedule_cosine_args){ __VA_ARGS__ })
#  define gm_schedule_one_cycle(...) gm__schedule_one_cycle(__VA_ARGS__, .size = sizeof(gm_schedule_one_cycle_args))
#  define gm__schedule_one_cycle(total, ...)                                                                           \
      gm_schedule_one_cycle_with(total, &(gm_schedule_one_cycle_args){ __VA_ARGS__ })
#  define gm_schedule_plateau(...)                                                                                     \
      gm_schedule_plateau_with(&(gm_schedule_plateau_args){ .size = sizeof(gm_schedule_plateau_args), __VA_ARGS__ })
#endif
#endif
