/* main.c: the command `gemel`: find the subcommand, read its command line, run it, report. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "main.h"

#define COMMAND(name) extern const cli_command command_##name;
#include "commands.def"
#undef COMMAND

static const cli_command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "commands.def"
#undef COMMAND
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_overview(FILE *to) {
    fprintf(to, "Gemel %s, a deep-learning framework in C\n\n", gm_version());
    fprintf(to, "usage: gemel COMMAND [flags] [arguments]\n\ncommands:\n");
    for (int i = 0; i < N_COMMANDS; i++) fprintf(to, "  %-10s  %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to, "\ngemel COMMAND --help says more.\n"
                "Exit codes: 0 success, 1 the work failed, 2 the command line is wrong,\n"
                "130 stopped by Ctrl-C, after saving.\n");
}

static const cli_command *find_command(const char *name) {
    for (int i = 0; i < N_COMMANDS; i++) {
        if (!strcmp(commands[i]->name, name)) return commands[i];
    }
    return NULL;
}

static int unknown_command(const char *word) {
    const char *names[N_COMMANDS + 1];
    for (int i = 0; i < N_COMMANDS; i++) names[i] = commands[i]->name;
    names[N_COMMANDS] = NULL;
    const char *near = cli_suggest(word, names);
    fprintf(stderr, "gemel: unknown command \"%s\"", word);
    if (near) fprintf(stderr, "; did you mean \"%s\"?", near);
    fprintf(stderr, "\nTry: gemel --help\n");
    return CLI_USAGE;
}

static int run_command(const cli_command *command, int argc, char **argv) {
    cli_args args = { .command = command };
    bool help = false;
    int code = cli_read(&args, argc, argv, &help);
    if (code) return code;
    if (help) return cli_help(command), CLI_OK;
    code = command->run(&args);
    int failed = gm_exit_status();
    if (gm_error_code() == GM_ERROR_INTERRUPTED) return CLI_INTERRUPTED;
    return code ? code : failed;
}

static int output_error; /* the first errno of standard output: it is told at the end */

void cli_flush(void) {
    if (fflush(stdout) && !output_error) output_error = errno;
}

/* A result that could not be written is a failure, a full disk behind `>` included. */
static int finish(int code) {
    cli_flush();
    if (!output_error && !ferror(stdout)) return code;
    fprintf(stderr, "gemel: standard output: %s\n", output_error ? strerror(output_error) : "not all could be written");
    return code ? code : CLI_FAILURE;
}

/* A closed standard stream would give its number to the next file that is opened, and what is printed would land in
 * that file. Now reading and writing such a stream fails. */
static void keep_standard_streams(void) {
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd) return;
}

int main(int argc, char **argv) {
    keep_standard_streams();
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like a full disk */
    if (argc < 2) return print_overview(stderr), CLI_USAGE;
    const char *word = argv[1];
    if (!strcmp(word, "--help") || !strcmp(word, "-h") || (!strcmp(word, "help") && argc == 2)) {
        return print_overview(stdout), finish(CLI_OK);
    }
    if (!strcmp(word, "help")) {
        const cli_command *command = find_command(argv[2]);
        return command ? (cli_help(command), finish(CLI_OK)) : unknown_command(argv[2]);
    }
    if (!strcmp(word, "--version")) word = "version";
    const cli_command *command = find_command(word);
    return command ? finish(run_command(command, argc - 2, argv + 2)) : unknown_command(word);
}
