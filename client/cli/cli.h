/*
 * cli.h - what the files of mtlsctl share: one invocation, the table of commands.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_CLI_H
#define MTLSD_CLIENT_CLI_CLI_H

#include <mtls.h>

#include "client/cli/options.h"
#include "proto/failure.h"

/* Exit codes that other programs rely on. */
enum {
    EXIT_DONE = 0,        /* done, or nothing to do */
    EXIT_NO = 1,          /* not permitted, a bad verdict, findings */
    EXIT_WRONG = 2,       /* usage, bad request, not found, conflict, a local file */
    EXIT_UNREACHABLE = 3, /* no agent */
    EXIT_LATER = 4,       /* busy, locked, waiting for approval */
};

struct command;

struct cli {
    const struct command *command;
    struct options options;
    const char *operands[OPERANDS_MAX + 1]; /* NULL after the last */
    size_t operand_count;
    struct mtls *mtls; /* NULL before agent_open */
};

struct command {
    const char *name;     /* "issue", "policy explain" */
    const char *operands; /* "NAME", for the synopsis */
    size_t least, most;   /* operands */
    const char *summary;  /* half a sentence */
    const char *examples; /* three lines, each a command and what it does */
    const char *description;
    const char *options;         /* the long names it takes, separated by blanks, in the order of the help */
    int (*run)(struct cli *cli); /* returns the exit code, having reported */
};

extern const struct command *const commands[];
extern const size_t command_count;

/* From argv to exit code: all of mtlsctl but its process. */
int cli_main(int argc, char **argv);

/* Connect lazily to the agent of --socket, MTLS_SOCKET or the default. Never fails but for memory. */
struct mtls *agent_open(struct cli *cli);
const char *agent_socket(const struct cli *cli);

#endif
