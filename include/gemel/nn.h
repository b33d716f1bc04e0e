/* gemel/nn.h: modules: what has parameters and a forward pass.
 *
 * A module is a class (a state struct and a forward function) with named parameters, buffers and children. A
 * parameter's full name is its path from the root, "0.weight", "encoder.conv.bias"; names are PyTorch's. Parameters
 * that are made from a recipe are filled at the first use of the net, each from the seed (gm_seed) and its full name
 * only, so that a layer more or less changes no other. */
#ifndef GEMEL_NN_H
#define GEMEL_NN_H

#include "nn/init.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gm_module gm_module;
typedef gm_tensor *(*gm_forward_fn)(gm_module *m, gm_tensor *x);
typedef gm_pack *(*gm_apply_fn)(gm_module *m, gm_pack *in);
/* What modules of a kind share. `destroy` (may be NULL) frees what the state owns, not the state and not children. */
typedef struct {
    size_t size;
    const char *name;
    size_t state_bytes;
    gm_forward_fn forward;
    gm_apply_fn apply;
    void (*destroy)(void *state);
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
/* The same for modules with several inputs or outputs (class member `apply`). */
GM_API gm_pack *gm_apply(gm_module *m, gm_pack *in);
/* The parameters under their names, in order of registration, depth first; names begin at `net`. */
GM_API gm_pack *gm_parameters(gm_module *net);
/* Parameters and buffers. The tensors are those of the net, not copies. */
GM_API gm_pack *gm_state_dict(gm_module *net);
/* Copy the values of a pack into the net's parameters and buffers. All of them or, after an error, none: INDEX for a
 * name that is missing or too much, SHAPE. Values are converted to the net's dtypes. */
GM_API bool gm_load_state_dict(gm_module *net, gm_pack *values);
/* Training mode, on when new: what dropout and batch norm look at. For the module and all below it. */
GM_API bool gm_set_training(gm_module *net, bool on);
GM_API bool gm_is_training(const gm_module *m);
/* The numbers of children; child `index` in order of registration; its name; the class's name. */
GM_API int64_t gm_n_children(const gm_module *m);
GM_API gm_module *gm_child_at(const gm_module *m, int64_t index);
GM_API const char *gm_module_name(const gm_module *m);
GM_API const char *gm_module_class_name(const gm_module *m);

#ifdef __cplusplus
}
#else
#  define gm_module_new(T)                                                                                             \
      gm_module_new_with(&(gm_module_class){                                                                           \
          .size = sizeof(gm_module_class), .name = #T, .state_bytes = sizeof(T), .forward = T##_forward })
#endif

#include "nn/activation.h"
#include "nn/layers.h"
#include "nn/norms.h"

#endif
