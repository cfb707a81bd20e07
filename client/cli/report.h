/*
 * report.h - how a command ends badly: the sentence, the JSON object, the exit code, from the agent's errors
 * and our own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_REPORT_H
#define MTLSD_CLIENT_CLI_REPORT_H

#include "client/cli/cli.h"

/* Report and return the exit code. */
int report_failure(const struct cli *cli, const struct failure *failure);
/* The last error of the connection. `note` is appended to the sentence; may be NULL. */
int report_agent(const struct cli *cli, const char *note);
int report_memory(const struct cli *cli);

/* "mtlsctl policy explain issue --name alice ..." for what this invocation asked: what to type after a denial
 * of `operation`. */
void report_explain_line(const struct cli *cli, const char *operation, char *out, size_t size);

#endif
