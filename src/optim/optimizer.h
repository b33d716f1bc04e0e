/* optimizer.h: the inside of an optimizer, for the files of this room.
 *
 * A slot is a parameter with its states and its group; `step` is f64 [1 + n_power]: the count of its steps, then the
 * running products. A group is a row of 0-d f64 tensors, one per hyper-parameter of the class and one more, the
 * learning rate that schedules start from. */
#ifndef GM_OPTIM_OPTIMIZER_H
#define GM_OPTIM_OPTIMIZER_H
#include "gemel/extend.h"
#include "gemel/optim.h"

enum { OPTIM_MAX_POWERS = 2, OPTIM_MAX_GROUPS = 64, OPTIM_MAX_LEVELS = 32 };

typedef struct {
    char *name;
    gm_tensor *p, *step, *state[GM_OPTIMIZER_MAX_STATES];
    gm_tensor *ready;                   /* during a step: the gradient, contiguous; else NULL */
    gm_tensor *rows;                    /* the numbers of the rows that `ready` consists of; NULL: of all */
    bool lazy;
    gm_tensor *aside[OPTIM_MAX_LEVELS]; /* gm_accumulate: finished subtrees of 2^i parts */
    int64_t group;
} gm__optim_slot;

typedef struct { gm_tensor *hyper[GM_OPTIMIZER_MAX_HYPERS + 1]; } gm__optim_group;

struct gm_optimizer {
    gm_object o;
    gm_optimizer_class class;
    int32_t n_hyper, n_state, n_power;
    int32_t power[OPTIM_MAX_POWERS]; /* which hyper-parameters have one */
    int64_t n, n_groups;
    int64_t parts; /* put aside */
    gm__optim_slot *slots;
    gm__optim_group *groups; /* OPTIM_MAX_GROUPS of them */
    gm_tensor *steps; /* 0-d f64: how often gm_step has been called */
};

/* True if o is a live optimizer and no error is pending. */
bool gm__optim_check(const gm_optimizer *o, const char *op);
/* True if the pattern (gm_optimizer_group) covers the name. */
bool gm__optim_matches(const char *pattern, const char *name);
/* Whether a step may visit only rows with a gradient, and such a step of a slot with `rows`. */
bool gm__optim_takes_rows(const gm_optimizer *o, const gm__optim_slot *slot, const double *hyper);
/* One parameter's step: the count and the powers in `step` go on, then the class's update. g is contiguous. */
bool gm__optim_step_one(const gm_optimizer *o, gm_tensor *p, gm_tensor *g, gm_tensor *step, gm_tensor *const *state,
                        const double *hyper);
/* record.c: the step as nodes of the recording that is open. */
bool gm__optim_record(gm_optimizer *o);
bool gm__optim_update_rows(const gm_optimizer *o, const gm__optim_slot *slot, gm_optimizer_step step);

#endif
