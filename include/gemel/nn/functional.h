/* gemel/nn/functional.h: nets as graphs of layers (Keras's functional API).
 *
 *     gm_tensor *x = gm_input(GM_SHAPE(1, 28, 28));
 *     gm_tensor *h = gm_forward(gm_nn_conv2d(1, 8, .kernel = 3, .padding = 1), x);
 *     gm_tensor *y = gm_forward(gm_nn_linear(8 * 28 * 28, 10), gm_flatten_dims(gm_relu(h), 1, -1));
 *     gm_module *net = gm_model(x, y);
 *
 * gm_input gives a symbolic value (gemel/symbol.h). gm_forward and gm_apply of any module and every operation take it
 * and give symbolic values again; shapes are checked there and then, in evaluation mode, with the layer's name in the
 * message. A layer that is used twice is shared. The net runs the same layers and operations, in the same order, on
 * real values, in whatever mode it is in; all else in the program around them (sizes, C numbers) is as it was. */
#ifndef GEMEL_NN_FUNCTIONAL_H
#define GEMEL_NN_FUNCTIONAL_H

#include "../nn.h"
#include "../symbol.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `dtype`: f32 unless given. `no_batch`: the shape is the whole one. */
typedef struct { size_t size; gm_dtype dtype; int32_t no_batch; } gm_input_args;
/* A symbolic value [B, shape ...]; sizes of -1 are not fixed. VALUE for a shape that is none. */
GM_API gm_tensor *gm_input_with(gm_shape shape, const gm_input_args *args);
GM_API gm_tensor *gm_input(gm_shape shape);

/* Give a layer the name that it will have in the net, before it is part of one. Returns layer. Errors: VALUE, STATE. */
GM_API gm_module *gm_named(const char *name, gm_module *layer);

/* The net that computes `output` from `input`: gm_forward. Layers without a parent become its children, in order of
 * their first use: by the name that gm_named gave, else by class: "linear", "linear_1", "conv2d" ... Variables among
 * the operands become parameters "variable", "variable_1" ..., other tensors are constants. Errors: VALUE if output
 * depends on an input that is not given, or on none; STATE for a layer that is part of another module. */
GM_API gm_module *gm_model(gm_tensor *input, gm_tensor *output);
/* The same for several, by name: gm_apply takes a pack with the inputs by these names (what else is in it is not looked
 * at) or, where a name is missing, as many tensors by position, and gives the outputs by their names. With one input
 * gm_forward gives the first output. */
GM_API gm_module *gm_model_of(gm_pack *inputs, gm_pack *outputs);

#ifdef __cplusplus
}
#else
#  define gm_input(...) gm__input(__VA_ARGS__, .size = sizeof(gm_input_args))
#  define gm__input(shape, ...) gm_input_with(shape, &(gm_input_args){ __VA_ARGS__ })
#endif
#endif
