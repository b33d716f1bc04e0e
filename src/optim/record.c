/* record.c: steps inside of recordings: a node for each parameter, which reads gradient, states and hyper-parameters
 * when it runs, as the step itself does. */
#include "../math/fp.h"
#include "optimizer.h"
#include "gemel/autograd.h"
#include "gemel/graph.h"
#include "gemel/op.h"
#include "gemel/ops.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

/* The class's name is there for those who write programs out: the node says what it computes. */
typedef struct { gm_optimizer *optimizer; char rule[24]; } record_attrs;
static const gm_attr record_fields[] = { GM_ATTR(record_attrs, optimizer, OBJECT),
                                         GM_ATTRS(record_attrs, rule, TEXT, 24), GM_ATTR_END };

/* The inputs of the node: absent states are NULL. */
enum { RECORD_P, RECORD_G, RECORD_STEP, RECORD_STATE, RECORD_HYPER = RECORD_STATE + GM_OPTIMIZER_MAX_STATES };

static int32_t record_infer(const gm_op_args *a, gm_spec *out) {
    (void)a, (void)out;
    return 0;
}

static bool record_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm_optimizer *o = ((const record_attrs *)a->attrs)->optimizer;
    double hyper[GM_OPTIMIZER_MAX_HYPERS];
    GM_SCOPE(s);
    (void)out;
    for (int k = 0; k < o->n_hyper; k++) hyper[k] = gm_item(a->in[RECORD_HYPER + k]);
    return gm_ok() && gm__optim_step_one(o, a->in[RECORD_P], gm_contiguous(a->in[RECORD_G]), a->in[RECORD_STEP],
                                         a->in + RECORD_STATE, hyper);
}

static bool record_batch(const gm_batch_args *a) {
    return gm_fail(GM_ERROR_UNSUPPORTED, "%s: parameters have no batch", a->op->name);
}

static const gm_op record_op = {
    .size = sizeof(gm_op), .name = "optimizer_step", .version = 1, .min_in = 3,
    .max_in = RECORD_HYPER + GM_OPTIMIZER_MAX_HYPERS, .n_out = 0, .flags = GM_OP_EFFECT | GM_OP_NO_GRAD,
    .writes = 1 | 1 << RECORD_STEP | ((1 << GM_OPTIMIZER_MAX_STATES) - 1) << RECORD_STATE,
    .attrs_bytes = sizeof(record_attrs), .attrs = record_fields, .infer = record_infer, .kernel = record_kernel,
    .batch = record_batch, .doc = "a step of an optimizer for one parameter",
};

static bool record_slot(gm_optimizer *o, gm__optim_slot *slot, gm_tensor *g) {
    gm_tensor *in[RECORD_HYPER + GM_OPTIMIZER_MAX_HYPERS] = { slot->p, g, slot->step };
    if (slot->lazy)
        return gm_fail(GM_ERROR_UNSUPPORTED, "step: lazy steps by rows (gm_optimizer_lazy) are not recorded");
    for (int i = 0; i < o->n_state; i++) in[RECORD_STATE + i] = slot->state[i];
    for (int k = 0; k < o->n_hyper; k++) in[RECORD_HYPER + k] = o->groups[slot->group].hyper[k];
    record_attrs attrs = { .optimizer = o };
    snprintf(attrs.rule, sizeof attrs.rule, "%s", o->class.name);
    return gm_op_call(&record_op, in, RECORD_HYPER + o->n_hyper, &attrs, NULL, 0) >= 0;
}

bool gm__optim_record(gm_optimizer *o) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    for (int64_t i = 0; gm_ok() && i < o->n; i++) {
        gm_tensor *g = gm_gradient_of(o->slots[i].p);
        if (g) record_slot(o, &o->slots[i], g);
    }
    return gm_ok() && gm_assign(o->steps, gm_add_scalar(o->steps, 1));
}
