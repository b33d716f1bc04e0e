/* model.h: what train, eval, predict and sample share: models by name, and model files. */
#ifndef GEMEL_MODEL_H
#define GEMEL_MODEL_H

#include "data.h"

/* The names of the zoo, ending with NULL. */
const char *const *model_names(void);

/* What a model file says about itself. Texts live as long as `metadata`. */
typedef struct {
    gm_module *net;
    gm_pack *metadata;
    const char *name;
    data_form form;
    int64_t classes;
} model_file;
/* What the net computes, of examples of this size with a batch in front. */
gm_graph *model_graph(gm_module *net, gm_shape example);
gm_pack *model_metadata(gm_module *net, const char *name, const data_form *form);
bool model_save(gm_module *net, const char *name, const data_form *form, const char *path);
bool model_load(model_file *f, const char *path);

#endif
