/*
 * verify_path.c - gathers anchors, intermediates and CRLs for path_validate, and tells its verdict in the
 * protocol's words.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/verify_path.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/local.h"
#include "client/cli/output.h"
#include "client/cli/report.h"
#include "proto/term.h"
#include "proto/x509/path.h"

/* Borrowed pointers from one stack appended to another. */
static int borrow(STACK_OF(X509) *to, STACK_OF(X509) *from, int first)
{
    for (int i = first; from && i < sk_X509_num(from); i++)
        if (!sk_X509_push(to, sk_X509_value(from, i)))
            return -1;
    return 0;
}

static int read_crls(const struct cli *cli, STACK_OF(X509_CRL) **out, struct failure *failure)
{
    const struct option_list *files = &cli->options.crls;
    if (files->count == 0)
        return 0;
    STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();
    int result = all ? 0 : failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    for (size_t i = 0; result == 0 && i < files->count; i++) {
        STACK_OF(X509_CRL) *some = local_crls(files->items[i], failure);
        if (!some)
            result = -1;
        for (X509_CRL *crl; some && (crl = sk_X509_CRL_shift(some));)
            if (!sk_X509_CRL_push(all, crl)) {
                X509_CRL_free(crl);
                result = failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
            }
        sk_X509_CRL_pop_free(some, X509_CRL_free);
    }
    if (result)
        sk_X509_CRL_pop_free(all, X509_CRL_free);
    else
        *out = all;
    return result;
}

static int read_purpose(const char *text, enum path_purpose *out, struct failure *failure)
{
    static const struct {
        const char *word;
        enum path_purpose purpose;
    } words[] = {
        {"client", PATH_CLIENT},
        {"server", PATH_SERVER},
        {"any", PATH_ANY},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (!strcmp(text ? text : "client", words[i].word)) {
            *out = words[i].purpose;
            return 0;
        }
    return failure_set(failure, FAILURE_BAD_REQUEST, "--purpose",
                       "--purpose %s: expected client, server or any", text);
}

/* The verdict's identity, as the protocol has it; an object without it where the certificate cannot be told
 * of. */
static json_t *identity(const struct certificate_facts *facts)
{
    char serial[SERIAL_TEXT_SIZE], fingerprint[FINGERPRINT_TEXT_SIZE], time_text[INSTANT_TEXT_SIZE];
    json_t *object = json_object(), *sans = json_array();
    serial_format(&facts->serial, serial);
    fingerprint_format(facts->fingerprint, fingerprint);
    output_set(object, "authority", facts->issuer);
    json_object_set_new(object, "ours", json_false());
    output_set(object, "subject", facts->subject);
    output_set(object, "name", facts->names.common_name);
    for (size_t i = 0; i < facts->names.count; i++) {
        char *text = san_format(&facts->names.sans[i]);
        json_array_append_new(sans, json_string(text ? text : ""));
        free(text);
    }
    json_object_set_new(object, "sans", sans);
    output_set(object, "serial", serial);
    instant_format(facts->not_before, time_text);
    output_set(object, "notBefore", time_text);
    instant_format(facts->not_after, time_text);
    output_set(object, "notAfter", time_text);
    output_set(object, "fingerprint", fingerprint);
    return object;
}

static int tell_json(const struct cli *cli, const struct path_verdict *verdict,
                     const struct certificate_facts *facts)
{
    json_t *object = json_object();
    json_object_set_new(object, "valid", json_boolean(verdict->valid));
    output_set(object, "reason", verdict->reason);
    output_set(object, "detail", *verdict->detail ? verdict->detail : NULL);
    json_object_set_new(object, "identity", facts ? identity(facts) : json_null());
    return output_json(stdout, object) ? report_memory(cli) : verdict->valid ? EXIT_DONE : EXIT_NO;
}

static int tell(const struct cli *cli, X509 *leaf, const struct path_verdict *verdict)
{
    struct certificate_facts facts = {0};
    struct failure ignored;
    bool told = local_facts(leaf, "certificate", &facts, &ignored) == 0;
    int exit_code = verdict->valid ? EXIT_DONE : EXIT_NO;
    if (cli->options.json) {
        exit_code = tell_json(cli, verdict, told ? &facts : NULL);
    } else {
        printf("%s%s\n", verdict->valid ? "valid" : "not valid: ", verdict->valid ? "" : verdict->reason);
        output_fact(stdout, "detail", *verdict->detail ? verdict->detail : NULL);
        if (told) {
            output_fact(stdout, "subject", facts.subject);
            output_fact(stdout, "issuer", facts.issuer);
        }
    }
    certificate_facts_clear(&facts);
    return exit_code;
}

static int validate(const struct cli *cli, struct path_request *request)
{
    struct path_verdict verdict = {0};
    struct failure failure;
    if (path_validate(request, &verdict, &failure))
        return report_failure(cli, &failure);
    return tell(cli, request->leaf, &verdict);
}

int verify_path(const struct cli *cli, STACK_OF(X509) *certificates, STACK_OF(X509) *chain)
{
    const struct options *options = &cli->options;
    struct failure failure;
    struct path_request request = {
        .leaf = sk_X509_value(certificates, 0),
        .untrusted = sk_X509_new_null(),
        .dns = options->dns,
        .at = options->at_seconds >= 0 ? options->at_seconds : time(NULL),
        .strict = options->strict,
        .partial_chain = options->partial_chain,
        .explicit_policy = options->explicit_policy,
    };
    int exit_code;
    if (!request.untrusted || borrow(request.untrusted, certificates, 1) ||
        borrow(request.untrusted, chain, 0))
        exit_code = report_memory(cli);
    else if (read_purpose(options->purpose, &request.purpose, &failure) ||
             read_crls(cli, &request.crls, &failure) ||
             !(request.anchors = local_certificates(options->anchors, "the anchors", &failure)))
        exit_code = report_failure(cli, &failure);
    else
        exit_code = validate(cli, &request);
    sk_X509_free(request.untrusted);
    sk_X509_CRL_pop_free(request.crls, X509_CRL_free);
    local_certificates_free(request.anchors);
    return exit_code;
}
