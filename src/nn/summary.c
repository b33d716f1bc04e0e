/* summary.c: a net as a table. A hook on each module sees the shape that it gives when the net runs once. */
#include "../math/fp.h"
#include "../base/grow.h"
#include "module.h"
#include "../base/args.h"
#include "gemel/autograd.h"
#include "gemel/ops.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SUMMARY_CELL = 100 };

/* A module: its row has a place even while it is not shown (containers without parameters are not). */
typedef struct {
    gm_module *m;
    char path[SUMMARY_CELL], shape[SUMMARY_CELL];
    int64_t hook, parameters;
    bool training, shown;
} summary_row;

typedef struct {
    summary_row *rows;
    int64_t n, capacity;
    gm_pack *seen; /* parameters that were counted */
    int64_t trained, frozen, buffers;
} summary_table;

static void summary_shapes(char *text, size_t bytes, const gm_forward_event *e) {
    if (e->y) {
        gm_shape_text(gm_shape_of(e->y), text, bytes);
        return;
    }
    size_t used = 0;
    for (int64_t i = 0; i < gm_pack_count(e->out) && used + 40 < bytes; i++) {
        gm_tensor *t = gm_pack_at(e->out, i);
        if (i) used += (size_t)snprintf(text + used, bytes - used, ", ");
        if (t) gm_shape_text(gm_shape_of(t), text + used, bytes - used);
        used = strlen(text);
    }
}

static bool summary_hook(void *env, const gm_forward_event *e) {
    summary_row *row = env;
    summary_shapes(row->shape, sizeof row->shape, e);
    return gm_ok();
}

static bool summary_count(summary_table *t, summary_row *row) {
    for (int64_t i = 0; i < row->m->n; i++) {
        const module_part *p = &row->m->parts[i];
        if (p->child) continue;
        row->shown = true;
        if (p->kind == MODULE_BUFFER) {
            t->buffers += gm_count(p->t);
            continue;
        }
        bool seen = false;
        for (int64_t k = 0; k < gm_pack_count(t->seen); k++) seen = seen || gm_pack_at(t->seen, k) == p->t;
        if (seen) continue;
        row->parameters += gm_count(p->t);
        *(gm_requires_grad(p->t) ? &t->trained : &t->frozen) += gm_count(p->t);
        if (!gm_pack_set(t->seen, NULL, p->t)) return false;
    }
    return gm_ok();
}

static bool summary_add(summary_table *t, gm_module *m, const char *prefix) {
    if (!gm__grow(&t->rows, t->n, &t->capacity, sizeof *t->rows)) return false;
    int64_t at = t->n++;
    summary_row *row = &t->rows[at];
    *row = (summary_row){ .m = m, .hook = -1, .training = m->training, .shape = "-" };
    int n = snprintf(row->path, sizeof row->path, "%s", prefix);
    if (n >= SUMMARY_CELL) memcpy(row->path + SUMMARY_CELL - 4, "...", 4);
    if (!summary_count(t, row)) return false;
    bool leaf = true;
    for (int64_t i = 0; i < m->n; i++) {
        const module_part *p = &m->parts[i];
        if (!p->child) continue;
        char path[MODULE_PATH];
        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", p->name);
        leaf = false;
        if (!summary_add(t, p->child, path)) return false;
    }
    if (leaf) t->rows[at].shown = true; /* the array may have moved */
    return true;
}

/* ---- running ---- */

static bool summary_run(gm_module *net, gm_shape input, const gm_summary_args *a) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    if (a->in) return gm_apply(net, a->in) != NULL;
    return gm_forward(net, gm_zeros(input, a->dtype ? a->dtype : GM_F32)) != NULL;
}

/* Runs the net with the hooks on; afterwards all is as before, with an error pending too. */
static bool summary_watch(summary_table *t, gm_module *net, gm_shape input, const gm_summary_args *a) {
    uint64_t seed, count;
    gm_random_state(&seed, &count);
    for (int64_t i = 0; gm_ok() && i < t->n; i++)
        t->rows[i].hook = gm_on_forward(t->rows[i].m, summary_hook, &t->rows[i], NULL);
    gm_set_training(net, false);
    bool ok = gm_ok() && summary_run(net, input, a);
    for (int64_t i = 0; i < t->n; i++) {
        if (t->rows[i].hook >= 0) gm_remove_hook(t->rows[i].m, t->rows[i].hook);
        t->rows[i].m->training = t->rows[i].training;
    }
    gm_set_random_state(seed, count);
    return ok;
}

/* ---- writing ---- */

typedef struct { char *text; size_t bytes, used; } summary_text;

static void summary_put(summary_text *t, const char *format, ...) GM_PRINTF(2, 3);
static void summary_put(summary_text *t, const char *format, ...) {
    va_list list;
    va_start(list, format);
    bool room = t->used < t->bytes;
    int n = vsnprintf(room ? t->text + t->used : NULL, room ? t->bytes - t->used : 0, format, list);
    va_end(list);
    t->used += n > 0 ? (size_t)n : 0;
}

/* 1234567 as "1,234,567". */
static const char *summary_number(char *text, int64_t value) {
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)value), at = 0;
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0) text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = 0;
    return text;
}

static void summary_line(summary_text *out, const int *width, char c) {
    for (int i = 0; i < width[0] + width[1] + width[2] + width[3] + 6; i++) summary_put(out, "%c", c);
    summary_put(out, "\n");
}

static void summary_width(int *width, const char *text) {
    if ((int)strlen(text) > *width) *width = (int)strlen(text);
}

static void summary_widths(const summary_table *t, int *width) {
    char number[40];
    for (int64_t i = 0; i < t->n; i++) {
        const summary_row *r = &t->rows[i];
        if (!r->shown) continue;
        summary_width(&width[0], r->path);
        summary_width(&width[1], r->m->class_name);
        summary_width(&width[2], r->shape);
        summary_width(&width[3], summary_number(number, r->parameters));
    }
}

static void summary_write(const summary_table *t, const gm_module *net, summary_text *out) {
    int width[4] = { 5, 5, 12, 10 };
    char a[40], b[40];
    summary_widths(t, width);
    summary_put(out, "%s\n", net->class_name);
    summary_line(out, width, '-');
    summary_put(out, "%-*s  %-*s  %-*s  %*s\n", width[0], "layer", width[1], "class", width[2], "output shape",
                width[3], "parameters");
    summary_line(out, width, '-');
    for (int64_t i = 0; i < t->n; i++) {
        const summary_row *r = &t->rows[i];
        if (!r->shown) continue;
        summary_put(out, "%-*s  %-*s  %-*s  %*s\n", width[0], r->path, width[1], r->m->class_name, width[2], r->shape,
                    width[3], summary_number(a, r->parameters));
    }
    summary_line(out, width, '-');
    summary_put(out, "parameters: %s; trained: %s, ", summary_number(a, t->trained + t->frozen),
                summary_number(b, t->trained));
    summary_put(out, "not trained: %s; in buffers: %s\n", summary_number(a, t->frozen), summary_number(b, t->buffers));
}

size_t gm_summary_text(gm_module *net, gm_shape input, const gm_summary_args *args, char *text, size_t bytes) {
    gm_summary_args a = { 0 };
    if (!gm__module_check(net, "summary") || !gm__args_take("summary", &a, sizeof a, args)) return 0;
    if (!gm__module_ready(net)) return 0;
    GM_SCOPE(s);
    summary_table t = { .seen = gm_pack_new() };
    summary_text out = { text, bytes, 0 };
    if (t.seen && summary_add(&t, net, "") && summary_watch(&t, net, input, &a)) summary_write(&t, net, &out);
    gm_free(t.rows);
    return gm_ok() ? out.used : 0;
}

bool gm_summary_with(gm_module *net, gm_shape input, const gm_summary_args *args) {
    size_t n = gm_summary_text(net, input, args, NULL, 0);
    char *text = n ? gm_alloc(n + 1) : NULL;
    if (text && gm_summary_text(net, input, args, text, n + 1)) fputs(text, stdout);
    gm_free(text);
    return gm_ok();
}

bool(gm_summary)(gm_module *net, gm_shape input) { return gm_summary_with(net, input, NULL); }
