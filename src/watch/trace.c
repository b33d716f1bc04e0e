/* trace.c: the profiler's file, in the Trace Event Format: a JSON array of events, one a line.
 *
 * Viewers accept an array that does not end, so what a killed process leaves can be looked at. Events are written out
 * as they come, under one lock; at most 64 KiB wait in memory, for a second. Recording never disturbs the recorded: an
 * error stays here until gm_profile_stop reports it. Rows ("threads") are numbered in the order of their first
 * events. */
#include "../math/fp.h"
#include "../base/builder.h"
#include "../base/profile.h"
#include "gemel/watch.h"
#include "sink.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { TRACE_ROWS = 1024 };

/* A row is a thread of the process, or, with a name, something else that runs. */
typedef struct { pthread_t thread; char name[64]; } trace_row;

static struct {
    pthread_mutex_t lock;
    bool running;
    gm__sink sink;
    gm__builder line; /* the piece being made; its memory is used again */
    int64_t start_ns;
    char failure[512]; /* the first error while recording, "" for none */
    int n_rows;
    trace_row rows[TRACE_ROWS];
} trace = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Write the piece that `trace.line` holds, with was_ok telling whether an error of the caller's was pending before: the
 * caller's errors are not touched. */
static void trace_put(bool was_ok) {
    gm__builder *l = &trace.line;
    bool put = !trace.failure[0] && !l->failed && gm__sink_put(&trace.sink, "profile", l->text, l->n);
    if (!put && !trace.failure[0])
        snprintf(trace.failure, sizeof trace.failure, "%.500s", was_ok ? gm_error_message() : "writing failed");
    if (was_ok) gm_error_clear();
    l->n = 0;
    l->failed = false;
}

static void trace_name_row(int row, const char *name) {
    gm__builder *l = &trace.line;
    if (row) gm__builder_add(l, ",\n");
    gm__builder_format(l, "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"args\":{\"name\":", row);
    gm__builder_json(l, name);
    gm__builder_add(l, "}}");
}

/* The number of a row; the last one stands for all that do not fit. */
static int trace_find_row(const char *name) {
    pthread_t self = pthread_self();
    char cut[sizeof trace.rows->name];
    snprintf(cut, sizeof cut, "%s", name ? name : "");
    for (int i = 0; i < trace.n_rows; i++) {
        const trace_row *r = &trace.rows[i];
        if (*cut ? strcmp(r->name, cut) == 0 : !*r->name && pthread_equal(r->thread, self)) return i;
    }
    if (trace.n_rows == TRACE_ROWS) return TRACE_ROWS - 1;
    int row = trace.n_rows++;
    trace.rows[row].thread = self;
    strcpy(trace.rows[row].name, cut);
    char made[32];
    snprintf(made, sizeof made, row ? "thread %d" : "main", row);
    trace_name_row(row, *cut ? cut : made);
    return row;
}

/* printf takes two microseconds for an event, too long beside operations that take a tenth of that. */
static void trace_number(int64_t v, int digits) {
    char text[24];
    int at = sizeof text;
    for (uint64_t left = (uint64_t)v; left || digits > 0; left /= 10, digits--) text[--at] = (char)('0' + left % 10);
    gm__builder_bytes(&trace.line, text + at, sizeof text - (size_t)at);
}

/* Nanoseconds as microseconds with three decimals. */
static void trace_time(int64_t ns) {
    if (ns < 0) gm__builder_add(&trace.line, "-");
    int64_t magnitude = ns < 0 ? -ns : ns;
    trace_number(magnitude / 1000, 1);
    gm__builder_add(&trace.line, ".");
    trace_number(magnitude % 1000, 3);
}

static void trace_text(const char *text) {
    size_t n = text ? strcspn(text, "\"\\\n\r\t") : 0;
    bool plain = text && !text[n];
    for (size_t i = 0; plain && i < n; i++) plain = text[i] >= 32;
    if (!plain) {
        gm__builder_json(&trace.line, text ? text : "");
        return;
    }
    gm__builder_add(&trace.line, "\"");
    gm__builder_bytes(&trace.line, text, n);
    gm__builder_add(&trace.line, "\"");
}

static void trace_event(const char *category, const char *name, int64_t start, int64_t duration, const char *row_name) {
    bool was_ok = gm_ok();
    gm__builder *l = &trace.line;
    pthread_mutex_lock(&trace.lock);
    if (trace.running) {
        int row = trace_find_row(row_name);
        gm__builder_add(l, ",\n{\"name\":");
        trace_text(name);
        gm__builder_add(l, ",\"cat\":");
        trace_text(category);
        gm__builder_add(l, ",\"ph\":\"X\",\"ts\":");
        trace_time(start - trace.start_ns);
        gm__builder_add(l, ",\"dur\":");
        trace_time(duration);
        gm__builder_add(l, ",\"pid\":1,\"tid\":");
        trace_number(row, 1);
        gm__builder_add(l, "}");
        trace_put(was_ok);
    }
    pthread_mutex_unlock(&trace.lock);
}

static void trace_record(const char *category, const char *name, int64_t start_ns, int64_t end_ns) {
    trace_event(category, name, start_ns, end_ns - start_ns, NULL);
}

/* ---- forks ---- */

static void trace_before_fork(void) { pthread_mutex_lock(&trace.lock); }
static void trace_after_fork(void) { pthread_mutex_unlock(&trace.lock); }

/* The file is the parent's: a child records nothing, until it starts a profile of its own. */
static void trace_in_child(void) {
    if (trace.running) {
        atomic_store_explicit(&gm__profile_hook, NULL, memory_order_release);
        trace.running = false;
        trace.sink.n = 0;
        trace.line.n = 0;
        gm__sink_close(&trace.sink, "profile");
    }
    trace_after_fork();
}

/* This lock is taken before the sinks': handlers that come later are called earlier before a fork. */
static void trace_watch_forks(void) {
    gm__sink_prepare();
    pthread_atfork(trace_before_fork, trace_after_fork, trace_in_child);
}

/* ---- public ---- */

bool gm_profile_start(const char *path) {
    if (!gm_ok()) return false;
    if (!path || !*path) return gm_fail(GM_ERROR_VALUE, "profile_start: the path is %s", path ? "empty" : "NULL");
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, trace_watch_forks);
    pthread_mutex_lock(&trace.lock);
    bool was_running = trace.running;
    bool opened = !was_running && gm__sink_open(&trace.sink, "profile_start", path, GM__SINK_EMPTY);
    if (was_running) gm_fail(GM_ERROR_STATE, "profile_start: a profile is being written to %s", trace.sink.path);
    if (opened) {
        gm__sink_hold(&trace.sink, 1);
        trace.failure[0] = 0;
        trace.n_rows = 0;
        trace.start_ns = gm__profile_now();
        trace.running = true;
        gm__builder_add(&trace.line, "[\n");
        trace_find_row(NULL);
        trace_put(true);
        atomic_store_explicit(&gm__profile_hook, trace_record, memory_order_release);
    }
    pthread_mutex_unlock(&trace.lock);
    return opened;
}

bool gm_profile_stop(void) {
    pthread_mutex_lock(&trace.lock);
    bool was_running = trace.running, good = true;
    if (was_running) {
        atomic_store_explicit(&gm__profile_hook, NULL, memory_order_release);
        trace.running = false;
        gm__builder_add(&trace.line, "\n]\n");
        trace_put(gm_ok());
        gm__builder_free(&trace.line);
        if (trace.failure[0]) good = gm_fail(GM_ERROR_IO, "profile_stop: %s", trace.failure);
        good = gm__sink_close(&trace.sink, "profile_stop") && good;
    }
    pthread_mutex_unlock(&trace.lock);
    return was_running ? good : gm_fail(GM_ERROR_STATE, "profile_stop: no profile is being recorded");
}

int64_t gm_profile_now(void) { return gm__profile_now(); }
int64_t gm_profile_begin(void) { return gm__profile_begin(); }
void gm_profile_end(int64_t begin, const char *category, const char *name) { gm__profile_end(begin, category, name); }

void gm_profile_event(const char *category, const char *name, int64_t start_ns, int64_t duration_ns,
                      const char *thread) {
    if (gm__profiling()) trace_event(category, name, start_ns, duration_ns, thread);
}
