/* model.c: models by name, and the metadata by which a model file can be used without its training program. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const *model_names(void) {
    static const char *names[64];
    for (int i = 0; i < 63; i++) names[i] = gm_zoo_name(i);
    return names;
}

gm_dataset *model_data(const char *name, gm_data_split split) {
    if (!strcmp(name, "fashion-mnist")) return gm_fashion_mnist(split);
    if (!strncmp(name, "mnist:", 6) && name[6]) return gm_mnist(name + 6, split);
    gm_fail(GM_ERROR_VALUE, "unknown data \"%s\"; there are fashion-mnist and mnist:DIR", name);
    return NULL;
}

static bool set_format(gm_pack *p, const char *key, const char *format, double a, double b, double c) {
    char text[128];
    snprintf(text, sizeof text, format, a, b, c);
    return gm_pack_set_text(p, key, text);
}

/* Class names one per line: no name has a newline in it. */
static bool set_classes(gm_pack *p, gm_dataset *d) {
    char text[4096] = "";
    for (int32_t i = 0; i < gm_n_classes(d); i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "%s%s", i ? "\n" : "", gm_class_name(d, i));
    }
    return gm_pack_set_text(p, "gemel.classes", text);
}

gm_pack *model_metadata(const char *name, gm_dataset *d) {
    gm_pack *p = gm_pack_new();
    gm_shape in = gm_dataset_shape(d);
    double mean, std;
    gm_dataset_scaling(d, &mean, &std);
    gm_pack_set_text(p, "gemel.model", name);
    set_format(p, "gemel.input", "%.0f %.0f %.0f", (double)in.d[0], (double)in.d[1], (double)in.d[2]);
    set_format(p, "gemel.scaling", "%.17g %.17g", mean, std, 0);
    return set_classes(p, d) ? p : NULL;
}

bool model_save(gm_module *net, const char *name, gm_dataset *d, const char *path) {
    GM_SCOPE(s);
    return gm_save_safetensors(gm_state_dict(net), model_metadata(name, d), path);
}

static const char *need(const model_file *f, const char *path, const char *key) {
    if (gm_ok() && gm_pack_has(f->metadata, key)) return gm_get_text(f->metadata, key);
    gm_fail(GM_ERROR_FORMAT, "%s: its metadata have no %s: not a model of `gemel train`", path, key);
    return "";
}

static int64_t count_lines(const char *text) {
    int64_t n = *text != 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

bool model_load(model_file *f, const char *path) {
    *f = (model_file){ .metadata = gm_safetensors_metadata(path) };
    f->name = need(f, path, "gemel.model");
    const char *input = need(f, path, "gemel.input"), *scaling = need(f, path, "gemel.scaling");
    f->classes = count_lines(need(f, path, "gemel.classes"));
    if (!gm_ok()) return false;
    long long d[3];
    if (sscanf(input, "%lld %lld %lld", &d[0], &d[1], &d[2]) != 3 ||
        sscanf(scaling, "%lf %lf", &f->mean, &f->std) != 2 || !(f->std > 0) || !f->classes)
        return gm_fail(GM_ERROR_FORMAT, "%s: bad metadata: input \"%s\", scaling \"%s\"", path, input, scaling);
    for (int i = 0; i < 3; i++) {
        if (d[i] < 1 || d[i] > 4096) return gm_fail(GM_ERROR_FORMAT, "%s: an input of %s", path, input);
        f->input[i] = d[i];
    }
    f->net = gm_zoo_new(f->name, GM_SHAPE(f->input[0], f->input[1], f->input[2]), f->classes);
    return gm_load_state_dict(f->net, gm_load_safetensors(path));
}

const char *model_class(const model_file *f, int64_t i, char *buffer, size_t bytes) {
    const char *at = gm_get_text(f->metadata, "gemel.classes");
    for (; at && i > 0; i--) at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
    if (at) snprintf(buffer, bytes, "%.*s", (int)strcspn(at, "\n"), at);
    else snprintf(buffer, bytes, "class %lld", (long long)i);
    return buffer;
}
