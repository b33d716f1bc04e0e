/* program.c: programs: which plan runs now.
 *
 * A program that is called a second time is worth a compiler's time: its loops are built in the background, and once
 * they are there a plan with them takes the place of the one without. The bits are the same, so that may happen between
 * any two calls, while others still run on the old one. One caller at a time works on it; nobody waits for that. */
#include "../math/fp.h"
#include "program.h"
#include "fuse.h"
#include "../base/object.h"
#include "gemel/extend.h"

#include <pthread.h>
#include <time.h>

struct gm__program {
    gm_object o;
    pthread_mutex_t lock;  /* of all below */
    pthread_cond_t worked;
    gm__plan *plan;
    gm_graph *graph;  /* until its loops are asked for */
    gm_graph *fused;  /* with emitted loops, while they are being built; else NULL */
    gm__build *build; /* theirs */
    int64_t runs, running, most, n_draws;
    double seconds;
    bool built;       /* the plan has them */
    bool working;     /* somebody prepares the next plan */
};

static void program_destroy(void *object) {
    gm__program *p = object;
    gm_release(p->plan);
    gm_release(p->graph);
    gm_release(p->fused);
    gm_release(p->build);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->worked);
}

static const gm_type program_type = { "program", sizeof(gm__program), program_destroy };

gm__program *gm__program_new(gm_graph *g) {
    gm_scope s = gm_scope_open();
    gm__program *p = g ? gm_object_new(&program_type) : NULL;
    if (!p) return gm_return(&s, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->worked, NULL);
    p->plan = gm_retain(gm__plan_new(g));
    p->graph = gm_retain(g);
    p->n_draws = g->n_draws;
    return gm_return(&s, p->plan ? p : NULL);
}

static double program_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- work: by one thread, without the lock; graph, fused and build are its own meanwhile ---- */

static void program_start(gm__program *p) {
    gm_scope s = gm_scope_open();
    gm__build *build = NULL;
    gm_graph *fused = gm__fuse(p->graph, &build);
    if (fused) p->fused = gm_retain(fused), p->build = gm_retain(build);
    gm_scope_close(&s);
    gm_release(p->graph);
    p->graph = NULL;
}

/* The plan with loops, counted for the caller; NULL if there are none. */
static gm__plan *program_finish(gm__program *p) {
    gm_scope s = gm_scope_open();
    bool ready = gm__build_state(p->build) == GM__BUILD_READY && gm__fuse_link(p->fused, p->build);
    gm__plan *plan = ready ? gm_retain(gm__plan_new(p->fused)) : NULL;
    gm_scope_close(&s);
    gm_release(p->fused);
    gm_release(p->build);
    p->fused = NULL, p->build = NULL;
    return plan;
}

/* Under the lock, by whom `working` was set: what there is to do now, done; `wait`: for the compiler, too. */
static void program_work(gm__program *p, bool wait) {
    gm__plan *next = NULL, *before = NULL;
    pthread_mutex_unlock(&p->lock);
    double begin = program_seconds();
    if (p->graph) program_start(p);
    if (p->build && wait) gm__build_wait(p->build);
    if (p->build && gm__build_state(p->build) != GM__BUILD_PENDING) next = program_finish(p);
    double seconds = program_seconds() - begin;
    pthread_mutex_lock(&p->lock);
    if (next) before = p->plan, p->plan = next, p->built = true;
    if (!wait) p->seconds += seconds;
    p->working = false;
    pthread_cond_broadcast(&p->worked);
    pthread_mutex_unlock(&p->lock);
    gm_release(before);
    pthread_mutex_lock(&p->lock);
}

static bool program_has_work(const gm__program *p) {
    if (p->working) return false;
    return (p->graph && p->runs > 1) || (p->build && gm__build_state(p->build) != GM__BUILD_PENDING);
}

/* The plan for a run that begins, counted. */
static gm__plan *program_begin(gm__program *p) {
    pthread_mutex_lock(&p->lock);
    p->runs++;
    if (++p->running > p->most) p->most = p->running;
    if (program_has_work(p)) {
        p->working = true;
        program_work(p, false);
    }
    gm__plan *plan = gm_retain(p->plan);
    pthread_mutex_unlock(&p->lock);
    return plan;
}

bool gm__program_run_at(gm__program *p, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first,
                        gm__cut *cut) {
    gm__plan *plan = program_begin(p);
    bool ok = gm_ok() && gm__plan_run_at(plan, in, out, seed, first, cut);
    pthread_mutex_lock(&p->lock);
    p->running--;
    pthread_mutex_unlock(&p->lock);
    gm_release(plan);
    return ok;
}

int64_t gm__program_draws(const gm__program *p) { return p->n_draws; }

bool gm__program_wait(gm__program *p) {
    pthread_mutex_lock(&p->lock);
    while (p->working) pthread_cond_wait(&p->worked, &p->lock);
    if (p->graph || p->build) {
        p->working = true;
        program_work(p, true);
    }
    bool built = p->built;
    pthread_mutex_unlock(&p->lock);
    return built;
}

gm__program_stats gm__program_statistics(gm__program *p) {
    pthread_mutex_lock(&p->lock);
    gm__program_stats s = { gm__plan_statistics(p->plan), p->most, p->runs, p->seconds, p->built };
    pthread_mutex_unlock(&p->lock);
    return s;
}
