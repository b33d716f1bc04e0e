/* interleave.c: several data sets, opened one after the other as elements name them, read in turn. */
#include "../math/fp.h"
#include "../base/args.h"
#include "dataset.h"

typedef struct {
    gm_interleave_fn fn;
    void *env;
    void (*free_env)(void *env);
    int32_t cycle, block;
} interleave_state;

typedef struct {
    gm_dataset *d;
    gm__stream *s;
} interleave_lane;
typedef struct {
    gm__stream s;
    const interleave_state *state;
    gm__stream *below;
    gm__pass pass;
    int64_t opened;
    int32_t at, taken;
    bool end; /* of what is below */
    interleave_lane lanes[];
} interleave_stream;

static int64_t interleave_count(const gm_dataset *d) {
    (void)d;
    return GM__UNKNOWN;
}

static void interleave_close_lane(interleave_lane *l) {
    gm__stream_close(l->s);
    gm_release(l->d);
    *l = (interleave_lane){ 0 };
}

static void interleave_close(gm__stream *stream) {
    interleave_stream *s = (interleave_stream *)stream;
    for (int32_t i = 0; i < s->state->cycle; i++) interleave_close_lane(&s->lanes[i]);
    gm__stream_close(s->below);
    gm_free(s);
}

/* The next data set into a lane that is free; its elements' random numbers are its own. */
static bool interleave_open_lane(interleave_stream *s, interleave_lane *l) {
    GM_SCOPE(scope);
    gm__item *item = gm__stream_next(s->below);
    s->end = !item;
    if (!item) return false;
    gm_pack *element = gm__item_take(item);
    gm_dataset *d = element ? s->state->fn(s->state->env, element) : NULL;
    if (!d && gm_ok())
        gm_fail(GM_ERROR_CALLBACK, "dataset_interleave: the function returned NULL for element %lld",
                (long long)s->opened);
    if (!gm__dataset_check(d, "dataset_interleave", 1)) return false;
    gm__pass pass = { s->pass.epoch, s->pass.turn * 0x100000001b3u + (uint64_t)++s->opened };
    l->d = gm_retain(d);
    l->s = gm__stream_open(d, pass);
    return l->s != NULL;
}

/* The next of the lane whose turn it is, which is closed at its end. */
static gm__item *interleave_try(interleave_stream *s) {
    interleave_lane *l = &s->lanes[s->at];
    if (!l->s && !s->end) interleave_open_lane(s, l);
    gm__item *item = l->s && gm_ok() ? gm__stream_next(l->s) : NULL;
    if (!item && l->d) interleave_close_lane(l), s->taken = 0;
    return item;
}

static void interleave_turn(interleave_stream *s) {
    s->at = (s->at + 1) % s->state->cycle;
    s->taken = 0;
}

static gm__item *interleave_next(gm__stream *stream) {
    interleave_stream *s = (interleave_stream *)stream;
    for (int32_t empty = 0; empty < s->state->cycle && gm_ok();) {
        gm__item *item = interleave_try(s);
        bool more = !s->end; /* a lane that ended makes room for another at once */
        if (item && ++s->taken == s->state->block) interleave_turn(s);
        if (item) return item;
        if (more) continue;
        interleave_turn(s);
        empty++;
    }
    return NULL;
}

static gm__stream *interleave_open(gm_dataset *d, gm__pass pass) {
    const interleave_state *state = d->state;
    interleave_stream *s = gm_alloc(sizeof *s + (size_t)state->cycle * sizeof *s->lanes);
    if (!s) return NULL;
    s->s = (gm__stream){ interleave_next, interleave_close };
    s->state = state, s->pass = pass;
    s->below = gm__stream_open(d->from[0], pass);
    if (!s->below) return gm_free(s), NULL;
    return &s->s;
}

static void interleave_free(gm_dataset *d) {
    interleave_state *s = d->state;
    if (s->free_env) s->free_env(s->env);
}

static const gm__dataset_class interleave_class = {
    .name = "interleave",
    .count = interleave_count,
    .open = interleave_open,
    .free = interleave_free,
};

gm_dataset *gm_dataset_interleave_with(gm_dataset *d, gm_interleave_fn fn, const gm_dataset_interleave_args *args) {
    gm_dataset_interleave_args a = { 0 };
    bool ok = gm_ok() && gm__args_take("dataset_interleave", &a, sizeof a, args);
    if (!a.cycle) a.cycle = 4;
    if (!a.block) a.block = 1;
    if (ok && (!fn || a.cycle < 1 || a.cycle > 1 << 16 || a.block < 1))
        ok = gm_fail(GM_ERROR_VALUE, "dataset_interleave: function %s, cycle %d, block %d", fn ? "given" : "NULL",
                     a.cycle, a.block);
    gm_dataset *i =
        ok ? gm__dataset_new(&interleave_class, "dataset_interleave", &d, 1, sizeof(interleave_state)) : NULL;
    if (i) *(interleave_state *)i->state = (interleave_state){ fn, a.env, a.free_env, a.cycle, a.block };
    else if (args && args->free_env) args->free_env(args->env);
    return i;
}
