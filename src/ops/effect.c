/* effect.c: operations that do something instead of giving something: assignment, and looks at values. */
#include "../math/fp.h"
#include "ops.h"
#include "../base/context.h"
#include "gemel/autograd.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

/* ---- assign ---- */

static int32_t assign_infer(const gm_op_args *a, gm_spec *out) {
    const gm_tensor *target = a->in[0], *value = a->in[1];
    (void)out;
    bool fits = value->shape.n <= target->shape.n;
    for (int i = 1; fits && i <= value->shape.n; i++) {
        int64_t v = value->shape.d[value->shape.n - i];
        fits = v == 1 || v == target->shape.d[target->shape.n - i];
    }
    if (fits) return 0;
    return gm_fail(GM_ERROR_SHAPE, "assign: %s does not broadcast to %s", gm__tensor_shape_str(value),
                   gm__tensor_shape_str(target)), -1;
}

static bool assign_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_tensor *target = a->in[0], *value = a->in[1];
    GM_SCOPE(s);
    (void)out;
    if (value->storage == target->storage) { /* they may overlap */
        GM_NO_GRAD;
        value = gm_copy(value);
        if (!value) return false;
    }
    gm__operand from = gm__operand_broadcast(value, &target->shape), to = gm__operand_of(target);
    target->storage->version++;
    return gm__copy(&target->shape, &from, &to);
}

/* A target of no batch of its own cannot hold one: gm_vmap says so. */
static bool assign_batch(const gm_batch_args *a) {
    gm_assign(a->in[0], gm__batched(a, 1));
    return gm_ok();
}

const gm_op gm__op_assign = {
    .size = sizeof(gm_op), .name = "assign", .version = 1, .min_in = 2, .max_in = 2, .n_out = 0,
    .flags = GM_OP_EFFECT | GM_OP_NO_GRAD, .writes = 1, .infer = assign_infer, .kernel = assign_kernel,
    .batch = assign_batch, .cases = (const gm_case[]){ { 0 } }, .doc = "the values of a tensor, from now on",
};

bool gm_assign(gm_tensor *target, gm_tensor *value) {
    if (!gm_ok() || !gm__check_tensor(target, "assign", 1) || !gm__check_tensor(value, "assign", 2)) return false;
    return gm_op_call(&gm__op_assign, (gm_tensor *[]){ target, value }, 2, NULL, NULL, 0) >= 0;
}

/* ---- check_finite ---- */

static int32_t check_infer(const gm_op_args *a, gm_spec *out) {
    (void)out;
    if (gm_is_float(a->in[0]->dtype)) return 0;
    return gm_fail(GM_ERROR_DTYPE, "check_finite: %s is not a float", gm_dtype_name(a->in[0]->dtype)), -1;
}

/* x - x is 0 where x is finite, else NaN. */
static bool check_kernel(const gm_op_args *a, gm_tensor **out) {
    GM_SCOPE(s);
    (void)out;
    gm_tensor *zero = gm_sub(a->in[0], a->in[0]), *sum = zero ? gm_sum(zero) : NULL;
    double total = sum ? gm_item(sum) : NAN;
    return gm_ok() && (total == 0 || gm_fail(GM_ERROR_NUMERIC, "check_finite: a value is not finite"));
}

static bool check_batch(const gm_batch_args *a) { return gm_check_finite(a->in[0]); }

const gm_op gm__op_check_finite = {
    .size = sizeof(gm_op), .name = "check_finite", .version = 1, .min_in = 1, .max_in = 1, .n_out = 0,
    .flags = GM_OP_EFFECT | GM_OP_NO_GRAD, .infer = check_infer, .kernel = check_kernel, .batch = check_batch,
    .cases = (const gm_case[]){ { 0 } }, .doc = "an error if an element is not finite",
};

bool gm_check_finite(gm_tensor *x) {
    if (!gm_ok() || !gm__check_tensor(x, "check_finite", 1)) return false;
    return gm_op_call(&gm__op_check_finite, &x, 1, NULL, NULL, 0) >= 0;
}

/* ---- print: gm_print, while a function is recorded ---- */

typedef struct { char label[128]; } print_attrs;
static const gm_attr print_fields[] = { GM_ATTRS(print_attrs, label, TEXT, 128), GM_ATTR_END };

static int32_t print_infer(const gm_op_args *a, gm_spec *out) { return (void)a, (void)out, 0; }

static bool print_kernel(const gm_op_args *a, gm_tensor **out) {
    (void)out;
    gm_print(((const print_attrs *)a->attrs)->label, a->in[0]);
    return gm_ok();
}

static bool print_batch(const gm_batch_args *a) { return gm_op_call(a->op, a->in, 1, a->attrs, NULL, 0) >= 0; }

const gm_op gm__op_print = {
    .size = sizeof(gm_op), .name = "print", .version = 1, .min_in = 1, .max_in = 1, .n_out = 0,
    .flags = GM_OP_EFFECT | GM_OP_NO_GRAD, .attrs_bytes = sizeof(print_attrs), .attrs = print_fields,
    .infer = print_infer, .kernel = print_kernel, .batch = print_batch, .cases = (const gm_case[]){ { 0 } },
    .doc = "prints a tensor",
};

static bool effect_print(const char *label, const gm_tensor *t) {
    print_attrs p = { { 0 } };
    gm_tensor *in[] = { (gm_tensor *)t };
    snprintf(p.label, sizeof p.label, "%s", label ? label : "");
    gm_op_call(&gm__op_print, in, 1, &p, NULL, 0);
    return true;
}

__attribute__((constructor)) static void effect_install(void) { gm__print_traced = effect_print; }
