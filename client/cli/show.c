/*
 * show.c - mtlsctl show: what the index knows about one certificate.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <time.h>

#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "client/cli/report.h"
#include "client/cli/target.h"

static void tell_pem(const struct mtls_get_result *record)
{
    for (size_t i = 0; i <= record->chain.count; i++) {
        const char *pem = i == 0 ? record->pem : record->chain.items[i - 1];
        size_t length = strlen(pem);
        printf("%s%s", pem, length && pem[length - 1] == '\n' ? "" : "\n");
    }
}

static void tell_facts(const struct mtls_certificate *certificate)
{
    char left[TIME_LEFT_SIZE];
    output_time_left(certificate->not_after, time(NULL), left);
    output_fact(stdout, "name", certificate->name);
    output_fact(stdout, "label", certificate->label);
    output_fact(stdout, "serial", certificate->serial);
    output_fact(stdout, "status", certificate->status);
    output_fact(stdout, "reason", certificate->reason);
    output_fact(stdout, "revoked at", certificate->revoked_at);
    output_fact(stdout, "subject", certificate->subject);
    output_fact_list(stdout, "SAN", &certificate->sans);
    output_fact(stdout, "profile", certificate->profile);
    output_fact(stdout, "service", certificate->service);
    output_fact(stdout, "not before", certificate->not_before);
    output_fact(stdout, "not after", certificate->not_after);
    output_fact(stdout, "expires in", left);
    output_fact(stdout, "issued at", certificate->issued_at);
    output_fact_number(stdout, "issued for uid", certificate->requester_uid);
    output_fact(stdout, "authority", certificate->authority);
    output_fact(stdout, "SHA-256", certificate->fingerprint);
    output_fact(stdout, "last seen", certificate->last_seen);
    output_fact(stdout, "last service", certificate->last_service);
    output_fact(stdout, "last address", certificate->last_address);
}

static int tell(const struct cli *cli, const struct mtls_get_result *record)
{
    if (cli->options.json)
        return output_json(stdout, output_result(record)) ? report_memory(cli) : EXIT_DONE;
    if (cli->options.pem)
        tell_pem(record);
    else
        tell_facts(record->certificate);
    return EXIT_DONE;
}

static int run(struct cli *cli)
{
    struct target target = {0};
    struct failure failure;
    const struct options *options = &cli->options;
    bool targeted = cli->operand_count || options->serial || options->name;
    if (targeted && options->request_id) {
        failure_set(&failure, FAILURE_BAD_REQUEST, "--request-id",
                    "--request-id takes the place of SERIAL|NAME");
        return report_failure(cli, &failure);
    }
    if (!options->request_id && target_take(cli, &target, &failure))
        return report_failure(cli, &failure);
    do {
        struct mtls_get_request request = {
            .serial = target.serial,
            .name = target.name,
            .label = options->label,
            .request_id = options->request_id,
            .service = options->service,
        };
        struct mtls_get_result *record;
        if (mtls_get(agent_open(cli), &request, &record) == 0) {
            int exit_code = tell(cli, record);
            mtls_result_free(record);
            return exit_code;
        }
    } while (mtls_error_code(cli->mtls) == MTLS_NOT_FOUND && target_flip(cli, &target));
    return report_agent(cli, NULL);
}

const struct command command_show = {
    .name = "show",
    .operands = "SERIAL|NAME",
    .least = 0,
    .most = 1,
    .run = run,
    .summary = "one certificate: its names, times, status, who asked",
    .examples = "mtlsctl show alice\n"
                "    the facts, one a line\n"
                "mtlsctl show alice --pem > alice.crt\n"
                "    the certificate itself, then the intermediates\n"
                "mtlsctl show --request-id 5f1c0e9ab2\n"
                "    what became of a call whose answer was lost\n",
    .description = "A word of 16 hex digits or more, or with colons, is taken for a serial, any\n"
                   "other for a NAME; where nothing is found, the other way round. --serial and\n"
                   "--name say which it is.\n",
    .options = "pem name serial label request-id service",
};
