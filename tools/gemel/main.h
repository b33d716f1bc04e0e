/* main.h: what args.c offers to main.c alone. */
#ifndef GEMEL_MAIN_H
#define GEMEL_MAIN_H

#include "command.h"

/* Read the words after the command's name. Returns CLI_OK, or CLI_USAGE after reporting; *help: --help was asked. */
int cli_read(cli_args *args, int argc, char **argv, bool *help);
void cli_help(const cli_command *command);

#endif
