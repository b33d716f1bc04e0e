/* gemel/nn.h: modules: what has parameters and a forward pass.
 *
 * A module is a class (a state struct and a forward function) with named parameters, buffers and children. A
 * parameter's full name is its path from the root, "0.weight", "encoder.conv.bias"; names are PyTorch's. Parameters
 * that are made from a recipe are filled at the first use of the net, each from the seed (gm_seed) and its full name
 * only, so that a layer more or less changes no other. */
#ifndef GEMEL_NN_H
#define GEMEL_NN_H

#include "graph.h"
#include "nn/init.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gm_module gm_module;
typedef gm_tensor *(*gm_forward_fn)(gm_module *m, gm_tensor *x);
typedef gm_pack *(*gm_apply_fn)(gm_module *m, gm_pack *in);
/* What modules of a kind share. `destroy` (may be NULL) frees what the state owns, not the state and not children.
 * `takes`: the names that a pack may have beside its first entry, which may have any; ends with NULL and is not copied.
 * Other names are an INDEX error, but for a batch's target, "y" and "y_length", which is not looked at. NULL: `apply`
 * sees to it. */
typedef struct {
    size_t size;
    const char *name;
    size_t state_bytes;
    gm_forward_fn forward;
    gm_apply_fn apply;
    void (*destroy)(void *state);
    const char *const *takes;
} gm_module_class;

/* ---- Making modules ---------------------------------------------------------------------------------------------- */

/* A module of the class, its state zeroed. gm_module_new(T): state T, forward T_forward. In training mode when new. */
GM_API gm_module *gm_module_new_with(const gm_module_class *c);
/* The module's state; NULL and an error if m is none. */
GM_API void *gm_state(gm_module *m);
/* Make `child` a part of `parent`. Names are not empty, without dots, and unique in the parent; a module has one
 * parent. Returns child. Errors: VALUE, STATE. */
GM_API gm_module *gm_child(gm_module *parent, const char *name, gm_module *child);
/* A parameter with the values of `init` (a float tensor, which it becomes): it requires a gradient. Returns it. */
GM_API gm_tensor *gm_param(gm_module *m, const char *name, gm_tensor *init);
/* A tensor that is saved with the parameters but not trained. Returns it. */
GM_API gm_tensor *gm_buffer(gm_module *m, const char *name, gm_tensor *init);

/* A parameter that is filled by this recipe (nn/init.h) at the first use of the net. The tensor returned is the
 * parameter; its values are defined from then on. Errors: VALUE, DTYPE (f32 and f64 only). */
GM_API gm_tensor *gm_param_init(gm_module *m, const char *name, gm_shape shape, gm_dtype dtype, gm_init kind, double a,
                                double b);

/* ---- Using modules ----------------------------------------------------------------------------------------------- */

/* Run the module's forward, in a scope of its own and with the module's name in error messages. x [B, ...] -> [B, ...].
 */
GM_API gm_tensor *gm_forward(gm_module *m, gm_tensor *x);
/* The same for modules with several inputs or outputs (class member `apply`). A module with only one of forward and
 * apply can be used by the other where it takes one tensor; gm_forward gives the first result. */
GM_API gm_pack *gm_apply(gm_module *m, gm_pack *in);
/* True if gm_forward runs m as it is, on one tensor; false for modules of packs, with `apply` only. */
GM_API bool gm_has_forward(const gm_module *m);
/* True if gm_apply takes an entry of this name beside the first: one that the class names in `takes`. */
GM_API bool gm_takes(const gm_module *m, const char *name);
/* What a hook sees: tensors of gm_forward, packs of gm_apply; the others are NULL. */
typedef struct { gm_module *module; gm_tensor *x, *y; gm_pack *in, *out; } gm_forward_event;
typedef bool (*gm_forward_hook)(void *env, const gm_forward_event *e);
/* Call fn after each forward or apply of this module on real values, in order of registration; false stops it
 * (CALLBACK). A hook that a hook adds is called from the next forward on. Returns a number for gm_remove_hook, -1 after
 * an error. */
GM_API int64_t gm_on_forward(gm_module *m, gm_forward_hook fn, void *env, void (*free_env)(void *env));
GM_API bool gm_remove_hook(gm_module *m, int64_t id);
/* Training mode, on when new: what dropout and batch norm look at. For the module and all below it. */
GM_API bool gm_set_training(gm_module *net, bool on);
GM_API bool gm_is_training(const gm_module *m);
/* The numbers of children; child `index` in order of registration; its name; the class's name. */
GM_API int64_t gm_n_children(const gm_module *m);
GM_API gm_module *gm_child_at(const gm_module *m, int64_t index);
GM_API const char *gm_module_name(const gm_module *m);
GM_API const char *gm_module_class_name(const gm_module *m);

/* ---- Parameters by name ------------------------------------------------------------------------------------------
 * Names are paths from `net`. A pattern is a path, of a parameter or of a module (for all below it), in which '*' is
 * any text; '|' separates alternatives: "encoder|*.bias". NULL: everything. */

/* The parameters, in order of registration, depth first. One that is shared is there once, under its first name. */
GM_API gm_pack *gm_parameters(gm_module *net);
GM_API gm_pack *gm_parameters_of(gm_module *net, const char *pattern);
/* Parameters and buffers. The tensors are those of the net, not copies. */
GM_API gm_pack *gm_state_dict(gm_module *net);
/* Freeze parameters: they require no gradient, so optimizers leave them alone. Unfreeze them. Return how many there are
 * under the pattern; INDEX and -1 if none. */
GM_API int64_t gm_freeze(gm_module *net, const char *pattern);
GM_API int64_t gm_unfreeze(gm_module *net, const char *pattern);
/* Fill parameters by this recipe (nn/init.h) and their names at the next use. Returns how many; INDEX and -1 if
 * none. */
GM_API int64_t gm_init_parameters(gm_module *net, const char *pattern, gm_init kind, double a, double b);

/* `partial`: names that are missing or too much are a warning. `skip_shapes`: so are other shapes, which are left out.
 * `check`: only look whether they fit, change nothing. */
typedef struct { size_t size; int32_t partial, skip_shapes, check, reserved; } gm_load_state_dict_args;
/* Copy the values of a pack, nested or not, into the net's parameters and buffers, converted to their dtypes: all of
 * them or, after an error, none. INDEX lists the names that are missing or too much, SHAPE those of another shape. */
GM_API bool gm_load_state_dict_with(gm_module *net, gm_pack *values, const gm_load_state_dict_args *args);
GM_API bool gm_load_state_dict(gm_module *net, gm_pack *values);

/* The net as a function of a pack of parameters (and of buffers, if their names are there) and of its inputs: one
 * tensor, or what gm_apply takes. The net's own values are used for names that are left out, and none changes but
 * buffers that a forward pass updates. gm_grad gives gradients by the parameters' names; gm_vmap runs many parameters
 * at once. */
GM_API gm_fn *gm_functional(gm_module *net);

/* ---- A net as a graph -------------------------------------------------------------------------------------------- */

/* What the net computes in evaluation mode, recorded for every batch (gemel/graph.h); `in` has an example of each
 * input:
 * {"x"} for a net with a forward, whose result is "y". Parameters and buffers have their names. Training modes are left
 * as they were. */
GM_API gm_graph *gm_inference_graph(gm_module *net, gm_pack *in);

/* ---- Looking at a net -------------------------------------------------------------------------------------------- */

/* `dtype` of the input of zeros: f32 unless given. `in`: inputs for gm_apply, in place of that. */
typedef struct { size_t size; gm_pack *in; gm_dtype dtype; int32_t reserved; } gm_summary_args;
/* Print a table: path, class, output shape and parameters of each layer, and totals. The net runs once, in evaluation
 * mode and without gradients; training modes and the random stream are left as they were. */
GM_API bool gm_summary_with(gm_module *net, gm_shape input, const gm_summary_args *args);
GM_API bool gm_summary(gm_module *net, gm_shape input);
/* The table as text, at most `bytes` long, terminated. Returns the length it would have, 0 after an error. */
GM_API size_t gm_summary_text(gm_module *net, gm_shape input, const gm_summary_args *args, char *text, size_t bytes);

#ifdef __cplusplus
}
#else
#  define gm_module_new(T)                                                                                             \
      gm_module_new_with(&(gm_module_class){                                                                           \
          .size = sizeof(gm_module_class), .name = #T, .state_bytes = sizeof(T), .forward = T##_forward })
#  define gm_load_state_dict(...) gm__load_state_dict(__VA_ARGS__, .size = sizeof(gm_load_state_dict_args))
#  define gm__load_state_dict(net, values, ...)                                                                        \
      gm_load_state_dict_with(net, values, &(gm_load_state_dict_args){ __VA_ARGS__ })
#  define gm_summary(...) gm__summary(__VA_ARGS__, .size = sizeof(gm_summary_args))
#  define gm__summary(net, input, ...) gm_summary_with(net, input, &(gm_summary_args){ __VA_ARGS__ })
#endif

#include "nn/activation.h"
#include "nn/functional.h"
#include "nn/layers.h"
#include "nn/norms.h"
#include "nn/recurrent.h"
#include "nn/transformer.h"

#endif
