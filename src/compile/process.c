/* process.c: posix_spawn, a pipe for what is printed, and a clock.
 *
 * A process is reaped by whoever takes its number out of `process_running`, so that no signal is ever sent to a number
 * that may have become another process: the thread that waits looks with WNOWAIT, takes the number, then reaps; at exit
 * gm__process_stop takes the number, kills, and leaves the reaping to the system. */
#include "../math/fp.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__APPLE__)
#  define pipe2(ends, flags) pipe(ends)
#endif

static _Atomic pid_t process_running;
static atomic_bool process_stopping;

static double process_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void process_kill(void) {
    pid_t pid = atomic_exchange(&process_running, 0);
    if (pid > 0) kill(-pid, SIGKILL);
}

void gm__process_stop(void) {
    atomic_store(&process_stopping, true);
    process_kill();
}

bool gm__process_stopped(void) { return atomic_load(&process_stopping); }

void gm__process_forget(void) { atomic_store(&process_running, 0); }

static int process_spawn(pid_t *pid, char *const *argv, char *const *env, int out) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&files)) return ENOMEM;
    if (posix_spawnattr_init(&how)) return posix_spawn_file_actions_destroy(&files), ENOMEM;
    int error = posix_spawn_file_actions_adddup2(&files, out, 2); /* first: `out` may be 0 or 1 */
    if (!error) error = posix_spawn_file_actions_adddup2(&files, 2, 1);
    if (!error) error = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#  if __GLIBC_PREREQ(2, 34)
    if (!error) error = posix_spawn_file_actions_addclosefrom_np(&files, 3);
#  endif
#endif
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!error) error = posix_spawn(pid, argv[0], &files, &how, argv, env);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/* Takes what is in the pipe, at most one buffer of it; false at its end. */
static bool process_drain(gm__process *p, int fd) {
    char rest[4096];
    size_t room = sizeof p->output - 1 - p->n;
    ssize_t got = read(fd, room ? p->output + p->n : rest, room ? room : sizeof rest);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    if (room) p->n += (size_t)got;
    return true;
}

/* Until `pid` has ended. Its end closes the pipe, unless something it has started lives on. */
static void process_watch(gm__process *p, pid_t pid, int fd, double until) {
    bool is_open = true;
    for (siginfo_t end;;) {
        struct pollfd in = { .fd = fd, .events = POLLIN };
        if (poll(&in, is_open, is_open ? 20 : 1) > 0) is_open = process_drain(p, fd);
        memset(&end, 0, sizeof end);
        if (waitid(P_PID, (id_t)pid, &end, WEXITED | WNOHANG | WNOWAIT) ? errno != EINTR : end.si_pid != 0) break;
        if (!p->late && process_clock() > until) {
            p->late = true;
            kill(-pid, SIGKILL);
        }
    }
    for (size_t before = p->n + 1; is_open && before != p->n;) {
        before = p->n;
        is_open = process_drain(p, fd);
    }
}

static void process_judge(gm__process *p, pid_t pid, double seconds) {
    int status, size = sizeof p->what;
    if (atomic_exchange(&process_running, 0) != pid) snprintf(p->what, (size_t)size, "stopped, as the program ended");
    else if (waitpid(pid, &status, 0) != pid)
        snprintf(p->what, (size_t)size, "its exit status is unknown: %s (SIGCHLD is ignored or taken)",
                 strerror(errno));
    else if (p->late) snprintf(p->what, (size_t)size, "stopped after %g s", seconds);
    else if (WIFSIGNALED(status)) snprintf(p->what, (size_t)size, "killed by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status)) snprintf(p->what, (size_t)size, "exit status %d", WEXITSTATUS(status));
}

bool gm__process_run(gm__process *p, char *const *argv, char *const *env, double seconds) {
    int ends[2] = { -1, -1 };
    pid_t pid;
    *p = (gm__process){ .n = 0 };
    int error = pipe2(ends, O_CLOEXEC) || fcntl(ends[0], F_SETFL, O_NONBLOCK) ? errno : 0;
    if (!error) error = process_spawn(&pid, argv, env, ends[1]);
    p->started = !error;
    if (ends[1] >= 0) close(ends[1]);
    if (error) snprintf(p->what, sizeof p->what, "cannot be started: %s", strerror(error));
    else {
        atomic_store(&process_running, pid);
        if (gm__process_stopped()) process_kill();
        process_watch(p, pid, ends[0], process_clock() + seconds);
        process_judge(p, pid, seconds);
    }
    if (ends[0] >= 0) close(ends[0]);
    p->output[p->n] = 0;
    return !p->what[0];
}

#undef pipe2
