/* call.c: the one way into an operation, and the table of them all. */
#include "../math/fp.h"
#include "elementwise_ops.h"
#include "../base/context.h"

#include <string.h>

gm__dispatch_fn gm__dispatch = gm__eager_dispatch, gm__dispatch_symbolic, gm__dispatch_traced;

static bool call_check(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs) {
    if (op->attrs_bytes && !attrs) return gm_fail(GM_ERROR_VALUE, "%s: its attributes are missing", op->name);
    if (n_in < op->min_in || (op->max_in >= 0 && n_in > op->max_in))
        return gm_fail(GM_ERROR_VALUE, "%s: %d inputs, %d to %d are taken", op->name, n_in, op->min_in, op->max_in);
    for (int i = 0; i < n_in; i++) {
        if (!in[i] && i >= op->min_in && op->max_in >= 0) continue; /* an optional input that is not given */
        if (!gm__check_tensor(in[i], op->name, i + 1)) return false;
    }
    return true;
}

/* The inputs that are meant, in `room`; NULL after an error, and where there is nothing to do: effects are not done
 * again. */
static gm_tensor *const *call_stand_ins(const gm_op *op, gm_tensor *const *in, int n, gm_tensor **room) {
    if (gm__context()->again && !op->n_out && op->flags & GM_OP_EFFECT) return NULL;
    if (n > GM__MAX_PORTS) return gm_fail(GM_ERROR_UNSUPPORTED, "%s: %d inputs", op->name, n), NULL;
    for (int i = 0; i < n; i++) room[i] = in[i] ? gm__stand_in_find(in[i]) : NULL;
    return gm__context()->error ? NULL : room;
}

/* Of an operation that may have more outputs than the caller has room for. */
static int call_many(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out, int n_out) {
    gm_tensor *all[GM__MAX_PORTS] = { NULL };
    int n = gm__dispatch(op, in, n_in, attrs, all);
    for (int i = 0; i < n && i < n_out; i++) out[i] = all[i];
    return n;
}

int gm_op_call(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs, gm_tensor **out, int n_out) {
    for (int i = 0; i < n_out; i++) out[i] = NULL;
    gm_tensor *meant[GM__MAX_PORTS];
    const gm_context *c = gm__context();
    if (c->error || !call_check(op, in, n_in, attrs)) return -1;
    if (__builtin_expect(c->stand_ins != NULL, 0) && !(in = call_stand_ins(op, in, n_in, meant)))
        return c->error ? -1 : 0;
    gm_tensor *few[GM_OP_MAX_OUT] = { NULL };
    bool many = op->n_out < 0 || op->n_out > GM_OP_MAX_OUT;
    int n = many ? call_many(op, in, n_in, attrs, out, n_out) : gm__dispatch(op, in, n_in, attrs, few);
    for (int i = 0; !many && i < n && i < n_out; i++) out[i] = few[i];
    return n;
}

gm_tensor *gm_op_call1(const gm_op *op, gm_tensor *const *in, int n_in, const void *attrs) {
    gm_tensor *out[GM_OP_MAX_OUT] = { NULL };
    if (op->n_out < 0 || op->n_out > GM_OP_MAX_OUT) return gm_op_call(op, in, n_in, attrs, out, 1) > 0 ? out[0] : NULL;
    gm_tensor *meant[GM__MAX_PORTS];
    const gm_context *c = gm__context();
    if (c->error || !call_check(op, in, n_in, attrs)) return NULL;
    if (__builtin_expect(c->stand_ins != NULL, 0) && !(in = call_stand_ins(op, in, n_in, meant))) return NULL;
    return gm__dispatch(op, in, n_in, attrs, out) > 0 ? out[0] : NULL;
}

#define GM_OP(name) extern const gm_op gm__op_##name;
#include "list.h"
#undef GM_OP

static const gm_op *const call_ops[] = {
#define GM_OP(name) &gm__op_##name,
#include "list.h"
#undef GM_OP
#define EW_F(name, ...) &gm__op_##name,
#define EW_N EW_F
#define EW_I EW_F
#include "elementwise.def"
#undef EW_F
#undef EW_N
#undef EW_I
};

const gm_op *gm_op_at(int index) {
    return index >= 0 && index < (int)(sizeof call_ops / sizeof *call_ops) ? call_ops[index] : NULL;
}

const gm_op *gm_op_find(const char *name) {
    for (int i = 0; name && gm_op_at(i); i++)
        if (!strcmp(gm_op_at(i)->name, name)) return gm_op_at(i);
    return NULL;
}

const void *gm_op_in(const gm_op_args *a, int i) { return gm__data(a->in[i]); }
void *gm_op_out(gm_tensor *const *out, int i) { return gm__data(out[i]); }
