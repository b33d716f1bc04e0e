/* eval.c: `gemel eval`: loss and accuracy of a model file on the test examples of a data set. */
#include <stdio.h>

#include "command.h"
#include "model.h"

static const cli_flag eval_flags[] = {
    { "data", "DATA", DATA_HELP },
    { "json", NULL, "print one JSON object" },
    { 0 },
};

static int eval_run(cli_args *args) {
    model_file f;
    if (!data_check(args)) return CLI_USAGE;
    if (!model_load(&f, args->operands[0])) return CLI_FAILURE;
    gm_dataset *d = data_open(cli_text(args, "data", DATA_DEFAULT), GM_SPLIT_TEST, &f.form);
    gm_metrics m = gm_evaluate(f.net, d);
    if (!gm_ok()) return CLI_FAILURE;
    if (cli_on(args, "json")) {
        printf("{\"loss\": ");
        cli_json_number(m.loss, 9);
        printf(", \"accuracy\": %.6f, \"count\": %lld}\n", m.accuracy, (long long)m.count);
    } else {
        printf("loss %.4f, accuracy %.4f on %lld %s\n", m.loss, m.accuracy, (long long)m.count,
               f.form.columns ? "rows" : "images");
    }
    return CLI_OK;
}

const cli_command command_eval = {
    .name = "eval",
    .summary = "Say how well a model file does on test data",
    .operands = "MODEL",
    .min_operands = 1,
    .max_operands = 1,
    .flags = eval_flags,
    .run = eval_run,
};
