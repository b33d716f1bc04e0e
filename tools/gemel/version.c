/* version.c: `gemel version`: the library's version, and what this build has. */
#include <stdio.h>

#include "command.h"

static const cli_flag version_flags[] = {
    { "features", NULL, "list the optional libraries and the instruction set" },
    { "json", NULL, "print one JSON object" },
    { 0 },
};

static void print_json(void) {
    const char *name;
    bool present;
    printf("{\"version\": ");
    cli_json_string(gm_version());
    printf(", \"isa\": ");
    cli_json_string(gm_isa());
    printf(", \"features\": {");
    for (int i = 0; gm_feature(i, &name, &present); i++) {
        printf(i ? ", " : "");
        cli_json_string(name);
        printf(": %s", present ? "true" : "false");
    }
    printf("}}\n");
}

static void print_features(void) {
    const char *name;
    bool present;
    printf("isa        %s\n", gm_isa());
    for (int i = 0; gm_feature(i, &name, &present); i++) printf("%-10s %s\n", name, present ? "yes" : "no");
}

static int version_run(cli_args *args) {
    if (cli_on(args, "json")) {
        print_json();
    } else {
        printf("gemel %s\n", gm_version());
        if (cli_on(args, "features")) print_features();
    }
    return CLI_OK;
}

const cli_command command_version = {
    .name = "version",
    .summary = "Print the version and what this build has",
    .operands = "",
    .flags = version_flags,
    .run = version_run,
};
