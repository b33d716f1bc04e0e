/* module.c: modules: named parts, found and filled by their full names.
 *
 * A module owns its parts (parameters, buffers, children, in order of registration); a child knows its parent, which
 * does not own it back. A parameter made from a recipe has its memory at once, so that layers can keep the pointer,
 * and its values when the net is first used: only then is its full name known. `ready` says that nothing below waits
 * for that. */
#include "../math/fp.h"
#include "../base/grow.h"
#include "layer_call.h"
#include "gemel/autograd.h"
#include "gemel/graph.h"
#include "gemel/ops.h"

#include <stdio.h>
#include <string.h>

enum { MODULE_MAX_DEPTH = 64 };

static void module_free_part(module_part *p) {
    if (p->child && p->child->parent) p->child->parent = NULL;
    gm_release(p->child);
    gm_release(p->t);
    gm_free(p->name);
}

static void module_free_hook(const module_hook *h) {
    if (h->free_env) h->free_env(h->env);
}

static void module_destroy(void *object) {
    gm_module *m = object;
    if (m->state && m->class.destroy) m->class.destroy(m->state);
    for (int64_t i = 0; i < m->n; i++) module_free_part(&m->parts[i]);
    for (int64_t i = 0; i < m->n_hooks; i++) module_free_hook(&m->hooks[i]);
    gm_free(m->hooks);
    gm_free(m->parts);
    gm_free(m->state);
    gm_free(m->class_name);
    gm_free(m->name);
}

static const gm_type module_type = { "module", sizeof(gm_module), module_destroy };

bool gm__module_check(const gm_module *m, const char *op) { return gm_ok() && gm_check_object(m, &module_type, op, 1); }

gm_module *gm_module_new_with(const gm_module_class *c) {
    if (!gm_ok()) return NULL;
    if (!c || !c->size || !c->name || (!c->forward && !c->apply))
        return gm_fail(GM_ERROR_VALUE, "module_new: a class needs size, name and forward or apply"), NULL;
    gm_module *m = gm_object_new(&module_type);
    if (!m) return NULL;
    memcpy(&m->class, c, c->size < sizeof m->class ? c->size : sizeof m->class);
    m->training = m->ready = true;
    m->class_name = gm_strdup(c->name);
    m->state = gm_alloc(c->state_bytes ? c->state_bytes : 1);
    return m->class_name && m->state ? m : NULL;
}

void *gm_state(gm_module *m) { return gm__module_check(m, "state") ? m->state : NULL; }

/* ---- registering ---- */

static bool module_check_name(const gm_module *m, const char *op, const char *name) {
    if (!name || !*name || strchr(name, '.') || strlen(name) > 200)
        return gm_fail(GM_ERROR_VALUE, "%s: \"%.200s\" is no name (up to 200 bytes, not empty, without dots)", op,
                       name ? name : "NULL");
    for (int64_t i = 0; i < m->n; i++)
        if (!strcmp(m->parts[i].name, name))
            return gm_fail(GM_ERROR_VALUE, "%s: the %s has a \"%s\" already", op, m->class_name, name);
    return true;
}

static module_part *module_add(gm_module *m, const char *op, const char *name, int32_t kind) {
    if (!gm__module_check(m, op) || !module_check_name(m, op, name)) return NULL;
    if (!gm__grow(&m->parts, m->n, &m->capacity, sizeof *m->parts)) return NULL;
    char *copy = gm_strdup(name);
    if (!copy) return NULL;
    module_part *p = &m->parts[m->n++];
    *p = (module_part){ .name = copy, .kind = kind };
    return p;
}

void gm__module_unready(gm_module *m) {
    for (int64_t i = 0; i < m->n; i++)
        if (m->parts[i].child && m->parts[i].child->ready) gm__module_unready(m->parts[i].child);
    for (; m; m = m->parent) m->ready = false;
}

static bool module_is_above(const gm_module *above, const gm_module *m) {
    for (; m; m = m->parent)
        if (m == above) return true;
    return false;
}

gm_module *gm_child(gm_module *parent, const char *name, gm_module *child) {
    if (!gm__module_check(parent, "child") || !gm_check_object(child, &module_type, "child", 3)) return NULL;
    if (child->parent)
        return gm_fail(GM_ERROR_STATE, "child: the %s \"%s\" has a parent already", child->class_name, child->name),
               NULL;
    if (module_is_above(child, parent))
        return gm_fail(GM_ERROR_STATE, "child: the %s would lie inside itself", child->class_name), NULL;
    char *copy = gm_strdup(name ? name : "");
    module_part *p = copy ? module_add(parent, "child", name, MODULE_CHILD) : NULL;
    if (!p) return gm_free(copy), NULL;
    gm_free(child->name);
    child->name = copy;
    child->parent = parent;
    p->child = gm_retain(child);
    if (!child->ready) gm__module_unready(parent);
    return child;
}

gm_tensor *gm_param(gm_module *m, const char *name, gm_tensor *init) {
    if (!gm__module_check(m, "param")) return NULL;
    if (!gm_set_requires_grad(init, true)) return NULL;
    module_part *p = module_add(m, "param", name, MODULE_PARAM);
    return p ? p->t = gm_retain(init) : NULL;
}

gm_tensor *gm_buffer(gm_module *m, const char *name, gm_tensor *init) {
    if (!gm__module_check(m, "buffer") || gm_dtype_of(init) == GM_NO_DTYPE) return NULL;
    module_part *p = module_add(m, "buffer", name, MODULE_BUFFER);
    return p ? p->t = gm_retain(init) : NULL;
}

gm_tensor *gm_param_init(gm_module *m, const char *name, gm_shape shape, gm_dtype dtype, gm_init kind, double a,
                         double b) {
    if (!gm__module_check(m, "param_init")) return NULL;
    if (dtype != GM_F32 && dtype != GM_F64)
        return gm_fail(GM_ERROR_DTYPE, "param_init: \"%s\" of type %s; parameters are f32 or f64", name ? name : "",
                       gm_dtype_name(dtype)),
               NULL;
    if (kind < GM_INIT_CONSTANT || kind > GM_INIT_KAIMING_NORMAL)
        return gm_fail(GM_ERROR_VALUE, "param_init: %d is no kind of initialiser", kind), NULL;
    gm_scope s = gm_scope_open();
    gm_tensor *t = gm_param(m, name, gm_zeros(shape, dtype));
    if (t) {
        m->parts[m->n - 1].recipe = (module_recipe){ kind, true, a, b, 0 };
        gm__module_unready(m);
    }
    gm_scope_close(&s);
    return t;
}

void gm__module_zero_row(gm_module *m, int64_t row) {
    if (m && m->n) m->parts[m->n - 1].recipe.zero_row = row + 1;
}

/* ---- walking and filling ---- */

static bool module_walk(gm_module *m, const char *prefix, int depth, module_visit f, void *env) {
    char path[MODULE_PATH];
    if (depth > MODULE_MAX_DEPTH) return gm_fail(GM_ERROR_VALUE, "module: over %d modules deep", MODULE_MAX_DEPTH);
    for (int64_t i = 0; i < m->n; i++) {
        module_part *p = &m->parts[i];
        int n = snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", p->name);
        if (n >= MODULE_PATH) return gm_fail(GM_ERROR_VALUE, "module: the name \"%.200s...\" is too long", path);
        if (p->child ? !module_walk(p->child, path, depth + 1, f, env) : !f(env, path, p)) return false;
    }
    return true;
}

bool gm__module_walk(gm_module *m, module_visit f, void *env) { return module_walk(m, "", 0, f, env); }

/* Seen from the root, so that the name is the full one. */
static bool module_fill(void *env, const char *path, module_part *p) {
    const uint64_t *seed = env;
    const module_recipe *r = &p->recipe;
    if (p->kind != MODULE_PARAM || !r->wanted) return true;
    gm_random_key key = { *seed, 0, path };
    if (!gm_init_fill(p->t, r->kind, r->a, r->b, &key)) return false;
    if (r->zero_row && !gm_init_zeros(gm_select(p->t, 0, r->zero_row - 1))) return false;
    p->recipe.wanted = false;
    return true;
}

static void module_mark_ready(gm_module *m) {
    m->ready = true;
    for (int64_t i = 0; i < m->n; i++)
        if (m->parts[i].child) module_mark_ready(m->parts[i].child);
}

static bool module_make_ready(gm_module *m) {
    if (m->ready) return true;
    GM_NO_GRAD;
    uint64_t seed, count;
    gm_random_state(&seed, &count);
    while (m->parent) m = m->parent;
    void *recording = gm_recording_pause(); /* values are made now, not whenever the recording runs */
    bool ok = module_walk(m, "", 0, module_fill, &seed);
    gm_recording_resume(recording);
    if (ok) module_mark_ready(m);
    return ok;
}

/* ---- using ---- */

/* The first hook with a number above `id`, NULL if there is none. Numbers ascend along the list. */
static const module_hook *module_next_hook(const gm_module *m, int64_t id) {
    for (int64_t i = 0; i < m->n_hooks; i++)
        if (m->hooks[i].id > id) return &m->hooks[i];
    return NULL;
}

/* By number, since hooks may add and remove hooks; those that are new wait for the next time. */
static bool module_tell(gm_module *m, gm_tensor *x, gm_tensor *y, gm_pack *in, gm_pack *out) {
    gm_forward_event e = { .module = m, .x = x, .y = y, .in = in, .out = out };
    const module_hook *h;
    for (int64_t id = -1, end = m->last_hook; gm_ok() && (h = module_next_hook(m, id)) && h->id < end;) {
        id = h->id;
        if (!h->fn(h->env, &e))
            return gm_fail(GM_ERROR_CALLBACK, "forward: a hook of the %s stopped it", m->class_name);
    }
    return gm_ok();
}

/* A module that has only the other one of forward and apply takes one tensor, and its first result counts. */
gm_tensor *gm__module_run_forward(gm_module *m, gm_tensor *x) {
    if (m->class.forward) return m->class.forward(m, x);
    gm_pack *out = m->class.apply(m, GM_PACK({ "0", x, NULL }));
    return gm_ok() ? gm_pack_at(out, 0) : NULL;
}

static bool module_names(const char *const *names, const char *name) {
    for (; names && *names; names++)
        if (!strcmp(*names, name)) return true;
    return false;
}

/* A name that nothing looks at is a misspelt one. */
static bool module_takes_all(const gm_module *m, const gm_pack *in) {
    static const char *const target[] = { "y", "y_length", NULL };
    char list[300] = "nothing";
    int64_t i = 1, n = m->class.takes ? gm_pack_count(in) : 0;
    while (i < n && (module_names(m->class.takes, gm_pack_name(in, i)) || module_names(target, gm_pack_name(in, i))))
        i++;
    if (i >= n) return gm_ok();
    size_t at = 0;
    for (const char *const *name = m->class.takes; *name && at < sizeof list; name++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at ? ", " : "", *name);
    return gm_fail(GM_ERROR_INDEX, "%s: there is no input \"%.200s\"; beside the first it takes %s", m->class_name,
                   gm_pack_name(in, i), list);
}

gm_pack *gm__module_run_apply(gm_module *m, gm_pack *in) {
    if (m->class.apply) return module_takes_all(m, in) ? m->class.apply(m, in) : NULL;
    if (gm_pack_count(in) != 1)
        return gm_fail(GM_ERROR_VALUE, "apply: %lld inputs for a %s, which takes one", (long long)gm_pack_count(in),
                       m->class_name),
               NULL;
    return GM_PACK({ "0", m->class.forward(m, gm_pack_at(in, 0)), NULL });
}

gm_tensor *gm_forward(gm_module *m, gm_tensor *x) {
    if (!gm__module_check(m, "forward")) return NULL;
    if (x && gm_is_symbolic(x)) return gm__layer_forward(m, x);
    if (!module_make_ready(m)) return NULL;
    gm_scope s = gm_scope_open();
    int64_t before = gm_where_push(m->name);
    gm_tensor *y = gm__module_run_forward(m, x);
    if (m->n_hooks) module_tell(m, x, y, NULL, NULL);
    gm_where_pop(before);
    return gm_return(&s, gm_ok() ? y : NULL);
}

gm_pack *gm_apply(gm_module *m, gm_pack *in) {
    if (!gm__module_check(m, "apply")) return NULL;
    if (gm__layer_is_symbolic(in)) return gm__layer_apply(m, in);
    if (!module_make_ready(m)) return NULL;
    gm_scope s = gm_scope_open();
    int64_t before = gm_where_push(m->name);
    gm_pack *out = gm__module_run_apply(m, in);
    if (m->n_hooks) module_tell(m, NULL, NULL, in, out);
    gm_where_pop(before);
    return gm_return(&s, gm_ok() ? out : NULL);
}

bool gm_has_forward(const gm_module *m) { return gm__module_check(m, "has_forward") && m->class.forward; }

bool gm_takes(const gm_module *m, const char *name) {
    return gm__module_check(m, "takes") && name && module_names(m->class.takes, name);
}

int64_t gm_on_forward(gm_module *m, gm_forward_hook fn, void *env, void (*free_env)(void *env)) {
    if (!gm__module_check(m, "on_forward")) return -1;
    if (!fn) return gm_fail(GM_ERROR_VALUE, "on_forward: no function"), -1;
    module_hook *hooks = gm_realloc(m->hooks, (size_t)(m->n_hooks + 1) * sizeof *hooks);
    if (!hooks) return -1;
    m->hooks = hooks;
    hooks[m->n_hooks++] = (module_hook){ fn, env, free_env, m->last_hook };
    gm_modes_changed();
    return m->last_hook++;
}

/* Works while an error is pending, as everything that takes back does. */
bool gm_remove_hook(gm_module *m, int64_t id) {
    if (!gm_check_object(m, &module_type, "remove_hook", 1)) return false;
    for (int64_t i = 0; i < m->n_hooks; i++) {
        if (m->hooks[i].id != id) continue;
        gm_modes_changed();
        module_free_hook(&m->hooks[i]);
        memmove(&m->hooks[i], &m->hooks[i + 1], (size_t)(--m->n_hooks - i) * sizeof *m->hooks);
        return true;
    }
    return gm_fail(GM_ERROR_INDEX, "remove_hook: the %s has no hook %lld", m->class_name, (long long)id);
}

bool gm__module_ready(gm_module *m) { return module_make_ready(m); }

static bool module_switch(gm_module *m, bool on) {
    bool changed = m->training != on;
    m->training = on;
    for (int64_t i = 0; i < m->n; i++)
        if (m->parts[i].child) changed |= module_switch(m->parts[i].child, on);
    return changed;
}

/* Works while an error is pending: training is restored on the way out of a failed evaluation. */
bool gm_set_training(gm_module *net, bool on) {
    if (!gm_check_object(net, &module_type, "set_training", 1)) return false;
    if (module_switch(net, on)) gm_modes_changed();
    return gm_ok();
}

/* Not while this or what it lies in is applied to symbolic values. */
bool gm_is_training(const gm_module *m) {
    if (!gm_check_object(m, &module_type, "is_training", 1)) return false;
    for (const gm_module *above = m; above; above = above->parent)
        if (above->symbolic) return false;
    return m->training;
}

int64_t gm_n_children(const gm_module *m) {
    int64_t n = 0;
    if (!gm__module_check(m, "n_children")) return -1;
    for (int64_t i = 0; i < m->n; i++) n += m->parts[i].child != NULL;
    return n;
}

gm_module *gm_child_at(const gm_module *m, int64_t index) {
    int64_t n = 0;
    if (!gm__module_check(m, "child_at")) return NULL;
    for (int64_t i = 0; i < m->n; i++)
        if (m->parts[i].child && n++ == index) return m->parts[i].child;
    return gm_fail(GM_ERROR_INDEX, "child_at: child %lld of a module with %lld", (long long)index, (long long)n), NULL;
}

const char *gm_module_name(const gm_module *m) {
    return gm__module_check(m, "module_name") ? (m->name ? m->name : "") : NULL;
}
const char *gm_module_class_name(const gm_module *m) {
    return gm__module_check(m, "module_class_name") ? m->class_name : NULL;
}
