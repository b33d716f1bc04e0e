/* zoo.c: nets by name. To add one: a line here, a builder in a file of its family. */
#include "../math/fp.h"
#include "zoo.h"

#include <string.h>

static const struct {
    const char *name, *about;
    gm_module *(*make)(gm_shape input, int64_t classes);
    int32_t side; /* of the pictures it is usually given */
} zoo_table[] = {
    { "lenet", "two convolutions and two linear layers (LeCun et al. 1998), with 32 and 64 channels", gm__zoo_lenet,
      32 },
    { "lstm", "two layers of LSTM cells, 128 wide, that read an image row by row (or a sequence)", gm__zoo_lstm, 32 },
    { "mlp", "three linear layers, 256 and 128 wide", gm__zoo_mlp, 32 },
    { "resnet18", "residual net of 18 layers (He et al. 2016); images under 64 pixels get the CIFAR form",
      gm__zoo_resnet18, 224 },
    { "resnet50", "residual net of 50 layers with bottlenecks; forms as resnet18", gm__zoo_resnet50, 224 },
    { "vit_tiny", "vision transformer (Dosovitskiy et al. 2021) of 12 blocks, 192 wide; patches of 4, 8 or 16",
      gm__zoo_vit_tiny, 224 },
};
enum { ZOO_COUNT = sizeof zoo_table / sizeof *zoo_table };

const char *gm_zoo_name(int index) { return index >= 0 && index < ZOO_COUNT ? zoo_table[index].name : NULL; }
const char *gm_zoo_about(int index) { return index >= 0 && index < ZOO_COUNT ? zoo_table[index].about : NULL; }

int32_t gm_zoo_side(int index) {
    return index >= 0 && index < ZOO_COUNT ? zoo_table[index].side : 0;
}

gm_module *gm_zoo_new(const char *name, gm_shape input, int64_t classes) {
    if (!gm_ok()) return NULL;
    if (classes < 1) return gm_fail(GM_ERROR_VALUE, "zoo: %lld classes", (long long)classes), NULL;
    char names[256] = "";
    for (int i = 0; i < ZOO_COUNT; i++) {
        if (name && !strcmp(name, zoo_table[i].name)) return zoo_table[i].make(input, classes);
        strncat(names, i ? ", " : "", sizeof names - strlen(names) - 1);
        strncat(names, zoo_table[i].name, sizeof names - strlen(names) - 1);
    }
    return gm_fail(GM_ERROR_VALUE, "zoo: there is no \"%s\"; there are %s", name ? name : "NULL", names), NULL;
}

bool gm__zoo_is_image(const char *name, gm_shape input, int64_t side) {
    char text[200];
    if (input.n == 3 && input.d[0] > 0 && input.d[1] >= side && input.d[2] >= side) return true;
    return gm_fail(GM_ERROR_VALUE, "%s: examples are %s; images [C, H, W] of %lld x %lld or more are needed", name,
                   gm_shape_text(input, text, sizeof text), (long long)side, (long long)side);
}
