/* adafactor.c: Adafactor: of the running squares of a matrix only the means of rows and of columns are kept.
 *
 * Parameters of two and more dimensions are factored over the last two, others keep every square. The forms of the
 * rates are those of PyTorch's optimizer. */
#include "../../math/fp.h"
#include "../../base/args.h"
#include "../optimizer.h"
#include "gemel/autograd.h"
#include "gemel/ops.h"

#include <float.h>
#include <math.h>

enum { ADAFACTOR_LR, ADAFACTOR_POWER, ADAFACTOR_EPS, ADAFACTOR_CLIP, ADAFACTOR_DECAY };
static const gm_hyper_kind adafactor_hypers[] = {
    { "lr", 0, INFINITY, 0, 0 },  { "beta2_decay", -INFINITY, 0x1p-1074, 0, 0 }, { "eps", 0, INFINITY, 0, 0 },
    { "d", 0x1p-1022, INFINITY, 0, 0 }, { "weight_decay", 0, INFINITY, 0, 0 },   { 0 },
};
enum { ADAFACTOR_ROW, ADAFACTOR_COL, ADAFACTOR_VARIANCE };
static const char *const adafactor_states[] = { "row_var", "col_var", "variance", NULL };

static gm_tensor *adafactor_state(int index, gm_tensor *p, const double *hyper) {
    (void)hyper;
    gm_shape shape = gm_shape_of(p);
    if ((index == ADAFACTOR_VARIANCE) != (shape.n < 2)) return NULL;
    if (index == ADAFACTOR_ROW) shape.d[shape.n - 1] = 1;
    if (index == ADAFACTOR_COL) shape.d[shape.n - 2] = 1;
    return gm_zeros(shape, gm_dtype_of(p));
}

/* t to the power `exponent`, by the library's own function. */
static double adafactor_power(double t, double exponent) {
    return gm_item(gm_pow_scalar(gm_scalar(t, GM_F64), exponent));
}

static double adafactor_rms(gm_tensor *t) {
    return sqrt(gm_item(gm_sum(gm_square(t)))) / sqrt((double)gm_count(t));
}

/* The estimate of the squares, after this gradient moved it by the part `part`. */
static gm_tensor *adafactor_squares(const gm_optimizer_step *s, double part, double least) {
    gm_tensor *square = gm_square(s->g), *row = s->state[ADAFACTOR_ROW], *col = s->state[ADAFACTOR_COL];
    if (!row)
        return gm_update_average(s->state[ADAFACTOR_VARIANCE], square, part) ? s->state[ADAFACTOR_VARIANCE] : NULL;
    gm_update_average(row, gm_contiguous(gm_mean_dim(square, -1, true)), part);
    gm_update_average(col, gm_contiguous(gm_mean_dim(square, -2, true)), part);
    return gm_div(gm_mul(row, col), gm_maximum_scalar(gm_mean_dim(row, -2, true), least));
}

static bool adafactor_update(const gm_optimizer_step *s) {
    GM_SCOPE(scope);
    const double *h = s->hyper;
    double t = (double)s->t, part = adafactor_power(t, h[ADAFACTOR_POWER]), lr = h[ADAFACTOR_LR], root = 1 / sqrt(t);
    double least = gm_dtype_of(s->p) == GM_F32 ? FLT_EPSILON : DBL_EPSILON;
    double size = adafactor_rms(s->p), rate = (size > h[ADAFACTOR_EPS] ? size : h[ADAFACTOR_EPS]);
    rate *= lr < root ? lr : root;
    gm_tensor *squares = adafactor_squares(s, part, least);
    gm_tensor *u = gm_mul(gm_rsqrt(gm_maximum_scalar(squares, least * least)), s->g);
    double length = adafactor_rms(u) / h[ADAFACTOR_CLIP];
    double decay = lr * h[ADAFACTOR_DECAY];
    return gm_update_move(s->p, u, rate / (length > 1 ? length : 1), 1 - decay);
}

static const gm_optimizer_class adafactor_class = { sizeof(gm_optimizer_class),
                                                    "adafactor",
                                                    adafactor_hypers,
                                                    adafactor_states,
                                                    adafactor_state,
                                                    adafactor_update,
                                                    NULL,
                                                    0,
                                                    0 };

gm_optimizer *gm_adafactor_with(gm_module *net, double lr, const gm_adafactor_args *args) {
    gm_adafactor_args a = { 0 };
    if (!gm_ok() || !gm__args_take("adafactor", &a, sizeof a, args)) return NULL;
    double hyper[] = { lr, gm__real_or(a.decay, -0.8), gm__real_or(a.eps, 1e-3), gm__real_or(a.clip, 1),
                       a.weight_decay };
    return gm_optimizer_new(&adafactor_class, net, hyper);
}
