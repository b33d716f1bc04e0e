/* zoo.h: what the families give to the table of names. */
#ifndef GM_ZOO_ZOO_H
#define GM_ZOO_ZOO_H

#include "gemel/extend.h"
#include "gemel/zoo.h"

/* Examples of shape `input` to logits [B, classes]; NULL after an error. */
gm_module *gm__zoo_mlp(gm_shape input, int64_t classes);
gm_module *gm__zoo_lenet(gm_shape input, int64_t classes);
gm_module *gm__zoo_resnet18(gm_shape input, int64_t classes);
gm_module *gm__zoo_resnet50(gm_shape input, int64_t classes);
gm_module *gm__zoo_vit_tiny(gm_shape input, int64_t classes);
gm_module *gm__zoo_lstm(gm_shape input, int64_t classes);

/* True for [C, H, W] with sides of at least `side`, else a VALUE error. */
bool gm__zoo_is_image(const char *name, gm_shape input, int64_t side);

#endif
