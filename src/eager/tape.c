/* tape.c: recording calls. */
#include "../math/fp.h"
#include "tape.h"
#include "../base/context.h"
#include "../base/object.h"
#include "../ops/ops.h"

#include <stdatomic.h>
#include <string.h>

void gm__ew_saves(const gm_op *op, uint32_t *in, uint32_t *out);

void gm__op_saves(const gm_op *op, uint32_t *in, uint32_t *out) {
    if (op->flags & GM_OP_ELEMENTWISE) gm__ew_saves(op, in, out);
    else *in = op->saves_in, *out = op->saves_out;
}

/* ---- a node's life ---- */

void gm__node_drop_saved(gm_node *n) {
    for (int i = 0; i < n->n_in; i++) {
        gm_release(n->edge[i].saved);
        n->edge[i].saved = NULL;
    }
    for (int j = 0; j < n->n_out; j++) {
        gm_release(n->saved_out[j]);
        n->saved_out[j] = NULL;
    }
    n->used = true;
}

/* Chains of nodes can be long: what dies because this one dies is put on a list, not on the C stack. */
static __thread gm_node *tape_dying __attribute__((tls_model("initial-exec")));
static __thread bool tape_burying __attribute__((tls_model("initial-exec")));

static void tape_hold_objects(gm_node *n, void *(*hold)(void *object)) {
    for (const gm_attr *a = n->op->flags & GM_OP_OBJECTS ? n->op->attrs : NULL; a && a->name; a++)
        if (a->kind == GM_ATTR_OBJECT) hold(*(void **)((char *)n->attrs + a->offset));
}

static void *tape_let_go(void *object) { return gm_release(object), NULL; }

static void tape_bury(gm_node *n) {
    tape_hold_objects(n, tape_let_go);
    for (int i = 0; i < n->n_in; i++) {
        gm_release(n->edge[i].saved);
        gm_release(n->edge[i].leaf);
        gm_release(n->edge[i].node);
    }
    for (int j = 0; j < n->n_out; j++) gm_release(n->saved_out[j]);
    gm_free(n->where);
    gm_free(n->watchers);
    gm_free(n->block);
}

static void node_destroy(void *object) {
    gm_node *n = object;
    if (!n->block) return;
    gm_node *grave = memcpy(n->block, n, sizeof *n); /* the slot is reused at once; the block keeps the rest */
    grave->run = tape_dying;
    tape_dying = grave;
    if (tape_burying) return;
    tape_burying = true;
    while (tape_dying) {
        grave = tape_dying;
        tape_dying = grave->run;
        tape_bury(grave);
    }
    tape_burying = false;
}

const gm_type gm__node_type = { "tape entry", sizeof(gm_node), node_destroy };

/* ---- making one ---- */

static _Atomic uint64_t tape_sequence;

uint64_t gm__tape_now(void) { return atomic_load_explicit(&tape_sequence, memory_order_relaxed); }

static size_t tape_round(size_t bytes) { return (bytes + 15) & ~(size_t)15; }

/* The node with its one block of memory laid out: a grave (see node_destroy), edges, saved, versions, metas,
 * attributes, sizes. */
static gm_node *tape_new_node(const gm_op *op, int n_in, int n_out, int64_t n_dims) {
    size_t grave = tape_round(sizeof(gm_node)), edges = tape_round((size_t)n_in * sizeof(gm__edge));
    size_t saved = tape_round((size_t)n_out * sizeof(gm_tensor *)), versions = tape_round((size_t)n_out * 4);
    size_t metas = tape_round((size_t)(n_in + n_out) * sizeof(gm__meta)), attrs = tape_round(op->attrs_bytes);
    gm_node *n = gm__object_make(&gm__node_type);
    char *block = n ? gm_alloc(grave + edges + saved + versions + metas + attrs + (size_t)n_dims * 8) : NULL;
    if (!block) {
        gm_release(n);
        return NULL;
    }
    n->block = block;
    n->edge = (gm__edge *)(block += grave);
    n->saved_out = (gm_tensor **)(block += edges);
    n->out_version = (uint32_t *)(block += saved);
    n->meta = (gm__meta *)(block += versions);
    n->attrs = block += metas;
    n->dims = (int64_t *)(block + attrs);
    n->op = op, n->n_in = n_in, n->n_out = n_out;
    n->sequence = atomic_fetch_add_explicit(&tape_sequence, 1, memory_order_relaxed);
    return n;
}

static int64_t tape_describe(gm_node *n, int k, const gm_tensor *t, int64_t at) {
    n->meta[k] = (gm__meta){ t->dtype, t->shape.n, at };
    memcpy(n->dims + at, t->shape.d, (size_t)t->shape.n * 8);
    return at + t->shape.n;
}

static void tape_connect(gm__edge *e, gm_tensor *t, bool differentiable) {
    e->present = true;
    if (!differentiable || !gm__is_float(t->dtype)) return;
    if (t->node) {
        e->node = gm_retain(t->node);
        e->out_index = t->out_index;
        e->needs = true;
    } else if (t->requires_grad) {
        e->leaf = gm_retain(t);
        e->needs = true;
    }
}

static bool tape_save_output(gm_node *n, int j, gm_tensor *t) {
    gm_tensor *alias = gm__object_make(&gm__tensor_type);
    if (!alias) return false;
    alias->storage = gm_retain(t->storage);
    alias->symbol = gm_retain(t->symbol);
    alias->offset = t->offset;
    alias->dtype = t->dtype;
    alias->shape = t->shape;
    memcpy(alias->stride, t->stride, (size_t)t->shape.n * 8);
    n->saved_out[j] = alias;
    n->out_version[j] = t->storage ? t->storage->version : 0;
    return true;
}

static bool tape_note_where(gm_node *n) {
    const gm_context *c = gm__context();
    if (!c->anomaly) return true;
    n->where = gm_strdup(c->where);
    return n->where != NULL;
}

bool gm__tape_record(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor *const *out,
                     int n_out) {
    int64_t n_dims = 0, at = 0;
    uint32_t saves_in, saves_out;
    for (int i = 0; i < n_in; i++) n_dims += in[i] ? in[i]->shape.n : 0;
    for (int j = 0; j < n_out; j++) n_dims += out[j]->shape.n;
    gm_node *n = tape_new_node(op, n_in, n_out, n_dims);
    if (!n) return false;
    bool ok = tape_note_where(n);
    if (op->attrs_bytes && attrs) memcpy(n->attrs, attrs, op->attrs_bytes);
    tape_hold_objects(n, gm_retain);
    gm__op_saves(op, &saves_in, &saves_out);
    for (int i = 0; i < n_in; i++) {
        if (!in[i]) continue;
        at = tape_describe(n, i, in[i], at);
        tape_connect(&n->edge[i], in[i], !op->diff_in || (op->diff_in >> (i < 31 ? i : 31) & 1));
        if (!(saves_in >> (i < 31 ? i : 31) & 1)) continue;
        n->edge[i].saved = gm_retain(in[i]);
        n->edge[i].version = in[i]->storage ? in[i]->storage->version : 0;
    }
    for (int j = 0; j < n_out && ok; j++) {
        at = tape_describe(n, n_in + j, out[j], at);
        if (saves_out >> (j < 31 ? j : 31) & 1) ok = tape_save_output(n, j, out[j]);
    }
    for (int j = 0; j < n_out && ok; j++) {
        if (!gm__is_float(out[j]->dtype) || (op->diff_out && !(op->diff_out >> (j < 31 ? j : 31) & 1))) continue;
        out[j]->node = gm_retain(n);
        out[j]->out_index = (uint16_t)j;
    }
    gm_release(n);
    return ok;
}

/* ---- handing values to rules ---- */

static gm_shape tape_shape(const gm_node *n, int k) {
    gm_shape s = { .n = n->meta[k].n };
    memcpy(s.d, n->dims + n->meta[k].dims, (size_t)s.n * 8);
    return s;
}

gm_shape gm__node_out_shape(const gm_node *n, int j) { return tape_shape(n, n->n_in + j); }

static gm_tensor *tape_ghost(const gm_node *n, int k) {
    gm_shape s = tape_shape(n, k);
    return gm__tensor_over(NULL, 0, &s, n->meta[k].dtype);
}

static bool tape_unchanged(const gm_node *n, const gm_tensor *t, uint32_t version, const char *what, int i) {
    if (!t->storage || t->storage->version == version) return true;
    unsigned changes = t->storage->version - version;
    return gm_fail(GM_ERROR_GRADIENT, "backward of %s: %s %d was changed in place after it was saved (%u change%s)",
                   n->op->name, what, i + 1, changes, changes == 1 ? "" : "s");
}

gm_tensor *gm__node_input(gm_node *n, int i) {
    const gm__edge *e = &n->edge[i];
    if (!e->present) return NULL;
    if (!e->saved) return tape_ghost(n, i);
    return tape_unchanged(n, e->saved, e->version, "input", i) ? e->saved : NULL;
}

gm_tensor *gm__node_output(gm_node *n, int j) {
    if (!n->saved_out[j]) return tape_ghost(n, n->n_in + j);
    if (!tape_unchanged(n, n->saved_out[j], n->out_version[j], "output", j)) return NULL;
    gm_tensor *t = gm__tensor_alias(n->saved_out[j]);
    if (t) t->symbol = gm_retain(n->saved_out[j]->symbol);
    if (!t || !gm__is_float(t->dtype)) return t;
    t->node = gm_retain(n);
    t->out_index = (uint16_t)j;
    return t;
}
