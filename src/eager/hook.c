/* hook.c: callbacks on finished gradients. Hooks are numbered as they are added, so that a pass knows those that were
 * there when it began: what a hook adds is for the next pass. */
#include "../math/fp.h"
#include "tape.h"
#include "gemel/graph.h"

typedef struct hook_entry {
    gm_gradient_hook fn;
    void *env;
    void (*free_env)(void *env);
    struct hook_entry *next;
    int64_t number; /* ascending along the list */
} hook_entry;

static int64_t hook_count; /* atomic */

int64_t gm__n_hooks_added(void) { return __atomic_load_n(&hook_count, __ATOMIC_RELAXED); }

bool gm__watch_output(gm_tensor *x) {
    gm_node *n = x->node;
    if (!n) return true;
    for (int32_t k = 0; k < n->n_watchers; k++)
        if (n->watchers[k] == x) return true;
    gm_tensor **watchers = gm_realloc(n->watchers, (size_t)(n->n_watchers + 1) * sizeof *watchers);
    if (!watchers) return false;
    n->watchers = watchers;
    watchers[n->n_watchers++] = x;
    return true;
}

void gm__unwatch_output(gm_tensor *x) {
    gm_node *n = x->node;
    for (int32_t k = 0; n && k < n->n_watchers; k++)
        if (n->watchers[k] == x) n->watchers[k--] = n->watchers[--n->n_watchers];
}

bool gm_on_gradient(gm_tensor *x, gm_gradient_hook fn, void *env, void (*free_env)(void *env)) {
    if (!gm_ok() || !gm__check_tensor(x, "on_gradient", 1)) return false;
    if (!fn) return gm_fail(GM_ERROR_VALUE, "on_gradient: no function");
    hook_entry *h = gm_alloc(sizeof *h), **last = (hook_entry **)&x->hooks;
    if (!h || !gm__watch_output(x)) {
        gm_free(h);
        return false;
    }
    *h = (hook_entry){ fn, env, free_env, NULL, __atomic_add_fetch(&hook_count, 1, __ATOMIC_RELAXED) };
    while (*last) last = &(*last)->next;
    *last = h;
    if (x->storage) gm_modes_changed(); /* a traced value's hook is part of its recording */
    return true;
}

gm_tensor *gm__run_hooks(gm_tensor *x, gm_tensor *gradient, int64_t last) {
    for (const hook_entry *h = x->hooks; h && h->number <= last && gradient; h = h->next) {
        gm_tensor *changed = h->fn(h->env, x, gradient);
        if (!gm_ok()) return NULL;
        if (changed && !gm_shape_equal(changed->shape, x->shape)) {
            gm_fail(GM_ERROR_SHAPE, "on_gradient: the hook returned %s for a tensor of %s",
                    gm__tensor_shape_str(changed), gm__tensor_shape_str(x));
            return NULL;
        }
        if (changed) gradient = changed;
    }
    return gradient;
}

void gm__free_hooks(void *hooks) {
    for (hook_entry *h = hooks, *next; h; h = next) {
        next = h->next;
        if (h->free_env) h->free_env(h->env);
        gm_free(h);
    }
}
