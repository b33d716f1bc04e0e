/* command.h: what the subcommands of `gemel` are made of.
 *
 * A subcommand is one file with one record, `const cli_command command_NAME`, and one line in commands.def. The record
 * names its flags and operands; main.c reads the command line by it, so that --help, `--flag value`, `--flag=value`,
 * suggestions for misspelt words and the exit codes are the same everywhere.
 *
 * Results go to standard output, everything else to standard error. Exit codes: 0 success, 1 the work failed, 2 the
 * command line is wrong, 130 stopped by Ctrl-C after saving. Only the public headers of the library are used. */
#ifndef GEMEL_COMMAND_H
#define GEMEL_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include <gemel/base.h>

enum { CLI_OK = 0, CLI_FAILURE = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 };
enum { CLI_MAX_FLAGS = 64, CLI_MAX_GIVEN = 256 };

/* One flag. `value` is the word that --help shows for its value, which is not empty; NULL for a switch. Lists end with
 * { 0 }. */
typedef struct { const char *name, *value, *help; } cli_flag;

typedef struct cli_args cli_args;

typedef struct {
    const char *name;
    const char *summary;            /* one line, for the list of commands */
    const char *operands;           /* for the usage line, such as "MODEL IMAGE...", "" for none */
    int min_operands, max_operands; /* max -1: any number */
    const cli_flag *flags;          /* NULL: none; --help is always there */
    const char *notes;              /* more lines for --help, may be NULL */
    int (*run)(cli_args *args);     /* an exit code; an error pending in the library is printed and makes it 1 */
} cli_command;

struct cli_args {
    const cli_command *command;
    const char *values[CLI_MAX_FLAGS]; /* by the flag's place; NULL: not given; "" for a switch that is on */
    struct { int flag; const char *value; } given[CLI_MAX_GIVEN]; /* in the order of the command line */
    int n_given;
    char **operands; /* the front of argv: those that were read leave their places to them */
    int n_operands;
    bool bad; /* a value was wrong and has been reported: return CLI_USAGE */
};

/* The value of a flag, or `otherwise` where it is not given. Names that the record lacks are a defect: they abort. */
const char *cli_text(const cli_args *args, const char *flag, const char *otherwise);
bool cli_on(const cli_args *args, const char *flag);
/* The values of a flag that may be given several times, one after the other: NULL behind the last. *at is 0 at first.
 */
const char *cli_next(const cli_args *args, const char *flag, int *at);
/* A number between `low` and `high`. Anything else is reported, sets args->bad and gives `otherwise`. */
int64_t cli_int(cli_args *args, const char *flag, int64_t otherwise, int64_t low, int64_t high);
double cli_real(cli_args *args, const char *flag, double otherwise, double low, double high);
/* The same for numbers from `low` on that are less than `high`. */
double cli_real_below(cli_args *args, const char *flag, double otherwise, double low, double high);
/* The place of the flag's value in `names` (ends with NULL), or `otherwise` where it is not given. Anything else is
 * reported with a suggestion, sets args->bad and gives -1. */
int cli_choice(cli_args *args, const char *flag, const char *const *names, int otherwise);

/* Print "gemel COMMAND: message" to standard error. Returns CLI_USAGE or CLI_FAILURE. */
int cli_usage(const cli_args *args, const char *format, ...) GM_PRINTF(2, 3);
int cli_failure(const cli_args *args, const char *format, ...) GM_PRINTF(2, 3);

/* The one of `names` (ends with NULL) that `word` is most likely a misspelling of, or NULL. */
const char *cli_suggest(const char *word, const char *const *names);

/* Write out what was printed, so that whoever reads it has it now. What fails is reported at the end. */
void cli_flush(void);

/* Print text as a JSON string, with its quotes, to standard output. */
void cli_json_string(const char *text);
/* Print a number with so many digits, or null for one that JSON does not have: NaN, infinities. */
void cli_json_number(double value, int digits);

#endif
