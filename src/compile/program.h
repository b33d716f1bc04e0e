/* program.h: a plan that becomes a faster one: the library's kernels at first, emitted loops as soon as they are built.
 */
#ifndef GM_COMPILE_PROGRAM_H
#define GM_COMPILE_PROGRAM_H

#include "plan.h"

typedef struct gm__program gm__program;

/* Of g, which has been through gm__optimize. Counted; owned by the scope. */
gm__program *gm__program_new(gm_graph *g);
/* Runs it in the calling thread; any number may at once. As gm__plan_run_at. */
bool gm__program_run_at(gm__program *p, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first,
                        gm__cut *cut);
/* Places in the random stream that a run takes. */
int64_t gm__program_draws(const gm__program *p);
/* Builds the loops now and waits for them. False if it has none afterwards. */
bool gm__program_wait(gm__program *p);
/* at_once: runs at the same time, at most so far. */
typedef struct { gm__plan_stats plan; int64_t at_once, runs; double seconds; bool built; } gm__program_stats;
gm__program_stats gm__program_statistics(gm__program *p);

#endif
