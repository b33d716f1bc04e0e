/* backward.c: the walk over the tape, last operation first.
 *
 * A heap orders the entries that have a gradient waiting by their place in execution order; the latest is taken, its
 * rule is called, and what comes out is added where it belongs. Every consumer of a value ran after the operation that
 * made it, so when an entry is taken its gradients are complete, and contributions were added in the order the
 * contract names. */
#include "../math/fp.h"
#include "../base/grow.h"
#include "../base/args.h"
#include "tape.h"
#include "../base/context.h"
#include "../base/map.h"
#include "../ops/indexing.h"
#include "../ops/ops.h"

#include <string.h>

bool (*gm__remat_again)(gm_node *n, gm_tensor **out);
bool (*gm__compiled_takes)(const gm_node *n, gm_tensor *const *gout);

/* What one pass knows of one entry. */
typedef struct { gm_node *node; gm_tensor *gout[GM_OP_MAX_OUT]; gm_tensor **more; } backward_visit;

typedef struct {
    backward_visit **heap;
    int64_t n, capacity;
    gm__map visits;      /* node -> backward_visit */
    gm__map leaves;      /* leaf -> gradient (one count each) */
    gm_tensor **wanted;  /* [n_wanted] */
    gm_tensor **found;   /* [n_wanted] */
    int64_t n_wanted;
    int64_t last_hook;   /* added before the pass */
    gm__contributions *outside; /* not NULL: where gradients go that leave the entries from `since` on */
    uint64_t since;
    gm__map marks;       /* what leads to the wanted ones; not used where every leaf is wanted */
    bool all, create_graph, retain;
} backward_pass;

/* ---- the heap ---- */

static bool backward_push(backward_pass *b, backward_visit *v) {
    if (!gm__grow(&b->heap, b->n, &b->capacity, sizeof *b->heap)) return false;
    int64_t i = b->n++;
    for (; i > 0 && b->heap[(i - 1) / 2]->node->sequence < v->node->sequence; i = (i - 1) / 2)
        b->heap[i] = b->heap[(i - 1) / 2];
    b->heap[i] = v;
    return true;
}

static backward_visit *backward_pop(backward_pass *b) {
    backward_visit *top = b->heap[0], *v = b->heap[--b->n];
    int64_t i = 0;
    for (int64_t child; (child = 2 * i + 1) < b->n; i = child) {
        if (child + 1 < b->n && b->heap[child + 1]->node->sequence > b->heap[child]->node->sequence) child++;
        if (b->heap[child]->node->sequence <= v->node->sequence) break;
        b->heap[i] = b->heap[child];
    }
    b->heap[i] = v;
    return top;
}

/* ---- gradients waiting ---- */

static gm_tensor **backward_gout(backward_visit *v) { return v->more ? v->more : v->gout; }

static backward_visit *backward_visit_of(backward_pass *b, gm_node *node) {
    void **place = gm__map_at(&b->visits, node);
    if (!place) return NULL;
    if (*place) return *place;
    backward_visit *v = gm_alloc(sizeof *v);
    if (!v) return NULL;
    v->node = gm_retain(node);
    if (node->n_out > GM_OP_MAX_OUT && !(v->more = gm_alloc((size_t)node->n_out * sizeof *v->more))) {
        gm_release(node);
        gm_free(v);
        return NULL;
    }
    *place = v;
    return backward_push(b, v) ? v : NULL; /* on failure the visit is freed with the map */
}

/* Of two gradients that have few rows, the sum has few rows; it is the same chain. */
static gm_tensor *backward_sum(gm_tensor *a, gm_tensor *b) {
    gm_tensor *at[2], *values[2];
    if (a->node || b->node || !gm__tensor_rows(a, &at[0], &values[0]) || !gm__tensor_rows(b, &at[1], &values[1]))
        return gm_add(a, b);
    gm_tensor *all = gm_concat(values, 2, 0), *index = gm_concat(at, 2, 0);
    return gm_ok() ? gm__index_sum(all, 0, index, a->shape.d[0], -1) : NULL;
}

/* *total += g. The first contribution is taken as it is. */
static bool backward_add(gm_tensor **total, gm_tensor *g) {
    gm_tensor *sum = *total ? backward_sum(*total, g) : g;
    if (!sum) return false;
    gm_retain(sum);
    gm_release(*total);
    *total = sum;
    return true;
}

static bool backward_put_out(gm__contributions *l, gm_node *node, gm_tensor *leaf, int out_index, gm_tensor *g) {
    if (!gm__grow(&l->at, l->n, &l->capacity, sizeof *l->at)) return false;
    l->at[l->n++] = (gm__contribution){ node, node ? NULL : leaf, gm_retain(g), out_index };
    return true;
}

static bool backward_deliver(backward_pass *b, gm_node *node, gm_tensor *leaf, int out_index, gm_tensor *g) {
    if (b->outside && (!node || node->sequence < b->since))
        return backward_put_out(b->outside, node, leaf, out_index, g);
    if (node) {
        backward_visit *v = backward_visit_of(b, node);
        return v && backward_add(&backward_gout(v)[out_index], g);
    }
    void **total = gm__map_at(&b->leaves, leaf);
    return total && backward_add((gm_tensor **)total, g);
}

/* ---- one entry ---- */

static bool backward_check_nan(const gm_node *n, gm_tensor *const *gin) {
    gm_context *c = gm__context();
    if (!c->anomaly) return true;
    for (int i = 0; i < n->n_in; i++) {
        if (!gin[i]) continue;
        GM_NO_GRAD;
        gm_tensor *bad = gm_isnan(gin[i]);
        const uint8_t *flags = bad ? gm_data(gm_contiguous(bad)) : NULL;
        for (int64_t k = 0; flags && k < gm_shape_count(bad->shape); k++)
            if (flags[k])
                return gm_fail(GM_ERROR_NUMERIC, "backward of %s: the gradient of input %d is the first with a NaN%s%s",
                               n->op->name, i + 1, n->where && *n->where ? ", recorded in " : "",
                               n->where ? n->where : "");
    }
    return gm_ok();
}

static bool backward_gradient_fits(const gm_node *n, int i, const gm_tensor *g) {
    const gm__meta *m = &n->meta[i];
    bool fits = g->shape.n == m->n && !memcmp(g->shape.d, n->dims + m->dims, (size_t)m->n * 8);
    return fits || gm_fail(GM_ERROR_INTERNAL, "backward of %s: a gradient of shape %s for input %d of another shape",
                           n->op->name, gm__tensor_shape_str(g), i + 1);
}

static bool backward_is_wanted(const backward_pass *b, const gm__edge *e) {
    return b->all ? e->needs : gm__edge_is_wanted(&b->marks, e);
}

static bool backward_call_rule(const backward_pass *b, gm_node *n, gm_tensor *const *gout, gm_tensor **in,
                               gm_tensor **out, gm_tensor **gin, bool *needs) {
    for (int i = 0; i < n->n_in; i++) {
        in[i] = gm__node_input(n, i);
        needs[i] = backward_is_wanted(b, &n->edge[i]);
        gin[i] = NULL;
    }
    for (int j = 0; j < n->n_out; j++) out[j] = gm__node_output(n, j);
    if (!gm_ok()) return false;
    gm_grad_args a = { n->op, n->n_in, n->n_out, in, out, gout, needs, gin, n->attrs };
    return n->op->grad(&a) && gm_ok() && backward_check_nan(n, gin);
}

static bool backward_pass_on(backward_pass *b, gm_node *n, gm_tensor *const *gin, const bool *needs) {
    for (int i = 0; i < n->n_in; i++) {
        gm__edge *e = &n->edge[i];
        if (!needs[i] || !gin[i]) continue;
        gm_tensor *g = gin[i]->dtype == n->meta[i].dtype ? gin[i] : gm_cast(gin[i], n->meta[i].dtype);
        if (!g || !backward_gradient_fits(n, i, g) || !backward_deliver(b, e->node, e->leaf, e->out_index, g))
            return false;
    }
    return true;
}

/* Gradients of values that gm_gradients asked for, complete now that their entry is reached. */
static void backward_collect(backward_pass *b, const backward_visit *v) {
    for (int64_t k = 0; k < b->n_wanted; k++)
        if (b->wanted[k]->node == v->node) {
            gm_tensor *g = backward_gout((backward_visit *)v)[b->wanted[k]->out_index];
            b->found[k] = gm_retain(g);
        }
}

/* Output handles that asked to be told: their hooks may change what goes on, their gradient may be kept. */
static bool backward_tell_watchers(const backward_pass *b, backward_visit *v) {
    for (int32_t k = 0; k < v->node->n_watchers; k++) {
        gm_tensor *x = v->node->watchers[k], **g = &backward_gout(v)[x->out_index];
        gm_tensor *changed = *g ? gm__run_hooks(x, *g, b->last_hook) : NULL;
        if (!gm_ok()) return false;
        if (!changed) continue;
        gm_retain(changed);
        gm_release(*g);
        *g = changed;
        if (x->retains_grad && !gm_set_gradient(x, x->grad ? gm_add(x->grad, changed) : changed)) return false;
    }
    return true;
}

/* The entry's place is taken by those of the function that runs again. They are the latest of all, so what they add
 * to gradients comes where it would have come from them in the first place. */
static bool backward_again(backward_pass *b, backward_visit *v) {
    gm_node *n = v->node;
    gm_tensor **out = gm_alloc((size_t)(n->n_out + 1) * sizeof *out);
    bool ok = out && gm__remat_again(n, out);
    for (int j = 0; j < n->n_out && ok; j++) {
        gm_tensor *y = out[j], *g = backward_gout(v)[j];
        if (!g || !y || !gm__is_tracked(y)) continue;
        ok = (b->all || gm__mark_wanted(&b->marks, y->node, b->wanted, b->n_wanted)) &&
             backward_deliver(b, y->node, y, y->out_index, g);
    }
    gm_free(out);
    return ok;
}

static bool backward_runs_again(backward_visit *v) {
    const gm_node *n = v->node;
    if (n->op != &gm__compiled_op) return n->op == &gm__remat_op;
    return gm__context()->trace || !gm__compiled_takes(n, backward_gout(v));
}

static bool backward_visit_node(backward_pass *b, backward_visit *v) {
    gm_node *n = v->node;
    GM_SCOPE(scope);
    if (!backward_tell_watchers(b, v)) return false;
    backward_collect(b, v);
    if (!b->all && !gm__node_leads(&b->marks, n)) return true;
    if (n->used)
        return gm_fail(GM_ERROR_GRADIENT,
                       "backward of %s: its saved values were dropped by an earlier pass (use .retain)", n->op->name);
    if (backward_runs_again(v)) return backward_again(b, v);
    size_t pointers = (size_t)(2 * n->n_in + n->n_out);
    gm_tensor *few[32], **all = pointers <= 32 ? few : gm_alloc(pointers * sizeof *all);
    bool few_needs[16], *needs = n->n_in <= 16 ? few_needs : gm_alloc((size_t)n->n_in);
    bool ok = all && needs &&
              backward_call_rule(b, n, backward_gout(v), all, all + 2 * n->n_in, all + n->n_in, needs) &&
              backward_pass_on(b, n, all + n->n_in, needs);
    if (all != few) gm_free(all);
    if (needs != few_needs) gm_free(needs);
    if (!b->retain && !n->lasting) gm__node_drop_saved(n);
    return ok;
}

/* ---- the pass ---- */

static void backward_free_visit(backward_visit *v) {
    for (int j = 0; j < v->node->n_out; j++) gm_release(backward_gout(v)[j]);
    gm_release(v->node);
    gm_free(v->more);
    gm_free(v);
}

static void backward_end(backward_pass *b) {
    for (int64_t i = 0; i < b->visits.capacity; i++)
        if (b->visits.keys[i] && b->visits.values[i]) backward_free_visit(b->visits.values[i]);
    for (int64_t i = 0; i < b->leaves.capacity; i++)
        if (b->leaves.keys[i]) gm_release(b->leaves.values[i]);
    gm__map_free(&b->visits);
    gm__map_free(&b->leaves);
    gm__map_free(&b->marks);
    gm_free(b->heap);
}

static bool backward_run(backward_pass *b, gm_tensor *const *y, gm_tensor *const *gradient, int n) {
    b->last_hook = gm__n_hooks_added();
    for (int k = n; k-- > 0;) /* what is used last comes first */
        if (!backward_deliver(b, y[k]->node, y[k], y[k]->out_index, gradient[k])) return false;
    while (b->n) {
        backward_visit *v = backward_pop(b);
        if (!backward_visit_node(b, v)) return false;
        for (int j = 0; j < v->node->n_out; j++) { /* early, for the peak of memory */
            gm_release(backward_gout(v)[j]);
            backward_gout(v)[j] = NULL;
        }
    }
    return true;
}

static gm_tensor *backward_seed(gm_tensor *y, gm_tensor *given, const char *op, bool sum) {
    if (!y->node && !y->requires_grad) {
        gm_fail(GM_ERROR_GRADIENT, "%s: nothing below this tensor requires a gradient (gm_set_requires_grad)", op);
        return NULL;
    }
    if (given) {
        if (gm__check_tensor(given, op, 2) && gm_shape_equal(given->shape, y->shape)) return gm_cast(given, y->dtype);
        gm_fail(GM_ERROR_SHAPE, "%s: .gradient is %s, the tensor %s", op, gm__tensor_shape_str(given),
                gm__tensor_shape_str(y));
        return NULL;
    }
    if (!sum && gm_shape_count(y->shape) != 1) {
        gm_fail(GM_ERROR_SHAPE, "%s: the tensor is %s; give .gradient, or reduce it to one element", op,
                gm__tensor_shape_str(y));
        return NULL;
    }
    return gm_ones_like(y);
}

/* A row-major variable gets a row-major gradient, whatever view the last rule made. */
static gm_tensor *backward_laid_out(const gm_tensor *leaf, gm_tensor *g) {
    return g && gm_is_contiguous(leaf) ? gm_contiguous(g) : g;
}

/* Leaves in order of their addresses would depend on the allocator; each has a sum of its own, so order has no say. */
static bool backward_store(backward_pass *b) {
    for (int64_t i = 0; i < b->leaves.capacity; i++) {
        gm_tensor *leaf = (gm_tensor *)b->leaves.keys[i], *g = leaf ? b->leaves.values[i] : NULL;
        if (!g) continue;
        if (leaf->hooks) g = gm__run_hooks(leaf, g, b->last_hook);
        g = backward_laid_out(leaf, g);
        if (!g || !gm_set_gradient(leaf, leaf->grad ? backward_sum(leaf->grad, g) : g)) return false;
    }
    return true;
}

static void backward_set_mode(bool create_graph) { gm__context()->no_grad = !create_graph; }

bool gm_backward_with(gm_tensor *y, const gm_backward_args *args) {
    gm_backward_args o;
    if (!gm_ok() || !gm__args_take("backward", &o, sizeof o, args) || !gm__check_tensor(y, "backward", 1)) return false;
    GM_SCOPE(scope);
    gm_no_grad_guard mode = gm_no_grad_begin();
    gm_tensor *seed = backward_seed(y, o.gradient, "backward", false);
    backward_pass b = { .all = true, .create_graph = o.create_graph, .retain = o.retain || o.create_graph };
    backward_set_mode(b.create_graph);
    bool ok = seed && backward_run(&b, &y, &seed, 1) && backward_store(&b);
    backward_end(&b);
    gm_no_grad_end(&mode);
    return ok;
}

/* ---- gradients with respect to given tensors ---- */

static gm_tensor *backward_found(backward_pass *b, int64_t k) {
    gm_tensor *x = b->wanted[k];
    if (x->node) return b->found[k];
    void **g = gm__map_find(&b->leaves, x);
    return g ? *g : NULL;
}

static gm_pack *backward_pack(backward_pass *b, gm_pack *xs) {
    gm_pack *out = gm_pack_new();
    for (int64_t k = 0; out && k < b->n_wanted; k++) {
        gm_tensor *g = backward_found(b, k);
        if (!gm_pack_set(out, gm_pack_name(xs, k), g ? g : gm_zeros_like(b->wanted[k]))) return NULL;
    }
    return out;
}

static bool backward_wants(backward_pass *b, gm_pack *xs) {
    for (int64_t k = 0; k < b->n_wanted; k++) {
        b->wanted[k] = gm_pack_at(xs, k);
        if (!b->wanted[k] || !gm__is_tracked(b->wanted[k]))
            return gm_fail(GM_ERROR_GRADIENT, "gradients: %s does not require a gradient", gm_pack_name(xs, k));
    }
    return gm_ok();
}

/* In the mode of the pass, with everything that ends after it. */
static gm_pack *backward_towards(backward_pass *b, gm_tensor *const *y, gm_tensor *const *gradient, int n,
                                 gm_pack *xs) {
    gm_pack *out = NULL;
    bool ok = true;
    for (int k = 0; k < n && ok; k++)
        ok = !y[k]->node || gm__mark_wanted(&b->marks, y[k]->node, b->wanted, b->n_wanted);
    if (ok && backward_run(b, y, gradient, n)) out = backward_pack(b, xs);
    for (int64_t k = 0; k < b->n_wanted; k++) gm_release(b->found[k]);
    backward_end(b);
    return out;
}

static bool backward_begin(backward_pass *b, gm_pack *xs, bool create_graph) {
    int64_t n = xs ? gm_pack_count(xs) : -1;
    if (n < 0) return false;
    *b = (backward_pass){ .create_graph = create_graph, .retain = true, .n_wanted = n };
    b->wanted = gm_alloc((size_t)(2 * n + 1) * sizeof *b->wanted);
    if (!b->wanted) return false;
    b->found = b->wanted + n;
    return backward_wants(b, xs);
}

gm_pack *gm__gradients_of(gm_tensor *const *y, gm_tensor *const *gradient, int n, gm_pack *xs) {
    backward_pass b = { 0 };
    GM_SCOPE(scope);
    gm_no_grad_guard mode = gm_no_grad_begin();
    backward_set_mode(true);
    gm_pack *out = backward_begin(&b, xs, true) ? backward_towards(&b, y, gradient, n, xs) : NULL;
    gm_free(b.wanted);
    gm_no_grad_end(&mode);
    return gm_return(&scope, out);
}

bool gm__contributions_of(gm_tensor *const *y, gm_tensor *const *gradient, int n, uint64_t since, bool create_graph,
                          gm__contributions *list) {
    backward_pass b = { .all = true, .retain = true, .create_graph = create_graph, .outside = list, .since = since };
    GM_SCOPE(scope);
    gm_no_grad_guard mode = gm_no_grad_begin();
    backward_set_mode(create_graph);
    bool ok = backward_run(&b, y, gradient, n);
    backward_end(&b);
    gm_no_grad_end(&mode);
    return ok && gm_ok();
}

void gm__contributions_end(gm__contributions *list) {
    for (int64_t i = 0; i < list->n; i++) gm_release(list->at[i].gradient);
    gm_free(list->at);
    *list = (gm__contributions){ 0 };
}

gm_pack *gm_gradients_with(gm_tensor *y, gm_pack *xs, const gm_backward_args *args) {
    gm_backward_args o;
    backward_pass b = { 0 };
    if (!gm_ok() || !gm__args_take("gradients", &o, sizeof o, args) || !gm__check_tensor(y, "gradients", 1))
        return NULL;
    GM_SCOPE(scope);
    xs = gm_pack_flatten(xs);
    gm_no_grad_guard mode = gm_no_grad_begin();
    gm_tensor *seed = backward_begin(&b, xs, o.create_graph) ? backward_seed(y, o.gradient, "gradients", true) : NULL;
    backward_set_mode(b.create_graph);
    gm_pack *out = seed && gm_ok() ? backward_towards(&b, &y, &seed, 1, xs) : NULL;
    gm_free(b.wanted);
    gm_no_grad_end(&mode);
    return gm_return(&scope, out);
}
