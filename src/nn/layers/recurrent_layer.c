/* recurrent_layer.c: RNN, LSTM and GRU over batches of sequences: layers and directions around gm_recurrent.
 *
 * Everything inside is time-major. Sequences of different lengths run under a mask, which holds a sequence's state from
 * its end on; so the last state in the order of running is the final one, in both directions. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "../module.h"
#include "gemel/ops.h"

#include <math.h>
#include <stdio.h>

enum { RECURRENT_IH, RECURRENT_HH, RECURRENT_BIAS_IH, RECURRENT_BIAS_HH, RECURRENT_WEIGHTS };

typedef struct {
    gm_tensor *(*weights)[RECURRENT_WEIGHTS]; /* [layers * directions] */
    double dropout;
    int64_t in, hidden;
    gm_cell cell;
    int32_t layers, directions, time_first;
} recurrent_state;

/* What a run is given and gathers. */
typedef struct {
    gm_tensor *h, *c, *mask, *lengths; /* may be NULL; mask [T, B] */
    gm_tensor **last_h, **last_c;
} recurrent_run;

static void recurrent_destroy(void *state) { gm_free(((recurrent_state *)state)->weights); }

/* ---- running ---- */

static gm_tensor *recurrent_first(const recurrent_state *self, gm_tensor *given, int k, gm_tensor *x) {
    return given ? gm_select(given, 0, k) : gm_zeros(GM_SHAPE(gm_size(x, 1), self->hidden), gm_dtype_of(x));
}

/* One layer in one direction: x [T, B, F] -> [T, B, hidden]. */
static gm_tensor *recurrent_direction(const recurrent_state *self, recurrent_run *r, int k, gm_tensor *x) {
    gm_tensor *const *w = self->weights[k], *c = NULL;
    bool reverse = self->directions == 2 && k % 2, lstm = self->cell == GM_CELL_LSTM;
    gm_tensor *gates = gm_linear(x, w[RECURRENT_IH], w[RECURRENT_BIAS_IH]);
    gm_tensor *y = gm_recurrent(gates, recurrent_first(self, r->h, k, x), w[RECURRENT_HH], self->cell,
                                .bias = w[RECURRENT_BIAS_HH], .c0 = lstm ? recurrent_first(self, r->c, k, x) : NULL,
                                .mask = r->mask, .c = &c, .reverse = reverse);
    int64_t end = reverse ? 0 : gm_size(x, 0) - 1;
    if (!y) return NULL;
    r->last_h[k] = gm_select(y, 0, end);
    if (lstm) r->last_c[k] = gm_select(c, 0, end);
    return r->mask ? gm_where(gm_unsqueeze(r->mask, 2), y, gm_zeros_like(y)) : y;
}

static gm_tensor *recurrent_layers(gm_module *m, const recurrent_state *self, recurrent_run *r, gm_tensor *x) {
    for (int i = 0; gm_ok() && i < self->layers; i++) {
        gm_tensor *y[2];
        for (int d = 0; d < self->directions; d++) y[d] = recurrent_direction(self, r, i * self->directions + d, x);
        x = self->directions == 2 ? gm_concat(y, 2, -1) : y[0];
        if (self->dropout > 0 && i + 1 < self->layers && gm_is_training(m)) x = gm_dropout(x, self->dropout);
    }
    return x;
}

static bool recurrent_check(const recurrent_state *self, const recurrent_run *r, gm_tensor *x) {
    char text[200], other[200];
    gm_shape s = gm_shape_of(x);
    if (!gm_ok()) return false;
    if (s.n != 3 || s.d[2] != self->in || s.d[0] < 1 || s.d[1] < 1)
        return gm_fail(GM_ERROR_SHAPE, "recurrent: input is %s, [%s, %lld] is wanted",
                       gm_shape_text(s, text, sizeof text), self->time_first ? "T, B" : "B, T", (long long)self->in);
    gm_shape state = GM_SHAPE((int64_t)self->layers * self->directions, s.d[!!self->time_first], self->hidden);
    for (int i = 0; i < 2; i++) {
        gm_tensor *t = i ? r->c : r->h;
        if (t && !gm_shape_equal(gm_shape_of(t), state))
            return gm_fail(GM_ERROR_SHAPE, "recurrent: %s is %s, %s is wanted", i ? "c" : "h",
                           gm_shape_text(gm_shape_of(t), text, sizeof text), gm_shape_text(state, other, sizeof other));
    }
    return true;
}

static bool recurrent_make_mask(recurrent_run *r, int64_t steps, int64_t batch) {
    r->mask = gm_transpose(gm__lengths_mask("recurrent", r->lengths, batch, steps, 1), 0, 1);
    return gm_ok();
}

/* x in the layout of the user; the states' lists have layers * directions places. */
static gm_tensor *recurrent_run_all(gm_module *m, recurrent_run *r, gm_tensor *x) {
    const recurrent_state *self = gm_state(m);
    if (!self || !recurrent_check(self, r, x)) return NULL;
    if (!self->time_first) x = gm_transpose(x, 0, 1);
    if (r->lengths && !recurrent_make_mask(r, gm_size(x, 0), gm_size(x, 1))) return NULL;
    gm_tensor *y = recurrent_layers(m, self, r, x);
    return y && !self->time_first ? gm_transpose(y, 0, 1) : y;
}

static gm_tensor **recurrent_places(const recurrent_state *self) {
    return self ? gm_alloc(2 * (size_t)(self->layers * self->directions) * sizeof(gm_tensor *)) : NULL;
}

static gm_tensor *recurrent_forward(gm_module *m, gm_tensor *x) {
    const recurrent_state *self = gm_state(m);
    recurrent_run r = { .last_h = recurrent_places(self) };
    if (!r.last_h) return NULL;
    r.last_c = r.last_h + self->layers * self->directions;
    gm_tensor *y = recurrent_run_all(m, &r, x);
    gm_free(r.last_h);
    return y;
}

static gm_tensor *recurrent_named(const gm_pack *in, const char *name) {
    return gm_pack_has(in, name) ? gm_get(in, name) : NULL;
}

static gm_pack *recurrent_apply(gm_module *m, gm_pack *in) {
    const recurrent_state *self = gm_state(m);
    gm_tensor *x = gm_pack_at(in, 0);
    if (!self || !gm_ok()) return NULL;
    int n = self->layers * self->directions;
    gm_tensor *lengths = recurrent_named(in, "lengths"), *padded = recurrent_named(in, "x_length");
    if (lengths && padded) return gm_fail(GM_ERROR_VALUE, "recurrent: both lengths and x_length are given"), NULL;
    recurrent_run r = { recurrent_named(in, "h"),   recurrent_named(in, "c"), NULL,
                        lengths ? lengths : padded, recurrent_places(self),   NULL };
    if (!r.last_h) return NULL;
    r.last_c = r.last_h + n;
    gm_pack *out = gm_pack_new();
    gm_tensor *y = recurrent_run_all(m, &r, x);
    if (y && out) {
        gm_pack_set(out, "y", y);
        gm_pack_set(out, "h", gm_stack(r.last_h, n, 0));
        if (self->cell == GM_CELL_LSTM) gm_pack_set(out, "c", gm_stack(r.last_c, n, 0));
    }
    gm_free(r.last_h);
    return gm_ok() ? out : NULL;
}

/* ---- making ---- */

static gm_tensor *recurrent_parameter(gm_module *m, const char *what, int k, gm_shape shape, gm_dtype dtype) {
    const recurrent_state *self = gm_state(m);
    char name[64];
    double bound = 1 / sqrt((double)self->hidden);
    bool reverse = self->directions == 2 && k % 2;
    snprintf(name, sizeof name, "%s_l%d%s", what, k / self->directions, reverse ? "_reverse" : "");
    return gm_param_init(m, name, shape, dtype, GM_INIT_UNIFORM, -bound, bound);
}

static bool recurrent_parameters(gm_module *m, bool bias, gm_dtype dtype) {
    recurrent_state *self = gm_state(m);
    int64_t gates = self->cell == GM_CELL_LSTM ? 4 : self->cell == GM_CELL_GRU ? 3 : 1, rows = gates * self->hidden;
    if (!dtype) dtype = GM_F32;
    for (int k = 0; gm_ok() && k < self->layers * self->directions; k++) {
        int64_t in = k < self->directions ? self->in : self->directions * self->hidden;
        gm_tensor **w = self->weights[k];
        w[RECURRENT_IH] = recurrent_parameter(m, "weight_ih", k, GM_SHAPE(rows, in), dtype);
        w[RECURRENT_HH] = recurrent_parameter(m, "weight_hh", k, GM_SHAPE(rows, self->hidden), dtype);
        if (bias) w[RECURRENT_BIAS_IH] = recurrent_parameter(m, "bias_ih", k, GM_SHAPE(rows), dtype);
        if (bias) w[RECURRENT_BIAS_HH] = recurrent_parameter(m, "bias_hh", k, GM_SHAPE(rows), dtype);
    }
    return gm_ok();
}

static gm_module *recurrent_new(const char *name, gm_cell cell, int64_t in, int64_t hidden,
                                const gm_nn_recurrent_args *args) {
    if (!gm_ok()) return NULL;
    gm_nn_recurrent_args a = { 0 };
    if (!gm__args_take(name, &a, sizeof a, args)) return NULL;
    if (in < 1 || hidden < 1 || a.layers < 0 || a.layers > 1000 || !(a.dropout >= 0 && a.dropout < 1))
        return gm_fail(GM_ERROR_VALUE, "%s: %lld inputs, %lld hidden, %d layers, dropout %g", name, (long long)in,
                       (long long)hidden, a.layers, a.dropout),
               NULL;
    if (a.relu && cell != GM_CELL_TANH) return gm_fail(GM_ERROR_VALUE, "%s: relu is for nn_rnn only", name), NULL;
    static const char *const takes[] = { "c", "h", "lengths", "x_length", NULL };
    gm_module_class c = { .size = sizeof c,
                          .name = name,
                          .state_bytes = sizeof(recurrent_state),
                          .forward = recurrent_forward,
                          .apply = recurrent_apply,
                          .destroy = recurrent_destroy,
                          .takes = takes + (cell != GM_CELL_LSTM) };
    gm_module *m = gm_module_new_with(&c);
    recurrent_state *self = gm_state(m);
    if (!self) return NULL;
    *self = (recurrent_state){ .dropout = a.dropout,
                               .in = in,
                               .hidden = hidden,
                               .cell = a.relu ? GM_CELL_RELU : cell,
                               .layers = a.layers ? a.layers : 1,
                               .directions = a.bidirectional ? 2 : 1,
                               .time_first = a.time_first };
    self->weights = gm_alloc((size_t)(self->layers * self->directions) * sizeof *self->weights);
    return self->weights && recurrent_parameters(m, !a.no_bias, a.dtype) ? m : NULL;
}

gm_module *gm_nn_rnn_with(int64_t in, int64_t hidden, const gm_nn_rnn_args *args) {
    return recurrent_new("nn_rnn", GM_CELL_TANH, in, hidden, args);
}
gm_module *gm_nn_lstm_with(int64_t in, int64_t hidden, const gm_nn_lstm_args *args) {
    return recurrent_new("nn_lstm", GM_CELL_LSTM, in, hidden, args);
}
gm_module *gm_nn_gru_with(int64_t in, int64_t hidden, const gm_nn_gru_args *args) {
    return recurrent_new("nn_gru", GM_CELL_GRU, in, hidden, args);
}
