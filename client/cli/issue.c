/*
 * issue.c - mtlsctl issue: the agent makes key pair and certificate, the files appear together.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/commands.h"
#include "client/cli/due.h"
#include "client/cli/report.h"
#include "client/cli/request.h"

static int plan(struct cli *cli, const void *request, struct mtls_issue_result **out)
{
    struct mtls_issue_request dry = *(const struct mtls_issue_request *)request;
    dry.dry_run = true;
    return mtls_issue(cli->mtls, &dry, out);
}

static int perform(struct cli *cli, struct delivery *delivery, const struct mtls_issue_request *asked,
                   bool replace, const char *due)
{
    struct failure failure;
    bool dry = cli->options.dry_run;
    if (delivery_open(delivery, replace, dry ? OUTPUT_LOOK : OUTPUT_OPEN, &failure))
        return report_failure(cli, &failure);
    struct request_id id;
    request_id_make(&id);
    struct mtls_issue_request request = *asked;
    request.request_id = dry ? NULL : id.text;
    request.dry_run = dry;
    struct mtls_issue_result *result;
    if (mtls_issue(agent_open(cli), &request, &result))
        return report_agent(cli, request_id_note(cli, &id));
    int exit_code =
        dry ? delivery_tell_dry(cli, delivery, result) : delivery_finish(cli, delivery, result, due);
    mtls_result_free(result);
    return exit_code;
}

static int run_planned(struct cli *cli, struct delivery *delivery)
{
    const struct options *options = &cli->options;
    struct mtls_issue_request request = {
        .name = cli->operands[0],
        .sans = request_sans(options),
        .profile = options->profile,
        .service = options->service,
        .label = options->label,
        .life = *options->life ? options->life : NULL,
        .key_type = options->key_type,
    };
    if (!options->if_due.given)
        return perform(cli, delivery, &request, options->force, NULL);
    struct due_question question = {.delivery = delivery,
                                    .name = request.name,
                                    .plan = plan,
                                    .request = &request};
    struct due_answer answer;
    int exit_code;
    if (due_ask(cli, &question, &answer, &exit_code))
        return exit_code;
    exit_code = answer.due
                    ? perform(cli, delivery, &request, options->force || answer.replaceable, answer.reason)
                    : delivery_tell_unchanged(cli, delivery, answer.found);
    due_answer_clear(&answer);
    return exit_code;
}

static int run(struct cli *cli)
{
    struct delivery delivery = {0};
    struct failure failure;
    int exit_code;
    if (cli->options.if_due.given && !cli->options.out) {
        failure_set(&failure, FAILURE_BAD_REQUEST, "--if-due", "--if-due looks at the files of --out DIR");
        return report_failure(cli, &failure);
    }
    if (delivery_plan_pair(cli, &delivery, cli->operands[0], &failure))
        exit_code = report_failure(cli, &failure);
    else
        exit_code = run_planned(cli, &delivery);
    delivery_clear(&delivery);
    return exit_code;
}

const struct command command_issue = {
    .name = "issue",
    .operands = "NAME",
    .least = 1,
    .most = 1,
    .run = run,
    .summary = "make a key pair and a certificate for it",
    .examples = "mtlsctl issue alice --out .\n"
                "    writes ./alice.key (0600) and ./alice.crt, for the profile's life\n"
                "mtlsctl issue alice@example.com --profile person --label MacBook --p12 alice.p12\n"
                "    one file for a browser or a phone; asks for its passphrase\n"
                "mtlsctl issue app7 --san DNS:app7.example.com --out /etc/app --if-due 33%\n"
                "    from a timer: renews when a third of its life is left, else does nothing\n",
    .description = "NAME becomes the CN of the certificate. Without --san the profile decides\n"
                   "what is added; a NAME with an @ becomes an email SAN, a host name or a\n"
                   "single word a DNS SAN. The key pair is made by the agent, is told once and\n"
                   "kept nowhere, unless the profile says keep=.\n\n"
                   "All output paths are checked before the agent is asked; the files are\n"
                   "replaced atomically, and none that exists is replaced without --force.\n"
                   "NAME.crt holds the certificate, then the intermediates.\n",
    .options =
        "out out-name san profile service label life days key-type p12 passphrase-file if-due dry-run force",
};
