/* inspect.c: `gemel inspect`: the metadata, inputs, outputs and tensors of a safetensors file, its graph, or what
 * memory a run of that takes. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "model.h"

static const cli_flag inspect_flags[] = {
    { "json", NULL, "print one JSON object" },
    { "graph", NULL, "print the graph as text (docs/graphs.md)" },
    { "dot", NULL, "print the graph for GraphViz" },
    { "plan", NULL, "print the kernels and the memory of a run" },
    { "batch", "N", "of how many examples, for --plan (1)" },
    { 0 },
};

/* The graph's text has a flag of its own. */
static void print_metadata(gm_pack *p, bool json) {
    for (int64_t i = 0, n = 0; i < gm_pack_count(p); i++) {
        const char *name = gm_pack_name(p, i), *text = gm_string_at(gm_pack_at(p, i), 0);
        if (!strcmp(name, "gemel.graph")) continue;
        if (json) printf(n++ ? ", " : ""), cli_json_string(name), printf(": ");
        else printf("%s: ", name);
        cli_json_string(text);
        if (!json) printf("\n");
    }
}

static int64_t print_tensors(gm_pack *p, bool json) {
    int64_t elements = 0;
    for (int64_t i = 0; i < gm_pack_count(p); i++) {
        gm_tensor *t = gm_pack_at(p, i);
        char shape[256];
        gm_shape_text(gm_shape_of(t), shape, sizeof shape);
        elements += gm_count(t);
        if (!json) {
            printf("%-40s %-6s %s\n", gm_pack_name(p, i), gm_dtype_name(gm_dtype_of(t)), shape);
            continue;
        }
        printf("%s{\"name\": ", i ? ", " : "");
        cli_json_string(gm_pack_name(p, i));
        printf(", \"dtype\": \"%s\", \"shape\": %s}", gm_dtype_name(gm_dtype_of(t)), shape);
    }
    return elements;
}

/* Sizes that depend on the batch are -1 in JSON, B else. */
static void print_port(const gm_graph_port *p, bool json) {
    if (json) printf("%s{\"name\": ", p->number ? ", " : ""), cli_json_string(p->name), printf(", \"shape\": [");
    else printf("%s %s[", p->name, gm_dtype_name(p->dtype));
    for (int k = 0; k < p->shape.n; k++) {
        printf(k ? ", " : "");
        if (p->shape.d[k] < 0 && !json) printf("B");
        else printf("%lld", (long long)p->shape.d[k]);
    }
    if (json) printf("], \"dtype\": \"%s\"}", gm_dtype_name(p->dtype));
    else printf("]\n");
}

static void print_ports(const gm_graph *g, bool json) {
    gm_graph_port p;
    if (json) printf(", \"inputs\": [");
    for (int64_t i = 0; g && gm_graph_input(g, i, &p); i++) {
        if (!json) printf("input ");
        print_port(&p, json);
    }
    if (json) printf("], \"outputs\": [");
    for (int64_t i = 0; g && gm_graph_output(g, i, &p); i++) {
        if (!json) printf("output ");
        print_port(&p, json);
    }
    if (json) printf("]");
}

/* The plan that the library's own kernels run; nothing is computed. */
static int print_plan(gm_graph *g, int64_t batch) {
    gm_pack *in = gm_pack_new();
    gm_graph_port p;
    gm_plan_info info;
    for (int64_t i = 0; gm_graph_input(g, i, &p); i++) {
        for (int k = 0; k < p.shape.n; k++)
            if (p.shape.d[k] < 0) p.shape.d[k] = batch;
        gm_pack_set(in, p.name, gm_zeros(p.shape, p.dtype));
    }
    gm_graph *now = gm_ok() ? gm_graph_for(g, in) : NULL;
    if (!now || !gm_graph_plan(now, &info)) return CLI_FAILURE;
    double live = (double)info.live_bytes;
    printf("kernels %lld\narena %lld bytes\nlargest sum of live buffers %lld bytes\nratio %.3f\n",
           (long long)info.kernels, (long long)info.arena_bytes, (long long)info.live_bytes,
           info.live_bytes ? (double)info.arena_bytes / live : 1.0);
    return CLI_OK;
}

static int inspect_run(cli_args *args) {
    const char *path = args->operands[0];
    bool json = cli_on(args, "json"), text = cli_on(args, "graph"), dot = cli_on(args, "dot");
    bool plan = cli_on(args, "plan");
    int64_t batch = cli_int(args, "batch", 1, 1, 1 << 20);
    if (json + text + dot + plan > 1) return cli_usage(args, "one of --json, --graph, --dot and --plan");
    gm_pack *metadata = gm_safetensors_metadata(path), *tensors = gm_load_safetensors(path);
    if (!metadata || !tensors) return CLI_FAILURE;
    bool model = gm_pack_has(metadata, "gemel.graph") && !gm_pack_has(tensors, "fit.at"); /* no run to go on with */
    gm_graph *g = text || dot || plan || model ? gm_graph_load(path) : NULL;
    if (!gm_ok()) return CLI_FAILURE;
    if (text || dot) return fputs(text ? gm_graph_text(g) : gm_graph_dot(g), stdout), CLI_OK;
    if (plan) return print_plan(g, batch);
    if (json) printf("{\"metadata\": {");
    print_metadata(metadata, json);
    if (json) printf("}");
    print_ports(g, json);
    if (json) printf(", \"tensors\": [");
    int64_t elements = print_tensors(tensors, json);
    printf(json ? "], \"elements\": %lld}\n" : "%lld elements\n", (long long)elements);
    return CLI_OK;
}

const cli_command command_inspect = {
    .name = "inspect",
    .summary = "List the metadata, inputs, outputs and tensors of a safetensors file, or show its graph",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .flags = inspect_flags,
    .notes = "B is a size that depends on the batch; --json says -1.",
    .run = inspect_run,
};
