/* names.c: parameters by name: collecting, freezing, initialising, and state dicts in and out. */
#include "../math/fp.h"
#include "module.h"
#include "../base/args.h"
#include "gemel/autograd.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- patterns ---- */

/* `p` up to `end` against the whole of `text`; a '*' takes as little as it can, then more. */
static bool names_glob(const char *p, const char *end, const char *text, const char *text_end) {
    const char *star = NULL, *mark = NULL;
    while (text < text_end) {
        if (p < end && *p == '*') star = p++, mark = text;
        else if (p < end && *p == *text) p++, text++;
        else if (star) p = star + 1, text = ++mark;
        else return false;
    }
    while (p < end && *p == '*') p++;
    return p == end;
}

/* The path, or any of the modules it lies in. */
static bool names_one(const char *p, const char *end, const char *path) {
    for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.'))
        if (names_glob(p, end, path, dot)) return true;
    return names_glob(p, end, path, path + strlen(path));
}

bool gm__module_matches(const char *pattern, const char *path) {
    if (!pattern) return true;
    for (const char *p = pattern;; p++) {
        const char *end = p + strcspn(p, "|");
        if (names_one(p, end, path)) return true;
        if (!*end) return false;
        p = end;
    }
}

/* ---- collecting ---- */

typedef struct { gm_pack *pack; const char *pattern; bool dict; } names_list;

static bool names_has(const gm_pack *p, const gm_tensor *t) {
    for (int64_t i = 0; i < gm_pack_count(p); i++)
        if (gm_pack_at(p, i) == t) return true;
    return false;
}

static bool names_collect(void *env, const char *path, module_part *p) {
    const names_list *l = env;
    if (!l->dict && (p->kind == MODULE_BUFFER || !gm__module_matches(l->pattern, path) || names_has(l->pack, p->t)))
        return true;
    return gm_pack_set(l->pack, path, p->t);
}

static gm_pack *names_collected(gm_module *net, const char *op, const char *pattern, bool dict) {
    if (!gm__module_check(net, op) || !gm__module_ready(net)) return NULL;
    names_list l = { gm_pack_new(), pattern, dict };
    return l.pack && gm__module_walk(net, names_collect, &l) ? l.pack : NULL;
}

gm_pack *gm_parameters(gm_module *net) { return names_collected(net, "parameters", NULL, false); }
gm_pack *gm_parameters_of(gm_module *net, const char *pattern) {
    return names_collected(net, "parameters_of", pattern, false);
}
gm_pack *gm_state_dict(gm_module *net) { return names_collected(net, "state_dict", NULL, true); }

/* ---- changing ---- */

static int64_t names_counted(const char *op, const char *pattern, int64_t n) {
    if (gm_ok() && !n) gm_fail(GM_ERROR_INDEX, "%s: no parameter is named by \"%s\"", op, pattern ? pattern : "*");
    return gm_ok() ? n : -1;
}

static int64_t names_freeze(gm_module *net, const char *op, const char *pattern, bool on) {
    if (!gm__module_check(net, op)) return -1;
    GM_SCOPE(s);
    gm_pack *p = gm_parameters_of(net, pattern);
    for (int64_t i = 0; i < gm_pack_count(p); i++) {
        if (!gm_set_requires_grad(gm_pack_at(p, i), !on)) return -1;
        if (on) gm_clear_gradient(gm_pack_at(p, i));
    }
    return names_counted(op, pattern, gm_pack_count(p));
}

int64_t gm_freeze(gm_module *net, const char *pattern) { return names_freeze(net, "freeze", pattern, true); }
int64_t gm_unfreeze(gm_module *net, const char *pattern) { return names_freeze(net, "unfreeze", pattern, false); }

typedef struct { const char *pattern; module_recipe recipe; int64_t n; } names_recipe;

static bool names_set_recipe(void *env, const char *path, module_part *p) {
    names_recipe *r = env;
    if (p->kind != MODULE_PARAM || !gm__module_matches(r->pattern, path)) return true;
    module_recipe recipe = r->recipe;
    recipe.zero_row = p->recipe.zero_row;
    p->recipe = recipe;
    r->n++;
    return true;
}

int64_t gm_init_parameters(gm_module *net, const char *pattern, gm_init kind, double a, double b) {
    if (!gm__module_check(net, "init_parameters")) return -1;
    if (kind < GM_INIT_CONSTANT || kind > GM_INIT_KAIMING_NORMAL)
        return gm_fail(GM_ERROR_VALUE, "init_parameters: %d is no kind of initialiser", kind), -1;
    names_recipe r = { pattern, { kind, true, a, b, 0 }, 0 };
    if (!gm__module_walk(net, names_set_recipe, &r)) return -1;
    gm__module_unready(net);
    return names_counted("init_parameters", pattern, r.n);
}

/* ---- loading ---- */

/* A list of names for a message: some, and how many more. */
typedef struct { char text[400]; int64_t n; } names_found;

static void names_note(names_found *f, const char *format, ...) GM_PRINTF(2, 3);
static void names_note(names_found *f, const char *format, ...) {
    size_t used = strlen(f->text);
    if (f->n++ >= 8 || used > sizeof f->text - 40) return;
    if (used) used += (size_t)snprintf(f->text + used, sizeof f->text - used, ", ");
    va_list list;
    va_start(list, format);
    vsnprintf(f->text + used, sizeof f->text - used, format, list);
    va_end(list);
}

static int names_describe(char *text, size_t bytes, const char *what, const names_found *f, const char *separator) {
    if (!f->n) return 0;
    int n =
        snprintf(text, bytes, "%s%s (%lld): %s%s", separator, what, (long long)f->n, f->text, f->n > 8 ? " ..." : "");
    return n < 0 ? 0 : (size_t)n < bytes ? n : (int)bytes - 1;
}

typedef struct { names_found missing, extra, shapes; } names_report;

static void names_compare(gm_pack *own, gm_pack *values, names_report *r) {
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(own); i++) {
        const char *name = gm_pack_name(own, i);
        if (!gm_pack_has(values, name)) {
            names_note(&r->missing, "\"%s\"", name);
            continue;
        }
        char want[200], got[200];
        gm_shape theirs = gm_shape_of(gm_get(values, name)), ours = gm_shape_of(gm_pack_at(own, i));
        if (!gm_shape_equal(theirs, ours))
            names_note(&r->shapes, "\"%s\" is %s, the net has %s", name, gm_shape_text(theirs, got, sizeof got),
                       gm_shape_text(ours, want, sizeof want));
    }
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(values); i++)
        if (!gm_pack_has(own, gm_pack_name(values, i))) names_note(&r->extra, "\"%s\"", gm_pack_name(values, i));
}

/* False, with everything said at once, unless the options let it pass; then it is a warning. */
static bool names_judge(const names_report *r, const gm_load_state_dict_args *a) {
    char text[900] = "";
    int n = names_describe(text, sizeof text, "missing", &r->missing, "");
    n += names_describe(text + n, sizeof text - (size_t)n, "unexpected", &r->extra, n ? "; " : "");
    names_describe(text + n, sizeof text - (size_t)n, "of another shape", &r->shapes, n ? "; " : "");
    bool names = r->missing.n || r->extra.n;
    if (names && !a->partial) return gm_fail(GM_ERROR_INDEX, "load_state_dict: %s", text);
    if (r->shapes.n && !a->skip_shapes) return gm_fail(GM_ERROR_SHAPE, "load_state_dict: %s", text);
    if (*text) gm_log_line(GM_LOG_WARNING, "load_state_dict: %s", text);
    return gm_ok();
}

/* Values that no conversion reaches the net's dtype from: said before anything is copied. */
static bool names_check_dtypes(gm_pack *own, gm_pack *values) {
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(own); i++) {
        const char *name = gm_pack_name(own, i);
        gm_dtype d = gm_pack_has(values, name) ? gm_dtype_of(gm_get(values, name)) : GM_F32;
        bool number = gm_is_float(d) || gm_is_integer(d) || d == GM_BOOL;
        if (gm_ok() && (!number || gm_dtype_bits(d) < 8))
            gm_fail(GM_ERROR_DTYPE, "load_state_dict: \"%s\" is %s, the net has %s", name, gm_dtype_name(d),
                    gm_dtype_name(gm_dtype_of(gm_pack_at(own, i))));
    }
    return gm_ok();
}

bool gm_load_state_dict_with(gm_module *net, gm_pack *values, const gm_load_state_dict_args *args) {
    gm_load_state_dict_args a = { 0 };
    if (!gm__module_check(net, "load_state_dict") || !gm__args_take("load_state_dict", &a, sizeof a, args))
        return false;
    GM_SCOPE(s);
    GM_NO_GRAD;
    names_report r = { .missing.n = 0 };
    gm_pack *own = gm_state_dict(net), *flat = gm_pack_flatten(values);
    if (!own || !flat) return false;
    names_compare(own, flat, &r);
    if (!names_judge(&r, &a) || !names_check_dtypes(own, flat)) return false;
    if (a.check) return true;
    for (int64_t i = 0; i < gm_pack_count(own); i++) {
        gm_tensor *t = gm_pack_at(own, i);
        gm_tensor *value = gm_pack_has(flat, gm_pack_name(own, i)) ? gm_get(flat, gm_pack_name(own, i)) : NULL;
        if (value && gm_shape_equal(gm_shape_of(value), gm_shape_of(t)) && !gm_assign(t, value)) return false;
    }
    return true;
}

bool(gm_load_state_dict)(gm_module *net, gm_pack *values) { return gm_load_state_dict_with(net, values, NULL); }
