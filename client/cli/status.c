/*
 * status.c - mtlsctl status: how agent and keeper are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "client/cli/report.h"

static void tell_keeper(const struct mtls_keeper *keeper)
{
    char process[64];
    output_fact(stdout, "keeper", keeper->state);
    snprintf(process, sizeof process, "pid %lld, uid %lld", (long long)keeper->pid, (long long)keeper->uid);
    output_fact(stdout, "keeper process", process);
    for (size_t i = 0; i < keeper->walls.count; i++) {
        fputs(i ? " " : "keeper walls:   ", stdout);
        output_text(stdout, keeper->walls.items[i]);
    }
    if (keeper->walls.count)
        fputc('\n', stdout);
    output_fact_number(stdout, "signatures", keeper->signatures);
}

static void tell_counts(const struct mtls_status_result *status)
{
    char text[128];
    snprintf(text, sizeof text, "%lld live, %lld revoked, %lld expired", (long long)status->live,
             (long long)status->revoked, (long long)status->expired);
    output_fact(stdout, "certificates", text);
    output_fact_number(stdout, "alarms", status->alarms);
    output_fact_number(stdout, "connections", status->connections);
    output_fact_number(stdout, "requests", status->requests);
    snprintf(text, sizeof text, "%lld, of %lld changes, with %lld syncs, %lld while signing went on",
             (long long)status->commits, (long long)status->committed, (long long)status->syncs,
             (long long)status->overlapped);
    output_fact(stdout, "commits", text);
    if (status->crl_at) {
        snprintf(text, sizeof text, "%lld of %.32s", (long long)status->crl_number, status->crl_at);
        output_fact(stdout, "CRL", text);
    }
}

static void tell(const struct mtls_status_result *status)
{
    char process[64];
    output_fact(stdout, "state", status->state);
    output_fact(stdout, "authority", status->authority);
    output_fact(stdout, "version", status->version);
    snprintf(process, sizeof process, "pid %lld, uid %lld", (long long)status->pid, (long long)status->uid);
    output_fact(stdout, "agent process", process);
    output_fact(stdout, "sandbox", status->sandbox);
    if (status->keeper)
        tell_keeper(status->keeper);
    output_fact_number(stdout, "policy", status->policy_generation);
    output_fact(stdout, "policy error", status->policy_error);
    tell_counts(status);
    output_fact(stdout, "epoch page", status->page);
    output_fact(stdout, "epoch", status->epoch);
    output_fact(stdout, "started at", status->started_at);
    output_fact_list(stdout, "warning", &status->warnings);
}

static int run(struct cli *cli)
{
    struct mtls_status_result *status;
    if (mtls_status(agent_open(cli), &status))
        return report_agent(cli, NULL);
    int exit_code = EXIT_DONE;
    if (cli->options.json)
        exit_code = output_json(stdout, output_result(status)) ? report_memory(cli) : EXIT_DONE;
    else
        tell(status);
    mtls_result_free(status);
    return exit_code;
}

const struct command command_status = {
    .name = "status",
    .operands = "",
    .least = 0,
    .most = 0,
    .run = run,
    .summary = "how agent and keeper are",
    .examples = "mtlsctl status\n"
                "    state, processes, sandboxes, certificates, warnings\n"
                "mtlsctl status --json\n"
                "    the same for a program\n"
                "mtlsctl status --socket /run/other/agent.sock\n"
                "    of another agent\n",
    .description = "The state is ready, locked (mtlsctl unlock opens the CA key; verifying and\n"
                   "revoking go on meanwhile), or keeperAway.\n",
    .options = "",
};
