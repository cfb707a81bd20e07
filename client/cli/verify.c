/*
 * verify.c - mtlsctl verify: the agent's verdict, or with --anchors path validation done here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/commands.h"
#include "client/cli/local.h"
#include "client/cli/output.h"
#include "client/cli/report.h"
#include "client/cli/verify_path.h"
#include "proto/term.h"

enum { INTERMEDIATES_MAX = 16 };

/* --- the agent's verdict --- */

static int tell(const struct cli *cli, const struct mtls_verify_result *verdict)
{
    int exit_code = verdict->valid ? EXIT_DONE : EXIT_NO;
    if (cli->options.json)
        return output_json(stdout, output_result(verdict)) ? report_memory(cli) : exit_code;
    const struct mtls_identity *identity = verdict->identity;
    fputs(verdict->valid ? "valid" : "not valid: ", stdout);
    if (!verdict->valid)
        output_text(stdout, verdict->reason ? verdict->reason : "no reason given");
    fputc('\n', stdout);
    output_fact(stdout, "detail", verdict->detail);
    if (identity) {
        char left[TIME_LEFT_SIZE];
        output_time_left(identity->not_after, time(NULL), left);
        output_fact(stdout, "name", identity->name);
        output_fact(stdout, "subject", identity->subject);
        output_fact_list(stdout, "SAN", &identity->sans);
        output_fact(stdout, "serial", identity->serial);
        output_fact(stdout, "authority", identity->authority);
        output_fact(stdout, "profile", identity->profile);
        output_fact(stdout, "not after", identity->not_after);
        output_fact(stdout, "expires in", left);
    }
    return exit_code;
}

/* The leaf's PEM, and that of everything else in `certificates`, appended to texts. */
static int to_pem(STACK_OF(X509) *certificates, int from, char **texts, size_t *count,
                  struct failure *failure)
{
    for (int i = from; certificates && i < sk_X509_num(certificates); i++) {
        if (*count == INTERMEDIATES_MAX)
            return failure_set(failure, FAILURE_BAD_REQUEST, "--chain",
                               "more than %d intermediate certificates", INTERMEDIATES_MAX);
        texts[*count] = local_pem(sk_X509_value(certificates, i));
        if (!texts[*count])
            return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
        ++*count;
    }
    return 0;
}

static int ask(struct cli *cli, STACK_OF(X509) *certificates, STACK_OF(X509) *chain)
{
    const struct options *options = &cli->options;
    char *texts[INTERMEDIATES_MAX] = {NULL}, *leaf = local_pem(sk_X509_value(certificates, 0)),
         at[INSTANT_TEXT_SIZE];
    size_t count = 0;
    struct failure failure;
    int exit_code;
    if (options->at_seconds >= 0)
        instant_format(options->at_seconds, at);
    struct mtls_verify_request request = {
        .certificate = leaf,
        .service = options->service,
        .purpose = options->purpose,
        .at = options->at_seconds >= 0 ? at : NULL,
        .method = options->method,
        .uri = options->uri,
        .host = options->host,
        .address = options->address,
    };
    struct mtls_verify_result *verdict;
    if (!leaf) {
        exit_code = report_memory(cli);
    } else if (to_pem(certificates, 1, texts, &count, &failure) ||
               to_pem(chain, 0, texts, &count, &failure)) {
        exit_code = report_failure(cli, &failure);
    } else {
        request.intermediates = (struct mtls_text_list){(const char *const *)texts, count};
        if (mtls_verify(agent_open(cli), &request, &verdict)) {
            exit_code = report_agent(cli, NULL);
        } else {
            exit_code = tell(cli, verdict);
            mtls_result_free(verdict);
        }
    }
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(leaf);
    return exit_code;
}

/* What only one of the two ways can look at is refused in the other, rather than not looked at. */
static int check_options(const struct options *options, struct failure *failure)
{
    const struct {
        const char *name;
        bool given, with_anchors;
    } exclusive[] = {
        {"--crl", options->crls.count > 0, true},
        {"--dns", options->dns != NULL, true},
        {"--partial-chain", options->partial_chain, true},
        {"--strict", options->strict, true},
        {"--explicit-policy", options->explicit_policy, true},
        {"--service", options->service != NULL, false},
        {"--method", options->method != NULL, false},
        {"--uri", options->uri != NULL, false},
        {"--host", options->host != NULL, false},
        {"--address", options->address != NULL, false},
    };
    for (size_t i = 0; i < sizeof exclusive / sizeof exclusive[0]; i++)
        if (exclusive[i].given && exclusive[i].with_anchors != (options->anchors != NULL))
            return failure_set(failure, FAILURE_BAD_REQUEST, exclusive[i].name, "%s is %s --anchors FILE",
                               exclusive[i].name,
                               options->anchors ? "for the agent's verdict and does not go with"
                                                : "for path validation and needs");
    return 0;
}

static int run(struct cli *cli)
{
    struct failure failure;
    STACK_OF(X509) *certificates = NULL, *chain = NULL;
    int exit_code;
    if (check_options(&cli->options, &failure) ||
        !(certificates = local_certificates(cli->operands[0], "the certificate", &failure)) ||
        (cli->options.chain && !(chain = local_certificates(cli->options.chain, "the chain", &failure))))
        exit_code = report_failure(cli, &failure);
    else if (cli->options.anchors)
        exit_code = verify_path(cli, certificates, chain);
    else
        exit_code = ask(cli, certificates, chain);
    local_certificates_free(certificates);
    local_certificates_free(chain);
    return exit_code;
}

const struct command command_verify = {
    .name = "verify",
    .operands = "CERT",
    .least = 1,
    .most = 1,
    .run = run,
    .summary = "is this certificate good?",
    .examples =
        "mtlsctl verify alice.crt\n"
        "    the agent's verdict: ours, within its times, not revoked, and let in by policy\n"
        "mtlsctl verify alice.crt --service admin --at 2027-01-31T12:00:00Z\n"
        "    for another service, as of another time\n"
        "mtlsctl verify web.crt --anchors ca.crt --crl ca.crl --purpose server --dns web.example.com\n"
        "    path validation alone, of any PKI; needs no agent\n",
    .description = "CERT is a file with PEM (further certificates in it are intermediates) or DER;\n"
                   "- is standard input. Ends 0 where it is valid and 1 where it is not.\n\n"
                   "With --anchors the path is validated here as RFC 5280 says: times, signatures,\n"
                   "constraints, policies, purposes and, where CRLs are given, revocation with\n"
                   "scopes and deltas. No index is asked and no policy.\n",
    .options =
        "chain service purpose at method uri host address anchors crl dns partial-chain strict explicit-policy",
};
