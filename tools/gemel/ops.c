/* ops.c: `gemel ops`: the table of operations, with where each one's rules come from. */
#include <stdio.h>
#include <string.h>

#include <gemel/gemel.h>

#include "command.h"

static const cli_flag ops_flags[] = { { "json", NULL, "print one JSON object per operation" }, { 0 } };

static int count_cases(const gm_op *op) {
    int n = 0;
    while (op->cases && op->cases[n].in) n++;
    return n;
}

/* "2", "2-3" or "1+" inputs. */
static const char *inputs_text(const gm_op *op, char *text, size_t bytes) {
    if (op->max_in < 0) snprintf(text, bytes, "%d+", op->min_in);
    else if (op->max_in > op->min_in) snprintf(text, bytes, "%d-%d", op->min_in, op->max_in);
    else snprintf(text, bytes, "%d", op->min_in);
    return text;
}

static void print_text(const gm_op *op) {
    char in[32];
    printf("%-24s %-4s %-3d %-12s %-13s %-12s %-6s %-5d %s\n", op->name, inputs_text(op, in, sizeof in), op->n_out,
           gm_op_grad_kind(op), gm_op_jvp_kind(op), gm_op_batch_kind(op), op->lower ? "yes" : "no", count_cases(op),
           op->doc ? op->doc : "");
}

static void print_attributes(const gm_op *op) {
    printf(", \"attributes\": [");
    for (const gm_attr *a = op->attrs; a && a->name; a++) {
        printf(a == op->attrs ? "" : ", ");
        cli_json_string(a->name);
    }
    printf("]");
}

static void print_json(const gm_op *op) {
    printf("{\"name\": ");
    cli_json_string(op->name);
    printf(", \"version\": %d, \"min_inputs\": %d, \"max_inputs\": %d, \"outputs\": %d", op->version, op->min_in,
           op->max_in, op->n_out);
    printf(", \"grad\": \"%s\", \"jvp\": \"%s\", \"batch\": \"%s\", \"lower\": %s, \"cases\": %d", gm_op_grad_kind(op),
           gm_op_jvp_kind(op), gm_op_batch_kind(op), op->lower ? "true" : "false", count_cases(op));
    print_attributes(op);
    printf(", \"doc\": ");
    cli_json_string(op->doc ? op->doc : "");
    printf("}\n");
}

static int unknown_op(const cli_args *args, const char *name) {
    const char *names[1024];
    int n = 0;
    for (const gm_op *op; n < 1023 && (op = gm_op_at(n)); n++) names[n] = op->name;
    names[n] = NULL;
    const char *near = cli_suggest(name, names);
    return cli_failure(args, "there is no operation \"%s\"%s%s%s", name, near ? "; did you mean \"" : "",
                       near ? near : "", near ? "\"?" : "");
}

static int ops_run(cli_args *args) {
    bool json = cli_on(args, "json");
    for (int i = 0; i < args->n_operands; i++)
        if (!gm_op_find(args->operands[i])) return unknown_op(args, args->operands[i]);
    if (!json)
        printf("%-24s %-4s %-3s %-12s %-13s %-12s %-6s %-5s %s\n", "operation", "in", "out", "grad", "jvp", "batch",
               "lower", "cases", "meaning");
    int n = args->n_operands;
    const gm_op *op;
    for (int i = 0; n ? i < n : gm_op_at(i) != NULL; i++) {
        op = n ? gm_op_find(args->operands[i]) : gm_op_at(i);
        if (json) print_json(op);
        else print_text(op);
    }
    return CLI_OK;
}

const cli_command command_ops = {
    .name = "ops",
    .summary = "List the operations with their rules",
    .operands = "[NAME...]",
    .max_operands = -1,
    .flags = ops_flags,
    .notes = "Rules are \"direct\" (the operation's own), \"elementwise\" (from its expressions), \"linear\" (the\n"
             "operation itself), \"through grad\", \"loop\", \"zero\" (no derivative) or \"none\".",
    .run = ops_run,
};
