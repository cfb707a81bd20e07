/*
 * report.c - failures to sentence, JSON and exit code: the one place where they are turned into each other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/output.h"
#include "client/cli/target.h"

enum { SENTENCE_SIZE = 2048 };

/* The library's own errors; the agent's come with their names. */
static const struct {
    enum mtls_code code;
    const char *name;
    int exit_code;
} own[] = {
    {MTLS_UNREACHABLE, "io.mtlsd.Agent.Unreachable", EXIT_UNREACHABLE},
    {MTLS_DISCONNECTED, "io.mtlsd.Agent.Disconnected", EXIT_UNREACHABLE},
    {MTLS_TIMEOUT, "io.mtlsd.Agent.Timeout", EXIT_UNREACHABLE},
    {MTLS_PROTOCOL, "io.mtlsd.Agent.Protocol", EXIT_UNREACHABLE},
    {MTLS_BUSY, "io.mtlsd.Agent.Busy", EXIT_LATER},
    {MTLS_BAD_REQUEST, "io.mtlsd.Agent.BadRequest", EXIT_WRONG},
    {MTLS_UNKNOWN_ERROR, "io.mtlsd.Agent.Internal", EXIT_UNREACHABLE},
};

int report_failure(const struct cli *cli, const struct failure *failure)
{
    const char *name = failure_name(failure->code);
    output_failure(cli->options.json, stdout, stderr, name ? name : "io.mtlsd.Agent.Internal",
                   output_failure_parameters(failure), failure->reason);
    return failure_exit_code(failure->code);
}

int report_memory(const struct cli *cli)
{
    struct failure failure;
    failure_set(&failure, FAILURE_INTERNAL, NULL, "out of memory");
    return report_failure(cli, &failure);
}

/* Appends " --option value", quoted for a shell. What does not fit is left out whole. */
static void append_option(char *out, size_t size, const char *option, const char *value)
{
    char *quoted = value ? output_quote(value) : NULL;
    size_t used = strlen(out);
    if (quoted && used + strlen(option) + strlen(quoted) + 3 < size)
        snprintf(out + used, size - used, " %s %s", option, quoted);
    free(quoted);
}

void report_explain_line(const struct cli *cli, const char *operation, char *out, size_t size)
{
    const struct options *options = &cli->options;
    snprintf(out, size, "mtlsctl policy explain %s", *operation ? operation : "read");
    append_option(out, size, "--socket", options->socket);
    append_option(out, size, "--service", options->service);
    bool issuing = cli->command && (!strcmp(cli->command->name, "issue"));
    bool targeted = cli->command && strstr(cli->command->operands, "SERIAL");
    if (cli->operand_count && (issuing || (targeted && !target_is_serial(cli->operands[0]))))
        append_option(out, size, "--name", cli->operands[0]);
    else if (cli->operand_count && targeted)
        append_option(out, size, "--serial", cli->operands[0]);
    else
        append_option(out, size, "--name", options->name);
    if (!cli->operand_count)
        append_option(out, size, "--serial", options->serial);
    for (size_t i = 0; i < options->sans.count; i++)
        append_option(out, size, "--san", options->sans.items[i]);
    append_option(out, size, "--profile", options->profile);
    append_option(out, size, "--life", *options->life ? options->life : NULL);
    append_option(out, size, "--key-type", options->key_type);
}

/* A directory where the socket should be is most often the state directory. */
static int report_no_socket(const struct cli *cli)
{
    struct failure failure;
    const char *path = agent_socket(cli);
    failure_set(&failure, FAILURE_BAD_REQUEST, "--socket",
                "%s is a directory: the state directory is mtlsd's business, "
                "mtlsctl talks to the agent's socket, as in --socket %s",
                path, MTLS_DEFAULT_SOCKET);
    return report_failure(cli, &failure);
}

static int report_own(const struct cli *cli, const char *sentence)
{
    enum mtls_code code = mtls_error_code(cli->mtls);
    const char *name = "io.mtlsd.Agent.Internal";
    int exit_code = EXIT_UNREACHABLE;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (own[i].code == code) {
            name = own[i].name;
            exit_code = own[i].exit_code;
        }
    json_t *parameters = json_object();
    output_set(parameters, "reason", sentence);
    if (code == MTLS_UNREACHABLE)
        output_set(parameters, "socket", agent_socket(cli));
    if (code == MTLS_BAD_REQUEST)
        output_set(parameters, "field", mtls_error_field(cli->mtls));
    output_failure(cli->options.json, stdout, stderr, name, parameters, sentence);
    return exit_code;
}

int report_agent(const struct cli *cli, const char *note)
{
    enum mtls_code code = mtls_error_code(cli->mtls);
    const char *name = mtls_error_name(cli->mtls);
    struct stat status;
    if (code == MTLS_UNREACHABLE && stat(agent_socket(cli), &status) == 0 && S_ISDIR(status.st_mode))
        return report_no_socket(cli);
    char line[1024], sentence[SENTENCE_SIZE];
    const char *before = "";
    line[0] = '\0';
    if (code == MTLS_NOT_PERMITTED && !strstr(mtls_error_message(cli->mtls), "; try: ")) {
        before = "; try: ";
        report_explain_line(cli, mtls_error_operation(cli->mtls), line, sizeof line);
    } else if (code == MTLS_UNREACHABLE) {
        before = " (--socket or MTLS_SOCKET names another)";
    } else if (code == MTLS_LOCKED && !strstr(mtls_error_message(cli->mtls), "mtlsctl unlock")) {
        before = "; mtlsctl unlock opens the CA key";
    }
    snprintf(sentence, sizeof sentence, "%s%s%s%s%s", mtls_error_message(cli->mtls), before, line,
             note ? "; " : "", note ? note : "");
    if (!*name)
        return report_own(cli, sentence);
    output_failure(cli->options.json, stdout, stderr, name,
                   json_loads(mtls_error_parameters(cli->mtls), 0, NULL), sentence);
    for (size_t i = 0; !cli->options.json && i < mtls_error_serial_count(cli->mtls); i++) {
        fputs("    ", stderr);
        output_text(stderr, mtls_error_serial(cli->mtls, i));
        fputc('\n', stderr);
    }
    return code == MTLS_UNKNOWN_ERROR ? EXIT_UNREACHABLE : failure_exit_code(failure_from_name(name));
}
