/* recipe.h: how `gemel train` trains: what its flags say of the optimizer, the schedule, the average and the split. */
#ifndef GEMEL_RECIPE_H
#define GEMEL_RECIPE_H

#include "command.h"
#include "model.h"

typedef struct {
    int32_t epochs, batch_size, accumulate, patience;
    uint64_t seed;
    double lr, momentum, weight_decay; /* NaN: the optimizer's default */
    double clip_norm, clip_value, ema, split;
    int optimizer, schedule;
    double warmup_epochs, gamma, min_lr, power;
    int64_t step_size, milestones[32], n_milestones;
    bool nesterov, swa, keep_best;
} recipe;

/* Read the flags. False after reporting what is wrong with the command line. */
bool recipe_read(recipe *r, cli_args *args);
gm_optimizer *recipe_optimizer(const recipe *r, gm_module *net);
/* NULL without an error if the learning rate is to stay. `steps`: in an epoch. *by_steps: what it counts. */
gm_schedule *recipe_schedule(const recipe *r, int64_t steps, bool *by_steps);
/* NULL without an error if there is to be none. */
gm_average *recipe_average(const recipe *r, gm_module *net);
/* Cross entropy, with the smoothing of the recipe read last. */
gm_tensor *recipe_loss(gm_tensor *y, gm_tensor *target);
/* The part of d that is not held out (`held` false) or that is. Every part of d gives up as many examples. */
gm_dataset *recipe_split(const recipe *r, gm_dataset *d, bool held);

#endif
