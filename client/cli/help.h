/*
 * help.h - --help, of mtlsctl and of each command.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_HELP_H
#define MTLSD_CLIENT_CLI_HELP_H

#include <stdio.h>

#include "client/cli/cli.h"

void help_print(FILE *out);
void help_print_command(FILE *out, const struct command *command);

#endif
