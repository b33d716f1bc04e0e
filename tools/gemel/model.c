/* model.c: models by name, and the metadata by which a model file can be used without its training program:
 *     gemel.model           the name in the zoo
 *     gemel.input           sizes of an example, without the batch: "3 224 224"
 *     gemel.graph           the net as a graph (docs/graphs.md): `gemel run`
 *     gemel.classes         a name on each line
 *     gemel.scaling         "MEAN STD": what pixels are scaled by, after they are divided by 255
 *     gemel.resize          "cover": pictures are resized until they cover the input, and the middle is cut out
 * and of a table instead of the last two
 *     gemel.columns         names, a line each
 *     gemel.column_scaling  "MEAN STD" on the line of each
 *     gemel.label           the column of the classes
 *     gemel.missing         what stands for numbers that are not there; may be absent */
#include "model.h"

#include <gemel/extend.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODEL_SIDE = 1 << 16, MODEL_SIZE = 1 << 28 };

const char *const *model_names(void) {
    static const char *names[64];
    for (int i = 0; i < 63; i++) names[i] = gm_zoo_name(i);
    return names;
}

/* ---- writing ---- */

static void set_pair(gm_pack *p, const char *key, double a, double b) {
    char text[128];
    snprintf(text, sizeof text, "%.17g %.17g", a, b);
    gm_pack_set_text(p, key, text);
}

static void set_lines(gm_pack *p, const char *key, gm_tensor *strings) {
    char *text = data_join(strings);
    if (text) gm_pack_set_text(p, key, text);
    free(text);
}

static void set_input(gm_pack *p, gm_shape input) {
    char text[400] = "";
    for (int i = 0; i < input.n; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "%s%lld", i ? " " : "", (long long)input.d[i]);
    }
    gm_pack_set_text(p, "gemel.input", text);
}

static void set_columns(gm_pack *p, const data_form *form) {
    int64_t count = gm_count(form->columns);
    size_t room = (size_t)count * 40 + 1, n = 0;
    char *text = malloc(room);
    const float *center = gm_data(form->center), *spread = gm_data(form->spread);
    for (int64_t i = 0; text && gm_ok() && i < count; i++)
        n += (size_t)snprintf(text + n, room - n, "%s%.9g %.9g", i ? "\n" : "", (double)center[i], (double)spread[i]);
    if (text && gm_ok()) gm_pack_set_text(p, "gemel.column_scaling", text);
    else if (gm_ok()) gm_fail(GM_ERROR_MEMORY, "no memory for %zu bytes", room);
    free(text);
    set_lines(p, "gemel.columns", form->columns);
    gm_pack_set_text(p, "gemel.label", form->label);
    if (!form->missing.set) return;
    char missing[40];
    snprintf(missing, sizeof missing, "%.17g", form->missing.v);
    gm_pack_set_text(p, "gemel.missing", missing);
}

gm_graph *model_graph(gm_module *net, gm_shape example) {
    gm_shape input = { .n = example.n + 1, .d = { 1 } };
    memcpy(input.d + 1, example.d, (size_t)example.n * sizeof *input.d);
    gm_pack *in = GM_PACK({ "x", gm_zeros(input, GM_F32), NULL });
    return in ? gm_inference_graph(net, in) : NULL;
}

gm_pack *model_metadata(gm_module *net, const char *name, const data_form *form) {
    gm_pack *p = net ? gm_graph_metadata(model_graph(net, form->input), NULL) : NULL;
    if (!p) return NULL;
    gm_pack_set_text(p, "gemel.model", name);
    set_input(p, form->input);
    set_lines(p, "gemel.classes", form->classes);
    if (form->columns) {
        set_columns(p, form);
    } else {
        set_pair(p, "gemel.scaling", form->mean, form->std);
        if (form->input.n == 3) gm_pack_set_text(p, "gemel.resize", "cover");
    }
    return gm_ok() ? p : NULL;
}

bool model_save(gm_module *net, const char *name, const data_form *form, const char *path) {
    GM_SCOPE(s);
    return gm_save_safetensors(gm_state_dict(net), model_metadata(net, name, form), path);
}

/* ---- reading ---- */

static const char *need(const model_file *f, const char *path, const char *key) {
    if (gm_ok() && gm_pack_has(f->metadata, key)) return gm_get_text(f->metadata, key);
    gm_fail(GM_ERROR_FORMAT, "%s: its metadata have no %s: not a model of `gemel train`", path, key);
    return "";
}

static bool bad(const char *path, const char *key, const char *text) {
    return gm_fail(GM_ERROR_FORMAT, "%s: bad metadata: %s is \"%.100s\"", path, key, text);
}

static bool read_input(model_file *f, const char *path) {
    const char *text = need(f, path, "gemel.input"), *at = text;
    gm_shape *s = &f->form.input;
    int64_t count = 1;
    while (gm_ok() && *at && s->n < 8) {
        char *end;
        long long d = strtoll(at, &end, 10);
        if (end == at || d < 1 || d > MODEL_SIDE || (count *= d) > MODEL_SIZE) break;
        s->d[s->n++] = d;
        at = *end == ' ' ? end + 1 : end;
    }
    return gm_ok() && ((!*at && s->n) || bad(path, "gemel.input", text));
}

/* Lines of two numbers into two rows of n. */
static bool read_pairs(const char *text, int64_t n, float *center, float *spread) {
    for (int64_t i = 0; i < n; i++) {
        char *end;
        center[i] = strtof(text, &end);
        if (end == text || *end != ' ') return false;
        text = end + 1;
        spread[i] = strtof(text, &end);
        if (end == text || *end != (i + 1 < n ? '\n' : 0) || !(spread[i] > 0)) return false;
        text = end + 1;
    }
    return true;
}

static bool read_columns(model_file *f, const char *path) {
    data_form *form = &f->form;
    form->columns = data_split_lines(need(f, path, "gemel.columns"));
    const char *text = need(f, path, "gemel.column_scaling");
    snprintf(form->label, sizeof form->label, "%s", need(f, path, "gemel.label"));
    int64_t n = gm_ok() ? gm_count(form->columns) : 0;
    if (!gm_ok() || form->input.n != 1 || form->input.d[0] != n) return bad(path, "gemel.columns", "of another size");
    form->center = gm_empty(form->input, GM_F32), form->spread = gm_empty(form->input, GM_F32);
    float *center = gm_mutable_data(form->center), *spread = gm_mutable_data(form->spread);
    if (!gm_ok() || !read_pairs(text, n, center, spread)) return bad(path, "gemel.column_scaling", text);
    if (gm_pack_has(f->metadata, "gemel.missing"))
        form->missing = (gm_real)GM_REAL(strtod(gm_get_text(f->metadata, "gemel.missing"), NULL));
    return gm_ok();
}

static bool read_scaling(model_file *f, const char *path) {
    const char *text = need(f, path, "gemel.scaling");
    const char *resize = gm_pack_has(f->metadata, "gemel.resize") ? gm_get_text(f->metadata, "gemel.resize") : "cover";
    if (gm_ok() && strcmp(resize, "cover"))
        return gm_fail(GM_ERROR_UNSUPPORTED, "%s: gemel.resize is \"%.60s\", this version knows cover", path, resize);
    return gm_ok() && ((sscanf(text, "%lf %lf", &f->form.mean, &f->form.std) == 2 && f->form.std > 0) ||
                       bad(path, "gemel.scaling", text));
}

bool model_load(model_file *f, const char *path) {
    *f = (model_file){ .metadata = gm_safetensors_metadata(path) };
    f->name = need(f, path, "gemel.model");
    f->form.classes = data_split_lines(need(f, path, "gemel.classes"));
    if (!read_input(f, path)) return false;
    f->classes = gm_count(f->form.classes);
    if (f->classes < 1) return bad(path, "gemel.classes", "");
    bool table = gm_pack_has(f->metadata, "gemel.columns");
    if (!(table ? read_columns(f, path) : read_scaling(f, path))) return false;
    f->net = gm_zoo_new(f->name, f->form.input, f->classes);
    gm_pack *values = gm_load_safetensors(path);
    if (values && gm_pack_has(values, "fit.at"))
        return gm_fail(GM_ERROR_STATE, "%s is a run to go on with (train --resume); its model is best.safetensors",
                       path);
    int64_t where = gm_where_push(path); /* messages of what does not fit name the file */
    bool ok = gm_load_state_dict(f->net, values);
    gm_where_pop(where);
    return ok;
}
