/* recorded_nn.h: a net against what PyTorch recorded of the same one (recording.py): parameters are filled by a formula
 * of their names, so equal numbers mean equal names; then outputs, gradients of inputs and of parameters are compared.
 */
#ifndef RECORDED_NN_H
#define RECORDED_NN_H

#include "../ops/recorded.h"

static inline int recorded_seed(const char *name) {
    int h = 0;
    for (; *name; name++) h = (h * 31 + (unsigned char)*name) % 997;
    return h + 1000;
}

static inline bool recorded_ends(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

static inline void recorded_fill(gm_module *net) {
    gm_pack *p = gm_state_dict(net);
    for (int64_t i = 0; i < gm_pack_count(p); i++) {
        const char *name = gm_pack_name(p, i);
        gm_tensor *t = gm_pack_at(p, i);
        if (!gm_is_float(gm_dtype_of(t))) continue;
        gm_tensor *value = recorded_input(recorded_seed(name), gm_shape_of(t));
        if (recorded_ends(name, "running_var")) value = gm_add_scalar(value, 1.5);
        CHECK(gm_assign(t, value), "%s: %s", name, gm_error_message());
    }
}

/* The gradients that a backward pass left in the inputs that require one, as "name.PLACE". */
static inline void recorded_check_inputs(const char *name, gm_pack *in, double tolerance) {
    char text[256];
    for (int64_t i = 0; i < gm_pack_count(in); i++) {
        if (!gm_requires_grad(gm_pack_at(in, i))) continue;
        snprintf(text, sizeof text, "%s.%d", name, (int)i);
        recorded_check(text, gm_gradient_of(gm_pack_at(in, i)), tolerance);
    }
}

/* The gradients that a backward pass left in a net's parameters, as "name.PARAMETER". */
static inline void recorded_check_parameters(const char *name, gm_module *net, double tolerance) {
    char text[256];
    gm_pack *p = gm_parameters(net);
    for (int64_t i = 0; i < gm_pack_count(p); i++) {
        snprintf(text, sizeof text, "%s.%s", name, gm_pack_name(p, i));
        recorded_check(text, gm_gradient_of(gm_pack_at(p, i)), tolerance);
    }
}

static inline void recorded_layer(const char *name, gm_module *net, gm_shape in, double tolerance) {
    CHECK(net != NULL, "%s: %s", name, gm_error_message());
    if (!net) return gm_error_clear();
    recorded_fill(net);
    gm_tensor *x = recorded_variable(1, in);
    recorded_check_grads(name, gm_forward(net, x), &x, 1, tolerance);
    recorded_check_parameters(name, net, tolerance);
}

/* An error of this code whose message holds these words is pending; clears it. */
static inline void recorded_error(gm_error code, const char *words) {
    CHECK(gm_error_code() == code && strstr(gm_error_message(), words), "wanted %s, \"%s\"; got %s, \"%s\"",
          gm_error_name(code), words, gm_error_name(gm_error_code()), gm_error_message());
    gm_error_clear();
}

#endif
