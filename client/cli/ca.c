/*
 * ca.c - mtlsctl ca: the CA's own certificate, for those who are to trust it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/files.h"
#include "client/cli/output.h"
#include "client/cli/report.h"

static int write_file(const struct cli *cli, struct outputs *outputs,
                      const struct mtls_get_authority_result *authority)
{
    struct failure failure;
    if (outputs_write(outputs, 0, authority->pem, strlen(authority->pem), &failure) ||
        outputs_commit(outputs, &failure))
        return report_failure(cli, &failure);
    return EXIT_DONE;
}

static int run_opened(struct cli *cli, struct outputs *outputs)
{
    struct mtls_get_authority_result *authority;
    if (mtls_get_authority(agent_open(cli), &authority))
        return report_agent(cli, NULL);
    int exit_code = cli->options.out ? write_file(cli, outputs, authority) : EXIT_DONE;
    if (exit_code == EXIT_DONE && cli->options.json)
        exit_code = output_json(stdout, output_result(authority)) ? report_memory(cli) : EXIT_DONE;
    else if (exit_code == EXIT_DONE && !cli->options.out)
        fputs(authority->pem, stdout);
    mtls_result_free(authority);
    return exit_code;
}

static int run(struct cli *cli)
{
    struct outputs outputs = {0};
    struct failure failure;
    int exit_code;
    if (cli->options.out &&
        outputs_add(&outputs, cli->options.out, 0644, cli->options.force, OUTPUT_OPEN, &failure))
        exit_code = report_failure(cli, &failure);
    else
        exit_code = run_opened(cli, &outputs);
    outputs_clear(&outputs);
    return exit_code;
}

const struct command command_ca = {
    .name = "ca",
    .operands = "",
    .least = 0,
    .most = 0,
    .run = run,
    .summary = "the CA's own certificate",
    .examples = "mtlsctl ca > ca.crt\n"
                "    what nginx wants as ssl_client_certificate\n"
                "mtlsctl ca --out /etc/nginx/ca.crt --force\n"
                "    replaced atomically\n"
                "mtlsctl ca --json\n"
                "    name, fingerprint, key type and times too\n",
    .description = "Anybody may ask for it. PEM, on standard output unless --out.\n",
    .options = "out force",
};
