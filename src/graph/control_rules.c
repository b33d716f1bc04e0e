/* control_rules.c: derivatives and batches of cond, while and scan.
 *
 * A derivative of a loop is a loop: forwards, tangents are carried beside what they belong to; backwards, a scan from
 * the last step to the first takes the carries that the forward scan kept, runs each step again, and carries gradients
 * on. Sums over steps begin with the last step's part as it is. The bodies of such loops are recorded from walks over
 * the graphs that derive.c makes; random numbers have the places of the first run. */
#include "../math/fp.h"
#include "control.h"
#include "../base/stream.h"
#include "../ops/ops.h"
#include "gemel/autograd.h"
#include "gemel/extend.h"

#include <string.h>

enum { RULE_MAX = GM__MAX_PORTS };
typedef struct { gm_tensor *t[2 * RULE_MAX]; int64_t n; } rule_list;

static bool rule_add(rule_list *l, gm_tensor *t) {
    if (l->n == RULE_MAX)
        return gm_fail(GM_ERROR_UNSUPPORTED, "control flow: over %d tensors with their derivatives", RULE_MAX);
    l->t[l->n++] = t;
    return t != NULL;
}

static bool rule_add_all(rule_list *l, gm_tensor *const *t, int64_t n) {
    bool ok = true;
    for (int64_t i = 0; i < n && ok; i++) ok = rule_add(l, t[i]);
    return ok;
}

/* Those of t[] that `take` says, which may be NULL for all. */
static bool rule_add_some(rule_list *l, gm_tensor *const *t, const bool *take, int64_t n) {
    bool ok = true;
    for (int64_t i = 0; i < n && ok; i++) ok = !take[i] || rule_add(l, t[i]);
    return ok;
}

static gm_pack *rule_pack(gm_tensor *const *t, int64_t n) {
    gm_pack *p = gm_pack_new();
    for (int64_t i = 0; i < n && gm_ok(); i++) gm_pack_set(p, NULL, t[i]);
    return gm_ok() ? p : NULL;
}

static bool rule_unpack(gm_pack *p, gm_tensor **t) {
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(p); i++) t[i] = gm_pack_at(p, i);
    return gm_ok();
}

static int rule_call(const gm_op *op, const rule_list *in, const gm__control_attrs *p, gm_tensor **out) {
    return gm_op_call(op, in->t, (int)in->n, p, out, GM__MAX_PORTS);
}

/* Inputs' gradients in order, NULL where none is needed. */
static bool rule_hand_out(const gm_grad_args *a, int first, gm_tensor *const *g) {
    for (int i = first, k = 0; i < a->n_in; i++)
        if (a->needs[i]) a->gin[i] = g[k++];
    return gm_ok();
}

static gm_dtype rule_dtype(const gm_graph *g, int64_t out) { return g->value[g->out[out].value].dtype; }

static void rule_arrives(const gm_graph *g, gm_tensor *const *gout, bool *arrives) {
    for (int64_t j = 0; j < g->n_out; j++) arrives[j] = gout[j] && gm_is_float(rule_dtype(g, j));
}

/* g's outputs, recorded into the open trace, with draws from there on. */
static bool rule_walk(gm_graph *g, gm_tensor *const *in, gm_tensor **out, uint64_t seed, uint64_t first) {
    return gm_ok() && gm__graph_values(g, in, out, seed, first);
}

/* ---- gradients of cond: cond of the gradients ---- */

bool gm__cond_grad(const gm_grad_args *a) {
    gm__control_attrs p = *(const gm__control_attrs *)a->attrs;
    bool arrives[RULE_MAX];
    gm_tensor *out[GM__MAX_PORTS];
    rule_list in = { .n = 0 };
    rule_arrives(p.a, a->gout, arrives);
    p.a = gm__graph_derive(p.a, GM__DERIVE_VJP, a->needs + 1, arrives, 0);
    p.b = p.a ? gm__graph_derive(p.b, GM__DERIVE_VJP, a->needs + 1, arrives, 0) : NULL;
    return p.b && rule_add_all(&in, a->in, a->n_in) && rule_add_some(&in, a->gout, arrives, a->n_out) &&
           rule_call(&gm__cond_op, &in, &p, out) >= 0 && rule_hand_out(a, 1, out);
}

/* ---- gradients of scan ---- */

gm_graph *gm__graph_saving(gm_graph *g, int64_t n) {
    bool *keep = gm_alloc((size_t)g->n_nodes + 1);
    if (keep) memset(keep, true, (size_t)g->n_nodes);
    gm_graph *made = keep ? gm__graph_with(g, keep, NULL) : NULL;
    gm_free(keep);
    for (int64_t i = 0; made && i < n; i++)
        if (!gm__graph_add_output(made, made->in[i], "")) return NULL;
    return made;
}

/* One step backwards. Inputs: carried gradients (of float carries) and sums (of `needs` among what stays), and with
 * `flags` whether there is a sum yet; then carries, x, arriving gradients of y, with `flags` whether the step was one;
 * then what stays. `first`: of carried gradients only those that arrive, and no sums. */
typedef struct {
    gm_graph *body, *vjp;
    int64_t n_carry, n_x, n_stay, n_y, n_sums, n_flow; /* n_y: arriving gradients; n_flow: of carries */
    bool in[RULE_MAX], out[RULE_MAX]; /* the vjp's masks */
    bool first, flags;
} rule_back;

static bool back_make(rule_back *b, gm_graph *body, const gm__control_attrs *p, const gm_grad_args *a) {
    *b = (rule_back){ .body = body, .n_carry = p->n_carry, .n_x = p->n_x };
    b->n_stay = body->n_in - b->n_carry - b->n_x;
    for (int64_t i = 0; i < body->n_in; i++) {
        bool carry = i < b->n_carry;
        b->in[i] = carry ? gm_is_float(body->value[body->in[i]].dtype) : a->needs[i];
        b->n_flow += carry && b->in[i];
        b->n_sums += i >= b->n_carry + b->n_x && b->in[i];
    }
    for (int64_t j = 0; j < body->n_out; j++) {
        bool real = gm_is_float(rule_dtype(body, j));
        b->out[j] = real && (j < b->n_carry || (j < a->n_out && a->gout[j]));
        b->n_y += j >= b->n_carry && b->out[j];
    }
    return true;
}

/* The inputs of the vjp, from those of the step. */
static bool back_inputs(const rule_back *b, gm_tensor *const *t, rule_list *l) {
    gm_tensor *const *flow = t, *const *carry = t + b->n_flow + (b->first ? 0 : b->n_sums) + b->flags;
    gm_tensor *const *x = carry + b->n_carry, *const *y = x + b->n_x, *const *stay = y + b->n_y + b->flags;
    if (b->first) carry = t, flow = t + b->n_carry + b->n_x + b->n_y, x = t + b->n_carry, y = x + b->n_x,
                  stay = flow + b->n_flow;
    return rule_add_all(l, carry, b->n_carry) && rule_add_all(l, x, b->n_x) && rule_add_all(l, stay, b->n_stay) &&
           rule_add_all(l, flow, b->n_flow) && rule_add_all(l, y, b->n_y);
}

/* What the vjp gives: gradients of carries, of some of x, of some of what stays. */
static gm_pack *back_step(void *env, gm_pack *in) {
    const rule_back *b = env;
    gm_tensor *t[2 * RULE_MAX], *g[RULE_MAX], *made[RULE_MAX];
    rule_list given = { .n = 0 };
    uint64_t seed = 0, first = gm__take_draws(b->vjp->n_draws, &seed);
    if (!rule_unpack(in, t) || !back_inputs(b, t, &given) || !rule_walk(b->vjp, given.t, g, seed, first)) return NULL;
    int64_t n = b->vjp->n_out, sums = n - b->n_sums, carries = 0;
    for (int64_t i = 0; i < b->n_carry; i++) carries += b->in[i];
    gm_tensor *started = b->flags ? t[b->n_flow + b->n_sums] : NULL;
    gm_tensor *active = b->flags ? t[b->n_flow + b->n_sums + 1 + b->n_carry + b->n_x + b->n_y] : NULL;
    for (int64_t k = 0; k < n && gm_ok(); k++) {
        bool sum = k >= sums;
        gm_tensor *before = b->first ? NULL : sum ? t[b->n_flow + k - sums] : k < carries ? t[k] : NULL;
        gm_tensor *now = sum && before ? gm_add(before, g[k]) : g[k];
        if (active && sum) now = gm_where(started, now, g[k]);
        made[k] = active && before ? gm_where(active, now, before) : now;
    }
    /* carried: gradients and sums; stacked: those of x */
    rule_list out = { .n = 0 };
    rule_add_all(&out, made, carries), rule_add_all(&out, made + sums, b->n_sums);
    if (active) rule_add(&out, gm_logical_or(started, active));
    rule_add_all(&out, made + carries, sums - carries);
    return gm_ok() ? rule_pack(out.t, out.n) : NULL;
}

static gm_tensor *rule_one_of(gm_tensor *t) {
    gm_shape s = { .n = t->shape.n - 1 };
    memcpy(s.d, t->shape.d + 1, (size_t)s.n * sizeof *s.d);
    return gm__tensor_over(NULL, 0, &s, t->dtype);
}

/* The recording of f for inputs of which those from `from` on, n of them, come as entries of what is there. */
static gm_graph *rule_record(gm_fnp f, void *env, const rule_list *in, int64_t from, int64_t n) {
    rule_list like = { .n = 0 };
    for (int64_t i = 0; i < in->n; i++) {
        bool entry = i >= from && i < from + n;
        gm_tensor *t = in->t[i];
        if (!rule_add(&like, entry ? rule_one_of(t) : gm__tensor_over(NULL, 0, &t->shape, t->dtype))) return NULL;
    }
    gm_pack *likes = rule_pack(like.t, like.n);
    return likes ? gm__graph_trace(f, env, likes) : NULL;
}

/* The backward scan's pieces: of the forward one its attributes, the carries as they came in [T, ..], inputs, arriving
 * gradients by output. */
typedef struct {
    const gm_grad_args *a;
    gm__control_attrs p;
    gm_graph *body;
    gm_tensor *const *saved;
    gm_tensor *active; /* of while: bool [bound], which steps were */
} rule_way;

/* Entry t of x, or all but it, at the end from which the way back begins. */
static gm_tensor *way_last(const rule_way *w, gm_tensor *x) {
    return gm_select(x, 0, w->p.reverse ? 0 : w->p.length - 1);
}
static gm_tensor *way_rest(const rule_way *w, gm_tensor *x) {
    return gm_narrow(x, 0, w->p.reverse ? 1 : 0, w->p.length - 1);
}

/* The last step alone: only what arrives is there. It runs as a cond that holds, for its place in the stream. */
static bool way_first(rule_way *w, rule_back *b, gm_tensor **out) {
    const gm_grad_args *a = w->a;
    bool full[RULE_MAX];
    rule_list in = { .n = 0 };
    bool ok = true;
    memcpy(full, b->out, sizeof full);
    int64_t flow = b->n_flow;
    b->first = true, b->n_flow = 0;
    for (int64_t i = 0; i < b->n_carry; i++) b->n_flow += b->out[i] = b->out[i] && a->gout[i];
    b->vjp = gm__graph_derive(b->body, GM__DERIVE_VJP, b->in, b->out, 0);
    for (int64_t i = 0; ok && i < b->n_carry; i++) ok = rule_add(&in, way_last(w, w->saved[i]));
    for (int64_t i = 0; ok && i < b->n_x; i++) ok = rule_add(&in, way_last(w, a->in[b->n_carry + i]));
    for (int64_t j = b->n_carry; ok && j < b->body->n_out; j++)
        if (b->out[j]) ok = rule_add(&in, way_last(w, a->gout[j]));
    ok = ok && b->vjp && rule_add_some(&in, a->gout, b->out, b->n_carry) &&
         rule_add_all(&in, a->in + b->n_carry + b->n_x, b->n_stay);
    gm_graph *step = ok ? rule_record(back_step, b, &in, 0, 0) : NULL;
    memcpy(b->out, full, sizeof full);
    b->first = false, b->n_flow = flow;
    if (!step) return false;
    gm__control_attrs p = { .a = step, .b = step, .key = w->p.key, .count = w->p.count };
    p.shift = (w->p.reverse ? 0 : w->p.length - 1) * w->p.scale + w->p.shift;
    rule_list all = { .n = 0 };
    rule_add(&all, gm_ones((gm_shape){ 0 }, GM_BOOL));
    return rule_add_all(&all, in.t, in.n) && rule_call(&gm__cond_op, &all, &p, out) >= 0;
}

/* The steps behind it (or, with flags, all of them): a scan the other way round. begin: what is carried into it. */
static bool way_others(rule_way *w, rule_back *b, gm_tensor *const *begin, gm_tensor **out) {
    const gm_grad_args *a = w->a;
    rule_list in = { .n = 0 };
    bool ok = rule_add_all(&in, begin, b->n_flow + b->n_sums + b->flags);
    b->vjp = ok ? gm__graph_derive(b->body, GM__DERIVE_VJP, b->in, b->out, 0) : NULL;
    int64_t carried = in.n;
#define WAY(x) (b->flags ? (x) : way_rest(w, x))
    for (int64_t i = 0; ok && i < b->n_carry; i++) ok = rule_add(&in, WAY(w->saved[i]));
    for (int64_t i = 0; ok && i < b->n_x; i++) ok = rule_add(&in, WAY(a->in[b->n_carry + i]));
    for (int64_t j = b->n_carry; ok && j < b->body->n_out; j++)
        if (b->out[j]) ok = rule_add(&in, WAY(a->gout[j]));
    if (b->flags) ok = ok && rule_add(&in, w->active);
#undef WAY
    gm__control_attrs p = { .key = w->p.key, .count = w->p.count, .n_carry = carried, .n_x = in.n - carried,
                            .length = w->p.length - !b->flags, .reverse = !w->p.reverse, .scale = w->p.scale,
                            .shift = w->p.shift + (w->p.reverse && !b->flags ? w->p.scale : 0) };
    ok = ok && b->vjp && rule_add_all(&in, a->in + b->n_carry + b->n_x, b->n_stay);
    p.a = ok ? rule_record(back_step, b, &in, carried, p.n_x) : NULL;
    return p.a && rule_call(&gm__scan_op, &in, &p, out) >= 0;
}

/* first: [.. carries, sums, x]; rest: the same with x stacked. */
static gm_tensor *way_join(const rule_way *w, gm_tensor *first, gm_tensor *rest) {
    gm_tensor *one = gm_unsqueeze(first, 0);
    if (!rest) return one;
    return gm_concat((gm_tensor *[]){ w->p.reverse ? one : rest, w->p.reverse ? rest : one }, 2, 0);
}

static bool way_hand_out(const rule_way *w, const rule_back *b, gm_tensor *const *first, gm_tensor *const *rest) {
    const gm_grad_args *a = w->a;
    int64_t carry = 0, x = b->n_flow + b->n_sums, stay = b->n_flow;
    for (int i = 0; i < a->n_in && gm_ok(); i++) {
        bool is_x = i >= b->n_carry && i < b->n_carry + b->n_x;
        int64_t k = !b->in[i] ? -1 : i < b->n_carry ? carry++ : is_x ? x++ : stay++;
        if (k >= 0 && a->needs[i])
            a->gin[i] = is_x ? way_join(w, first[k], rest ? rest[k] : NULL) : (rest ? rest : first)[k];
    }
    return gm_ok();
}

/* The carries as they came in: kept, or from another run. */
static bool way_saved(const rule_way *w, gm_tensor **again) {
    const gm_grad_args *a = w->a;
    gm__control_attrs p = w->p;
    rule_list in = { .n = 0 };
    gm_tensor *out[GM__MAX_PORTS];
    p.a = gm__graph_saving(gm__graph_pure(p.a), p.n_carry);
    if (!p.a || !rule_add_all(&in, a->in, a->n_in) || rule_call(&gm__scan_op, &in, &p, out) < 0) return false;
    memcpy(again, out + p.a->n_out - p.n_carry, (size_t)p.n_carry * sizeof *again);
    return true;
}

bool gm__scan_grad(const gm_grad_args *a) {
    const gm__control_attrs *p = a->attrs;
    gm_tensor *again[RULE_MAX], *first[GM__MAX_PORTS], *rest[GM__MAX_PORTS];
    rule_way w = { .a = a, .p = *p, .body = p->a };
    rule_back *b = gm_alloc(sizeof *b);
    w.saved = p->saved ? a->out + p->a->n_out - p->n_carry : again;
    bool ok = b && back_make(b, p->a, p, a);
    if (ok && !p->length) {
        for (int i = 0; i < a->n_in; i++)
            if (a->needs[i]) a->gin[i] = i < p->n_carry ? a->gout[i] : gm_zeros_like(a->in[i]);
        gm_free(b);
        return gm_ok();
    }
    ok = ok && (p->saved || way_saved(&w, again)) && way_first(&w, b, first);
    bool more = ok && p->length > 1;
    if (more) ok = way_others(&w, b, first, rest);
    ok = ok && way_hand_out(&w, b, first, more ? rest : NULL);
    gm_free(b);
    return ok;
}

/* ---- gradients of while: with a bound it is a scan of that many steps, of which some do nothing ---- */

typedef struct { gm_graph *cond, *body; int64_t n_carry; } rule_loop;

/* carries, what stays -> the next carries; the carries; whether there was a step */
static gm_pack *while_masked(void *env, gm_pack *in) {
    const rule_loop *l = env;
    gm_tensor *t[2 * RULE_MAX], *next[GM__MAX_PORTS], *go;
    rule_list out = { .n = 0 };
    uint64_t seed = 0, first = gm__take_draws(l->body->n_draws, &seed);
    if (!rule_unpack(in, t) || !rule_walk(l->cond, t, &go, 0, 0) || !rule_walk(l->body, t, next, seed, first))
        return NULL;
    go = gm_reshape(gm_ne_scalar(go, 0), (gm_shape){ 0 });
    for (int64_t i = 0; i < l->n_carry && gm_ok(); i++) rule_add(&out, gm_where(go, next[i], t[i]));
    rule_add_all(&out, t, l->n_carry);
    return rule_add(&out, go) && gm_ok() ? rule_pack(out.t, out.n) : NULL;
}

bool gm__while_grad(const gm_grad_args *a) {
    const gm__control_attrs *p = a->attrs;
    if (!p->bound)
        return gm_fail(GM_ERROR_UNSUPPORTED, "while: gradients backwards want a .bound of the number of steps; without "
                                             "one there is gm_jvp, or gm_scan");
    if (p->a->n_draws) return gm_fail(GM_ERROR_UNSUPPORTED, "while: gradients of a condition that draws numbers");
    rule_loop l = { gm__graph_pure(p->a), gm__graph_pure(p->b), p->n_carry };
    rule_list in = { .n = 0 }, begin = { .n = 0 };
    gm_tensor *out[GM__MAX_PORTS], *back[GM__MAX_PORTS];
    rule_way w = { .a = a, .body = p->b };
    if (!l.cond || !l.body || !rule_add_all(&in, a->in, a->n_in)) return false;
    w.p = (gm__control_attrs){ .a = rule_record(while_masked, &l, &in, 0, 0), .key = p->key, .count = p->count,
                               .n_carry = p->n_carry, .length = p->bound, .scale = 2, .shift = 1 };
    if (!w.p.a || rule_call(&gm__scan_op, &in, &w.p, out) < 0) return false;
    rule_back *b = gm_alloc(sizeof *b);
    bool ok = b && back_make(b, p->b, &w.p, a);
    w.saved = out + p->n_carry, w.active = out[2 * p->n_carry];
    for (int64_t i = 0; ok && i < a->n_in; i++) {
        gm_tensor *g = i < p->n_carry ? a->gout[i] : NULL;
        if (b->in[i]) ok = rule_add(&begin, g ? g : gm_zeros_like(a->in[i]));
    }
    if (ok) b->flags = true;
    ok = ok && rule_add(&begin, gm_zeros((gm_shape){ 0 }, GM_BOOL)) && way_others(&w, b, begin.t, back) &&
         way_hand_out(&w, b, back, NULL);
    gm_free(b);
    return ok;
}

/* ---- tangents ---- */

/* Which inputs have one: of loops every float that is carried. */
static void rule_moves(const gm_jvp_args *a, int first, int64_t n_carry, bool *moves) {
    for (int i = first; i < a->n_in; i++)
        moves[i - first] = i < n_carry ? gm_is_float(a->in[i]->dtype) : a->tin[i] != NULL;
}

static void rule_tangents(const gm_jvp_args *a, gm_tensor *const *t) {
    for (int j = 0, k = 0; j < a->n_out; j++)
        if (gm_is_float(a->out[j]->dtype)) a->tout[j] = t[k++];
}

bool gm__cond_jvp(const gm_jvp_args *a) {
    gm__control_attrs p = *(const gm__control_attrs *)a->attrs;
    bool moves[RULE_MAX];
    gm_tensor *out[GM__MAX_PORTS];
    rule_list in = { .n = 0 };
    rule_moves(a, 1, 0, moves);
    p.a = gm__graph_derive(p.a, GM__DERIVE_JVP, moves, NULL, 0);
    p.b = p.a ? gm__graph_derive(p.b, GM__DERIVE_JVP, moves, NULL, 0) : NULL;
    if (!p.b || !rule_add_all(&in, a->in, a->n_in) || !rule_add_some(&in, a->tin + 1, moves, a->n_in - 1) ||
        rule_call(&gm__cond_op, &in, &p, out) < 0)
        return false;
    rule_tangents(a, out);
    return gm_ok();
}

/* A loop over values and tangents. Inputs: carries, their tangents; x, its tangents; what stays, its tangents. */
typedef struct {
    gm_graph *g, *jvp; /* jvp NULL: values alone */
    bool moves[RULE_MAX];
    int64_t n_carry, n_x, n_stay;
} rule_both;

static int64_t both_count(const rule_both *b, int64_t from, int64_t n) {
    int64_t moving = 0;
    for (int64_t i = from; i < from + n; i++) moving += b->moves[i];
    return moving;
}

/* The values among t, in the order of g's inputs, then the tangents. */
static bool both_split(const rule_both *b, gm_tensor *const *t, rule_list *values, rule_list *tangents) {
    const int64_t part[] = { b->n_carry, b->n_x, b->n_stay };
    int64_t at = 0, from = 0;
    for (int k = 0; k < 3; from += part[k++]) {
        int64_t moving = both_count(b, from, part[k]);
        if (!rule_add_all(values, t + at, part[k]) || !rule_add_all(tangents, t + at + part[k], moving)) return false;
        at += part[k] + moving;
    }
    return true;
}

static gm_pack *both_step(void *env, gm_pack *in) {
    const rule_both *b = env;
    gm_tensor *t[2 * RULE_MAX], *y[GM__MAX_PORTS], *dy[GM__MAX_PORTS];
    rule_list values = { .n = 0 }, tangents = { .n = 0 }, out = { .n = 0 };
    uint64_t seed = 0, first = gm__take_draws(b->g->n_draws, &seed);
    if (!rule_unpack(in, t) || !both_split(b, t, &values, &tangents) || !rule_walk(b->g, values.t, y, seed, first))
        return NULL;
    if (!b->jvp) return rule_pack(y, b->g->n_out);
    if (!rule_add_all(&values, tangents.t, tangents.n) || !rule_walk(b->jvp, values.t, dy, seed, first)) return NULL;
    int64_t carries = both_count(b, 0, b->n_carry), n = b->g->n_out;
    bool ok = rule_add_all(&out, y, b->n_carry) && rule_add_all(&out, dy, carries) &&
              rule_add_all(&out, y + b->n_carry, n - b->n_carry) &&
              rule_add_all(&out, dy + carries, b->jvp->n_out - carries);
    return ok ? rule_pack(out.t, out.n) : NULL;
}

/* The inputs of the loop over both. */
static bool both_inputs(const rule_both *b, const gm_jvp_args *a, rule_list *in, int64_t *n_carry, int64_t *n_x) {
    const int64_t part[] = { b->n_carry, b->n_x, b->n_stay };
    int64_t from = 0;
    for (int k = 0; k < 3; from += part[k++]) {
        if (!rule_add_all(in, a->in + from, part[k])) return false;
        for (int64_t i = from; i < from + part[k]; i++)
            if (b->moves[i] && !rule_add(in, a->tin[i] ? a->tin[i] : gm_zeros_like(a->in[i]))) return false;
        if (k == 0) *n_carry = in->n;
        if (k == 1) *n_x = in->n - *n_carry;
    }
    return true;
}

static bool both_make(rule_both *b, gm_graph *g, const gm__control_attrs *p, const gm_jvp_args *a) {
    *b = (rule_both){ .g = gm__graph_pure(g), .n_carry = p->n_carry, .n_x = p->n_x };
    b->n_stay = g->n_in - b->n_carry - b->n_x;
    rule_moves(a, 0, p->n_carry, b->moves);
    return b->g && (b->jvp = gm__graph_derive(g, GM__DERIVE_JVP, b->moves, NULL, 0));
}

bool gm__while_jvp(const gm_jvp_args *a) {
    gm__control_attrs p = *(const gm__control_attrs *)a->attrs;
    rule_both *b = gm_alloc(2 * sizeof *b);
    gm_tensor *out[GM__MAX_PORTS];
    rule_list in = { .n = 0 };
    int64_t n = p.n_carry;
    bool ok = b && both_make(b, p.b, &p, a) && both_inputs(b, a, &in, &p.n_carry, &p.n_x);
    if (ok) b[1] = b[0], b[1].jvp = NULL, b[1].g = gm__graph_pure(p.a);
    p.n_x = 0;
    p.b = ok ? rule_record(both_step, b, &in, 0, 0) : NULL;
    p.a = p.b && b[1].g ? rule_record(both_step, b + 1, &in, 0, 0) : NULL;
    gm_free(b);
    if (!p.a || rule_call(&gm__while_op, &in, &p, out) < 0) return false;
    rule_tangents(a, out + n);
    return gm_ok();
}

bool gm__scan_jvp(const gm_jvp_args *a) {
    gm__control_attrs p = *(const gm__control_attrs *)a->attrs;
    rule_both *b = gm_alloc(sizeof *b);
    gm_tensor *out[GM__MAX_PORTS], *t[GM__MAX_PORTS];
    rule_list in = { .n = 0 };
    bool ok = b && both_make(b, p.a, &p, a) && both_inputs(b, a, &in, &p.n_carry, &p.n_x);
    int64_t carries = ok ? both_count(b, 0, b->n_carry) : 0, n = a->n_out;
    p.saved = 0;
    p.a = ok ? rule_record(both_step, b, &in, p.n_carry, p.n_x) : NULL;
    if (ok && p.a && rule_call(&gm__scan_op, &in, &p, out) >= 0) {
        memcpy(t, out + b->n_carry, (size_t)carries * sizeof *t);
        memcpy(t + carries, out + n + carries, (size_t)(b->jvp->n_out - carries) * sizeof *t);
        rule_tangents(a, t);
    } else {
        ok = false;
    }
    gm_free(b);
    return ok && gm_ok();
}

/* ---- batches ---- */

static bool rule_any(const bool *mapped, int n) {
    for (int i = 0; i < n; i++)
        if (mapped[i]) return true;
    return false;
}

/* x or y [B, ..], as p [B] says. */
static gm_tensor *rule_by_entry(gm_tensor *p, gm_tensor *x, gm_tensor *y) {
    gm_shape s = { .n = x ? x->shape.n : 0, .d = { x ? x->shape.d[0] : 0 } };
    for (int d = 1; d < s.n; d++) s.d[d] = 1;
    return gm_where(gm_reshape(p, s), x, y);
}

static gm_tensor *rule_flags(gm_tensor *p, int64_t size) {
    return gm_ne_scalar(gm_reshape(p, (gm_shape){ .n = 1, .d = { size } }), 0);
}

/* A graph, once, as a cond that holds. */
static bool rule_once(gm_graph *g, const gm__control_attrs *from, gm_tensor *const *in, int64_t n, gm_tensor **out) {
    gm__control_attrs p = { .a = g, .b = g, .key = from->key, .count = from->count };
    rule_list all = { .n = 0 };
    return g && rule_add(&all, gm_ones((gm_shape){ 0 }, GM_BOOL)) && rule_add_all(&all, in, n) &&
           rule_call(&gm__cond_op, &all, &p, out) >= 0;
}

static bool rule_spread(gm_tensor **t, int n, const gm_batch_args *a) {
    bool none = false;
    for (int j = 0; j < n; j++)
        t[j] = gm__batched(&(gm_batch_args){ a->op, 1, 1, &t[j], &none, a->size, NULL, NULL }, 0);
    return gm_ok();
}

/* The same for every entry. */
static bool rule_repeat(const gm_batch_args *a) {
    return gm_op_call(a->op, a->in, a->n_in, a->attrs, a->out, a->n_out) >= 0 && rule_spread(a->out, a->n_out, a);
}

/* A branch, whoever wants it. */
static bool cond_both(const gm_batch_args *a, gm_graph *g, bool any, gm_tensor **out) {
    if (any) g = gm__graph_derive(g, GM__DERIVE_BATCH, a->mapped + 1, NULL, a->size);
    return g && rule_once(g, a->attrs, a->in + 1, a->n_in - 1, out) && (any || rule_spread(out, a->n_out, a));
}

/* With a predicate for each entry both branches run, and each entry takes its own. */
bool gm__cond_batch(const gm_batch_args *a) {
    gm__control_attrs p = *(const gm__control_attrs *)a->attrs;
    gm_tensor *yes[GM__MAX_PORTS], *no[GM__MAX_PORTS];
    bool any = rule_any(a->mapped + 1, a->n_in - 1);
    if (!a->mapped[0] && !any) return rule_repeat(a);
    if (!a->mapped[0]) {
        p.a = gm__graph_derive(p.a, GM__DERIVE_BATCH, a->mapped + 1, NULL, a->size);
        p.b = p.a ? gm__graph_derive(p.b, GM__DERIVE_BATCH, a->mapped + 1, NULL, a->size) : NULL;
        return p.b && gm_op_call(a->op, a->in, a->n_in, &p, a->out, a->n_out) >= 0;
    }
    gm_tensor *flags = rule_flags(a->in[0], a->size);
    if (!cond_both(a, p.a, any, yes) || !cond_both(a, p.b, any, no)) return false;
    for (int j = 0; j < a->n_out; j++) a->out[j] = rule_by_entry(flags, yes[j], no[j]);
    return gm_ok();
}

/* carries, whether each entry goes on [B]; what stays -> the same */
static gm_pack *while_entries(void *env, gm_pack *in) {
    const rule_loop *l = env;
    gm_tensor *t[2 * RULE_MAX], *next[GM__MAX_PORTS], *go;
    uint64_t seed = 0, first = gm__take_draws(l->body->n_draws + l->cond->n_draws, &seed);
    if (!rule_unpack(in, t)) return NULL;
    int64_t n = gm_pack_count(in);
    gm_tensor *active = t[l->n_carry];
    memmove(t + l->n_carry, t + l->n_carry + 1, (size_t)(n - l->n_carry - 1) * sizeof *t);
    if (!rule_walk(l->body, t, next, seed, first)) return NULL;
    for (int64_t i = 0; i < l->n_carry && gm_ok(); i++) t[i] = rule_by_entry(active, next[i], t[i]);
    if (!rule_walk(l->cond, t, &go, seed, first + (uint64_t)l->body->n_draws)) return NULL;
    t[l->n_carry] = gm_logical_and(active, rule_flags(go, active->shape.d[0]));
    return gm_ok() ? rule_pack(t, l->n_carry + 1) : NULL;
}

static gm_pack *while_any(void *env, gm_pack *in) {
    gm_tensor *any = gm_any(gm_pack_at(in, ((const rule_loop *)env)->n_carry));
    return any ? GM_PACK({ "0", any, NULL }) : NULL;
}

bool gm__while_batch(const gm_batch_args *a) {
    gm__control_attrs p = *(const gm__control_attrs *)a->attrs;
    bool mapped[RULE_MAX];
    gm_tensor *in[RULE_MAX], *out[GM__MAX_PORTS];
    rule_list all = { .n = 0 };
    if (!rule_any(a->mapped, a->n_in)) return rule_repeat(a);
    for (int i = 0; i < a->n_in; i++) {
        mapped[i] = a->mapped[i] || i < p.n_carry;
        in[i] = i < p.n_carry ? gm__batched(a, i) : a->in[i];
    }
    rule_loop l = { gm__graph_derive(p.a, GM__DERIVE_BATCH, mapped, NULL, a->size), NULL, p.n_carry };
    l.body = l.cond ? gm__graph_derive(p.b, GM__DERIVE_BATCH, mapped, NULL, a->size) : NULL;
    bool ok = l.body && rule_once(l.cond, &p, in, a->n_in, out) && rule_add_all(&all, in, p.n_carry) &&
              rule_add(&all, rule_flags(out[0], a->size)) &&
              rule_add_all(&all, in + p.n_carry, a->n_in - p.n_carry);
    p.n_carry++;
    p.b = ok ? rule_record(while_entries, &l, &all, 0, 0) : NULL;
    p.a = p.b ? rule_record(while_any, &l, &all, 0, 0) : NULL;
    if (!p.a || rule_call(&gm__while_op, &all, &p, out) < 0) return false;
    memcpy(a->out, out, (size_t)a->n_out * sizeof *out);
    return gm_ok();
}

/* The batch behind the dimension that is gone through; in front again in what comes out. */
bool gm__scan_batch(const gm_batch_args *a) {
    gm__control_attrs p = *(const gm__control_attrs *)a->attrs;
    bool mapped[RULE_MAX];
    gm_tensor *in[RULE_MAX], *out[GM__MAX_PORTS];
    if (!rule_any(a->mapped, a->n_in)) return rule_repeat(a);
    for (int64_t i = 0; i < a->n_in; i++) {
        mapped[i] = a->mapped[i] || i < p.n_carry;
        in[i] = i < p.n_carry ? gm__batched(a, (int)i) : a->in[i];
        if (mapped[i] && i >= p.n_carry && i < p.n_carry + p.n_x) in[i] = gm_move_dim(in[i], 0, 1);
    }
    p.a = gm__graph_derive(p.a, GM__DERIVE_BATCH, mapped, NULL, a->size);
    if (!p.a || !gm_ok() || gm_op_call(a->op, in, a->n_in, &p, out, GM__MAX_PORTS) < 0) return false;
    for (int64_t j = 0; j < a->n_out; j++) a->out[j] = j < p.n_carry ? out[j] : gm_move_dim(out[j], 1, 0);
    return gm_ok();
}
