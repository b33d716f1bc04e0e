/* update.c: optimizer updates in place. They are no operations of the table: nothing is made and nothing
 * differentiated. */
#include "../math/fp.h"
#include "ops.h"
#include "../kernels/kernels.h"
#include "gemel/ops/update.h"

enum { UPDATE_GRAIN = 16384, UPDATE_TENSORS = 5 };
typedef void (*update_kernel)(int64_t n, const double *s, int32_t flags, void *const *t);
/* The kernel for the dtype of p. */
#define UPDATE_KERNEL(name, p)                                                                                         \
    (gm_dtype_of(p) == GM_F64 ? gm__kernels()->optimize_##name##_f64 : gm__kernels()->optimize_##name##_f32)
typedef struct {
    const double *s;
    int32_t flags;
    int32_t element; /* bytes */
    update_kernel f;
    char *at[UPDATE_TENSORS];
} update_job;

static void update_range(void *env, int64_t begin, int64_t end) {
    const update_job *j = env;
    void *at[UPDATE_TENSORS];
    for (int i = 0; i < UPDATE_TENSORS; i++) at[i] = j->at[i] ? j->at[i] + begin * j->element : NULL;
    j->f(end - begin, j->s, j->flags, at);
}

static bool update_check(const char *op, gm_tensor *const *t, int n) {
    for (int i = 0; i < n; i++) {
        if (i > 1 && !t[i]) continue;
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

/* t[1] is read, all others may be written. */
static bool update_run(gm_tensor *const *t, int n, update_kernel f, const double *s, int32_t flags) {
    update_job j = { s, flags, t[0]->dtype == GM_F64 ? 8 : 4, f, { NULL } };
    for (int i = 0; i < n; i++)
        if (t[i]) j.at[i] = i == 1 ? (char *)gm_data(t[i]) : gm_mutable_data(t[i]);
    if (gm_ok()) gm_parallel_for(gm_count(t[0]), UPDATE_GRAIN, update_range, &j);
    return gm_ok();
}

/* NULL is for states that an option leaves out. */
static bool update_states(const char *op, gm_tensor *const *t, int n) {
    for (int i = 2; i < n; i++)
        if (!t[i]) return gm_fail(GM_ERROR_HANDLE, "%s: argument %d is NULL", op, i + 1);
    return true;
}

bool gm_update_sgd(gm_tensor *p, gm_tensor *g, gm_tensor *b, const gm_sgd_scalars *a) {
    gm_tensor *t[] = { p, g, b };
    if (!gm_ok() || !update_check("update_sgd", t, 3)) return false;
    double s[] = { a->lr, a->momentum, a->weight_decay };
    return update_run(t, 3, UPDATE_KERNEL(sgd, p), s, (a->first ? 1 : 0) | (a->nesterov ? 2 : 0));
}

bool gm_update_adam(gm_tensor *p, gm_tensor *g, gm_tensor *m, gm_tensor *v, const gm_adam_scalars *a) {
    gm_tensor *t[] = { p, g, m, v };
    if (!gm_ok() || !update_check("update_adam", t, 4) || !update_states("update_adam", t, 4)) return false;
    double s[] = { a->keep1, a->keep2, a->beta2, a->root, a->eps, a->rate, a->weight_decay, a->shrink };
    return update_run(t, 4, UPDATE_KERNEL(adam, p), s, 0);
}

bool gm_update_adagrad(gm_tensor *p, gm_tensor *g, gm_tensor *v, const gm_adagrad_scalars *a) {
    gm_tensor *t[] = { p, g, v };
    if (!gm_ok() || !update_check("update_adagrad", t, 3) || !update_states("update_adagrad", t, 3)) return false;
    double s[] = { a->rate, a->weight_decay, a->eps };
    return update_run(t, 3, UPDATE_KERNEL(adagrad, p), s, 0);
}

bool gm_update_rmsprop(gm_tensor *p, gm_tensor *g, gm_tensor *v, gm_tensor *mean, gm_tensor *b,
                       const gm_rmsprop_scalars *a) {
    gm_tensor *t[] = { p, g, v, mean, b };
    if (!gm_ok() || !update_check("update_rmsprop", t, 5) || !update_states("update_rmsprop", t, 3)) return false;
    double s[] = { a->lr, a->keep, a->alpha, a->eps, a->momentum, a->weight_decay };
    return update_run(t, 5, UPDATE_KERNEL(rmsprop, p), s, 0);
}

bool gm_update_adadelta(gm_tensor *p, gm_tensor *g, gm_tensor *v, gm_tensor *e, const gm_adadelta_scalars *a) {
    gm_tensor *t[] = { p, g, v, e };
    if (!gm_ok() || !update_check("update_adadelta", t, 4) || !update_states("update_adadelta", t, 4)) return false;
    double s[] = { a->lr, a->keep, a->rho, a->eps, a->weight_decay };
    return update_run(t, 4, UPDATE_KERNEL(adadelta, p), s, 0);
}

bool gm_update_lion(gm_tensor *p, gm_tensor *g, gm_tensor *m, const gm_lion_scalars *a) {
    gm_tensor *t[] = { p, g, m };
    if (!gm_ok() || !update_check("update_lion", t, 3) || !update_states("update_lion", t, 3)) return false;
    double s[] = { a->lr, a->keep1, a->keep2, a->shrink };
    return update_run(t, 3, UPDATE_KERNEL(lion, p), s, 0);
}

bool gm_update_lamb(gm_tensor *p, gm_tensor *g, gm_tensor *m, gm_tensor *v, gm_tensor *u, const gm_lamb_scalars *a) {
    gm_tensor *t[] = { p, g, m, v, u };
    if (!gm_ok() || !update_check("update_lamb", t, 5) || !update_states("update_lamb", t, 5)) return false;
    double s[] = { a->keep1, a->keep2, a->beta2, a->root, a->eps, a->grow, a->weight_decay };
    return update_run(t, 5, UPDATE_KERNEL(lamb, p), s, 0);
}

bool gm_update_move(gm_tensor *p, gm_tensor *u, double rate, double shrink) {
    gm_tensor *t[] = { p, u };
    if (!gm_ok() || !update_check("update_move", t, 2)) return false;
    double s[] = { rate, shrink };
    return update_run(t, 2, UPDATE_KERNEL(move, p), s, 0);
}

bool gm_update_average(gm_tensor *a, gm_tensor *p, double part) {
    gm_tensor *t[] = { a, p };
    if (!gm_ok() || !update_check("update_average", t, 2)) return false;
    return update_run(t, 2, UPDATE_KERNEL(average, a), &part, 0);
}
#undef UPDATE_KERNEL
