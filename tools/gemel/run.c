/* run.c: `gemel run`: the graph of a model file on arrays, without any code of the net. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <gemel/gemel.h>

#include "command.h"

static const cli_flag run_flags[] = {
    { "input", "NAME=FILE", "an input's values, an .npy file; once for each input" },
    { "output-dir", "DIR", "where to write NAME.npy for each output" },
    { "compile", NULL, "run it as one compiled program; same bits" },
    { "device", "NAME",
      "cpu (default); opencl, or opencl:1 for the second device; null: compute nothing, outputs are zeros" },
    { 0 },
};

enum { RUN_INPUTS = 256 };

static void shape_text(const gm_graph_port *p, char *text, size_t bytes) {
    size_t n = (size_t)snprintf(text, bytes, "%s[", gm_dtype_name(p->dtype));
    for (int i = 0; i < p->shape.n && n < bytes; i++)
        n += (size_t)snprintf(text + n, bytes - n, p->shape.d[i] < 0 ? "%sB" : "%s%lld", i ? ", " : "",
                              (long long)p->shape.d[i]);
    if (n < bytes) snprintf(text + n, bytes - n, "]");
}

static int missing_input(const cli_args *args, const gm_graph_port *p) {
    char text[200];
    shape_text(p, text, sizeof text);
    return cli_usage(args, "input \"%s\" is missing: --input %s=FILE, %s", p->name, p->name, text);
}

static int unknown_input(const cli_args *args, const gm_graph *g, const char *name) {
    const char *names[RUN_INPUTS + 1] = { NULL };
    gm_graph_port p;
    for (int i = 0; i < RUN_INPUTS && gm_graph_input(g, i, &p); i++) names[i] = p.name;
    const char *near = cli_suggest(name, names);
    if (!near) near = names[0];
    return cli_usage(args, "--input: the model has no input \"%s\"%s%s%s", name, near ? "; did you mean \"" : "",
                     near ? near : "", near ? "\"?" : "");
}

/* The file's values, as a number of the input's kind. */
static gm_tensor *read_input(const char *path, gm_dtype wanted) {
    gm_tensor *t = gm_load_npy(path);
    gm_dtype has = gm_dtype_of(t);
    bool alike = (gm_is_float(has) && gm_is_float(wanted)) || (gm_is_integer(has) && gm_is_integer(wanted));
    return has != wanted && alike ? gm_cast(t, wanted) : t;
}

/* What --input gives, in the order of the graph's inputs. NULL with *code set. */
static gm_pack *read_inputs(const cli_args *args, const gm_graph *g, int *code) {
    gm_pack *given = gm_pack_new(), *in = gm_pack_new();
    gm_graph_port p;
    const char *text;
    for (int at = 0; (text = cli_next(args, "input", &at));) {
        char name[256];
        const char *equals = strchr(text, '=');
        bool found = false;
        if (!equals || equals - text >= (int)sizeof name)
            return *code = cli_usage(args, "--input: \"%s\" is not NAME=FILE", text), NULL;
        snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
        for (int64_t i = 0; !found && gm_graph_input(g, i, &p); i++) found = !strcmp(p.name, name);
        if (!found) return *code = unknown_input(args, g, name), NULL;
        if (gm_pack_has(given, name)) return *code = cli_usage(args, "--input: \"%s\" is given twice", name), NULL;
        if (!gm_pack_set(given, name, read_input(equals + 1, p.dtype))) return *code = CLI_FAILURE, NULL;
    }
    for (int64_t i = 0; gm_graph_input(g, i, &p); i++) {
        if (!gm_pack_has(given, p.name)) return *code = missing_input(args, &p), NULL;
        gm_pack_set(in, p.name, gm_get(given, p.name));
    }
    return in;
}

/* The name that --device gives; NULL with args->bad set. */
static const char *device_name(cli_args *args) {
    static const char *const devices[] = { "cpu", "null", "opencl", NULL };
    const char *text = cli_text(args, "device", "cpu");
    if (!strncmp(text, "opencl:", 7) && text[7] && !text[7 + strspn(text + 7, "0123456789")]) return text;
    int choice = cli_choice(args, "device", devices, 0);
    return choice < 0 ? NULL : devices[choice];
}

/* One run on a device other than the CPU, and what it was. */
static gm_pack *run_on(gm_graph *g, gm_pack *in, const char *device, bool compiled) {
    gm_fn *f = gm_graph_on(g, device, .no_fusion = !compiled);
    gm_pack *out = gm_call_pack(f, in);
    gm_device_stats s = f ? gm_device_statistics(f) : (gm_device_stats){ 0 };
    if (out)
        fprintf(stderr, "%s device: %lld kernels, %lld operations for the CPU, %lld bytes of memory%s\n", device,
                (long long)s.kernels, (long long)s.cpu_calls, (long long)s.device_bytes,
                strcmp(device, "null") ? "" : ", nothing computed: outputs are zeros");
    return out;
}

/* Names come from a file: they may not lead out of the directory. */
static bool is_file_name(const char *name) {
    return *name && *name != '.' && strlen(name) < 200 && !strpbrk(name, "/\\:") && name[strcspn(name, "\n\r\t")] == 0;
}

static bool write_outputs(const gm_pack *out, const char *dir) {
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(out); i++) {
        char path[4096], shape[256];
        const char *name = gm_pack_name(out, i);
        gm_tensor *t = gm_pack_at(out, i);
        if (!is_file_name(name))
            return gm_fail(GM_ERROR_VALUE, "run: the output's name \"%.200s\" is no file's name", name);
        if (snprintf(path, sizeof path, "%s/%s.npy", dir, name) >= (int)sizeof path)
            return gm_fail(GM_ERROR_VALUE, "run: the path %.100s... is too long", dir);
        if (!gm_save_npy(t, path)) return false;
        printf("%s: %s%s\n", path, gm_dtype_name(gm_dtype_of(t)), gm_shape_text(gm_shape_of(t), shape, sizeof shape));
    }
    return gm_ok();
}

static int run_run(cli_args *args) {
    const char *device = device_name(args);
    int code = CLI_FAILURE;
    const char *dir = cli_text(args, "output-dir", NULL);
    if (args->bad) return CLI_USAGE;
    if (!dir) return cli_usage(args, "--output-dir is missing");
    gm_graph *g = gm_graph_load(args->operands[0]);
    gm_pack *in = g ? read_inputs(args, g, &code) : NULL, *out = NULL;
    if (!in || !gm_ok()) return code;
    if (mkdir(dir, 0777) && errno != EEXIST)
        return cli_failure(args, "--output-dir: cannot make %s: %s", dir, strerror(errno));
    if (strcmp(device, "cpu")) out = run_on(g, in, device, cli_on(args, "compile"));
    else if (cli_on(args, "compile")) out = gm_call_pack(gm_jit(gm_graph_function(g)), in);
    else out = gm_graph_run(g, in);
    return out && write_outputs(out, dir) ? CLI_OK : CLI_FAILURE;
}

const cli_command command_run = {
    .name = "run",
    .summary = "Run the graph of a model file on arrays (.npy)",
    .operands = "MODEL",
    .min_operands = 1,
    .max_operands = 1,
    .flags = run_flags,
    .notes = "gemel inspect MODEL lists the inputs and outputs. Any size of a batch is taken where the list says B.",
    .run = run_run,
};
