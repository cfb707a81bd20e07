/*
 * renew.c - mtlsctl renew: the same names and profile again, for a new key or that of a CSR.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/commands.h"
#include "client/cli/csr.h"
#include "client/cli/due.h"
#include "client/cli/local.h"
#include "client/cli/output.h"
#include "client/cli/report.h"
#include "client/cli/request.h"
#include "client/cli/target.h"
#include "proto/term.h"

static int perform(struct cli *cli, struct delivery *delivery, const struct mtls_renew_request *asked,
                   bool replace, const char *due)
{
    struct failure failure;
    bool dry = cli->options.dry_run;
    if (delivery_open(delivery, replace, dry ? OUTPUT_LOOK : OUTPUT_OPEN, &failure))
        return report_failure(cli, &failure);
    struct request_id id;
    request_id_make(&id);
    struct mtls_renew_request request = *asked;
    request.request_id = dry ? NULL : id.text;
    request.dry_run = dry;
    struct mtls_issue_result *result;
    if (mtls_renew(agent_open(cli), &request, &result))
        return report_agent(cli, request_id_note(cli, &id));
    int exit_code =
        dry ? delivery_tell_dry(cli, delivery, result) : delivery_finish(cli, delivery, result, due);
    mtls_result_free(result);
    return exit_code;
}

/* Without files there is only the index to look at. */
static int record_is_due(const struct cli *cli, const struct mtls_get_result *record, char *reason,
                         size_t size)
{
    int64_t now = time(NULL), start, end;
    char left[TIME_LEFT_SIZE];
    if (instant_parse(record->certificate->not_before, &start) ||
        instant_parse(record->certificate->not_after, &end))
        return 1;
    output_time_left(record->certificate->not_after, now, left);
    snprintf(reason, size, "%s%s", end > now ? "expires in " : "", left);
    return due_is_near(&cli->options.if_due, start, end, now);
}

static int run_if_due(struct cli *cli, struct delivery *delivery, const struct mtls_renew_request *request,
                      const struct csr_text *csr, const struct mtls_get_result *record)
{
    char reason[DUE_REASON_SIZE] = "";
    if (!delivery->certificate)
        return record_is_due(cli, record, reason, sizeof reason)
                   ? perform(cli, delivery, request, cli->options.force, reason)
                   : delivery_tell_unchanged(cli, delivery, record);
    struct due_question question = {.delivery = delivery,
                                    .name = record->certificate->name,
                                    .csr = csr->data,
                                    .csr_length = csr->length};
    struct due_answer answer;
    int exit_code;
    if (due_ask(cli, &question, &answer, &exit_code))
        return exit_code;
    exit_code = answer.due
                    ? perform(cli, delivery, request, cli->options.force || answer.replaceable, answer.reason)
                    : delivery_tell_unchanged(cli, delivery, answer.found);
    due_answer_clear(&answer);
    return exit_code;
}

/* The certificate in the file that is to be replaced. After a renewal the old one of the same name is live
 * too, and the file tells which of them is meant. False where there is none of that name. */
static bool serial_of_file(const struct cli *cli, const char *name, char serial[static SERIAL_TEXT_SIZE])
{
    const struct options *options = &cli->options;
    const char *base = options->out_name ? options->out_name : name;
    char *path = !options->out          ? NULL
                 : options->csr         ? strdup(options->out)
                 : file_name_safe(base) ? file_join(options->out, base, ".crt")
                                        : NULL;
    struct failure ignored;
    STACK_OF(X509) *certificates =
        path && file_exists(path) ? local_certificates(path, "the certificate", &ignored) : NULL;
    struct certificate_facts facts = {0};
    bool found = certificates && local_facts(sk_X509_value(certificates, 0), path, &facts, &ignored) == 0 &&
                 !strcmp(facts.names.common_name, name);
    if (found)
        serial_format(&facts.serial, serial);
    certificate_facts_clear(&facts);
    local_certificates_free(certificates);
    free(path);
    return found;
}

/* Which certificate is it? Its name makes the names of the files, which are checked before it is renewed. */
static struct mtls_get_result *find(struct cli *cli, struct target *target)
{
    struct mtls_get_result *record;
    char serial[SERIAL_TEXT_SIZE];
    if (target->name && !cli->options.label && serial_of_file(cli, target->name, serial)) {
        struct mtls_get_request request = {.serial = serial, .service = cli->options.service};
        if (mtls_get(agent_open(cli), &request, &record) == 0) {
            target->name = NULL;
            return record;
        }
    }
    do {
        struct mtls_get_request request = {
            .serial = target->serial,
            .name = target->name,
            .label = cli->options.label,
            .service = cli->options.service,
        };
        if (mtls_get(agent_open(cli), &request, &record) == 0)
            return record;
    } while (mtls_error_code(cli->mtls) == MTLS_NOT_FOUND && target_flip(cli, target));
    return NULL;
}

static int run_planned(struct cli *cli, struct delivery *delivery, const struct csr_text *csr,
                       const struct target *target, const struct mtls_get_result *record)
{
    const struct options *options = &cli->options;
    struct mtls_renew_request request = {
        .serial = target->name ? NULL : record->certificate->serial,
        .name = target->name,
        .label = target->name ? options->label : NULL,
        .service = options->service,
        .csr = csr->text,
        .life = *options->life ? options->life : NULL,
        .key_type = options->key_type,
    };
    return options->if_due.given ? run_if_due(cli, delivery, &request, csr, record)
                                 : perform(cli, delivery, &request, options->force, NULL);
}

static int run_found(struct cli *cli, const struct csr_text *csr, const struct target *target,
                     const struct mtls_get_result *record)
{
    struct delivery delivery = {0};
    struct failure failure;
    int exit_code, failed = csr->text
                                ? delivery_plan_certificate(cli, &delivery, &failure)
                                : delivery_plan_pair(cli, &delivery, record->certificate->name, &failure);
    exit_code = failed ? report_failure(cli, &failure) : run_planned(cli, &delivery, csr, target, record);
    delivery_clear(&delivery);
    return exit_code;
}

static int check_options(const struct cli *cli, struct failure *failure)
{
    const struct options *options = &cli->options;
    if (options->csr && (options->p12 || options->key_type || options->out_name))
        return failure_set(failure, FAILURE_BAD_REQUEST, "--csr",
                           "--csr brings its own key: --p12, --key-type and --out-name do not go with it");
    if (!options->csr && !options->out && !options->p12)
        return failure_set(failure, FAILURE_BAD_REQUEST, "--out",
                           "where is the new key to go? --out DIR writes key and certificate there; "
                           "--csr FILE renews for the key of a CSR");
    return 0;
}

static int run(struct cli *cli)
{
    struct target target;
    struct failure failure;
    struct csr_text csr = {0};
    if (target_take(cli, &target, &failure) || check_options(cli, &failure) ||
        (cli->options.csr && csr_read(cli->options.csr, &csr, &failure)))
        return report_failure(cli, &failure);
    struct mtls_get_result *record = find(cli, &target);
    int exit_code = record ? run_found(cli, &csr, &target, record) : report_agent(cli, NULL);
    mtls_result_free(record);
    csr_clear(&csr);
    return exit_code;
}

const struct command command_renew = {
    .name = "renew",
    .operands = "SERIAL|NAME",
    .least = 0,
    .most = 1,
    .run = run,
    .summary = "a new certificate with the same names and profile",
    .examples = "mtlsctl renew alice --out . --if-due 33%\n"
                "    from a timer: does nothing until a third of its life is left\n"
                "mtlsctl renew alice --label MacBook --out . --force\n"
                "    now, replacing ./alice.key and ./alice.crt\n"
                "mtlsctl renew web --csr web.csr --out web.crt --force\n"
                "    for the key of a CSR, which stays where it is\n",
    .description = "Names, profile and label are those of the live certificate; the key is a new\n"
                   "one of the agent's, or that of --csr, and then --out is a FILE, or the\n"
                   "certificate goes to standard output. The old certificate stays valid until it\n"
                   "ends or is revoked. A NAME with several live certificates is a conflict that\n"
                   "--label or a serial decides.\n",
    .options = "out out-name csr name serial label service life days key-type p12 passphrase-file if-due "
               "dry-run force",
};
