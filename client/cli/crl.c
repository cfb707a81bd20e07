/*
 * crl.c - mtlsctl crl: the current CRL, for servers that check by file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/files.h"
#include "client/cli/output.h"
#include "client/cli/report.h"

/* What GetCRL tells, put together. */
struct crl {
    unsigned char *der;
    size_t length, size;
    int64_t number;
    char this_update[32], next_update[32];
    bool too_large;
};

static int take_chunk(const struct mtls_crl_chunk *chunk, void *context)
{
    struct crl *crl = context;
    if (!crl->der) {
        crl->too_large = chunk->size > FILE_CRL_MAX;
        crl->size = (size_t)chunk->size;
        crl->der = crl->too_large ? NULL : malloc(crl->size + 1);
        if (!crl->der)
            return -1;
        crl->number = chunk->number;
        snprintf(crl->this_update, sizeof crl->this_update, "%s", chunk->this_update);
        snprintf(crl->next_update, sizeof crl->next_update, "%s", chunk->next_update);
    }
    memcpy(crl->der + crl->length, chunk->data, chunk->length);
    crl->length += chunk->length;
    return 0;
}

/* The bytes to write in the form asked for; NULL when memory ran out. Freed by the caller. */
static char *encode(const struct crl *crl, bool der, size_t *length)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, length);
    if (!stream)
        return NULL;
    bool good = der ? fwrite(crl->der, 1, crl->length, stream) == crl->length
                    : PEM_write(stream, "X509 CRL", "", crl->der, (long)crl->length) > 0;
    if (fclose(stream) || !good) {
        free(text);
        return NULL;
    }
    return text;
}

static int tell_json(const struct cli *cli, const struct crl *crl, const char *data)
{
    json_t *object = json_object();
    json_object_set_new(object, "number", json_integer(crl->number));
    output_set(object, "thisUpdate", crl->this_update);
    output_set(object, "nextUpdate", crl->next_update);
    json_object_set_new(object, "size", json_integer((json_int_t)crl->size));
    output_set(object, "data", data);
    return output_json(stdout, object) ? report_memory(cli) : EXIT_DONE;
}

static int tell_json_inline(const struct cli *cli, const struct crl *crl)
{
    char *text = malloc((crl->length + 2) / 3 * 4 + 1);
    if (!text)
        return report_memory(cli);
    EVP_EncodeBlock((unsigned char *)text, crl->der, (int)crl->length);
    int exit_code = tell_json(cli, crl, text);
    free(text);
    return exit_code;
}

static int deliver(const struct cli *cli, struct outputs *outputs, const struct crl *crl)
{
    const struct options *options = &cli->options;
    struct failure failure;
    if (options->json && !options->out)
        return tell_json_inline(cli, crl);
    size_t length;
    char *text = encode(crl, options->format && !strcmp(options->format, "der"), &length);
    if (!text)
        return report_memory(cli);
    int exit_code = EXIT_DONE;
    if (!options->out)
        fwrite(text, 1, length, stdout);
    else if (outputs_write(outputs, 0, text, length, &failure) || outputs_commit(outputs, &failure))
        exit_code = report_failure(cli, &failure);
    else if (options->json)
        exit_code = tell_json(cli, crl, options->out);
    free(text);
    return exit_code;
}

static int report_untaken(const struct cli *cli, const struct crl *crl)
{
    struct failure failure;
    if (mtls_error_code(cli->mtls) != MTLS_STOPPED)
        return report_agent(cli, NULL);
    if (!crl->too_large)
        return report_memory(cli);
    failure_set(&failure, FAILURE_INTERNAL, NULL,
                "the CRL has %zu bytes, more than the %d that mtlsctl takes", crl->size, FILE_CRL_MAX);
    return report_failure(cli, &failure);
}

static int run(struct cli *cli)
{
    const struct options *options = &cli->options;
    struct outputs outputs = {0};
    struct crl crl = {0};
    struct failure failure;
    int exit_code;
    if (options->format && strcmp(options->format, "pem") != 0 && strcmp(options->format, "der") != 0) {
        failure_set(&failure, FAILURE_BAD_REQUEST, "--format", "--format %s: expected pem or der",
                    options->format);
        exit_code = report_failure(cli, &failure);
    } else if (options->out &&
               outputs_add(&outputs, options->out, 0644, options->force, OUTPUT_OPEN, &failure)) {
        exit_code = report_failure(cli, &failure);
    } else if (mtls_get_crl(agent_open(cli), take_chunk, &crl)) {
        exit_code = report_untaken(cli, &crl);
    } else {
        exit_code = deliver(cli, &outputs, &crl);
    }
    outputs_clear(&outputs);
    free(crl.der);
    return exit_code;
}

const struct command command_crl = {
    .name = "crl",
    .operands = "",
    .least = 0,
    .most = 0,
    .run = run,
    .summary = "the current certificate revocation list (CRL)",
    .examples = "mtlsctl crl > ca.crl\n"
                "    PEM, what nginx wants as ssl_crl\n"
                "mtlsctl crl --format der --out /srv/www/ca.crl --force\n"
                "    DER, for a distribution point; replaced atomically\n"
                "mtlsctl crl --json --out ca.crl --force\n"
                "    number, thisUpdate, nextUpdate and size too\n",
    .description = "Anybody may ask for it. A server that reads a CRL from a file has to be told\n"
                   "when it changes: crl= and crl-hook= in mtlsd.conf(5) do both.\n",
    .options = "format out force",
};
