/* loss.c: losses element by element and by distance: compositions of operations. */
#include "../math/fp.h"
#include "loss.h"
#include "reduce.h"
#include "../base/args.h"
#include "gemel/autograd.h"

#include <stddef.h>

gm_tensor *gm__loss_wide(gm_tensor *x) {
    return !x || x->dtype == GM_F64 ? x : gm_cast(x, GM_F32);
}

bool gm__loss_check(const char *op, const gm_tensor *x, const gm_tensor *y) {
    if (!gm__check_tensor(x, op, 1) || !gm__check_tensor(y, op, 2) || !gm__check_float(x, op)) return false;
    return gm_shape_equal(x->shape, y->shape) ||
           gm_fail(GM_ERROR_SHAPE, "%s: x is %s, y is %s; they must be alike", op, gm__tensor_shape_str(x),
                   gm__tensor_shape_str(y));
}

gm_tensor *gm__loss_reduce(gm_tensor *l, const gm_tensor *x, int reduction) {
    if (!l) return NULL;
    switch (reduction) {
    case GM_LOSS_MEAN: return gm_cast(gm_mean(l), x->dtype);
    case GM_LOSS_SUM: return gm_cast(gm_sum(l), x->dtype);
    case GM_LOSS_NONE: return gm_cast(l, x->dtype);
    case GM_LOSS_BATCH_MEAN:
        return gm_cast(gm_div_scalar(gm_sum(l), (double)(x->shape.n ? x->shape.d[0] : 1)), x->dtype);
    default: gm_fail(GM_ERROR_VALUE, "loss: a reduction of %d", reduction); return NULL;
    }
}

/* ---- elements ---- */

static gm_tensor *loss_mse(gm_tensor *x, gm_tensor *y, const gm_loss_args *o) {
    (void)o;
    return gm_square(gm_sub(x, y));
}

static gm_tensor *loss_l1(gm_tensor *x, gm_tensor *y, const gm_loss_args *o) {
    (void)o;
    return gm_abs(gm_sub(x, y));
}

static gm_tensor *loss_smooth_l1(gm_tensor *x, gm_tensor *y, const gm_loss_args *o) {
    double beta = gm__real_or(o->beta, 1);
    gm_tensor *d = gm_abs(gm_sub(x, y));
    if (beta == 0) return d;
    gm_tensor *curve = gm_div_scalar(gm_mul_scalar(gm_square(d), 0.5), beta);
    return gm_where(gm_lt_scalar(d, beta), curve, gm_add_scalar(d, -0.5 * beta));
}

static gm_tensor *loss_huber(gm_tensor *x, gm_tensor *y, const gm_loss_args *o) {
    double delta = gm__real_or(o->delta, 1);
    gm_tensor *d = gm_abs(gm_sub(x, y)), *line = gm_mul_scalar(gm_add_scalar(d, -0.5 * delta), delta);
    return gm_where(gm_le_scalar(d, delta), gm_mul_scalar(gm_square(d), 0.5), line);
}

/* log, but not below -100. Where it would be, the slope is 0: that of log at 0 times 0 would be no number. */
static gm_tensor *loss_log(gm_tensor *x) {
    gm_tensor *low;
    {
        GM_NO_GRAD;
        low = gm_lt_scalar(gm_log(x), -100);
    }
    if (!low) return NULL;
    gm_tensor *one = gm_ones((gm_shape){ 0 }, x->dtype), *least = gm_full((gm_shape){ 0 }, -100, x->dtype);
    return gm_where(low, least, gm_log(gm_where(low, one, x)));
}

static gm_tensor *loss_bce(gm_tensor *x, gm_tensor *y, const gm_loss_args *o) {
    gm_tensor *yes = loss_log(x), *no = loss_log(gm_rsub_scalar(x, 1));
    gm_tensor *left = gm_mul(y, yes);
    if (o->pos_weight) left = gm_mul(left, o->pos_weight);
    return gm_neg(gm_add(left, gm_mul(gm_rsub_scalar(y, 1), no)));
}

/* (1 - y) x + (1 + (pos_weight - 1) y) softplus(-x) */
static gm_tensor *loss_bce_with_logits(gm_tensor *x, gm_tensor *y, const gm_loss_args *o) {
    gm_tensor *low = gm_softplus(gm_neg(x));
    if (o->pos_weight) low = gm_mul(low, gm_add_scalar(gm_mul(gm_add_scalar(o->pos_weight, -1), y), 1));
    return gm_add(gm_mul(gm_rsub_scalar(y, 1), x), low);
}

static gm_tensor *loss_kl_div(gm_tensor *x, gm_tensor *y, const gm_loss_args *o) {
    if (o->log_target) return gm_mul(gm_exp(y), gm_sub(y, x));
    return gm_sub(gm_xlogy(y, y), gm_mul(y, x));
}

static gm_tensor *loss_hinge(gm_tensor *x, gm_tensor *y, const gm_loss_args *o) {
    return gm_relu(gm_rsub_scalar(gm_mul(x, y), gm__real_or(o->margin, 1)));
}

static gm_tensor *loss_hinge_embedding(gm_tensor *x, gm_tensor *y, const gm_loss_args *o) {
    return gm_where(gm_eq_scalar(y, 1), x, gm_relu(gm_rsub_scalar(x, gm__real_or(o->margin, 1))));
}

typedef gm_tensor *(*loss_fn)(gm_tensor *x, gm_tensor *y, const gm_loss_args *o);

static gm_tensor *loss_elements(const char *op, loss_fn f, gm_tensor *x, gm_tensor *y, const gm_loss_args *args) {
    gm_loss_args o;
    if (!gm_ok() || !gm__args_take(op, &o, sizeof o, args) || !gm__loss_check(op, x, y)) return NULL;
    gm_tensor *l = f(gm__loss_wide(x), gm__loss_wide(y), &o);
    if (o.weight && l) l = gm_mul(l, o.weight);
    return gm__loss_reduce(l, x, o.reduction);
}

#define LOSS_FORMS(name, f)                                                                                            \
    gm_tensor *gm_##name##_with(gm_tensor *x, gm_tensor *y, const gm_##name##_args *args) {                            \
        return loss_elements(#name, f, x, y, args);                                                                    \
    }                                                                                                                  \
    gm_tensor *(gm_##name)(gm_tensor *x, gm_tensor *y) { return gm_##name##_with(x, y, NULL); }
LOSS_FORMS(mse_loss, loss_mse)
LOSS_FORMS(l1_loss, loss_l1)
LOSS_FORMS(smooth_l1_loss, loss_smooth_l1)
LOSS_FORMS(huber_loss, loss_huber)
LOSS_FORMS(bce, loss_bce)
LOSS_FORMS(bce_with_logits, loss_bce_with_logits)
LOSS_FORMS(kl_div, loss_kl_div)
LOSS_FORMS(hinge_loss, loss_hinge)
LOSS_FORMS(hinge_embedding_loss, loss_hinge_embedding)
#undef LOSS_FORMS

/* ---- distances ---- */

static gm_tensor *loss_cosine(gm_tensor *a, gm_tensor *b, int dim, double eps) {
    int32_t d = dim;
    gm_tensor *na = gm_maximum_scalar(gm_norm_dims(a, 2, &d, 1, false), eps);
    gm_tensor *nb = gm_maximum_scalar(gm_norm_dims(b, 2, &d, 1, false), eps);
    return gm_div(gm_sum_dim(gm_mul(a, b), dim, false), gm_mul(na, nb));
}

gm_tensor *gm_cosine_similarity(gm_tensor *a, gm_tensor *b, int dim, double eps) {
    if (!gm_ok() || !gm__loss_check("cosine_similarity", a, b)) return NULL;
    return gm__loss_reduce(loss_cosine(gm__loss_wide(a), gm__loss_wide(b), dim, eps), a, GM_LOSS_NONE);
}

gm_tensor *gm_cosine_embedding_loss_with(gm_tensor *a, gm_tensor *b, gm_tensor *y,
                                         const gm_cosine_embedding_loss_args *args) {
    gm_cosine_embedding_loss_args o;
    const char *op = "cosine_embedding_loss";
    if (!gm_ok() || !gm__args_take(op, &o, sizeof o, args) || !gm__loss_check(op, a, b) || !gm__check_tensor(y, op, 3))
        return NULL;
    gm_tensor *c = loss_cosine(gm__loss_wide(a), gm__loss_wide(b), -1, 1e-8);
    if (!c) return NULL;
    if (!gm_shape_equal(c->shape, y->shape)) {
        gm_fail(GM_ERROR_SHAPE, "%s: y is %s, a is %s", op, gm__tensor_shape_str(y), gm__tensor_shape_str(a));
        return NULL;
    }
    gm_tensor *l = gm_where(gm_eq_scalar(y, 1), gm_rsub_scalar(c, 1), gm_relu(gm_add_scalar(c, -o.margin)));
    return gm__loss_reduce(l, a, o.reduction);
}

static gm_tensor *loss_distance(gm_tensor *a, gm_tensor *b, double p, double eps) {
    return gm_norm_dims(gm_add_scalar(gm_sub(a, b), eps), p, &(int32_t){ -1 }, 1, false);
}

gm_tensor *gm_triplet_margin_loss_with(gm_tensor *anchor, gm_tensor *positive, gm_tensor *negative,
                                       const gm_triplet_margin_loss_args *args) {
    gm_triplet_margin_loss_args o;
    const char *op = "triplet_margin_loss";
    if (!gm_ok() || !gm__args_take(op, &o, sizeof o, args) || !gm__loss_check(op, anchor, positive) ||
        !gm__loss_check(op, anchor, negative)) return NULL;
    double p = gm__real_or(o.p, 2), eps = gm__real_or(o.eps, 1e-6);
    gm_tensor *a = gm__loss_wide(anchor), *b = gm__loss_wide(positive), *c = gm__loss_wide(negative);
    gm_tensor *far = loss_distance(a, c, p, eps);
    if (o.swap) far = gm_minimum(far, loss_distance(b, c, p, eps));
    gm_tensor *d = gm_sub(loss_distance(a, b, p, eps), far);
    return gm__loss_reduce(gm_relu(gm_add_scalar(d, gm__real_or(o.margin, 1))), anchor, o.reduction);
}

gm_tensor *(gm_cosine_embedding_loss)(gm_tensor *a, gm_tensor *b, gm_tensor *y) {
    return gm_cosine_embedding_loss_with(a, b, y, NULL);
}

gm_tensor *(gm_triplet_margin_loss)(gm_tensor *anchor, gm_tensor *positive, gm_tensor *negative) {
    return gm_triplet_margin_loss_with(anchor, positive, negative, NULL);
}
