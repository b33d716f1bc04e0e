/* model.h: what train, eval, predict and sample share: data sets and models by name, and model files. */
#ifndef GEMEL_MODEL_H
#define GEMEL_MODEL_H

#include <gemel/gemel.h>

/* "fashion-mnist" or "mnist:DIR". NULL after a VALUE error. */
gm_dataset *model_data(const char *name, gm_data_split split);
/* The names of the zoo, ending with NULL. */
const char *const *model_names(void);

/* What a model file says about itself. Texts live as long as `metadata`. */
typedef struct {
    gm_module *net;
    gm_pack *metadata;
    const char *name;
    int64_t input[3], classes;
    double mean, std;
} model_file;
gm_pack *model_metadata(const char *name, gm_dataset *d);
bool model_save(gm_module *net, const char *name, gm_dataset *d, const char *path);
bool model_load(model_file *f, const char *path);
/* The name of class i, or "class i" in `buffer` where the file has none. */
const char *model_class(const model_file *f, int64_t i, char *buffer, size_t bytes);

#endif
