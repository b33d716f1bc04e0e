/* log.c: where warnings and progress go. */
#include "../math/fp.h"
#include "fork.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pthread_mutex_t gm__log_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct { gm_log_fn fn; void *env; void (*free_env)(void *); } log_sink;
static gm__log_drawing log_drawing;

/* Callbacks run outside of the lock, so an environment that is replaced meanwhile is freed when none runs any more. */
typedef struct log_retired { void (*free_env)(void *); void *env; struct log_retired *next; } log_retired;
static log_retired *log_waiting;
static int log_running;

void gm__log_lock(void) { pthread_mutex_lock(&gm__log_mutex); }
void gm__log_unlock(void) { pthread_mutex_unlock(&gm__log_mutex); }

bool gm__log_set_drawing(const gm__log_drawing *drawing) {
    gm__log_lock();
    bool may = !drawing || !log_drawing.show;
    if (may) log_drawing = drawing ? *drawing : (gm__log_drawing){ NULL, NULL, NULL };
    gm__log_unlock();
    return may;
}

void gm_set_log(gm_log_fn fn, void *env, void (*free_env)(void *env)) {
    pthread_mutex_lock(&gm__log_mutex);
    void (*old_free)(void *) = log_sink.free_env;
    void *old_env = log_sink.env;
    log_sink.fn = fn, log_sink.env = env, log_sink.free_env = free_env;
    if (old_free && log_running) {
        log_retired *r = malloc(sizeof *r); /* without memory it is never freed */
        if (r) *r = (log_retired){ old_free, old_env, log_waiting }, log_waiting = r;
        old_free = NULL;
    }
    pthread_mutex_unlock(&gm__log_mutex);
    if (old_free) old_free(old_env);
}

static void log_callback_ended(void) {
    pthread_mutex_lock(&gm__log_mutex);
    log_retired *r = --log_running ? NULL : log_waiting;
    if (r) log_waiting = NULL;
    pthread_mutex_unlock(&gm__log_mutex);
    for (log_retired *next; r; r = next) {
        next = r->next;
        r->free_env(r->env);
        free(r);
    }
}

/* GM_LOG=0 is for those who do not want to be disturbed; why a program failed they want to know. */
static bool log_silent(gm_log_level level) {
    if (level == GM_LOG_ERROR) return false;
    const char *setting = getenv("GM_LOG");
    if (setting && strcmp(setting, "0") == 0) return true;
    return level == GM_LOG_DEBUG && !getenv("GM_DEBUG");
}

bool gm__log_to_stderr(void) { return !log_sink.fn && !log_silent(GM_LOG_INFO); }

static void log_hide(void) { if (log_drawing.hide) log_drawing.hide(log_drawing.env); }
static void log_show(void) { if (log_drawing.show) log_drawing.show(log_drawing.env); }

void gm__log_begin_output(void) {
    gm__log_lock();
    log_hide();
}

void gm__log_end_output(void) {
    log_show();
    gm__log_unlock();
}

static void log_to_stderr(const char *prefix, const char *line) {
    log_hide();
    fprintf(stderr, "gemel: %s%s\n", prefix, line);
    log_show();
}

void gm_log_line(gm_log_level level, const char *format, ...) {
    if (log_silent(level)) return;
    static const char *const prefix[] = { "debug: ", "", "warning: ", "error: " };
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    pthread_mutex_lock(&gm__log_mutex);
    gm_log_fn fn = log_sink.fn;
    void *env = log_sink.env;
    if (!fn) log_to_stderr(prefix[level & 3], line);
    else log_running++;
    pthread_mutex_unlock(&gm__log_mutex);
    if (!fn) return;
    fn(env, level, line); /* outside of the lock: the callback may log */
    log_callback_ended();
}
