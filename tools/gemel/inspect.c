/* inspect.c: `gemel inspect`: the metadata and tensors of a safetensors file. */
#include <stdio.h>

#include "command.h"
#include "model.h"

static const cli_flag inspect_flags[] = { { "json", NULL, "print one JSON object" }, { 0 } };

static void print_metadata(gm_pack *p, bool json) {
    for (int64_t i = 0; i < gm_pack_count(p); i++) {
        const char *name = gm_pack_name(p, i), *text = gm_string_at(gm_pack_at(p, i), 0);
        if (json) printf(i ? ", " : ""), cli_json_string(name), printf(": ");
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

static int inspect_run(cli_args *args) {
    bool json = cli_on(args, "json");
    gm_pack *metadata = gm_safetensors_metadata(args->operands[0]), *tensors = gm_load_safetensors(args->operands[0]);
    if (!metadata || !tensors) return CLI_FAILURE;
    if (json) printf("{\"metadata\": {");
    print_metadata(metadata, json);
    if (json) printf("}, \"tensors\": [");
    int64_t elements = print_tensors(tensors, json);
    printf(json ? "], \"elements\": %lld}\n" : "%lld elements\n", (long long)elements);
    return CLI_OK;
}

const cli_command command_inspect = {
    .name = "inspect",
    .summary = "List the tensors and metadata of a safetensors file",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .flags = inspect_flags,
    .run = inspect_run,
};
