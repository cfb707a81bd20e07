/*
 * export.c - mtlsctl export: certificate, chain and private key packaged as PKCS#12 or PEM.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/files.h"
#include "client/cli/output.h"
#include "client/cli/prompt.h"
#include "client/cli/report.h"
#include "client/cli/target.h"

struct export_inputs {
    struct target target;
    const char *format;
    char *key;
    size_t key_length;
    struct passphrase passphrase;
    struct outputs outputs;
};

static int gather(const struct cli *cli, struct export_inputs *in, struct failure *failure)
{
    const struct options *options = &cli->options;
    in->format = options->format ? options->format : "p12";
    if (strcmp(in->format, "p12") != 0 && strcmp(in->format, "pem") != 0)
        return failure_set(failure, FAILURE_BAD_REQUEST, "--format", "--format %s: expected p12 or pem",
                           in->format);
    if (!options->out)
        return failure_set(failure, FAILURE_BAD_REQUEST, "--out",
                           "a private key goes to a file only: --out FILE names it");
    bool p12 = !strcmp(in->format, "p12");
    if (!p12 && options->passphrase_file)
        return failure_set(failure, FAILURE_BAD_REQUEST, "--passphrase-file",
                           "a PEM file is written without a passphrase; --format p12 has one");
    if (target_take(cli, &in->target, failure) ||
        outputs_add(&in->outputs, options->out, 0600, options->force, OUTPUT_OPEN, failure))
        return -1;
    if (options->key && file_read(options->key, "the key", FILE_MAX, &in->key, &in->key_length, failure))
        return -1;
    if (!p12)
        return 0;
    if (passphrase_get(options->passphrase_file, "Passphrase for the PKCS#12 file", true, &in->passphrase,
                       failure))
        return -1;
    return in->passphrase.length ? 0
                                 : failure_set(failure, FAILURE_BAD_REQUEST, "--passphrase-file",
                                               "the passphrase of a PKCS#12 file cannot be empty");
}

static int ask(struct cli *cli, struct export_inputs *in, struct mtls_export_result **out)
{
    do {
        struct mtls_export_request request = {
            .serial = in->target.serial,
            .name = in->target.name,
            .label = cli->options.label,
            .service = cli->options.service,
            .format = in->format,
            .private_key = in->key,
            .passphrase = in->passphrase.length ? in->passphrase.text : NULL,
        };
        if (mtls_export(agent_open(cli), &request, out) == 0)
            return 0;
    } while (mtls_error_code(cli->mtls) == MTLS_NOT_FOUND && target_flip(cli, &in->target));
    return -1;
}

static int write_out(struct export_inputs *in, const struct mtls_export_result *result,
                     struct failure *failure)
{
    size_t length = strlen(result->data);
    unsigned char *bytes = NULL;
    bool p12 = !strcmp(in->format, "p12");
    if (p12 && !(bytes = mtls_base64_decode(result->data, &length)))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "the agent's PKCS#12 cannot be decoded");
    int written = outputs_write(&in->outputs, 0, p12 ? (const void *)bytes : result->data, length, failure);
    mtls_bytes_free(bytes, length);
    return written ? -1 : outputs_commit(&in->outputs, failure);
}

static int tell(const struct cli *cli, const struct mtls_export_result *result)
{
    if (cli->options.json) {
        json_t *object = output_result(result);
        output_set(object, "data", cli->options.out);
        return output_json(stdout, object) ? report_memory(cli) : EXIT_DONE;
    }
    fputs("exported ", stdout);
    output_text(stdout, result->certificate->name);
    fputs(", serial ", stdout);
    output_text(stdout, result->certificate->serial);
    fputs(", to ", stdout);
    output_text(stdout, cli->options.out);
    fputc('\n', stdout);
    return EXIT_DONE;
}

static int run(struct cli *cli)
{
    struct export_inputs in = {0};
    struct failure failure;
    struct mtls_export_result *result = NULL;
    int exit_code;
    if (gather(cli, &in, &failure))
        exit_code = report_failure(cli, &failure);
    else if (ask(cli, &in, &result))
        exit_code = report_agent(cli, NULL);
    else if (write_out(&in, result, &failure))
        exit_code = report_failure(cli, &failure);
    else
        exit_code = tell(cli, result);
    mtls_result_free(result);
    outputs_clear(&in.outputs);
    passphrase_wipe(&in.passphrase);
    file_free(in.key, in.key_length);
    return exit_code;
}

const struct command command_export = {
    .name = "export",
    .operands = "SERIAL|NAME",
    .least = 0,
    .most = 1,
    .run = run,
    .summary = "package a certificate with its key for a device",
    .examples = "mtlsctl export alice --key alice.key --out alice.p12\n"
                "    for a browser or a phone; asks for the file's passphrase\n"
                "mtlsctl export alice --label MacBook --out alice.p12 --passphrase-file pass\n"
                "    with the key that the agent kept, where the profile says keep=\n"
                "mtlsctl export alice --key alice.key --format pem --out alice.pem\n"
                "    key, certificate and chain in one PEM file, as curl and haproxy like it\n",
    .description = "Packages a key that you hold (--key), or one that the agent kept. The form is\n"
                   "p12 unless --format says pem. The output is 0600 and never replaced without\n"
                   "--force. A NAME with several live certificates is a conflict that --label or\n"
                   "a serial decides.\n",
    .options = "out key format passphrase-file name serial label service force",
};
