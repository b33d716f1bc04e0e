/* process.h: one program at a time, run to its end or to its time limit. */
#ifndef GM_COMPILE_PROCESS_H
#define GM_COMPILE_PROCESS_H
#include <stdbool.h>
#include <stddef.h>

enum { GM__PROCESS_OUTPUT = 4096 };
/* How it went: `what` is "" for exit status 0, else "exit status 1", "killed by signal 11", "stopped after 60 s" ...;
 * `output` is the first bytes of what it printed, on either stream; more is read and forgotten. */
typedef struct { char what[128], output[GM__PROCESS_OUTPUT]; size_t n; bool started, late; } gm__process;

/* Runs argv[0], a path, with nothing to read, in a process group of its own, which is killed after `seconds`. To be
 * called from one thread only, whose signals are blocked. True for exit status 0. */
bool gm__process_run(gm__process *p, char *const *argv, char *const *env, double seconds);
/* At the end of this process: kills what runs, and whatever would be started. */
void gm__process_stop(void);
bool gm__process_stopped(void);
/* In a child of fork: what runs is the parent's. */
void gm__process_forget(void);

#endif
