/*
 * delivery.c - paths from options, outputs from results, and the words about them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/delivery.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/output.h"
#include "client/cli/report.h"

void delivery_clear(struct delivery *delivery)
{
    outputs_clear(&delivery->outputs);
    passphrase_wipe(&delivery->passphrase);
    free(delivery->key);
    free(delivery->certificate);
    free(delivery->p12);
    memset(delivery, 0, sizeof *delivery);
}

static int refuse_memory(struct failure *failure)
{
    return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
}

static int plan_p12(const struct cli *cli, struct delivery *delivery, struct failure *failure)
{
    const struct options *options = &cli->options;
    if (!options->p12)
        return options->passphrase_file ? failure_set(failure, FAILURE_BAD_REQUEST, "--passphrase-file",
                                                      "--passphrase-file is for --p12 FILE")
                                        : 0;
    delivery->p12 = strdup(options->p12);
    if (!delivery->p12)
        return refuse_memory(failure);
    if (options->dry_run)
        return 0;
    if (passphrase_get(options->passphrase_file, "Passphrase for the PKCS#12 file", true,
                       &delivery->passphrase, failure))
        return -1;
    return delivery->passphrase.length ? 0
                                       : failure_set(failure, FAILURE_BAD_REQUEST, "--passphrase-file",
                                                     "the passphrase of a PKCS#12 file cannot be empty");
}

int delivery_plan_pair(const struct cli *cli, struct delivery *delivery, const char *name,
                       struct failure *failure)
{
    const struct options *options = &cli->options;
    const char *base = options->out_name ? options->out_name : name;
    if (!options->out && !options->p12)
        return failure_set(
            failure, FAILURE_BAD_REQUEST, "--out",
            "where are key and certificate to go? --out DIR writes DIR/NAME.key and DIR/NAME.crt: "
            "mtlsctl %s %s --out .",
            cli->command->name, name);
    if (options->out && !file_name_safe(base))
        return failure_set(
            failure, FAILURE_BAD_REQUEST, "--out-name",
            "%s cannot be the name of a file (no '/', no leading '.' or '-', at most %d bytes); "
            "--out-name BASE gives another",
            base, OUTPUT_BASE_MAX);
    if (options->out) {
        delivery->key = file_join(options->out, base, ".key");
        delivery->certificate = file_join(options->out, base, ".crt");
        if (!delivery->key || !delivery->certificate)
            return refuse_memory(failure);
    }
    return plan_p12(cli, delivery, failure);
}

int delivery_plan_certificate(const struct cli *cli, struct delivery *delivery, struct failure *failure)
{
    if (!cli->options.out)
        return 0;
    delivery->certificate = strdup(cli->options.out);
    return delivery->certificate ? 0 : refuse_memory(failure);
}

int delivery_open(struct delivery *delivery, bool replace, enum output_check check, struct failure *failure)
{
    struct outputs *outputs = &delivery->outputs;
    const struct {
        const char *path;
        mode_t mode;
        size_t *at;
    } wanted[] = {
        {delivery->key, 0600, &delivery->key_at},
        {delivery->certificate, 0644, &delivery->certificate_at},
        {delivery->p12, 0600, &delivery->p12_at},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (!wanted[i].path)
            continue;
        *wanted[i].at = outputs->count;
        if (outputs_add(outputs, wanted[i].path, wanted[i].mode, replace, check, failure))
            return -1;
    }
    return 0;
}

/* Leaf, then intermediates, each with a newline at its end. */
static char *join_chain(const struct mtls_issue_result *result, size_t *length)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, length);
    if (!stream)
        return NULL;
    for (size_t i = 0; i <= result->chain.count; i++) {
        const char *pem = i == 0 ? result->pem : result->chain.items[i - 1];
        size_t size = strlen(pem);
        fprintf(stream, "%s%s", pem, size && pem[size - 1] == '\n' ? "" : "\n");
    }
    if (fclose(stream)) {
        free(text);
        return NULL;
    }
    return text;
}

/* The agent packages: the client does not make PKCS#12. Returns 0, or -1 having reported. */
static int write_p12(struct cli *cli, struct delivery *delivery, const struct mtls_issue_result *result,
                     int *exit_code)
{
    struct mtls_export_request request = {
        .serial = result->certificate->serial,
        .service = cli->options.service,
        .format = "p12",
        .private_key = result->private_key,
        .passphrase = delivery->passphrase.text,
    };
    struct mtls_export_result *packaged;
    if (mtls_export(cli->mtls, &request, &packaged)) {
        *exit_code = report_agent(cli, "the certificate is issued, the PKCS#12 file is not written");
        return -1;
    }
    size_t length = 0;
    struct failure failure;
    unsigned char *bytes = mtls_base64_decode(packaged->data, &length);
    int result_code = 0;
    if (!bytes)
        result_code = failure_set(&failure, FAILURE_INTERNAL, NULL, "the agent's PKCS#12 cannot be decoded");
    else
        result_code = outputs_write(&delivery->outputs, delivery->p12_at, bytes, length, &failure);
    mtls_bytes_free(bytes, length);
    mtls_result_free(packaged);
    if (result_code)
        *exit_code = report_failure(cli, &failure);
    return result_code;
}

/* It stands in the index but not here: whoever reads this must know its serial. */
static int report_undelivered(const struct cli *cli, const struct mtls_issue_result *result,
                              const struct failure *failure)
{
    struct failure longer = *failure;
    failure_set(&longer, failure->code, failure->field,
                "%s; certificate %s was issued all the same: mtlsctl revoke %s takes it back",
                failure->reason, result->certificate->serial, result->certificate->serial);
    return report_failure(cli, &longer);
}

static int write_pair(struct delivery *delivery, const struct mtls_issue_result *result, const char *chain,
                      size_t length, struct failure *failure)
{
    if (!result->pem || (delivery->key && !result->private_key))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "the agent's answer lacks the %s",
                           result->pem ? "private key" : "certificate");
    if (delivery->key && outputs_write(&delivery->outputs, delivery->key_at, result->private_key,
                                       strlen(result->private_key), failure))
        return -1;
    return delivery->certificate
               ? outputs_write(&delivery->outputs, delivery->certificate_at, chain, length, failure)
               : 0;
}

/* Adds privateKey (a path) and files to an answer. */
static void add_paths(json_t *object, const struct delivery *delivery)
{
    json_t *files = json_object();
    const struct {
        const char *name, *path;
    } paths[] = {
        {"privateKey", delivery->key},
        {"certificate", delivery->certificate},
        {"p12", delivery->p12},
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (paths[i].path)
            output_set(files, paths[i].name, paths[i].path);
    if (delivery->key)
        output_set(object, "privateKey", delivery->key);
    json_object_set_new(object, "files", files);
}

static void tell_certificate(FILE *out, const char *verb, const struct mtls_certificate *certificate)
{
    char left[TIME_LEFT_SIZE];
    output_time_left(certificate->not_after, time(NULL), left);
    fprintf(out, "%s ", verb);
    output_text(out, certificate->name);
    if (*certificate->serial) {
        fprintf(out, ", serial ");
        output_text(out, certificate->serial);
    }
    fprintf(out, ", expires in %s\n", left);
}

static void tell_paths(FILE *out, const struct delivery *delivery)
{
    output_fact(out, "key", delivery->key);
    output_fact(out, "certificate", delivery->certificate);
    output_fact(out, "PKCS#12", delivery->p12);
}

static void tell_notes(FILE *out, const struct mtls_issue_result *result)
{
    if (result->clamped)
        fprintf(out, "The CA's own end is nearer than the life asked for: it ends then.\n");
    output_fact_list(out, "left out", &result->ignored);
}

static int tell(struct cli *cli, const struct delivery *delivery, const struct mtls_issue_result *result,
                const char *chain, const char *due)
{
    if (cli->options.json) {
        json_t *object = output_result(result);
        if (object && due)
            output_set(object, "due", due);
        if (object)
            add_paths(object, delivery);
        return output_json(stdout, object) ? report_memory(cli) : EXIT_DONE;
    }
    bool to_stdout = !delivery->certificate && !delivery->p12;
    FILE *out = to_stdout ? stderr : stdout;
    if (to_stdout)
        fputs(chain, stdout);
    else
        tell_certificate(out, !strcmp(cli->command->name, "renew") ? "renewed" : "issued",
                         result->certificate);
    tell_paths(out, delivery);
    if (due)
        output_fact(out, "was due", due);
    tell_notes(out, result);
    return EXIT_DONE;
}

/* A PKCS#12 that failed must not cost the key, which is told once: key and certificate are written all the
 * same. */
int delivery_finish(struct cli *cli, struct delivery *delivery, const struct mtls_issue_result *result,
                    const char *due)
{
    size_t length = 0;
    int exit_code = EXIT_DONE;
    struct failure failure;
    char *chain = result->pem ? join_chain(result, &length) : NULL;
    if (result->pem && !chain) {
        failure_set(&failure, FAILURE_INTERNAL, NULL, "out of memory");
        return report_undelivered(cli, result, &failure);
    }
    if (write_pair(delivery, result, chain, length, &failure)) {
        exit_code = report_undelivered(cli, result, &failure);
        free(chain);
        return exit_code;
    }
    bool packaged = !delivery->p12 || write_p12(cli, delivery, result, &exit_code) == 0;
    if (!packaged)
        outputs_drop_last(&delivery->outputs);
    if (outputs_commit(&delivery->outputs, &failure))
        exit_code = report_undelivered(cli, result, &failure);
    else if (packaged)
        exit_code = tell(cli, delivery, result, chain, due);
    free(chain);
    return exit_code;
}

int delivery_tell_dry(struct cli *cli, const struct delivery *delivery,
                      const struct mtls_issue_result *result)
{
    if (cli->options.json) {
        json_t *object = output_result(result);
        if (object) {
            json_object_set_new(object, "dryRun", json_true());
            add_paths(object, delivery);
        }
        return output_json(stdout, object) ? report_memory(cli) : EXIT_DONE;
    }
    tell_certificate(stdout, "would issue", result->certificate);
    output_fact_list(stdout, "SAN", &result->certificate->sans);
    output_fact(stdout, "profile", result->certificate->profile);
    tell_paths(stdout, delivery);
    tell_notes(stdout, result);
    return EXIT_DONE;
}

int delivery_tell_unchanged(struct cli *cli, const struct delivery *delivery,
                            const struct mtls_get_result *found)
{
    if (cli->options.json) {
        json_t *object = found ? output_result(found) : json_object();
        if (object) {
            json_object_set_new(object, "changed", json_false());
            add_paths(object, delivery);
        }
        return output_json(stdout, object) ? report_memory(cli) : EXIT_DONE;
    }
    if (found)
        tell_certificate(stdout, "nothing to do:", found->certificate);
    else
        printf("nothing to do\n");
    tell_paths(stdout, delivery);
    return EXIT_DONE;
}
