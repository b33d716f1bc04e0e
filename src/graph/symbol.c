/* symbol.c: symbolic values: ghosts with a record of the call that makes them.
 *
 * While there are any, the dispatcher asks here first. A call with a symbolic input, or of a creation whose shape holds
 * an unknown size, does not run: infer gives the shapes, and the outputs share one record of operation, attributes and
 * inputs. Views are made by their own kernels, which touch no memory, so that strides are right as well. A record holds
 * its inputs, an output its record; nothing holds an output. */
#include "../math/fp.h"
#include "../ops/ops.h"
#include "gemel/symbol.h"

#include <stdatomic.h>
#include <string.h>

typedef struct { gm_object o; gm_record r; void *block; } gm_symbol;

static void symbol_destroy(void *object) {
    gm_symbol *s = object;
    for (int i = 0; i < s->r.n_in; i++) gm_release(s->r.in[i]);
    gm_release(s->r.what);
    gm_free(s->block);
    atomic_fetch_sub_explicit(&gm__n_symbols, 1, memory_order_relaxed);
}

static const gm_type symbol_type = { "symbol", sizeof(gm_symbol), symbol_destroy };

/* The record of a call, with its inputs and attributes in one block. */
static gm_symbol *symbol_new(const gm_op *op, void *what, gm_tensor *const *in, int n_in, const void *attrs) {
    static _Atomic int64_t ids;
    size_t list = ((size_t)n_in * sizeof *in + 15) & ~(size_t)15, bytes = op ? op->attrs_bytes : 0;
    char *block = gm_alloc(list + bytes + 1);
    gm_symbol *s = block ? gm_object_new(&symbol_type) : NULL;
    if (!s) return gm_free(block), NULL;
    atomic_fetch_add_explicit(&gm__n_symbols, 1, memory_order_relaxed);
    gm_tensor **held = (gm_tensor **)block;
    for (int i = 0; i < n_in; i++) held[i] = gm_retain(in[i]);
    if (bytes) memcpy(block + list, attrs, bytes);
    s->block = block;
    s->r = (gm_record){ .id = atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed),
                        .op = op,
                        .what = gm_retain(what),
                        .attrs = block + list,
                        .n_in = n_in,
                        .in = held };
    return s;
}

static void symbol_attach(gm_symbol *s, gm_tensor *t, int index) {
    gm_release(t->symbol);
    t->symbol = gm_retain(s);
    t->out_index = (uint16_t)index;
}

static bool symbol_make(gm_symbol *s, const gm_spec *spec, gm_tensor **out, int n_out) {
    if (!s) return false;
    s->r.n_out = n_out;
    for (int j = 0; j < n_out; j++) {
        if (!out[j]) out[j] = gm__tensor_over(NULL, 0, &spec[j].shape, spec[j].dtype);
        if (!out[j]) return false;
        if (spec[j].channels_last && spec[j].shape.n >= 3) gm__strides_channels_last(out[j]);
        symbol_attach(s, out[j], j);
    }
    return true;
}

/* ---- calls ---- */

static bool symbol_is(const gm_tensor *t) { return t && t->symbol && t->symbol->type == &symbol_type; }

static bool symbol_concerns(const gm_op *op, gm_tensor *const *in, int n_in, const gm_spec *spec, int n) {
    for (int i = 0; i < n_in; i++)
        if (symbol_is(in[i])) return true;
    if (op->min_in || n_in) return false;
    for (int j = 0; j < n; j++)
        for (int i = 0; i < spec[j].shape.n; i++)
            if (spec[j].shape.d[i] && spec[j].shape.d[i] % GM_SIZE_BATCH == 0) return true;
    return false;
}

static int symbol_dispatch(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out) {
    gm_spec spec[GM__MAX_PORTS];
    gm_op_args a = { op, n_in, op->n_out, in, attrs };
    if (n_in && !symbol_concerns(op, in, n_in, NULL, 0)) return GM__NOT_SYMBOLIC;
    gm__clear_specs(op, spec);
    if (op->flags & GM_OP_DYNAMIC)
        return gm_fail(GM_ERROR_STATE, "%s: its result's shape follows from values, and a symbolic value has none",
                       op->name), -1;
    int n = op->infer(&a, spec);
    if (n < 0 || !symbol_concerns(op, in, n_in, spec, n)) return n < 0 ? -1 : GM__NOT_SYMBOLIC;
    if ((op->flags & GM_OP_VIEW) && !op->kernel(&a, out)) return -1;
    return symbol_make(symbol_new(op, NULL, in, n_in, attrs), spec, out, n) ? n : -1;
}

__attribute__((constructor)) static void symbol_install(void) { gm__dispatch_symbolic = symbol_dispatch; }

/* ---- the public face ---- */

bool gm_is_symbolic(const gm_tensor *t) { return t && gm__check_tensor(t, "is_symbolic", 1) && symbol_is(t); }

bool gm_symbolic(void *what, gm_tensor *const *in, int n_in, const gm_spec *spec, gm_tensor **out, int n_out) {
    if (!gm_ok()) return false;
    for (int j = 0; j < n_out; j++) out[j] = NULL;
    return symbol_make(symbol_new(NULL, what, in, n_in, NULL), spec, out, n_out);
}

const gm_record *gm_record_of(const gm_tensor *t, int32_t *index) {
    if (!gm_ok() || !gm__check_tensor(t, "record_of", 1) || !symbol_is(t)) return NULL;
    if (index) *index = t->out_index;
    return &((gm_symbol *)t->symbol)->r;
}

int64_t gm_size_known(int64_t size, int64_t batch, int64_t any) {
    if (size && size % GM_SIZE_BATCH == 0) size = size / GM_SIZE_BATCH * batch;
    if (size && size % GM_SIZE_ANY == 0) size = size / GM_SIZE_ANY * any;
    return size;
}
