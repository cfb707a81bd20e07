/*
 * help.c - help texts from the tables: three examples first, then the form, what it does, the options, the
 * exit codes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/help.h"

#include <string.h>

/* Each line of a text, moved in. */
static void print_indented(FILE *out, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        fprintf(out, "%s%.*s\n", length ? "    " : "", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_exit_codes(FILE *out)
{
    fputs("\nEXIT STATUS\n"
          "    0   done, or nothing to do\n"
          "    1   the answer is no: not permitted, or a bad verdict\n"
          "    2   usage, a bad value, not found, a conflict, a local file\n"
          "    3   the agent cannot be reached\n"
          "    4   try later: busy, locked, waiting for approval\n",
          out);
}

void help_print(FILE *out)
{
    fputs("mtlsctl - certificates from mtlsd: issue, verify, revoke\n\nEXAMPLES\n", out);
    print_indented(out, "mtlsctl issue alice --out .\n"
                        "    writes ./alice.key and ./alice.crt\n"
                        "mtlsctl list --status live --expiring 30d\n"
                        "    which have to be renewed within a month\n"
                        "mtlsctl revoke alice\n"
                        "    shuts alice out, from the instant it returns\n");
    fputs("\nUSAGE\n    mtlsctl [--socket PATH] [--json] COMMAND ...\n\nCOMMANDS\n", out);
    for (size_t i = 0; i < command_count; i++)
        fprintf(out, "    %-16s%s\n", commands[i]->name, commands[i]->summary);
    fputs("\n    mtlsctl COMMAND --help tells more about each.\n\nOPTIONS OF EVERY COMMAND\n", out);
    options_print_help(out, NULL);
    print_exit_codes(out);
    fputs("\nSEE ALSO\n    mtlsctl(1), mtlsd(8), mtlsd.conf(5), libmtls(3)\n", out);
}

void help_print_command(FILE *out, const struct command *command)
{
    fprintf(out, "mtlsctl %s - %s\n\nEXAMPLES\n", command->name, command->summary);
    print_indented(out, command->examples);
    fprintf(out, "\nUSAGE\n    mtlsctl %s%s%s [options]\n\nDESCRIPTION\n", command->name,
            *command->operands ? " " : "", command->operands);
    print_indented(out, command->description);
    if (*command->options) {
        fputs("\nOPTIONS\n", out);
        options_print_help(out, command->options);
    }
    fputs("\nOPTIONS OF EVERY COMMAND\n", out);
    options_print_help(out, NULL);
    print_exit_codes(out);
}
