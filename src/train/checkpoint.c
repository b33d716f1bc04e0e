/* checkpoint.c: a run in a file, and going on from it.
 *
 * last.safetensors holds, by the front of their names: "net." the state dict, "optimizer." its state, "average.",
 * "schedule", "random" the default stream, "fit.at" the place, "fit.settings" what must be the same, "fit.sums" and
 * "logged." and "metric." the sums of the epoch begun, "history." the numbers of all epochs. No time, no path. Saving
 * replaces the file in one step; best.safetensors is written before it, so that it is never older. */
#include "../math/fp.h"
#include "run.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"
#include "gemel/formats.h"
#include "gemel/ops.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECKPOINT_VERSION = 1, CHECKPOINT_PLACES = 4, CHECKPOINT_SETTINGS = 6 };

bool gm__checkpoint_path(const gm_fit_args *a, const char *name, char *path, size_t bytes) {
    int n = snprintf(path, bytes, "%s/%s", a->checkpoint_dir, name);
    return (n > 0 && (size_t)n < bytes) || gm_fail(GM_ERROR_VALUE, "fit: checkpoint_dir is too long");
}

static bool checkpoint_make_dir(const char *dir) {
    char part[4096];
    size_t n = strlen(dir);
    if (n >= sizeof part) return gm_fail(GM_ERROR_VALUE, "fit: checkpoint_dir is too long");
    for (size_t i = 1; i <= n; i++) {
        if (dir[i] != '/' && dir[i]) continue;
        snprintf(part, sizeof part, "%.*s", (int)i, dir);
        if (mkdir(part, 0777) && errno != EEXIST && (i == n || errno != EISDIR))
            return gm_fail(GM_ERROR_IO, "fit: cannot make the directory %s: %s", part, strerror(errno));
    }
    struct stat st;
    if (stat(dir, &st) || !S_ISDIR(st.st_mode))
        return gm_fail(GM_ERROR_IO, "fit: cannot make the directory %s: a file of that name is in the way", dir);
    if (access(dir, W_OK | X_OK))
        return gm_fail(GM_ERROR_IO, "fit: cannot write to the directory %s: %s", dir, strerror(errno));
    return true;
}

bool gm__checkpoint_check(const gm_fit_args *a) {
    if (!a->checkpoint_dir)
        return !a->resume || gm_fail(GM_ERROR_VALUE, "fit: resume needs a checkpoint_dir");
    if (!*a->checkpoint_dir || a->checkpoint_steps < 0)
        return gm_fail(GM_ERROR_VALUE, "fit: checkpoint_dir \"%s\", checkpoint_steps %lld", a->checkpoint_dir,
                       (long long)a->checkpoint_steps);
    return checkpoint_make_dir(a->checkpoint_dir);
}

/* ---- saving ---- */

static bool checkpoint_put_all(gm_pack *to, const char *front, gm_pack *from) {
    char path[1500];
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(from); i++) {
        snprintf(path, sizeof path, "%s%s", front, gm_pack_name(from, i));
        gm_pack_set(to, path, gm_pack_at(from, i));
    }
    return gm_ok();
}

static void checkpoint_settings(const gm__fit_run *r, int64_t *s) {
    const gm_fit_args *a = r->a;
    int64_t now[CHECKPOINT_SETTINGS] = { a->batch_size, a->accumulate, a->in_order != 0, (int64_t)a->seed,
                                         a->epoch_steps, gm_loader_count(r->loader) };
    memcpy(s, now, sizeof now);
}

static void checkpoint_put_sums(const gm__fit_run *r, gm_pack *p) {
    const gm__fit_sums *s = &r->sums;
    double sums[5] = { s->loss, (double)s->right, (double)s->count, s->labels, r->lr };
    gm_pack_set(p, "fit.sums", gm_from_data(GM_SHAPE(5), GM_F64, sums));
    for (int i = 0; i < s->n_logged; i++) {
        char name[80];
        double pair[2] = { s->logged[i].sum, s->logged[i].weight };
        snprintf(name, sizeof name, "logged.%s", s->logged[i].name);
        gm_pack_set(p, name, gm_from_data(GM_SHAPE(2), GM_F64, pair));
    }
    for (int i = 0; r->a->metrics && r->a->metrics[i]; i++) {
        char name[96];
        snprintf(name, sizeof name, "metric.%d", i);
        gm_pack_set(p, name, gm_metric_state(r->a->metrics[i]));
    }
}

static gm_pack *checkpoint_pack(const gm__fit_run *r) {
    gm_pack *p = gm_pack_new();
    int64_t at[CHECKPOINT_PLACES] = { CHECKPOINT_VERSION, r->epoch, r->batch, r->step }, settings[CHECKPOINT_SETTINGS];
    uint64_t random[2];
    gm_random_state(&random[0], &random[1]);
    checkpoint_settings(r, settings);
    checkpoint_put_all(p, "net.", gm_state_dict(r->net));
    checkpoint_put_all(p, "optimizer.", gm_optimizer_state(r->optimizer));
    if (r->a->average) checkpoint_put_all(p, "average.", gm_average_state(r->a->average));
    if (r->a->schedule) gm_pack_set(p, "schedule", gm_schedule_state(r->a->schedule));
    gm_pack_set(p, "random", gm_from_data(GM_SHAPE(2), GM_U64, random));
    gm_pack_set(p, "fit.at", gm_from_data(GM_SHAPE(CHECKPOINT_PLACES), GM_I64, at));
    gm_pack_set(p, "fit.settings", gm_from_data(GM_SHAPE(CHECKPOINT_SETTINGS), GM_I64, settings));
    checkpoint_put_sums(r, p);
    gm__history_save(r->history, p);
    return gm_ok() ? p : NULL;
}

bool gm__checkpoint_save(gm__fit_run *r) {
    char path[4200];
    if (!r->a->checkpoint_dir || !gm_ok()) return gm_ok();
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_pack *p = checkpoint_pack(r);
    if (!p || !gm__checkpoint_path(r->a, "last.safetensors", path, sizeof path)) return false;
    if (!gm_save_safetensors(p, r->a->metadata, path)) return false;
    r->saved_step = r->step;
    return true;
}

bool gm__checkpoint_save_best(const gm__fit_run *r) {
    char path[4200];
    if (!r->a->checkpoint_dir || !gm_ok()) return gm_ok();
    GM_SCOPE(s);
    return gm__checkpoint_path(r->a, "best.safetensors", path, sizeof path) &&
           gm_save_safetensors(gm_state_dict(r->net), r->a->metadata, path);
}

/* ---- reading ---- */

/* A tensor of `n` elements of this dtype; NULL and FORMAT if the file has none. */
static const void *checkpoint_get(gm_pack *p, const char *path, const char *name, gm_dtype dtype, int64_t n) {
    gm_tensor *t = gm_ok() && gm_pack_has(p, name) ? gm_get(p, name) : NULL;
    if (t && gm_dtype_of(t) == dtype && gm_count(t) == n) return gm_data(gm_contiguous(t));
    if (gm_ok())
        gm_fail(GM_ERROR_FORMAT, "fit: %s: no checkpoint: \"%s\" is not there or not as it should be", path, name);
    return NULL;
}

/* The entries whose names begin with `front`, without it. */
static gm_pack *checkpoint_take(gm_pack *p, const char *front) {
    gm_pack *part = gm_pack_new();
    size_t n = strlen(front);
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(p); i++)
        if (!strncmp(gm_pack_name(p, i), front, n)) gm_pack_set(part, gm_pack_name(p, i) + n, gm_pack_at(p, i));
    return part;
}

static bool checkpoint_same_settings(const gm__fit_run *r, const char *path, const int64_t *had) {
    static const char *const names[CHECKPOINT_SETTINGS] = { "batch_size", "accumulate", "in_order",
                                                            "seed",       "epoch_steps", "the number of batches" };
    int64_t now[CHECKPOINT_SETTINGS];
    checkpoint_settings(r, now);
    for (int i = 0; i < CHECKPOINT_SETTINGS; i++)
        if (now[i] != had[i])
            return gm_fail(GM_ERROR_STATE, "fit: cannot go on from %s: %s was %lld there, now it is %lld", path,
                           names[i], (long long)had[i], (long long)now[i]);
    return true;
}

/* What only one of the two runs has would change the bits. */
static bool checkpoint_same_parts(const gm__fit_run *r, gm_pack *p, const char *path) {
    const struct { const char *entry, *name; bool wanted; } parts[] = {
        { "schedule", "a schedule", r->a->schedule != NULL },
        { "average.updates", "an average", r->a->average != NULL },
    };
    for (int i = 0; i < 2; i++) {
        if (gm_pack_has(p, parts[i].entry) == parts[i].wanted) continue;
        return gm_fail(GM_ERROR_STATE, "fit: cannot go on from %s: it was saved with%s %s, this run has %s", path,
                       parts[i].wanted ? "out" : "", parts[i].name, parts[i].wanted ? "one" : "none");
    }
    return gm_ok();
}

/* ---- looking at all of it before anything is changed: a checkpoint that is refused leaves the run as it was ---- */

typedef struct {
    gm__fit_run *r;
    gm_pack *p, *net, *optimizer, *average, *best; /* the file and its parts */
    const char *path;
    gm__fit_sums sums;
    gm_history *history;
    const int64_t *at;
    const uint64_t *random;
    double lr;
} checkpoint_file;

/* What the parts' own functions would refuse, which load at once: a state as `front` of the file has it. */
static bool checkpoint_fits(const char *front, gm_pack *own, gm_pack *values) {
    char want[200], got[200];
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(own); i++) {
        const char *name = gm_pack_name(own, i);
        if (!gm_pack_has(values, name)) return gm_fail(GM_ERROR_INDEX, "fit: \"%s%s\" is missing", front, name);
        gm_tensor *value = gm_get(values, name);
        gm_shape there = gm_shape_of(value), here = gm_shape_of(gm_pack_at(own, i));
        if (gm_ok() && !gm_shape_equal(there, here))
            return gm_fail(GM_ERROR_SHAPE, "fit: \"%s%s\" is %s, this run has %s", front, name,
                           gm_shape_text(there, got, sizeof got), gm_shape_text(here, want, sizeof want));
        if (gm_ok() && !gm_is_float(gm_dtype_of(value)))
            return gm_fail(GM_ERROR_DTYPE, "fit: \"%s%s\" is %s, states are floats", front, name,
                           gm_dtype_name(gm_dtype_of(value)));
    }
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(values); i++)
        if (!gm_pack_has(own, gm_pack_name(values, i)))
            return gm_fail(GM_ERROR_INDEX, "fit: \"%s%s\" is no part of this run", front, gm_pack_name(values, i));
    return gm_ok();
}

static bool checkpoint_look_at_place(checkpoint_file *f) {
    f->at = checkpoint_get(f->p, f->path, "fit.at", GM_I64, CHECKPOINT_PLACES);
    f->random = checkpoint_get(f->p, f->path, "random", GM_U64, 2);
    const int64_t *settings = checkpoint_get(f->p, f->path, "fit.settings", GM_I64, CHECKPOINT_SETTINGS);
    if (!gm_ok()) return false;
    if (f->at[0] != CHECKPOINT_VERSION)
        return gm_fail(GM_ERROR_UNSUPPORTED, "fit: %s is a checkpoint of version %lld, this is version %d", f->path,
                       (long long)f->at[0], CHECKPOINT_VERSION);
    if (f->at[1] < 0 || f->at[2] < 0 || f->at[3] < 0)
        return gm_fail(GM_ERROR_FORMAT, "fit: %s: epoch %lld, batch %lld, step %lld", f->path, (long long)f->at[1],
                       (long long)f->at[2], (long long)f->at[3]);
    return checkpoint_same_settings(f->r, f->path, settings) && checkpoint_same_parts(f->r, f->p, f->path);
}

static bool checkpoint_look_at_metrics(const checkpoint_file *f) {
    gm_metric *const *metrics = f->r->a->metrics;
    for (int i = 0; gm_ok() && metrics && metrics[i]; i++) {
        char name[32];
        snprintf(name, sizeof name, "metric.%d", i);
        if (!gm_pack_has(f->p, name))
            return gm_fail(GM_ERROR_STATE, "fit: cannot go on from %s: it was saved with %d metrics, this run has more",
                           f->path, i);
        gm_tensor *t = gm_get(f->p, name);
        if (gm_ok() && gm_n_dims(t) != 1) return gm_fail(GM_ERROR_FORMAT, "fit: %s: \"%s\" is no list", f->path, name);
        checkpoint_get(f->p, f->path, name, GM_F64, gm_count(t));
    }
    return gm_ok();
}

static bool checkpoint_look_at_sums(checkpoint_file *f) {
    const double *sums = checkpoint_get(f->p, f->path, "fit.sums", GM_F64, 5);
    if (!sums) return false;
    gm__fit_sums *s = &f->sums;
    s->loss = sums[0], s->right = (int64_t)sums[1], s->count = (int64_t)sums[2], s->labels = sums[3] != 0;
    f->lr = sums[4];
    gm_pack *logged = checkpoint_take(f->p, "logged.");
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(logged) && i < FIT_LOGGED; i++) {
        const double *pair = checkpoint_get(logged, f->path, gm_pack_name(logged, i), GM_F64, 2);
        if (!pair) return false;
        gm__fit_logged *l = &s->logged[s->n_logged++];
        snprintf(l->name, sizeof l->name, "%s", gm_pack_name(logged, i));
        l->sum = pair[0], l->weight = pair[1];
    }
    return checkpoint_look_at_metrics(f);
}

/* What keep_best goes back to. */
static bool checkpoint_look_at_best(checkpoint_file *f) {
    char path[4200];
    struct stat st;
    if (!f->r->a->keep_best || !gm__checkpoint_path(f->r->a, "best.safetensors", path, sizeof path) || stat(path, &st))
        return gm_ok();
    int64_t where = gm_where_push(path);
    f->best = gm_load_safetensors(path, .copy = 1);
    if (f->best) gm_load_state_dict(f->r->net, f->best, .check = 1);
    gm_where_pop(where);
    return gm_ok();
}

static bool checkpoint_look(checkpoint_file *f) {
    const gm__fit_run *r = f->r;
    if (!checkpoint_look_at_place(f) || !checkpoint_look_at_sums(f)) return false;
    f->net = checkpoint_take(f->p, "net.");
    f->optimizer = checkpoint_take(f->p, "optimizer.");
    f->average = r->a->average ? checkpoint_take(f->p, "average.") : NULL;
    int64_t where = gm_where_push(f->path); /* messages of another net or optimizer name the file */
    gm_load_state_dict(r->net, f->net, .check = 1);
    checkpoint_fits("optimizer.", gm_optimizer_state(r->optimizer), f->optimizer);
    if (f->average) checkpoint_fits("average.", gm_average_state(r->a->average), f->average);
    f->history = gm__history_read(f->p);
    gm_where_pop(where);
    if (r->a->schedule)
        checkpoint_get(f->p, f->path, "schedule", GM_F64, gm_count(gm_schedule_state(r->a->schedule)));
    return gm_ok() && checkpoint_look_at_best(f);
}

/* ---- going on ---- */

static bool checkpoint_load(checkpoint_file *f) {
    gm__fit_run *r = f->r;
    gm_load_state_dict(r->net, f->net);
    gm_load_optimizer_state(r->optimizer, f->optimizer);
    if (f->average) gm_load_average_state(r->a->average, f->average);
    if (r->a->schedule) gm_load_schedule_state(r->a->schedule, gm_get(f->p, "schedule"));
    for (int i = 0; gm_ok() && r->a->metrics && r->a->metrics[i]; i++) {
        char name[32];
        snprintf(name, sizeof name, "metric.%d", i);
        gm_load_metric_state(r->a->metrics[i], gm_get(f->p, name));
    }
    if (!gm_ok()) return false;
    gm__history_swap(r->history, f->history);
    r->epoch = f->at[1], r->batch = f->at[2], r->step = r->saved_step = f->at[3];
    r->sums = f->sums, r->lr = f->lr;
    gm_release(r->best);
    r->best = gm_retain(f->best);
    gm_set_random_state(f->random[0], f->random[1]);
    return true;
}

bool gm__checkpoint_resume(gm__fit_run *r) {
    char path[4200];
    struct stat st;
    if (!r->a->resume || !gm__checkpoint_path(r->a, "last.safetensors", path, sizeof path)) return gm_ok();
    if (stat(path, &st)) {
        if (errno == ENOENT) return true; /* a first start with .resume */
        return gm_fail(GM_ERROR_IO, "fit: cannot read %s: %s", path, strerror(errno));
    }
    GM_SCOPE(s);
    GM_NO_GRAD;
    checkpoint_file f = { .r = r, .p = gm_load_safetensors(path, .copy = 1), .path = path };
    return f.p && checkpoint_look(&f) && checkpoint_load(&f);
}
