/* args.c: read a command line by a command's record, and hand out the values. */
#include "command.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"

static int report(const cli_args *args, int code, const char *format, va_list list) {
    fprintf(stderr, "gemel %s: ", args->command->name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    return code;
}

int cli_usage(const cli_args *args, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int code = report(args, CLI_USAGE, format, list);
    va_end(list);
    fprintf(stderr, "Try: gemel %s --help\n", args->command->name);
    return code;
}

int cli_failure(const cli_args *args, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int code = report(args, CLI_FAILURE, format, list);
    va_end(list);
    return code;
}

static int find_flag(const cli_command *command, const char *name, size_t n) {
    for (int i = 0; command->flags && command->flags[i].name; i++) {
        if (strlen(command->flags[i].name) == n && !memcmp(command->flags[i].name, name, n)) return i;
    }
    return -1;
}

static int unknown_flag(const cli_args *args, const char *word, size_t n) {
    const char *names[CLI_MAX_FLAGS + 2];
    int count = 0;
    const cli_flag *flags = args->command->flags;
    for (int i = 0; flags && flags[i].name; i++) names[count++] = flags[i].name;
    names[count++] = "help";
    names[count] = NULL;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)n, word);
    const char *near = cli_suggest(name, names);
    if (near) return cli_usage(args, "unknown flag --%s; did you mean --%s?", name, near);
    return cli_usage(args, "unknown flag --%s", name);
}

/* Take argv[i], a flag, and its value if it has one. Moves *i to the last word taken. */
static int take_flag(cli_args *args, int argc, char **argv, int *i) {
    const char *word = argv[*i] + 2, *equals = strchr(word, '=');
    size_t n = equals ? (size_t)(equals - word) : strlen(word);
    int flag = find_flag(args->command, word, n);
    if (flag < 0) return unknown_flag(args, word, n);
    const cli_flag *f = &args->command->flags[flag];
    if (!f->value && equals) return cli_usage(args, "--%s takes no value", f->name);
    if (!f->value) return args->values[flag] = "", CLI_OK;
    const char *value = equals ? equals + 1 : *i + 1 < argc ? argv[++*i] : "";
    if (!*value) return cli_usage(args, "--%s needs a value: %s", f->name, f->value);
    args->values[flag] = value;
    if (args->n_given == CLI_MAX_GIVEN) return cli_usage(args, "over %d flags", CLI_MAX_GIVEN);
    args->given[args->n_given].flag = flag;
    args->given[args->n_given++].value = value;
    return CLI_OK;
}

static int check_operands(const cli_args *args) {
    const cli_command *c = args->command;
    if (args->n_operands < c->min_operands) return cli_usage(args, "too few arguments; wanted: %s", c->operands);
    if (c->max_operands >= 0 && args->n_operands > c->max_operands) {
        return cli_usage(args, "unexpected argument \"%s\"", args->operands[c->max_operands]);
    }
    return CLI_OK;
}

int cli_read(cli_args *args, int argc, char **argv, bool *help) {
    bool flags_over = false;
    args->operands = argv;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (!flags_over && (!strcmp(word, "--help") || !strcmp(word, "-h"))) return *help = true, CLI_OK;
        if (!flags_over && !strcmp(word, "--")) {
            flags_over = true;
        } else if (!flags_over && !strncmp(word, "--", 2)) {
            if (take_flag(args, argc, argv, &i)) return CLI_USAGE;
        } else if (!flags_over && word[0] == '-' && word[1]) {
            return cli_usage(args, "unknown flag %s (flags are whole words, such as --help)", word);
        } else {
            args->operands[args->n_operands++] = argv[i];
        }
    }
    return check_operands(args);
}

void cli_help(const cli_command *command) {
    printf("%s\n\nusage: gemel %s%s%s%s\n", command->summary, command->name, command->flags ? " [flags]" : "",
           *command->operands ? " " : "", command->operands);
    for (int i = 0; command->flags && command->flags[i].name; i++) {
        const cli_flag *f = &command->flags[i];
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", f->name, f->value ? " " : "", f->value ? f->value : "");
        printf("%s  %-26s  %s\n", i ? "" : "\nflags:\n", left, f->help);
    }
    if (command->notes) printf("\n%s\n", command->notes);
}

const char *cli_text(const cli_args *args, const char *flag, const char *otherwise) {
    int i = find_flag(args->command, flag, strlen(flag));
    if (i < 0) {
        fprintf(stderr, "gemel %s: defect: its record lacks --%s\n", args->command->name, flag);
        abort();
    }
    return args->values[i] ? args->values[i] : otherwise;
}

const char *cli_next(const cli_args *args, const char *flag, int *at) {
    int wanted = find_flag(args->command, flag, strlen(flag));
    while (*at < args->n_given) {
        int i = (*at)++;
        if (args->given[i].flag == wanted) return args->given[i].value;
    }
    return NULL;
}

bool cli_on(const cli_args *args, const char *flag) { return cli_text(args, flag, NULL) != NULL; }

int64_t cli_int(cli_args *args, const char *flag, int64_t otherwise, int64_t low, int64_t high) {
    const char *text = cli_text(args, flag, NULL);
    if (!text) return otherwise;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end != text && !*end && !errno && value >= low && value <= high) return value;
    cli_usage(args, "--%s: \"%s\" is not a whole number between %lld and %lld", flag, text, (long long)low,
              (long long)high);
    args->bad = true;
    return otherwise;
}

/* A finite number as a whole text; NaN for anything else. */
static double real_of(const char *text) {
    char *end;
    double value = strtod(text, &end);
    return end != text && !*end && isfinite(value) ? value : NAN;
}

double cli_real(cli_args *args, const char *flag, double otherwise, double low, double high) {
    const char *text = cli_text(args, flag, NULL);
    if (!text) return otherwise;
    double value = real_of(text);
    if (value >= low && value <= high) return value;
    cli_usage(args, "--%s: \"%s\" is not a number between %g and %g", flag, text, low, high);
    args->bad = true;
    return otherwise;
}

double cli_real_below(cli_args *args, const char *flag, double otherwise, double low, double high) {
    const char *text = cli_text(args, flag, NULL);
    if (!text) return otherwise;
    double value = real_of(text);
    if (value >= low && value < high) return value;
    cli_usage(args, "--%s: \"%s\" is not a number from %g on and below %g", flag, text, low, high);
    args->bad = true;
    return otherwise;
}

int cli_choice(cli_args *args, const char *flag, const char *const *names, int otherwise) {
    const char *text = cli_text(args, flag, NULL);
    if (!text) return otherwise;
    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], text)) return i;
    }
    const char *near = cli_suggest(text, names);
    cli_usage(args, "--%s: there is no \"%s\"%s%s%s", flag, text, near ? "; did you mean \"" : "", near ? near : "",
              near ? "\"?" : "");
    args->bad = true;
    return -1;
}
