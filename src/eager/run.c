/* run.c: eager mode: an operation runs when it is called.
 *
 * infer gives shapes, storages come from the cache, the kernel fills them, and if an input wants a gradient the tape
 * gets an entry. Inputs that the kernel cannot take as they lie (strides, narrow floats) are copied here, once for all
 * kernels. */
#include "../math/fp.h"
#include "tape.h"
#include "../base/context.h"
#include "../ops/ops.h"

#include <fenv.h>
#include <stdatomic.h>
#include <string.h>

static bool run_is_narrow(gm_dtype t) { return t == GM_F16 || t == GM_BF16 || t == GM_F8E4M3 || t == GM_F8E5M2; }

gm_dtype gm__widened(const gm_op *op, gm_dtype t) {
    return (op->flags & GM_OP_COMPUTE_F32) && run_is_narrow(t) ? GM_F32 : t;
}

/* The inputs as the kernel wants them. */
bool gm__prepare_inputs(const gm_op *op, gm_tensor *const *in, int n_in, gm_tensor **ready) {
    for (int i = 0; i < n_in; i++) {
        ready[i] = in[i];
        if (!in[i]) continue;
        if (!in[i]->storage && !(in[i]->symbol && gm__context()->trace))
            return gm_fail(GM_ERROR_STATE, "%s: argument %d has no value here, only a shape", op->name, i + 1);
        if (in[i]->storage && !gm__has_data(in[i])) return false;
        if (gm__widened(op, in[i]->dtype) != in[i]->dtype) ready[i] = gm_cast(in[i], GM_F32);
        if (ready[i] && (op->flags & GM_OP_CONTIGUOUS)) ready[i] = gm_contiguous(ready[i]);
        if (!ready[i]) return false;
    }
    return true;
}

static int run_make_outputs(const gm_op_args *a, gm_tensor **out) {
    gm_spec spec[GM__MAX_PORTS];
    gm__clear_specs(a->op, spec);
    int n = a->op->infer(a, spec);
    if (n < 0 || (a->op->flags & (GM_OP_VIEW | GM_OP_DYNAMIC | GM_OP_OWN_OUTPUTS))) return n;
    for (int j = 0; j < n; j++) {
        out[j] = gm__tensor_new(&spec[j].shape, gm__widened(a->op, spec[j].dtype), spec[j].channels_last);
        if (!out[j]) return -1;
    }
    return n;
}

/* Outputs of widened kernels become what infer says for the original inputs. */
bool gm__narrow_outputs(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out, int n) {
    gm_spec spec[GM__MAX_PORTS];
    gm_op_args a = { op, n_in, n, in, attrs };
    memset(spec, 0, sizeof(gm_spec) * (size_t)n);
    if (op->infer(&a, spec) < 0) return false;
    for (int j = 0; j < n; j++) {
        out[j] = gm_cast(out[j], spec[j].dtype);
        if (!out[j]) return false;
    }
    return true;
}

bool gm__needs_narrowing(const gm_op *op, gm_tensor *const *in, int n_in) {
    if (!(op->flags & GM_OP_COMPUTE_F32)) return false;
    for (int i = 0; i < n_in; i++)
        if (in[i] && run_is_narrow(in[i]->dtype)) return true;
    return false;
}

static int run_values(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out) {
    gm_tensor *ready[GM__MAX_PORTS];
    bool simple = !(op->flags & (GM_OP_CONTIGUOUS | GM_OP_COMPUTE_F32));
    if (n_in > GM__MAX_PORTS)
        return gm_fail(GM_ERROR_VALUE, "%s: %d inputs, at most %d", op->name, n_in, GM__MAX_PORTS), -1;
    if (!gm__prepare_inputs(op, in, n_in, ready)) return -1;
    gm_op_args a = { op, n_in, op->n_out, simple ? in : ready, attrs };
    int n = run_make_outputs(&a, out);
    if (n < 0) return -1;
    a.n_out = n;
    bool ok = op->kernel ? op->kernel(&a, out) : op->lower(&a, out);
    if (!ok || (!simple && gm__needs_narrowing(op, in, n_in) && !gm__narrow_outputs(op, in, n_in, attrs, out, n)))
        return -1;
    return n;
}

bool gm__wants_tape(const gm_op *op, gm_tensor *const *in, int n_in) {
    if (gm__context()->no_grad || (op->flags & GM_OP_NO_GRAD) || !op->grad) return false;
    for (int i = 0; i < n_in; i++)
        if (in[i] && (in[i]->node || in[i]->requires_grad) && gm__is_float(in[i]->dtype) &&
            (!op->diff_in || (op->diff_in >> (i < 31 ? i : 31) & 1)))
            return true;
    return false;
}

static bool run_has_nan(const gm_tensor *t) {
    if (!t || !t->storage || !gm__is_float(t->dtype)) return false;
    gm_tensor *bad = gm_isnan((gm_tensor *)t);
    const uint8_t *b = bad ? gm_data(gm_contiguous(bad)) : NULL;
    for (int64_t i = 0, n = gm_shape_count(t->shape); b && i < n; i++)
        if (b[i]) return true;
    return false;
}

/* Anomaly mode: the first operation that makes a NaN out of none. */
static bool run_check_nan(gm_context *c, const gm_op *op, gm_tensor *const *in, int n_in, gm_tensor *const *out,
                          int n) {
    if (op->flags & GM_OP_NO_GRAD) return true;
    int32_t on = c->anomaly;
    bool before = c->no_grad, found = false, given = false;
    c->anomaly = 0, c->no_grad = true;
    for (int j = 0; j < n && !found; j++) found = run_has_nan(out[j]);
    for (int i = 0; found && i < n_in && !given; i++) given = run_has_nan(in[i]);
    c->anomaly = on, c->no_grad = before;
    if (!found || given) return gm_ok();
    return gm_fail(GM_ERROR_NUMERIC, "%s: made a NaN out of inputs without one", op->name);
}

static int run_op(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out) {
    gm_context *c = gm__context();
    bool taped = gm__wants_tape(op, in, n_in), before = c->no_grad;
    c->no_grad = true; /* copies and lowered forms are part of this operation */
    int n = run_values(op, in, n_in, attrs, out);
    c->no_grad = before;
    if (n < 0) return -1;
    if (taped && !gm__tape_record(op, in, n_in, attrs, out, n)) return -1;
    if (__builtin_expect(c->anomaly, 0) && !run_check_nan(c, op, in, n_in, out, n)) return -1;
    return n;
}

/* The contract holds in the default floating-point environment only (rounding, subnormals). */
static inline unsigned run_fp_state(void) {
#if defined(__x86_64__)
    return __builtin_ia32_stmxcsr() & 0xffc0u; /* without the sticky exception flags */
#else
    return 0x1f80u;
#endif
}

int gm__eager_dispatch(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out) {
    if (__builtin_expect(atomic_load_explicit(&gm__n_symbols, memory_order_relaxed) > 0, 0)) {
        if (gm__context()->trace) return gm__dispatch_traced(op, in, n_in, attrs, out);
        int n = gm__dispatch_symbolic(op, in, n_in, attrs, out);
        if (n != GM__NOT_SYMBOLIC) return n;
    }
    if (__builtin_expect(run_fp_state() == 0x1f80u, 1)) return run_op(op, in, n_in, attrs, out);
    fenv_t saved;
    fegetenv(&saved);
    fesetenv(FE_DFL_ENV);
    int n = run_op(op, in, n_in, attrs, out);
    fesetenv(&saved);
    return n;
}

static void run_drop_autograd(gm_tensor *t) {
    if (t->hooks || t->retains_grad) gm__unwatch_output(t);
    gm_release(t->node);
    gm_release(t->grad);
    if (t->hooks) gm__free_hooks(t->hooks);
}

/* Fill in the table of a room above before main or dlopen returns. */
__attribute__((constructor)) static void run_install(void) { gm__tensor_drop_autograd = run_drop_autograd; }
