/* recurrent.c: recurrent cells over a sequence, as one operation.
 *
 * It is one operation, not a chain of them, for the sake of its gradient: the gates of all steps are computed again by
 * one product from the states, only what truly depends on the next step runs step by step, and the gradients of weight
 * and bias are one sum over (t, n) each, as the contract has them. A step that is masked leaves the state as it is, so
 * the states are all that the gradient needs. Values and derivatives are public operations throughout. */
#include "../math/fp.h"
#include "ops.h"
#include "../base/args.h"

#include <stddef.h>

typedef struct { int64_t cell, reverse; } recurrent_attrs;
static const gm_attr recurrent_fields[] = { GM_ATTR(recurrent_attrs, cell, I64), GM_ATTR(recurrent_attrs, reverse, I64),
                                            GM_ATTR_END };
enum { REC_X, REC_H0, REC_W, REC_BIAS, REC_C0, REC_MASK, REC_MANY = 64 };

extern const gm_op gm__op_recurrent;

static gm_tensor *rec_in(gm_tensor *const *in, int n, int i) { return i < n ? in[i] : NULL; }
static int64_t rec_gates(int64_t cell) { return cell == GM_CELL_LSTM ? 4 : cell == GM_CELL_GRU ? 3 : 1; }

/* ---- shapes ---- */

static bool rec_check(const gm_op_args *a, int i, gm_shape wanted, gm_dtype dtype) {
    const gm_tensor *t = rec_in(a->in, a->n_in, i);
    static const char *const names[] = { "x", "h0", "w_hh", "bias", "c0", "mask" };
    if (!t) return true;
    if (!gm_shape_equal(t->shape, wanted))
        return gm_fail(GM_ERROR_SHAPE, "recurrent: %s is %s, %s is wanted (x is %s)", names[i], gm__tensor_shape_str(t),
                       gm__shape_str(&wanted), gm__tensor_shape_str(a->in[0]));
    return t->dtype == dtype || gm_fail(GM_ERROR_DTYPE, "recurrent: %s is %s, %s is wanted", names[i],
                                        gm_dtype_name(t->dtype), gm_dtype_name(dtype));
}

static int32_t rec_infer(const gm_op_args *a, gm_spec *out) {
    const recurrent_attrs *p = a->attrs;
    const gm_tensor *x = a->in[REC_X], *w = a->in[REC_W];
    if (p->cell < GM_CELL_TANH || p->cell > GM_CELL_GRU)
        return gm_fail(GM_ERROR_VALUE, "recurrent: %lld is no kind of cell", (long long)p->cell), -1;
    int64_t gates = rec_gates(p->cell), h = w->shape.n == 2 ? w->shape.d[1] : 0;
    if (x->shape.n != 3 || x->shape.d[0] < 1 || !h || x->shape.d[2] != gates * h || !gm_is_float(x->dtype))
        return gm_fail(GM_ERROR_SHAPE,
                       "recurrent: x is %s %s, w_hh %s; floats [T, N, %lld H] and [%lld H, H] are wanted",
                       gm_dtype_name(x->dtype), gm__tensor_shape_str(x), gm__tensor_shape_str(w), (long long)gates,
                       (long long)gates),
               -1;
    int64_t t = x->shape.d[0], n = x->shape.d[1];
    if (!rec_check(a, REC_H0, GM_SHAPE(n, h), x->dtype) || !rec_check(a, REC_W, GM_SHAPE(gates * h, h), x->dtype) ||
        !rec_check(a, REC_BIAS, GM_SHAPE(gates * h), x->dtype) || !rec_check(a, REC_C0, GM_SHAPE(n, h), x->dtype) ||
        !rec_check(a, REC_MASK, GM_SHAPE(t, n), GM_BOOL))
        return -1;
    if ((p->cell == GM_CELL_LSTM) != (rec_in(a->in, a->n_in, REC_C0) != NULL))
        return gm_fail(GM_ERROR_VALUE, "recurrent: c0 goes with LSTM cells, and only with them"), -1;
    for (int j = 0; j < 2; j++) out[j].shape = GM_SHAPE(t, n, h), out[j].dtype = x->dtype;
    return p->cell == GM_CELL_LSTM ? 2 : 1;
}

/* ---- values ---- */

/* Gate k of a [..., G H]. */
static gm_tensor *rec_gate(gm_tensor *a, int64_t k, int64_t h) { return gm_narrow(a, -1, k * h, h); }

/* n tensors along a new first dimension; an operation takes a limited number of inputs. */
static gm_tensor *rec_stack(gm_tensor **t, int64_t n) {
    if (n <= REC_MANY) return gm_stack(t, (int)n, 0);
    gm_tensor *part[REC_MANY];
    int64_t each = REC_MANY;
    while (each * REC_MANY < n) each *= REC_MANY;
    int parts = 0;
    for (int64_t i = 0; i < n; i += each) part[parts++] = rec_stack(t + i, n - i < each ? n - i : each);
    return gm_concat(part, parts, 0);
}

/* Both cells' formulas, from the two parts of the gates. Returns h'; *c becomes c'. */
static gm_tensor *rec_cell(int64_t cell, gm_tensor *x, gm_tensor *pre, gm_tensor *h, gm_tensor **c) {
    int64_t n = h->shape.d[1];
    if (cell == GM_CELL_TANH) return gm_tanh(gm_add(x, pre));
    if (cell == GM_CELL_RELU) return gm_relu(gm_add(x, pre));
    if (cell == GM_CELL_GRU) {
        gm_tensor *rz = gm_sigmoid(gm_add(gm_narrow(x, -1, 0, 2 * n), gm_narrow(pre, -1, 0, 2 * n)));
        gm_tensor *fresh = gm_tanh(gm_add(rec_gate(x, 2, n), gm_mul(rec_gate(rz, 0, n), rec_gate(pre, 2, n))));
        return gm_fma(rec_gate(rz, 1, n), gm_sub(h, fresh), fresh);
    }
    gm_tensor *a = gm_add(x, pre), *i_f = gm_sigmoid(gm_narrow(a, -1, 0, 2 * n));
    gm_tensor *g = gm_tanh(rec_gate(a, 2, n)), *o = gm_sigmoid(rec_gate(a, 3, n));
    *c = gm_fma(rec_gate(i_f, 1, n), *c, gm_mul(rec_gate(i_f, 0, n), g));
    return gm_mul(o, gm_tanh(*c));
}

static gm_tensor *rec_mask(gm_tensor *mask, int64_t t) { return gm_unsqueeze(gm_select(mask, 0, t), 1); }

/* One step in a scope of its own: h' and, for LSTM, c'. */
static gm_pack *rec_step(const gm_op_args *a, int64_t t, gm_tensor *w, gm_tensor *h, gm_tensor *c) {
    const recurrent_attrs *p = a->attrs;
    gm_scope s = gm_scope_open();
    gm_tensor *mask = rec_in(a->in, a->n_in, REC_MASK), *next_c = c;
    gm_tensor *pre = gm_linear(h, w, rec_in(a->in, a->n_in, REC_BIAS));
    gm_tensor *next = pre ? rec_cell(p->cell, gm_select(a->in[REC_X], 0, t), pre, h, &next_c) : NULL;
    if (mask && next) {
        gm_tensor *on = rec_mask(mask, t);
        next = gm_where(on, next, h);
        if (c) next_c = gm_where(on, next_c, c);
    }
    gm_pack *state = next ? gm_pack_new() : NULL;
    if (state) gm_pack_set(state, "h", next);
    if (state && c) gm_pack_set(state, "c", next_c);
    return gm_return(&s, gm_ok() ? state : NULL);
}

/* w as it is, but stored the other way round: each step's product reads it row by row, and none has to turn it. */
static gm_tensor *rec_turned(gm_tensor *w) {
    return gm_transpose(gm_contiguous(gm_transpose(w, 0, 1)), 0, 1);
}

static bool rec_lower(const gm_op_args *a, gm_tensor **out) {
    const recurrent_attrs *p = a->attrs;
    int64_t n = a->in[REC_X]->shape.d[0];
    gm_tensor *h = a->in[REC_H0], *c = rec_in(a->in, a->n_in, REC_C0);
    gm_tensor **all = gm_alloc(2 * (size_t)n * sizeof *all), *w = n > 1 ? rec_turned(a->in[REC_W]) : a->in[REC_W];
    for (int64_t i = 0; all && gm_ok() && i < n; i++) {
        int64_t t = p->reverse ? n - 1 - i : i;
        gm_pack *state = rec_step(a, t, w, h, c);
        all[t] = h = state ? gm_pack_at(state, 0) : NULL;
        if (c) all[n + t] = c = state ? gm_pack_at(state, 1) : NULL;
    }
    if (gm_ok()) out[0] = rec_stack(all, n);
    if (gm_ok() && c) out[1] = rec_stack(all + n, n);
    gm_free(all);
    return gm_ok();
}

/* ---- derivative ---- */

/* The state before each step. */
static gm_tensor *rec_before(gm_tensor *states, gm_tensor *first, bool reverse) {
    int64_t n = gm_size(states, 0);
    gm_tensor *part[2] = { gm_unsqueeze(first, 0), gm_narrow(states, 0, reverse, n - 1) };
    if (n == 1) return part[0];
    return gm_concat(reverse ? (gm_tensor *[]){ part[1], part[0] } : part, 2, 0);
}

/* x (1 - x), the slope of sigmoid; 1 - x x, that of tanh. */
static gm_tensor *rec_bend(gm_tensor *x) { return gm_mul(x, gm_rsub_scalar(x, 1)); }
static gm_tensor *rec_curve(gm_tensor *x) { return gm_rsub_scalar(gm_square(x), 1); }

/* What the backward steps need, over all steps at once: factor [T, N, G H] takes what arrives (at h', or at c' for
 * three gates of LSTM) to the gates; keep [T, N, H]: how much goes straight to the state before (LSTM: to c; GRU: to
 * h). */
typedef struct { gm_tensor *before, *factor, *keep, *to_c, *reset; int64_t h; } rec_slopes;

static void rec_slopes_lstm(rec_slopes *s, gm_tensor *gates, gm_tensor *c, gm_tensor *before_c) {
    int64_t n = s->h;
    gm_tensor *i = gm_sigmoid(rec_gate(gates, 0, n)), *f = gm_sigmoid(rec_gate(gates, 1, n));
    gm_tensor *g = gm_tanh(rec_gate(gates, 2, n)), *o = gm_sigmoid(rec_gate(gates, 3, n)), *tc = gm_tanh(c);
    gm_tensor *part[4] = { gm_mul(g, rec_bend(i)), gm_mul(before_c, rec_bend(f)), gm_mul(i, rec_curve(g)),
                           gm_mul(tc, rec_bend(o)) };
    s->factor = gm_concat(part, 4, -1);
    s->keep = f;
    s->to_c = gm_mul(o, rec_curve(tc));
}

static void rec_slopes_gru(rec_slopes *s, gm_tensor *x, gm_tensor *pre) {
    int64_t n = s->h;
    gm_tensor *r = gm_sigmoid(gm_add(rec_gate(x, 0, n), rec_gate(pre, 0, n)));
    gm_tensor *z = gm_sigmoid(gm_add(rec_gate(x, 1, n), rec_gate(pre, 1, n))), *own = rec_gate(pre, 2, n);
    gm_tensor *fresh = gm_tanh(gm_add(rec_gate(x, 2, n), gm_mul(r, own)));
    gm_tensor *to_new = gm_mul(gm_rsub_scalar(z, 1), rec_curve(fresh));
    gm_tensor *part[3] = { gm_mul(to_new, gm_mul(own, rec_bend(r))), gm_mul(gm_sub(s->before, fresh), rec_bend(z)),
                           to_new };
    s->factor = gm_concat(part, 3, -1);
    s->keep = z;
    s->reset = r;
}

static rec_slopes rec_slopes_of(const gm_grad_args *a) {
    const recurrent_attrs *p = a->attrs;
    gm_tensor *y = a->out[0], *x = a->in[REC_X];
    rec_slopes s = { .h = gm_size(y, 2), .before = rec_before(y, a->in[REC_H0], p->reverse) };
    if (!gm_ok()) return s;
    if (p->cell == GM_CELL_TANH) s.factor = rec_curve(y);
    if (p->cell == GM_CELL_RELU) s.factor = gm_cast(gm_gt_scalar(y, 0), gm_dtype_of(y));
    if (p->cell < GM_CELL_LSTM) return s;
    gm_tensor *pre = gm_linear(s.before, a->in[REC_W], rec_in(a->in, a->n_in, REC_BIAS));
    if (p->cell == GM_CELL_GRU) rec_slopes_gru(&s, x, pre);
    else rec_slopes_lstm(&s, gm_add(x, pre), a->out[1], rec_before(a->out[1], a->in[REC_C0], p->reverse));
    return s;
}

/* The gates' gradient at the recurrent product: the new gate of GRU was multiplied by reset. */
static gm_tensor *rec_at_product(gm_tensor *da, gm_tensor *reset, int64_t h) {
    if (!reset) return da;
    gm_tensor *part[2] = { gm_narrow(da, -1, 0, 2 * h), gm_mul(rec_gate(da, 2, h), reset) };
    return gm_concat(part, 2, -1);
}

static gm_tensor *rec_plus(gm_tensor *a, gm_tensor *b) { return !a ? b : !b ? a : gm_add(a, b); }

/* dh and dc: what arrives at the state after step t. Gives the gates' gradient, and what arrives before the step. */
static gm_pack *rec_back(const gm_grad_args *a, const rec_slopes *s, int64_t t, gm_tensor *dh, gm_tensor *dc) {
    gm_scope scope = gm_scope_open();
    int64_t n = s->h;
    gm_tensor *mask = rec_in(a->in, a->n_in, REC_MASK), *da, *next_dh = NULL, *next_dc = NULL;
    if (a->gout[0]) dh = rec_plus(dh, gm_select(a->gout[0], 0, t));
    if (s->to_c && a->gout[1]) dc = rec_plus(dc, gm_select(a->gout[1], 0, t));
    if (!dh) dh = gm_zeros_like(gm_select(s->before, 0, t));
    gm_tensor *factor = gm_select(s->factor, 0, t);
    if (s->to_c) {
        gm_tensor *at_c = rec_plus(gm_mul(dh, gm_select(s->to_c, 0, t)), dc);
        gm_tensor *three = gm_concat((gm_tensor *[]){ at_c, at_c, at_c, dh }, 4, -1);
        da = gm_mul(three, factor);
        next_dc = gm_mul(at_c, gm_select(s->keep, 0, t));
    } else {
        int64_t gates = gm_size(factor, -1) / n;
        da = gm_mul(gates == 3 ? gm_concat((gm_tensor *[]){ dh, dh, dh }, 3, -1) : dh, factor);
        if (s->keep) next_dh = gm_mul(dh, gm_select(s->keep, 0, t));
    }
    gm_tensor *on = mask && gm_ok() ? rec_mask(mask, t) : NULL;
    if (on) da = gm_where(on, da, gm_zeros_like(da));
    gm_tensor *through = gm_matmul(rec_at_product(da, s->reset ? gm_select(s->reset, 0, t) : NULL, n), a->in[REC_W]);
    next_dh = rec_plus(next_dh, through);
    if (on) next_dh = gm_where(on, next_dh, dh);
    if (on && next_dc) next_dc = gm_where(on, next_dc, dc ? dc : gm_zeros_like(next_dc));
    gm_pack *out = gm_ok() ? gm_pack_new() : NULL;
    if (out) gm_pack_set(out, "gates", da), gm_pack_set(out, "h", next_dh);
    if (out && next_dc) gm_pack_set(out, "c", next_dc);
    return gm_return(&scope, gm_ok() ? out : NULL);
}

static bool rec_grad(const gm_grad_args *a) {
    const recurrent_attrs *p = a->attrs;
    rec_slopes s = rec_slopes_of(a);
    int64_t n = gm_size(a->in[REC_X], 0);
    gm_tensor *dh = NULL, *dc = NULL, **all = gm_ok() ? gm_alloc((size_t)n * sizeof *all) : NULL;
    for (int64_t i = 0; all && gm_ok() && i < n; i++) {
        int64_t t = p->reverse ? i : n - 1 - i;
        gm_pack *back = rec_back(a, &s, t, dh, dc);
        all[t] = back ? gm_pack_at(back, 0) : NULL;
        dh = back ? gm_pack_at(back, 1) : NULL;
        dc = back && gm_pack_count(back) > 2 ? gm_pack_at(back, 2) : NULL;
    }
    gm_tensor *da = gm_ok() ? rec_stack(all, n) : NULL;
    gm_free(all);
    if (!da) return false;
    gm_tensor *at = rec_at_product(da, s.reset, s.h), *rows = gm_flatten_dims(at, 0, 1);
    a->gin[REC_X] = da;
    a->gin[REC_H0] = dh;
    if (a->needs[REC_W]) a->gin[REC_W] = gm_matmul(gm_transpose(rows, 0, 1), gm_flatten_dims(s.before, 0, 1));
    if (a->n_in > REC_BIAS && a->needs[REC_BIAS]) a->gin[REC_BIAS] = gm_sum_dim(rows, 0, false);
    if (a->n_in > REC_C0 && a->needs[REC_C0]) a->gin[REC_C0] = dc;
    return gm_ok();
}

/* ---- the record ---- */

const gm_op gm__op_recurrent = {
    .size = sizeof(gm_op),
    .name = "recurrent",
    .version = 1,
    .min_in = 3,
    .max_in = 6,
    .n_out = -1,
    .flags = GM_OP_COMPUTE_F32,
    .saves_in = 0x3f,
    .saves_out = 3,
    .diff_in = 0x1f,
    .attrs_bytes = sizeof(recurrent_attrs),
    .attrs = recurrent_fields,
    .infer = rec_infer,
    .lower = rec_lower,
    .grad = rec_grad,
    .cases =
        (const gm_case[]){
            { "[3,2,4]; [2,4]; [4,4]", &(recurrent_attrs){ GM_CELL_TANH, 0 }, 0, 0, 0 },
            { "[2,3,2] near; [3,2] near; [2,2]; [2]; -; [2,3] bool", &(recurrent_attrs){ GM_CELL_RELU, 1 }, 0, 0, 0 },
            { "[3,2,8]; [2,2]; [8,2]; [8]; [2,2]", &(recurrent_attrs){ GM_CELL_LSTM, 0 }, 0, 0, 0 },
            { "[4,3,12]; [3,3]; [12,3]; -; [3,3]; [4,3] bool", &(recurrent_attrs){ GM_CELL_LSTM, 1 }, 0, 0, 0 },
            { "[3,2,6]; [2,2]; [6,2]; [6]", &(recurrent_attrs){ GM_CELL_GRU, 0 }, 0, 0, 0 },
            { "[1,3,9]; [3,3]; [9,3]; [9]; -; [1,3] bool", &(recurrent_attrs){ GM_CELL_GRU, 1 }, 0, 0, 0 },
            { 0 } },
    .doc = "a recurrent cell over a sequence",
};

gm_tensor *gm_recurrent_with(gm_tensor *x, gm_tensor *h0, gm_tensor *w_hh, gm_cell cell,
                             const gm_recurrent_args *args) {
    if (!gm_ok()) return NULL;
    gm_recurrent_args a = { 0 };
    if (!gm__args_take("recurrent", &a, sizeof a, args)) return NULL;
    recurrent_attrs p = { cell, a.reverse != 0 };
    if (cell == GM_CELL_LSTM && !a.c0) a.c0 = gm_zeros_like(h0);
    gm_tensor *in[6] = { x, h0, w_hh, a.bias, a.c0, a.mask }, *out[2] = { NULL, NULL };
    int n = gm_op_call(&gm__op_recurrent, in, a.mask ? 6 : a.c0 ? 5 : a.bias ? 4 : 3, &p, out, 2);
    if (n == 2 && a.c) *a.c = out[1];
    return n > 0 ? out[0] : NULL;
}

gm_tensor *(gm_recurrent)(gm_tensor *x, gm_tensor *h0, gm_tensor *w_hh, gm_cell cell) {
    return gm_recurrent_with(x, h0, w_hh, cell, NULL);
}
