/* functional.c: a net made of the records behind symbolic values.
 *
 * The values of a run lie in slots: first the inputs, then the outputs of each node, then constants. A node is an
 * operation or a call of a layer; nodes run in the order in which they were written down, each in a scope of its own,
 * and a value is let go behind the last node that needs it. */
#include "../math/fp.h"
#include "layer_call.h"
#include "../base/args.h"
#include "gemel/autograd.h"
#include "gemel/ops.h"

#include <stdio.h>
#include <string.h>

enum { FUNCTIONAL_MAX_PORTS = 64, FUNCTIONAL_ATTRS = 1024 };

typedef struct {
    const gm_op *op;
    void *attrs;
    layer_call *call; /* where op is NULL */
    int32_t n_in, n_out, out; /* outputs are slots out ... */
    int32_t *in; /* slots; -1 for what is absent */
} functional_node;

typedef struct { char *name; gm_shape shape; gm_dtype dtype; int32_t slot; } functional_port;

typedef struct {
    functional_node *node;
    functional_port *in, *out;
    gm_tensor **constant; /* slots first_constant ... */
    int32_t *last;        /* by slot: the node behind which it is let go */
    int32_t n_nodes, n_in, n_out, n_slots, first_constant;
} functional;

static void functional_destroy(void *state) {
    functional *f = state;
    for (int i = 0; i < f->n_nodes; i++) {
        gm_free(f->node[i].attrs);
        gm_free(f->node[i].in);
        gm_release(f->node[i].call);
    }
    for (int i = 0; f->in && i < f->n_in; i++) gm_free(f->in[i].name);
    for (int i = 0; f->out && i < f->n_out; i++) gm_free(f->out[i].name);
    for (int i = f->first_constant; f->constant && i < f->n_slots; i++) gm_release(f->constant[i - f->first_constant]);
    gm_free(f->node);
    gm_free(f->in);
    gm_free(f->out);
    gm_free(f->constant);
    gm_free(f->last);
}

/* ---- running ---- */

/* What a run knows: its values by slot, and the sizes that were not known before. */
typedef struct { gm_tensor **value; int64_t batch, any; bool several; } functional_run;

/* A shape with letters for what is not fixed. */
static char *functional_wanted(gm_shape s, char *text, size_t bytes) {
    size_t at = (size_t)snprintf(text, bytes, "[");
    for (int i = 0; i < s.n && at + 30 < bytes; i++) {
        at += (size_t)snprintf(text + at, bytes - at, "%s", i ? ", " : "");
        if (s.d[i] == GM_SIZE_BATCH || s.d[i] == GM_SIZE_ANY)
            at += (size_t)snprintf(text + at, bytes - at, "%s", s.d[i] == GM_SIZE_BATCH ? "B" : "?");
        else at += (size_t)snprintf(text + at, bytes - at, "%lld", (long long)s.d[i]);
    }
    snprintf(text + at, bytes - at, "]");
    return text;
}

static bool functional_fits(functional_run *r, gm_shape wanted, gm_shape got) {
    if (wanted.n != got.n) return false;
    for (int i = 0; i < got.n; i++) {
        if (wanted.d[i] == GM_SIZE_BATCH) {
            if (r->batch >= 0 && r->batch != got.d[i]) return false;
            r->batch = got.d[i];
        } else if (wanted.d[i] == GM_SIZE_ANY) {
            r->several |= r->any >= 0 && r->any != got.d[i];
            r->any = got.d[i];
        } else if (wanted.d[i] != got.d[i]) return false;
    }
    return true;
}

static bool functional_take(const functional *f, functional_run *r, gm_tensor *const *in) {
    char got[200], wanted[200];
    for (int i = 0; i < f->n_in; i++) {
        const functional_port *p = &f->in[i];
        gm_shape s = gm_shape_of(in[i]);
        gm_dtype dtype = gm_dtype_of(in[i]);
        if (!gm_ok()) return false;
        if (gm_is_float(dtype) != gm_is_float(p->dtype))
            return gm_fail(GM_ERROR_DTYPE, "model: input \"%s\" is %s, %s is wanted", p->name, gm_dtype_name(dtype),
                           gm_dtype_name(p->dtype));
        if (!functional_fits(r, p->shape, s))
            return gm_fail(GM_ERROR_SHAPE, "model: input \"%s\" is %s, %s is wanted", p->name,
                           gm_shape_text(s, got, sizeof got), functional_wanted(p->shape, wanted, sizeof wanted));
        r->value[i] = in[i];
    }
    return true;
}

static bool functional_size(const functional_run *r, int64_t *size) {
    if (r->several && *size && *size % GM_SIZE_ANY == 0)
        return gm_fail(GM_ERROR_SHAPE, "model: inputs differ in a size that is not fixed, and a shape depends on it");
    /* where no input has such a size, a number that looks like one is what it is */
    *size = gm_size_known(*size, r->batch < 0 ? GM_SIZE_BATCH : r->batch, r->any < 0 ? GM_SIZE_ANY : r->any);
    return true;
}

/* Attributes with the sizes of this run: those of the record, of shapes and whole numbers, hold the unknown ones. */
static bool functional_attrs(const functional_node *n, const functional_run *r, char *attrs) {
    memcpy(attrs, n->attrs, n->op->attrs_bytes);
    for (const gm_attr *a = n->op->attrs; a && a->name; a++) {
        char *at = attrs + a->offset;
        gm_shape *shape = (gm_shape *)at;
        int64_t *size = a->kind == GM_ATTR_SHAPE ? shape->d : (int64_t *)at;
        int count = a->kind == GM_ATTR_SHAPE ? shape->n
                    : a->kind == GM_ATTR_I64 || a->kind == GM_ATTR_I64S ? a->count
                                                                        : 0;
        for (int i = 0; i < count; i++)
            if (!functional_size(r, &size[i])) return false;
    }
    gm_op_redraw(n->op, attrs);
    return true;
}

static bool functional_op(const functional_node *n, const functional_run *r, gm_tensor *const *in, gm_tensor **out) {
    _Alignas(16) char attrs[FUNCTIONAL_ATTRS];
    if (n->attrs && !functional_attrs(n, r, attrs)) return false;
    return gm_op_call(n->op, in, n->n_in, n->attrs ? attrs : NULL, out, n->n_out) == n->n_out;
}

static bool functional_layer(const functional_node *n, gm_tensor *const *in, gm_tensor **out) {
    const char *name = n->call->in_names;
    if (!name) return (out[0] = gm_forward(n->call->module, in[0])) != NULL;
    gm_pack *given = gm_pack_new();
    for (int i = 0; i < n->n_in; i++, name += strlen(name) + 1) gm_pack_set(given, name, in[i]);
    gm_pack *got = gm_apply(n->call->module, given);
    name = n->call->out_names;
    for (int j = 0; gm_ok() && j < n->n_out; j++, name += strlen(name) + 1) out[j] = gm_get(got, name);
    return gm_ok();
}

static void functional_let_go(const functional *f, functional_run *r, const functional_node *n, int at) {
    for (int i = -n->n_out; i < n->n_in; i++) {
        int slot = i < 0 ? n->out - i - 1 : n->in[i];
        if (slot < f->n_in || slot >= f->first_constant || f->last[slot] != at) continue;
        gm_release(r->value[slot]);
        r->value[slot] = NULL;
    }
}

static bool functional_step(const functional *f, functional_run *r, int at) {
    const functional_node *n = &f->node[at];
    gm_tensor *in[FUNCTIONAL_MAX_PORTS], *out[FUNCTIONAL_MAX_PORTS] = { NULL };
    GM_SCOPE(s);
    for (int i = 0; i < n->n_in; i++) in[i] = n->in[i] < 0 ? NULL : r->value[n->in[i]];
    if (!(n->op ? functional_op(n, r, in, out) : functional_layer(n, in, out))) return false;
    for (int j = 0; j < n->n_out; j++) r->value[n->out + j] = gm_keep(out[j]);
    functional_let_go(f, r, n, at);
    return gm_ok();
}

/* Fills out[] with values that belong to the innermost scope. */
static bool functional_all(const functional *f, gm_tensor *const *in, gm_tensor **out) {
    functional_run r = { gm_alloc((size_t)f->n_slots * sizeof(gm_tensor *) + 1), -1, -1, false };
    bool ok = r.value && functional_take(f, &r, in);
    for (int i = f->first_constant; ok && i < f->n_slots; i++) r.value[i] = f->constant[i - f->first_constant];
    for (int i = 0; ok && i < f->n_nodes; i++) ok = functional_step(f, &r, i);
    for (int j = 0; ok && j < f->n_out; j++) {
        gm_scope s = gm_scope_open();
        out[j] = gm_return(&s, r.value[f->out[j].slot]);
    }
    for (int i = f->n_in; r.value && i < f->first_constant; i++) gm_release(r.value[i]);
    gm_free(r.value);
    return ok && gm_ok();
}

static gm_tensor *functional_forward(gm_module *m, gm_tensor *x) {
    const functional *f = gm_state(m);
    gm_tensor *out[FUNCTIONAL_MAX_PORTS];
    return f && functional_all(f, &x, out) ? out[0] : NULL;
}

static bool functional_pick(const functional *f, gm_pack *given, gm_tensor **in) {
    char names[400] = "";
    bool named = true;
    for (int i = 0; i < f->n_in; i++) {
        named = named && gm_pack_has(given, f->in[i].name);
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "", f->in[i].name);
    }
    if (!named && gm_pack_count(given) != f->n_in)
        return gm_fail(GM_ERROR_VALUE, "model: %lld inputs; %d are wanted: %s", (long long)gm_pack_count(given),
                       f->n_in, names);
    for (int i = 0; gm_ok() && i < f->n_in; i++)
        in[i] = named ? gm_get(given, f->in[i].name) : gm_pack_at(given, i);
    return gm_ok();
}

static gm_pack *functional_apply(gm_module *m, gm_pack *given) {
    const functional *f = gm_state(m);
    gm_tensor *in[FUNCTIONAL_MAX_PORTS], *out[FUNCTIONAL_MAX_PORTS];
    if (!f || !functional_pick(f, given, in) || !functional_all(f, in, out)) return NULL;
    gm_pack *result = gm_pack_new();
    for (int j = 0; j < f->n_out; j++) gm_pack_set(result, f->out[j].name, out[j]);
    return gm_ok() ? result : NULL;
}

/* ---- making: inputs ---- */

gm_tensor *gm_input_with(gm_shape shape, const gm_input_args *args) {
    gm_input_args a = { 0 };
    char text[200];
    if (!gm_ok() || !gm__args_take("input", &a, sizeof a, args)) return NULL;
    gm_spec spec = { .dtype = a.dtype ? a.dtype : GM_F32, .shape = { .n = shape.n + !a.no_batch } };
    bool fits = shape.n >= 0 && spec.shape.n <= GM_MAX_DIMS && gm_dtype_bits(spec.dtype);
    for (int i = 0; fits && i < shape.n; i++) {
        fits = shape.d[i] >= -1;
        spec.shape.d[i + !a.no_batch] = shape.d[i] == -1 ? GM_SIZE_ANY : shape.d[i];
    }
    if (!fits)
        return gm_fail(GM_ERROR_VALUE, "input: the shape %s, dtype %s", gm_shape_text(shape, text, sizeof text),
                       gm_dtype_name(spec.dtype)),
               NULL;
    if (!a.no_batch) spec.shape.d[0] = GM_SIZE_BATCH;
    gm_tensor *out = NULL;
    return gm_symbolic(NULL, NULL, 0, &spec, &out, 1) ? out : NULL;
}

gm_tensor *(gm_input)(gm_shape shape) { return gm_input_with(shape, NULL); }

gm_module *gm_named(const char *name, gm_module *layer) {
    if (!gm__module_check(layer, "named")) return NULL;
    if (!name || !*name || strchr(name, '.') || strlen(name) > 200)
        return gm_fail(GM_ERROR_VALUE, "named: \"%.200s\" is no name (up to 200 bytes, not empty, without dots)",
                       name ? name : "NULL"),
               NULL;
    if (layer->parent)
        return gm_fail(GM_ERROR_STATE, "named: the %s is \"%s\" in another module", layer->class_name, layer->name),
               NULL;
    char *copy = gm_strdup(name);
    if (!copy) return NULL;
    gm_free(layer->name);
    layer->name = copy;
    return layer;
}

/* ---- making: the net ---- */

typedef struct {
    functional *f;
    gm_module *m;
    gm_pack *inputs;
    record_list records;
    int32_t n_constants;
} functional_plan;

static int32_t functional_constant(functional_plan *p, gm_tensor *t) {
    for (int i = 0; i < p->n_constants; i++)
        if (p->f->constant[i] == t) return p->f->first_constant + i;
    p->f->constant[p->n_constants] = gm_retain(t);
    return p->f->first_constant + p->n_constants++;
}

/* Where t lies: an input, what a node gives, or a constant. */
static int32_t functional_slot(functional_plan *p, gm_tensor *t) {
    int32_t a, b;
    if (!t) return -1;
    if (!gm_is_symbolic(t)) return functional_constant(p, t);
    const gm_record *r = gm_record_of(t, &a);
    for (int i = 0; i < p->f->n_in; i++)
        if (gm_record_of(gm_pack_at(p->inputs, i), &b) == r && a == b) return i;
    int64_t at = gm__records_find(&p->records, t);
    return at < 0 ? -1 : p->f->node[at].out + a;
}

static bool functional_add_node(functional_plan *p, int at) {
    const gm_record *r = p->records.r[at];
    functional_node *n = &p->f->node[at];
    n->op = r->op, n->n_in = r->n_in, n->n_out = r->n_out, n->out = p->f->n_slots;
    p->f->n_slots += r->n_out;
    if (!r->op && !gm__layer_call_of(r))
        return gm_fail(GM_ERROR_VALUE, "model: an output depends on an input that is not among those given");
    if (r->n_in > FUNCTIONAL_MAX_PORTS || r->n_out > FUNCTIONAL_MAX_PORTS ||
        (r->op && r->op->attrs_bytes > FUNCTIONAL_ATTRS))
        return gm_fail(GM_ERROR_UNSUPPORTED, "model: a call of %d inputs and %d outputs", r->n_in, r->n_out);
    n->in = gm_alloc((size_t)n->n_in * sizeof *n->in + 1);
    if (r->op && r->op->attrs_bytes && (n->attrs = gm_alloc(r->op->attrs_bytes)))
        memcpy(n->attrs, r->attrs, r->op->attrs_bytes);
    n->call = gm_retain(gm__layer_call_of(r));
    return gm_ok();
}

static bool functional_add_nodes(functional_plan *p) {
    functional *f = p->f;
    int64_t operands = 0;
    f->node = gm_alloc((size_t)p->records.n * sizeof *f->node + 1);
    for (int i = 0; f->node && gm_ok() && i < p->records.n; i++) {
        f->n_nodes = i + 1;
        if (!functional_add_node(p, i)) return false;
        operands += p->records.r[i]->n_in;
    }
    f->first_constant = f->n_slots;
    f->constant = gm_ok() ? gm_alloc((size_t)operands * sizeof *f->constant + 1) : NULL;
    for (int i = 0; gm_ok() && i < f->n_nodes; i++)
        for (int k = 0; k < f->node[i].n_in; k++) f->node[i].in[k] = functional_slot(p, p->records.r[i]->in[k]);
    f->n_slots += p->n_constants;
    return gm_ok();
}

static bool functional_set_last(functional *f) {
    f->last = gm_alloc((size_t)f->n_slots * sizeof *f->last + 1);
    for (int i = 0; f->last && i < f->n_nodes; i++) {
        const functional_node *n = &f->node[i];
        for (int j = 0; j < n->n_out; j++) f->last[n->out + j] = i;
        for (int k = 0; k < n->n_in; k++)
            if (n->in[k] >= 0) f->last[n->in[k]] = i;
    }
    for (int j = 0; f->last && j < f->n_out; j++) f->last[f->out[j].slot] = f->n_nodes;
    return f->last != NULL;
}

static functional_port *functional_ports(functional_plan *p, const gm_pack *pack, bool in) {
    int64_t n = gm_pack_count(pack);
    if (!gm_ok()) return NULL;
    functional_port *ports = gm_alloc((size_t)n * sizeof *ports + 1);
    for (int i = 0; ports && i < n; i++) {
        gm_tensor *t = gm_pack_at(pack, i);
        ports[i] = (functional_port){ gm_strdup(gm_pack_name(pack, i)), gm_shape_of(t), gm_dtype_of(t),
                                      in ? i : functional_slot(p, t) };
    }
    return ports;
}

/* ---- making: its parts ---- */

static bool functional_has_child(const gm_module *m, const char *name) {
    for (int64_t i = 0; i < m->n; i++)
        if (!strcmp(m->parts[i].name, name)) return true;
    return false;
}

/* A child, or a layer to come, has this name. */
static bool functional_is_taken(const functional_plan *p, const char *name) {
    if (functional_has_child(p->m, name)) return true;
    for (int i = 0; i < p->f->n_nodes; i++) {
        const layer_call *c = p->f->node[i].call;
        if (c && !c->module->parent && c->module->name && !strcmp(c->module->name, name)) return true;
    }
    return false;
}

static bool functional_adopt(functional_plan *p, gm_module *layer) {
    char name[256];
    if (layer->parent) return true;
    if (layer->name && functional_has_child(p->m, layer->name))
        return gm_fail(GM_ERROR_VALUE, "model: two layers are called \"%s\"", layer->name);
    if (layer->name) snprintf(name, sizeof name, "%s", layer->name); /* a copy: gm_child frees the old one */
    else
        for (int64_t i = 0; gm__layer_label(name, sizeof name, layer, i), functional_is_taken(p, name); i++) {}
    return gm_child(p->m, name, layer) != NULL;
}

static bool functional_is_below(const gm_module *m, const gm_module *root) {
    while (m && m != root) m = m->parent;
    return m == root;
}

static bool functional_add_layers(functional_plan *p) {
    for (int i = 0; gm_ok() && i < p->f->n_nodes; i++) {
        layer_call *c = p->f->node[i].call;
        if (c && !functional_adopt(p, c->module)) return false;
    }
    for (int i = 0; gm_ok() && i < p->f->n_nodes; i++) {
        const layer_call *c = p->f->node[i].call;
        if (c && !functional_is_below(c->module, p->m))
            return gm_fail(GM_ERROR_STATE, "model: the layer \"%s\" (%s) is part of another module", c->module->name,
                           c->module->class_name);
    }
    return gm_ok();
}

typedef struct { const gm_tensor *t; bool found; } functional_search;

static bool functional_seek(void *env, const char *path, module_part *part) {
    functional_search *s = env;
    (void)path;
    s->found = s->found || part->t == s->t;
    return true;
}

static bool functional_add_variable(gm_module *m, gm_tensor *t, int n) {
    char name[32] = "variable", text[200];
    if (!gm_set_requires_grad(t, true)) {
        gm_error_clear(); /* what it says is not what is wrong here */
        return gm_fail(GM_ERROR_STATE, "model: an operand %s was computed from variables before; compute it from "
                       "symbolic values, or detach it", gm_shape_text(gm_shape_of(t), text, sizeof text));
    }
    if (n) snprintf(name, sizeof name, "variable_%d", n);
    return gm_param(m, name, t) != NULL;
}

static bool functional_add_variables(functional_plan *p) {
    for (int i = 0, n = 0; gm_ok() && i < p->n_constants; i++) {
        functional_search s = { p->f->constant[i], false };
        if (!gm_requires_grad(s.t) || !gm__module_walk(p->m, functional_seek, &s) || s.found) continue;
        if (!functional_add_variable(p->m, p->f->constant[i], n++)) return false;
    }
    return gm_ok();
}

static bool functional_check_ports(const char *what, const gm_pack *p) {
    int64_t n = gm_pack_count(p);
    if (!gm_ok()) return false;
    if (n < 1 || n > FUNCTIONAL_MAX_PORTS) return gm_fail(GM_ERROR_VALUE, "model: %lld %s", (long long)n, what);
    for (int64_t i = 0; i < n; i++)
        if (!gm_pack_at(p, i) || !gm_is_symbolic(gm_pack_at(p, i)))
            return gm_fail(GM_ERROR_VALUE, "model: \"%s\" of the %s is no symbolic value", gm_pack_name(p, i), what);
    return true;
}

static bool functional_make(functional_plan *p, gm_pack *outputs) {
    functional *f = p->f;
    for (int64_t i = 0; i < gm_pack_count(outputs); i++)
        if (!gm__records_add(&p->records, gm_pack_at(outputs, i), p->inputs)) return false;
    gm__records_sort(&p->records);
    f->n_slots = f->n_in = (int32_t)gm_pack_count(p->inputs);
    f->n_out = (int32_t)gm_pack_count(outputs);
    if (!functional_add_nodes(p)) return false;
    f->in = functional_ports(p, p->inputs, true);
    f->out = functional_ports(p, outputs, false);
    return gm_ok() && functional_set_last(f) && functional_add_layers(p) && functional_add_variables(p);
}

gm_module *gm_model_of(gm_pack *inputs, gm_pack *outputs) {
    if (!gm_ok() || !functional_check_ports("inputs", inputs) || !functional_check_ports("outputs", outputs))
        return NULL;
    gm_module_class c = { .size = sizeof c,
                          .name = "model",
                          .state_bytes = sizeof(functional),
                          .forward = gm_pack_count(inputs) == 1 ? functional_forward : NULL,
                          .apply = functional_apply,
                          .destroy = functional_destroy };
    gm_module *m = gm_module_new_with(&c);
    functional_plan p = { .f = gm_state(m), .m = m, .inputs = inputs };
    bool ok = p.f && functional_make(&p, outputs);
    gm__records_free(&p.records);
    return ok ? m : NULL;
}

gm_module *gm_model(gm_tensor *input, gm_tensor *output) {
    if (!gm_ok()) return NULL;
    GM_SCOPE(s);
    gm_pack *in = gm_pack_new(), *out = gm_pack_new();
    if (!gm_pack_set(in, "x", input) || !gm_pack_set(out, "y", output)) return NULL;
    return gm_return(&s, gm_model_of(in, out));
}
