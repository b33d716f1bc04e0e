/* layer_call.c: layers applied to symbolic values.
 *
 * The layer's own forward runs on them, for the shapes and the errors; what it leaves is one record: this layer, these
 * inputs. It runs in evaluation mode, so that nothing in the layer changes, and its parameters are not filled, since
 * their full names are not known before the layer is part of a net. */
#include "../math/fp.h"
#include "../base/grow.h"
#include "layer_call.h"
#include "gemel/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYER_MAX_PORTS = 64 };

static void layer_call_destroy(void *object) {
    layer_call *c = object;
    gm_release(c->module);
    gm_free(c->in_names);
    gm_free(c->out_names);
}

static const gm_type layer_call_type = { "layer call", sizeof(layer_call), layer_call_destroy };

layer_call *gm__layer_call_of(const gm_record *r) {
    gm_object *o = r && !r->op ? r->what : NULL;
    return o && o->type == &layer_call_type ? (layer_call *)o : NULL;
}

/* ---- records ---- */

static bool records_has(const record_list *l, const gm_record *r) {
    for (int64_t i = l->n; i-- > 0;) /* those added last are the likeliest */
        if (l->r[i] == r) return true;
    return false;
}

static bool records_stops(const gm_pack *stop, const gm_tensor *t) {
    int32_t a, b;
    const gm_record *r = gm_record_of(t, &a);
    for (int64_t i = 0; stop && i < gm_pack_count(stop); i++)
        if (gm_record_of(gm_pack_at(stop, i), &b) == r && a == b) return true;
    return false;
}

static bool records_push(record_list *l, gm_tensor *t, const gm_pack *stop) {
    const gm_record *r = t && gm_is_symbolic(t) && !records_stops(stop, t) ? gm_record_of(t, NULL) : NULL;
    if (!r || records_has(l, r)) return gm_ok();
    if (!gm__grow(&l->r, l->n, &l->capacity, sizeof *l->r)) return false;
    l->r[l->n++] = r;
    return true;
}

bool gm__records_add(record_list *l, gm_tensor *t, const gm_pack *stop) {
    int64_t at = l->n;
    if (!records_push(l, t, stop)) return false;
    for (; at < l->n; at++)
        for (int i = 0; i < l->r[at]->n_in; i++)
            if (!records_push(l, l->r[at]->in[i], stop)) return false;
    return true;
}

static int records_order(const void *a, const void *b) {
    int64_t x = (*(const gm_record *const *)a)->id, y = (*(const gm_record *const *)b)->id;
    return (x > y) - (x < y);
}

void gm__records_sort(record_list *l) {
    if (l->n) qsort(l->r, (size_t)l->n, sizeof *l->r, records_order);
}

int64_t gm__records_find(const record_list *l, const gm_tensor *t) {
    const gm_record *r = gm_record_of(t, NULL);
    const gm_record **at = r && l->n ? bsearch(&r, l->r, (size_t)l->n, sizeof *l->r, records_order) : NULL;
    return at ? at - l->r : -1;
}

void gm__records_free(record_list *l) { gm_free(l->r); }

/* ---- names ---- */

char *gm__layer_label(char *text, size_t bytes, const gm_module *layer, int64_t number) {
    const char *class = layer->class_name;
    if (!strncmp(class, "nn_", 3)) class += 3;
    if (number) snprintf(text, bytes, "%.150s_%lld", class, (long long)number);
    else snprintf(text, bytes, "%.150s", class);
    return text;
}

static bool layer_was_before(const record_list *l, int64_t at, const gm_module *m) {
    for (int64_t i = 0; i < at; i++) {
        const layer_call *c = gm__layer_call_of(l->r[i]);
        if (c && c->module == m) return true;
    }
    return false;
}

/* How many other layers without a name and of m's class the input depends on: the number that m will most likely have
 * in the net, for messages. */
static int64_t layer_number(const gm_module *m, gm_tensor *const *in, int n) {
    record_list l = { 0 };
    int64_t number = 0;
    for (int i = 0; i < n; i++) gm__records_add(&l, in[i], NULL);
    gm__records_sort(&l);
    for (int64_t i = 0; i < l.n; i++) {
        const layer_call *c = gm__layer_call_of(l.r[i]);
        if (!c || !c->module || c->module->parent || c->module->name) continue;
        if (c->module == m) break;
        number += !strcmp(c->module->class_name, m->class_name) && !layer_was_before(&l, i, c->module);
    }
    gm__records_free(&l);
    return number;
}

/* What is as it was afterwards: the path, and the place in the random stream. */
typedef struct { int64_t where; uint64_t seed, count; } layer_before;

static layer_before layer_enter(gm_module *m, gm_tensor *const *in, int n) {
    char label[200];
    layer_before b = { 0 };
    bool named = m->name || m->parent;
    m->symbolic++;
    gm_random_state(&b.seed, &b.count);
    b.where = gm_where_push(named ? m->name : gm__layer_label(label, sizeof label, m, layer_number(m, in, n)));
    return b;
}

static void layer_leave(gm_module *m, layer_before b) {
    gm_where_pop(b.where);
    gm_set_random_state(b.seed, b.count);
    m->symbolic--;
}

/* ---- calls ---- */

/* The names of a pack's entries, one behind the other. */
static char *layer_names(const gm_pack *p) {
    size_t bytes = 1, at = 0;
    for (int64_t i = 0; i < gm_pack_count(p); i++) bytes += strlen(gm_pack_name(p, i)) + 1;
    char *names = gm_alloc(bytes);
    for (int64_t i = 0; names && i < gm_pack_count(p); i++) {
        size_t n = strlen(gm_pack_name(p, i)) + 1;
        memcpy(names + at, gm_pack_name(p, i), n);
        at += n;
    }
    return names;
}

static layer_call *layer_call_new(gm_module *m, const gm_pack *in, const gm_pack *out) {
    layer_call *c = gm_object_new(&layer_call_type);
    if (!c) return NULL;
    c->module = gm_retain(m);
    if (in) c->in_names = layer_names(in);
    if (out) c->out_names = layer_names(out);
    return gm_ok() ? c : NULL;
}

static gm_spec layer_spec(const gm_tensor *t) {
    bool last = gm_ok() && gm_is_channels_last(t) && !gm_is_contiguous(t);
    return (gm_spec){ .dtype = gm_dtype_of(t), .channels_last = last, .shape = gm_shape_of(t) };
}

gm_tensor *gm__layer_forward(gm_module *m, gm_tensor *x) {
    gm_scope s = gm_scope_open();
    layer_before before = layer_enter(m, &x, 1);
    gm_tensor *y = gm__module_run_forward(m, x), *out = NULL;
    layer_leave(m, before);
    gm_spec spec = layer_spec(y);
    if (gm_ok()) gm_symbolic(layer_call_new(m, NULL, NULL), &x, 1, &spec, &out, 1);
    return gm_return(&s, gm_ok() ? out : NULL);
}

bool gm__layer_is_symbolic(const gm_pack *in) {
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(in); i++)
        if (gm_pack_at(in, i) && gm_is_symbolic(gm_pack_at(in, i))) return true;
    return false;
}

static int layer_list(const char *what, gm_module *m, const gm_pack *p, gm_tensor **list) {
    int n = (int)gm_pack_count(p);
    if (!gm_ok()) return -1;
    if (n > LAYER_MAX_PORTS) return gm_fail(GM_ERROR_UNSUPPORTED, "%s: %d tensors for a symbolic call", what, n), -1;
    for (int i = 0; i < n; i++) {
        list[i] = gm_pack_at(p, i);
        if (!list[i])
            return gm_fail(GM_ERROR_UNSUPPORTED, "%s: \"%s\" of the %s is no tensor, as symbolic calls need", what,
                           gm_pack_name(p, i), m->class_name),
                   -1;
    }
    return n;
}

static gm_pack *layer_record(gm_module *m, gm_pack *in, gm_pack *out) {
    gm_tensor *given[LAYER_MAX_PORTS], *got[LAYER_MAX_PORTS], *made[LAYER_MAX_PORTS] = { NULL };
    gm_spec spec[LAYER_MAX_PORTS];
    int n_in = layer_list("apply", m, in, given), n_out = n_in < 0 ? -1 : layer_list("apply", m, out, got);
    for (int j = 0; j < n_out; j++) spec[j] = layer_spec(got[j]);
    if (n_out < 0 || !gm_symbolic(layer_call_new(m, in, out), given, n_in, spec, made, n_out)) return NULL;
    gm_pack *result = gm_pack_new();
    for (int j = 0; j < n_out; j++) gm_pack_set(result, gm_pack_name(out, j), made[j]);
    return gm_ok() ? result : NULL;
}

gm_pack *gm__layer_apply(gm_module *m, gm_pack *in) {
    gm_scope s = gm_scope_open();
    gm_tensor *given[LAYER_MAX_PORTS];
    int n = layer_list("apply", m, in, given);
    if (n < 0) return gm_return(&s, NULL);
    layer_before before = layer_enter(m, given, n);
    gm_pack *out = gm__module_run_apply(m, in);
    layer_leave(m, before);
    return gm_return(&s, gm_ok() ? layer_record(m, in, out) : NULL);
}
