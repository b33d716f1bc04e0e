/* update.c: optimizer updates in place. They are no operations of the table: nothing is made and nothing
 * differentiated. */
#include "../math/fp.h"
#include "ops.h"
#include "../kernels/kernels.h"
#include "gemel/ops/update.h"

enum { UPDATE_GRAIN = 16384 };
typedef struct { bool f64, adam, first, nesterov; double s[8]; char *at[4]; } update_job; /* at: p, g, two states */

static void update_range(void *env, int64_t begin, int64_t end) {
    const update_job *j = env;
    const gm_kernels *k = gm__kernels();
    int64_t n = end - begin, skip = begin * (j->f64 ? 8 : 4);
    void *at[4];
    for (int i = 0; i < 4; i++) at[i] = j->at[i] ? j->at[i] + skip : NULL;
    if (j->adam && j->f64) k->optimize_adam_f64(n, j->s, at[1], at[0], at[2], at[3]);
    else if (j->adam) k->optimize_adam_f32(n, j->s, at[1], at[0], at[2], at[3]);
    else if (j->f64) k->optimize_sgd_f64(n, j->s, j->first, j->nesterov, at[1], at[0], at[2]);
    else k->optimize_sgd_f32(n, j->s, j->first, j->nesterov, at[1], at[0], at[2]);
}

static bool update_check(const char *op, gm_tensor *const *t, int n) {
    for (int i = 0; i < n; i++) {
        if (!gm__check_tensor(t[i], op, i + 1)) return false;
        if ((t[i]->dtype != GM_F32 && t[i]->dtype != GM_F64) || t[i]->dtype != t[0]->dtype)
            return gm_fail(GM_ERROR_DTYPE, "%s: argument %d is %s; all are f32 or all f64", op, i + 1,
                           gm_dtype_name(t[i]->dtype));
        if (!gm_shape_equal(t[i]->shape, t[0]->shape))
            return gm_fail(GM_ERROR_SHAPE, "%s: argument %d is %s, the parameter %s", op, i + 1,
                           gm__tensor_shape_str(t[i]), gm__tensor_shape_str(t[0]));
        if (!gm_is_contiguous(t[i])) return gm_fail(GM_ERROR_STATE, "%s: argument %d is not contiguous", op, i + 1);
    }
    return true;
}

static bool update_run(update_job *j, gm_tensor *const *t, int n) {
    j->f64 = t[0]->dtype == GM_F64;
    for (int i = 0; i < n; i++) j->at[i] = i == 1 ? (char *)gm_data(t[i]) : gm_mutable_data(t[i]);
    if (gm_ok()) gm_parallel_for(gm_count(t[0]), UPDATE_GRAIN, update_range, j);
    return gm_ok();
}

bool gm_update_sgd(gm_tensor *p, gm_tensor *g, gm_tensor *b, const gm_sgd_scalars *s) {
    gm_tensor *t[] = { p, g, b };
    if (!gm_ok() || !update_check("update_sgd", t, b ? 3 : 2)) return false;
    update_job j = { .first = s->first, .nesterov = s->nesterov, .s = { s->lr, s->momentum, s->weight_decay } };
    return update_run(&j, t, b ? 3 : 2);
}

bool gm_update_adam(gm_tensor *p, gm_tensor *g, gm_tensor *m, gm_tensor *v, const gm_adam_scalars *s) {
    gm_tensor *t[] = { p, g, m, v };
    if (!gm_ok() || !update_check("update_adam", t, 4)) return false;
    update_job j = { .adam = true,
                     .s = { s->keep1, s->keep2, s->beta2, s->root, s->eps, s->rate, s->weight_decay, s->shrink } };
    return update_run(&j, t, 4);
}
