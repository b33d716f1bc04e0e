/* average.c: running averages of a net's parameters: exponential, or all updates alike. */
#include "../math/fp.h"
#include "../base/args.h"
#include "optimizer.h"
#include "gemel/autograd.h"
#include "gemel/op.h"
#include "gemel/ops.h"

#include <stddef.h>
#include <stdio.h>

struct gm_average {
    gm_object o;
    gm_pack *parameters, *state; /* state: "updates", then one average per parameter, in the same order */
    gm_real decay;
};

static void average_destroy(void *object) {
    gm_average *a = object;
    gm_release(a->parameters);
    gm_release(a->state);
}

static const gm_type average_type = { "average", sizeof(gm_average), average_destroy };

static bool average_check(const gm_average *a, const char *op) {
    return gm_ok() && gm_check_object(a, &average_type, op, 1);
}

gm_average *gm_average_new_with(gm_module *net, const gm_average_args *args) {
    gm_average_args args_taken = { 0 };
    if (!gm_ok() || !gm__args_take("average_new", &args_taken, sizeof args_taken, args)) return NULL;
    gm_real decay = args_taken.decay;
    if (decay.set && !(decay.v >= 0 && decay.v < 1))
        return gm_fail(GM_ERROR_VALUE, "average_new: decay is %g, wanted 0 <= decay < 1", decay.v), NULL;
    gm_scope s = gm_scope_open();
    GM_NO_GRAD;
    gm_average *a = gm_object_new(&average_type);
    gm_pack *parameters = gm_parameters(net), *state = gm_pack_new();
    gm_pack_set(state, "updates", gm_scalar(0, GM_F64));
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(parameters); i++) {
        char name[1100];
        snprintf(name, sizeof name, "average.%s", gm_pack_name(parameters, i));
        gm_pack_set(state, name, gm_zeros_like(gm_pack_at(parameters, i)));
    }
    if (gm_ok()) a->parameters = gm_retain(parameters), a->state = gm_retain(state), a->decay = decay;
    return gm_return(&s, gm_ok() ? a : NULL);
}

/* ---- updates: an operation for each parameter, so that recordings have them ---- */

typedef struct { double part; } average_attrs; /* negative: all updates alike */
static const gm_attr average_fields[] = { GM_ATTR(average_attrs, part, F64), GM_ATTR_END };

static int32_t average_infer(const gm_op_args *a, gm_spec *out) { return (void)a, (void)out, 0; }

static bool average_kernel(const gm_op_args *a, gm_tensor **out) {
    double n = gm_item(a->in[2]) + 1, part = ((const average_attrs *)a->attrs)->part;
    (void)out;
    if (n == 1) return gm_assign(a->in[0], a->in[1]);
    return gm_update_average(a->in[0], a->in[1], part < 0 ? 1 / n : part);
}

static const gm_op average_op = {
    .size = sizeof(gm_op), .name = "average_update", .version = 1, .min_in = 3, .max_in = 3, .n_out = 0,
    .flags = GM_OP_EFFECT | GM_OP_NO_GRAD, .writes = 1, .attrs_bytes = sizeof(average_attrs), .attrs = average_fields,
    .infer = average_infer, .kernel = average_kernel, .doc = "moves an average towards a parameter",
};

bool gm_average_update(gm_average *a) {
    if (!average_check(a, "average_update")) return false;
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_tensor *updates = gm_pack_at(a->state, 0);
    average_attrs p = { a->decay.set ? 1 - a->decay.v : -1 };
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(a->parameters); i++) {
        gm_tensor *in[] = { gm_pack_at(a->state, i + 1), gm_pack_at(a->parameters, i), updates };
        gm_op_call(&average_op, in, 3, &p, NULL, 0);
    }
    return gm_ok() && gm_assign(updates, gm_add_scalar(updates, 1));
}

/* Bytes in small blocks: nothing to allocate, so nothing can fail halfway. */
static void average_exchange(char *a, char *b, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        char c = a[i];
        a[i] = b[i], b[i] = c;
    }
}

/* Errors wait outside, so that weights come back after a failed evaluation too. */
bool gm_average_swap(gm_average *a) {
    char message[1024];
    gm_error code = gm_error_code();
    snprintf(message, sizeof message, "%s", code ? gm_error_message() : "");
    if (code) gm_error_clear();
    bool ok = average_check(a, "average_swap");
    if (ok && gm_item(gm_pack_at(a->state, 0)) == 0)
        ok = gm_fail(GM_ERROR_STATE, "average_swap: there was no gm_average_update yet");
    for (int64_t i = 0; ok && i < gm_pack_count(a->parameters); i++) {
        gm_tensor *p = gm_pack_at(a->parameters, i);
        char *from = gm_mutable_data(p), *to = gm_mutable_data(gm_pack_at(a->state, i + 1));
        ok = from && to;
        if (ok) average_exchange(from, to, (size_t)gm_count(p) * (size_t)gm_dtype_bits(gm_dtype_of(p)) / 8);
    }
    if (!code) return ok;
    gm_error_clear();
    return gm_fail(code, "%s", message);
}

gm_pack *gm_average_state(gm_average *a) { return average_check(a, "average_state") ? a->state : NULL; }

bool gm_load_average_state(gm_average *a, gm_pack *values) {
    if (!average_check(a, "load_average_state")) return false;
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_pack *flat = gm_pack_flatten(values);
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(a->state); i++) {
        gm_tensor *value = gm_get(flat, gm_pack_name(a->state, i));
        if (value && !gm_shape_equal(gm_shape_of(value), gm_shape_of(gm_pack_at(a->state, i))))
            gm_fail(GM_ERROR_SHAPE, "load_average_state: \"%s\" has another shape", gm_pack_name(a->state, i));
        if (gm_ok() && !gm_is_float(gm_dtype_of(value)))
            gm_fail(GM_ERROR_DTYPE, "load_average_state: \"%s\" is %s, states are floats", gm_pack_name(a->state, i),
                    gm_dtype_name(gm_dtype_of(value)));
    }
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(a->state); i++)
        gm_assign(gm_pack_at(a->state, i), gm_get(flat, gm_pack_name(a->state, i)));
    return gm_ok();
}
