/*
 * sign.c - mtlsctl sign: a certificate for the key of a CSR.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/csr.h"
#include "client/cli/due.h"
#include "client/cli/report.h"
#include "client/cli/request.h"

static int plan(struct cli *cli, const void *request, struct mtls_issue_result **out)
{
    struct mtls_sign_request dry = *(const struct mtls_sign_request *)request;
    dry.dry_run = true;
    return mtls_sign(cli->mtls, &dry, out);
}

static int perform(struct cli *cli, struct delivery *delivery, const struct mtls_sign_request *asked,
                   bool replace, const char *due)
{
    struct failure failure;
    bool dry = cli->options.dry_run;
    if (delivery_open(delivery, replace, dry ? OUTPUT_LOOK : OUTPUT_OPEN, &failure))
        return report_failure(cli, &failure);
    struct request_id id;
    request_id_make(&id);
    struct mtls_sign_request request = *asked;
    request.request_id = dry ? NULL : id.text;
    request.dry_run = dry;
    struct mtls_issue_result *result;
    if (mtls_sign(agent_open(cli), &request, &result))
        return report_agent(cli, request_id_note(cli, &id));
    int exit_code =
        dry ? delivery_tell_dry(cli, delivery, result) : delivery_finish(cli, delivery, result, due);
    mtls_result_free(result);
    return exit_code;
}

static int run_with_csr(struct cli *cli, struct delivery *delivery, const struct csr_text *csr)
{
    const struct options *options = &cli->options;
    struct mtls_sign_request request = {
        .csr = csr->text,
        .name = options->name,
        .sans = request_sans(options),
        .profile = options->profile,
        .service = options->service,
        .label = options->label,
        .life = *options->life ? options->life : NULL,
    };
    if (!options->if_due.given)
        return perform(cli, delivery, &request, options->force, NULL);
    struct due_question question = {
        .delivery = delivery,
        .name = options->name,
        .csr = csr->data,
        .csr_length = csr->length,
        .plan = plan,
        .request = &request,
    };
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
    struct csr_text csr;
    struct failure failure;
    if (cli->options.if_due.given && !cli->options.out) {
        failure_set(&failure, FAILURE_BAD_REQUEST, "--if-due", "--if-due looks at the file of --out FILE");
        return report_failure(cli, &failure);
    }
    if (csr_read(cli->operands[0], &csr, &failure))
        return report_failure(cli, &failure);
    int exit_code;
    if (delivery_plan_certificate(cli, &delivery, &failure))
        exit_code = report_failure(cli, &failure);
    else
        exit_code = run_with_csr(cli, &delivery, &csr);
    delivery_clear(&delivery);
    csr_clear(&csr);
    return exit_code;
}

const struct command command_sign = {
    .name = "sign",
    .operands = "CSR",
    .least = 1,
    .most = 1,
    .run = run,
    .summary = "sign a certificate request (CSR)",
    .examples = "mtlsctl sign alice.csr --out alice.crt\n"
                "    the key stays where it was made\n"
                "mtlsctl sign pki/reqs/alice.req --san DNS:alice.example.com\n"
                "    a request of easyrsa gen-req has no SAN: the signer gives it\n"
                "openssl req -new -key web.key -subj /CN=web | mtlsctl sign - --profile server\n"
                "    from standard input; the certificate goes to standard output\n",
    .description = "CSR is a file with PEM or DER; - is standard input. Its signature must prove\n"
                   "possession of the key. What it asks for is a wish: of its subject the CN, and\n"
                   "of its SANs those that are allowed, are taken; everything else is ignored and\n"
                   "told. --name and --san take the place of what the CSR says.\n",
    .options = "out name san profile service label life days if-due dry-run force",
};
