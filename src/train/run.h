/* run.h: a training that runs, for the files of this room.
 *
 * What a checkpoint keeps is exactly what the rest of the run depends on: the net, the optimizer, the schedule, the
 * average, the random stream, the place (epoch, next batch, step), the sums of the epoch begun, and the history. */
#ifndef GM_TRAIN_RUN_H
#define GM_TRAIN_RUN_H
#include "gemel/extend.h"
#include "gemel/graph.h"
#include "gemel/train.h"

enum { FIT_LOGGED = 32, FIT_VALUES = 160 };
typedef struct { char name[56]; double sum, weight; } gm__fit_logged;

/* A pass: over the training data of an epoch, or over the validation data. */
typedef struct {
    double loss;
    int64_t right, count;
    bool labels;
    int32_t n_logged;
    double batch; /* examples in the batch at hand */
    gm__fit_logged logged[FIT_LOGGED];
    gm_pack *recorded; /* while a step is recorded: where logged tensors go, and of which part of the batch they are */
    int64_t part;
} gm__fit_sums;

/* What a pass in evaluation mode runs for each batch: the step, or net and loss, or (neither) the net alone. */
typedef struct {
    gm_module *net;
    gm_loss_fn loss;
    gm_step_fn step;
    void *env;
    gm_fn *program; /* the same, compiled; NULL if it is not */
} gm__evaluation;

typedef struct {
    gm_module *net;
    const gm_fit_args *a;
    gm_optimizer *optimizer;
    gm_loader *loader;
    gm_history *history;
    gm_fn *program;              /* the compiled step, NULL if it is not */
    gm__evaluation evaluation;   /* of the validation data */
    gm_events *events;
    gm_csv_log *csv;
    gm_json_log *json;
    gm_progress *progress;
    const char *monitor;
    gm_pack *best;               /* copies of the best epoch's state dict, for keep_best */
    int64_t epoch, batch, step;  /* the next ones */
    int64_t saved_step;          /* of the last checkpoint, -1 for none */
    double lr;                   /* of the last step: the schedule has gone on since */
    bool stop;                   /* a callback said so, or patience is over */
    gm__fit_sums sums, validation;
    gm_log_value values[FIT_VALUES];
    char names[FIT_VALUES][72];
    int64_t n_values;
} gm__fit_run;

/* ---- step.c ---- */

/* The whole step of a batch; its loss. */
bool gm__fit_step(gm__fit_run *r, gm_batch *b, double *loss);
/* From now on steps and validations are programs. */
bool gm__fit_compile(gm__fit_run *r);
/* What programs give: tensors of parts of a batch, by name; those that a step logged go to the sums. */
bool gm__results_set(gm_pack *p, const char *name, int64_t part, gm_tensor *t);
gm_tensor *gm__results_get(gm_pack *p, const char *name, int64_t part);
bool gm__results_log(const gm_batch *b, gm_pack *results, int64_t part);

/* ---- modes.c: the training mode of every module of a net ---- */

typedef struct { gm_module *m; bool on; } gm__mode;
typedef struct { gm__mode *at; int64_t n, capacity; } gm__modes;
/* Note the modes and switch all. gm__modes_back works while an error is pending. */
bool gm__modes_switch(gm__modes *modes, gm_module *net, bool on);
void gm__modes_back(gm__modes *modes);

/* ---- evaluate.c: passes ---- */

/* Add a batch to the sums and the metrics; y may be NULL (no accuracy, no metrics). */
bool gm__fit_count(gm__fit_sums *s, gm_metric *const *metrics, gm_tensor *y, const gm_batch *b, double loss);
gm_metrics gm__fit_metrics(const gm__fit_sums *s);
int64_t gm__fit_batch_size(const gm_pack *all);
/* What the net gives for a batch: of x, with its lengths if there are some and the net takes them; of all entries where
 * it takes packs only. Of a pack, the first result. */
gm_tensor *gm__fit_output(gm_module *net, const gm_batch *b);
/* One pass in evaluation mode. */
bool gm__fit_evaluate(gm__evaluation *e, gm_dataset *d, const gm_evaluate_args *a, gm__fit_sums *s);
bool gm__evaluation_compile(gm__evaluation *e);
/* True once after gm_interrupt. */
bool gm__fit_interrupted(void);

/* ---- checkpoint.c ---- */

bool gm__checkpoint_check(const gm_fit_args *a);
bool gm__checkpoint_save(gm__fit_run *r);
bool gm__checkpoint_save_best(const gm__fit_run *r);
/* Go on from the last checkpoint if there is one. */
bool gm__checkpoint_resume(gm__fit_run *r);
/* DIR/NAME into `path`. */
bool gm__checkpoint_path(const gm_fit_args *a, const char *name, char *path, size_t bytes);

/* ---- logs.c ---- */

bool gm__logs_open(gm__fit_run *r);
/* Add the numbers of a pass, those of the metrics included, to r->values, with "" or "val_" in front. */
void gm__logs_values(gm__fit_run *r, const char *front, const gm_metrics *m, const gm__fit_sums *s);
void gm__logs_value(gm__fit_run *r, const char *name, double value);
bool gm__logs_write(gm__fit_run *r, const gm_epoch *e);
void gm__logs_close(gm__fit_run *r);

/* ---- history.c ---- */

bool gm__history_save(const gm_history *h, gm_pack *p);
/* A new history with what the pack has; and its exchange with another, which cannot fail. */
gm_history *gm__history_read(gm_pack *p);
void gm__history_swap(gm_history *a, gm_history *b);

#endif
