/* progress.c: the progress line.
 *
 * A line is composed in memory and sent with one write: carriage return, the text, erase to the end of the line.
 * Nothing is cleared before it is written over, so nothing flickers. The line stays one column short of the width,
 * because a full one wraps. The terminal is shared with the log through base/log.h: a log line hides the bar, prints,
 * and shows it again, under one lock. The rate is smoothed over about five seconds; the time left follows it. */
#include "../math/fp.h"
#include "../base/args.h"
#include "../base/json.h"
#include "../base/log.h"
#include "gemel/extend.h"
#include "gemel/watch.h"
#include "sink.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PROGRESS_LINE = 1024, PROGRESS_BAR_MIN = 8, PROGRESS_BAR_MAX = 40, PROGRESS_DRAW_NS = 100 * 1000 * 1000 };

struct gm_progress {
    gm_object object;
    int64_t total, done;
    int64_t start_ns, told_ns;           /* when it began; when the last line was drawn or told */
    int64_t interval_ns, rate_ns, rate_done;
    double rate;                         /* per second, smoothed; 0 before the first step */
    bool drawing, utf8, finished;
    char label[128], unit[32], text[256];
};

typedef struct { char text[PROGRESS_LINE]; size_t n; } progress_line;

/* ---- composing ---- */

static void progress_add(progress_line *l, const char *format, ...) GM_PRINTF(2, 3);
static void progress_add(progress_line *l, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(l->text + l->n, sizeof l->text - l->n, format, args);
    va_end(args);
    size_t room = sizeof l->text - 1 - l->n;
    if (n > 0) l->n += (size_t)n < room ? (size_t)n : room;
}

static void progress_add_time(progress_line *l, double seconds) {
    int64_t s = seconds < 360000000 ? (int64_t)(seconds + 0.5) : 360000000;
    if (s >= 3600) progress_add(l, "%lld:%02d:%02d", (long long)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    else progress_add(l, "%d:%02d", (int)(s / 60), (int)(s % 60));
}

static void progress_add_rate(progress_line *l, double rate, const char *unit) {
    const char *scale = "";
    if (rate >= 999500) rate *= 1e-6, scale = "M";
    else if (rate >= 9999.5) rate *= 1e-3, scale = "k";
    int digits = rate >= 99.95 ? 0 : rate >= 9.995 ? 1 : 2;
    progress_add(l, "%.*f%s%s%s/s", digits, rate, scale, *unit ? " " : "", unit);
}

static void progress_add_stats(progress_line *l, const gm_progress *p) {
    int percent = p->total > 0 ? (int)(100.0 * (double)p->done / (double)p->total) : 0;
    if (p->total > 0) progress_add(l, "%3d%% %lld/", percent, (long long)p->done);
    progress_add(l, "%lld", (long long)(p->total > 0 ? p->total : p->done));
    if (!(p->rate > 0)) return;
    progress_add(l, ", ");
    progress_add_rate(l, p->rate, p->unit);
    if (p->total <= p->done) return;
    progress_add(l, ", ");
    progress_add_time(l, (double)(p->total - p->done) / p->rate);
    progress_add(l, " left");
}

/* Cells of the bar are filled by eighths with block characters, by wholes without. */
static void progress_add_bar(progress_line *l, const gm_progress *p, int cells) {
    static const char *const eighths[] = { " ", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589" };
    double filled = (double)cells * (double)p->done / (double)p->total;
    int whole = (int)filled, part = (int)(8 * (filled - whole));
    progress_add(l, p->utf8 ? " \u2595" : " [");
    for (int i = 0; i < cells; i++) {
        if (i != whole) progress_add(l, "%s", i > whole ? " " : p->utf8 ? "\u2588" : "=");
        else progress_add(l, "%s", p->utf8 ? eighths[part] : ">");
    }
    progress_add(l, p->utf8 ? "\u258f" : "]");
}

/* Cut to so many columns, not inside a character. */
static void progress_cut(progress_line *l, size_t columns) {
    size_t at = 0;
    for (size_t column = 0; l->text[at]; at++) {
        column += (l->text[at] & 0xc0) != 0x80;
        if (column > columns) break;
    }
    l->text[at] = 0;
    l->n = at;
}

static void progress_compose(progress_line *l, const gm_progress *p, int columns) {
    progress_line tail = { "", 0 };
    progress_add_stats(&tail, p);
    if (*p->text) progress_add(&tail, "  %s", p->text);
    progress_add(l, "%s", p->label);
    int cells = columns - 5 - (int)gm__utf8_columns(l->text) - (int)gm__utf8_columns(tail.text);
    if (cells > PROGRESS_BAR_MAX) cells = PROGRESS_BAR_MAX;
    if (p->total > 0 && cells >= PROGRESS_BAR_MIN) progress_add_bar(l, p, cells);
    progress_add(l, "%s%s", l->n ? " " : "", tail.text);
    progress_cut(l, columns > 1 ? (size_t)columns - 1 : 1);
}

/* ---- the terminal ---- */

static int progress_columns(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    const char *columns = getenv("COLUMNS");
    int n = columns ? atoi(columns) : 0;
    return n > 0 ? n : 80;
}

static void progress_write(const progress_line *l) {
    for (size_t at = 0; at < l->n;) {
        ssize_t n = write(STDERR_FILENO, l->text + at, l->n - at);
        if (n <= 0) return; /* a terminal that is gone is no reason to stop training */
        at += (size_t)n;
    }
}

static void progress_hide(void *env) {
    (void)env;
    progress_line l = { "", 0 };
    progress_add(&l, "\r\033[K");
    progress_write(&l);
}

static void progress_show(void *env) {
    progress_line line = { "", 0 }, out = { "", 0 };
    progress_compose(&line, env, progress_columns());
    progress_add(&out, "\r%s\033[K", line.text);
    progress_write(&out);
}

static bool progress_is_terminal(const gm_progress_args *o) {
    if (!gm__log_to_stderr()) return false;
    if (o->terminal.set) return o->terminal.v != 0;
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static void progress_stop_drawing(gm_progress *p) {
    if (!p->drawing) return;
    gm__log_lock();
    progress_hide(p);
    gm__log_unlock();
    gm__log_set_drawing(NULL);
    p->drawing = false;
}

/* ---- the object ---- */

static void progress_destroy(void *object) { progress_stop_drawing(object); }
static const gm_type progress_type = { "progress", sizeof(gm_progress), progress_destroy };

/* Text for one line: what is not UTF-8 or would move the cursor becomes a blank; cut to fit, not inside a character. */
static void progress_copy(char *into, size_t bytes, const char *text) {
    size_t n = 0;
    for (const char *at = text ? text : ""; *at;) {
        size_t run = (unsigned char)*at < 32 || *at == 127 ? 0 : gm__utf8_sequence(at, strnlen(at, 4));
        if (n + (run ? run : 1) >= bytes) break;
        if (run) memcpy(into + n, at, run);
        else into[n] = ' ';
        n += run ? run : 1, at += run ? run : 1;
    }
    into[n] = 0;
}

gm_progress *gm_progress_new_with(int64_t total, const char *label, const gm_progress_args *args) {
    gm_progress_args o;
    if (!gm_ok() || !gm__args_take("progress_new", &o, sizeof o, args)) return NULL;
    gm_progress *p = gm_object_new(&progress_type);
    if (!p) return NULL;
    p->total = total > 0 ? total : 0;
    p->interval_ns = (int64_t)((o.interval > 0 ? o.interval < 1e8 ? o.interval : 1e8 : 10) * 1e9);
    p->utf8 = o.utf8;
    p->start_ns = p->told_ns = p->rate_ns = gm__clock_ns();
    progress_copy(p->label, sizeof p->label, label);
    progress_copy(p->unit, sizeof p->unit, o.unit);
    gm__log_drawing drawing = { progress_hide, progress_show, p };
    if (progress_is_terminal(&o) && gm__log_set_drawing(&drawing)) {
        p->drawing = true;
        p->interval_ns = PROGRESS_DRAW_NS;
        p->told_ns -= PROGRESS_DRAW_NS; /* the first step draws */
    }
    return p;
}

/* The mean over about five seconds; over all of it at first. */
static void progress_update_rate(gm_progress *p, int64_t now) {
    double dt = 1e-9 * (double)(now - p->rate_ns);
    if (dt <= 0 || p->done == p->rate_done) return;
    double latest = (double)(p->done - p->rate_done) / dt, past = 1e-9 * (double)(p->rate_ns - p->start_ns);
    p->rate += dt / (dt + (past < 5 ? past : 5)) * (latest - p->rate); /* the mean of all in the first five seconds */
    p->rate_ns = now;
    p->rate_done = p->done;
}

static void progress_tell(gm_progress *p) {
    progress_line l = { "", 0 };
    if (*p->label) progress_add(&l, "%s: ", p->label);
    progress_add_stats(&l, p);
    if (*p->text) progress_add(&l, ", %s", p->text);
    gm_log_line(GM_LOG_INFO, "%s", l.text);
}

bool gm_progress_step(gm_progress *p, int64_t done, const char *text) {
    if (!gm_ok() || !gm_check_object(p, &progress_type, "progress_step", 1)) return false;
    if (p->finished) return gm_fail(GM_ERROR_STATE, "progress_step: %s is finished", *p->label ? p->label : "this");
    int64_t now = gm__clock_ns();
    bool due = now - p->told_ns >= p->interval_ns || (p->drawing && done == p->total);
    if (p->drawing) gm__log_lock(); /* a log line of another thread reads what changes here */
    p->done = done < 0 ? 0 : p->total && done > p->total ? p->total : done;
    if (text) progress_copy(p->text, sizeof p->text, text);
    if (due) progress_update_rate(p, now);
    if (due && p->drawing) progress_show(p);
    if (p->drawing) gm__log_unlock();
    if (due && !p->drawing) progress_tell(p);
    if (due) p->told_ns = now;
    return true;
}

static void progress_compose_last(progress_line *l, const gm_progress *p, const char *summary) {
    double seconds = 1e-9 * (double)(gm__clock_ns() - p->start_ns);
    char clean[512];
    progress_copy(clean, sizeof clean, summary);
    if (*p->label) progress_add(l, "%s: ", p->label);
    progress_add(l, "%lld", (long long)p->done);
    if (p->done < p->total) progress_add(l, "/%lld", (long long)p->total);
    if (seconds < 10) progress_add(l, " in %.1f s", seconds);
    else progress_add(l, " in "), progress_add_time(l, seconds);
    if (p->done > 0) progress_add(l, ", "), progress_add_rate(l, (double)p->done / (seconds + 1e-9), p->unit);
    if (*clean) progress_add(l, ", %s", clean);
}

bool gm_progress_done(gm_progress *p, const char *summary) {
    if (!gm_check_object(p, &progress_type, "progress_done", 1)) return false;
    if (p->finished) return true;
    p->finished = true;
    bool was_drawing = p->drawing;
    progress_stop_drawing(p);
    if (!gm_ok()) return false;
    progress_line l = { "", 0 };
    progress_compose_last(&l, p, summary);
    if (!was_drawing) {
        gm_log_line(GM_LOG_INFO, "%s", l.text);
        return true;
    }
    progress_cut(&l, sizeof l.text - 2);
    progress_add(&l, "\n");
    gm__log_lock();
    progress_write(&l);
    gm__log_unlock();
    return true;
}
