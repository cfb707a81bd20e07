/*
 * export.c - Export: package a certificate, with a key that the caller holds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "agent/ca/private_key.h"
#include "agent/ops/common.h"

struct exporting {
    struct certificate_row row;
    bool p12;
    char *pkcs8;       /* sodium_malloc */
    uint8_t *der;      /* sodium_malloc */
    size_t length;
};

static void export_release(struct request *request)
{
    struct exporting *exporting = request->work_state;
    if (!exporting)
        return;
    sodium_free(exporting->pkcs8);
    sodium_free(exporting->der);
    exporting->pkcs8 = NULL;
    exporting->der = NULL;
}

static void export_work(struct request *request)
{
    struct exporting *exporting = request->work_state;
    const struct export_call *call = request->call;
    const struct pkcs12_request wanted = {
        .certificate = exporting->row.der, .certificate_length = exporting->row.der_length, .private_key_pem = call->private_key,
        .passphrase = call->passphrase, .friendly_name = exporting->row.name,
    };
    if (exporting->p12)
        pkcs12_make(&wanted, &exporting->der, &exporting->length, &request->work_failure);
    else if (call->private_key)
        private_key_check(call->private_key, exporting->row.der, exporting->row.der_length, &exporting->pkcs8, &request->work_failure);
}

static int export_begin(const struct world *world, struct request *request, struct failure *failure)
{
    const struct export_call *call = request->call;
    const struct which_certificate which = {.serial = call->serial, .name = call->name, .label = call->label, .which = WHICH_LIVE,
                                            .with_der = true};
    struct exporting *exporting = request->work_state;
    if (!exporting) {
        exporting = request->work_state = arena_new(&request->arena, sizeof *exporting);
        request->release = export_release;
    }
    exporting->p12 = !strcmp(call->format, "p12");
    if (!exporting->p12 && strcmp(call->format, "pem"))
        return failure_set(failure, FAILURE_BAD_REQUEST, "format", "'%.20s' is no format; pem or p12", call->format);
    if (exporting->p12 && (!call->passphrase || !*call->passphrase))
        return failure_set(failure, FAILURE_BAD_REQUEST, "passphrase",
                           "PKCS#12 needs a passphrase that is not empty (devices disagree about what an empty one means)");
    if (find_one(world, request, &which, &exporting->row, failure))
        return -1;
    if (exporting->p12 && !call->private_key)
        return failure_set(failure, FAILURE_NOT_FOUND, "privateKey", "no private key of %s was kept here; give the one that you hold "
                           "(mtlsctl export --key FILE)", exporting->row.name);
    if (exporting->row.status != STATUS_LIVE)
        return failure_set(failure, FAILURE_CONFLICT, "serial", "certificate %s is %s", arena_serial(&request->arena, &exporting->row.serial),
                           row_status(&exporting->row, world->now));
    return 0;
}

static enum plan_step export_plan(const struct world *world, struct request *request, struct failure *failure)
{
    const struct export_call *call = request->call;
    struct exporting *exporting;
    request->plan.service = request_service(call->service, failure);
    if (!request->plan.service || export_begin(world, request, failure))
        return PLAN_FAILED;
    exporting = request->work_state;
    request->plan.serials = &exporting->row.serial;
    request->plan.serial_count = 1;
    request->plan.profile = exporting->row.profile;
    request->plan.reason = call->format;
    request->plan.audited = true;
    request->work = export_work;
    return request->worked ? PLAN_READY : PLAN_WORK;
}

/* A text that holds a key must not stay in the arena, which does not wipe. */
static json_t *encode_secret(const struct export_reply *values, char *text)
{
    json_t *reply = text ? schema_encode(method_schema_find("Export")->reply, values) : NULL;
    sodium_free(text);
    return reply;
}

static json_t *export_reply(const struct world *world, struct request *request, struct failure *failure)
{
    const struct export_call *call = request->call;
    const struct exporting *exporting = request->work_state;
    (void)failure;
    const char *pem = arena_pem(&request->arena, exporting->row.der, exporting->row.der_length);
    size_t size = exporting->p12 ? sodium_base64_encoded_len(exporting->length, sodium_base64_VARIANT_ORIGINAL)
                                 : strlen(pem) + (exporting->pkcs8 ? strlen(exporting->pkcs8) : 0) + 1;
    char *text = sodium_malloc(size);
    struct export_reply reply = {.certificate = row_to_wire(&request->arena, world, &exporting->row), .format = call->format, .data = text};
    if (text && exporting->p12)
        sodium_bin2base64(text, size, exporting->der, exporting->length, sodium_base64_VARIANT_ORIGINAL);
    else if (text)
        snprintf(text, size, "%s%s", exporting->pkcs8 ? exporting->pkcs8 : "", pem);
    return encode_secret(&reply, text);
}

OPERATION(Export, POLICY_EXPORT, .change = true, .plan = export_plan, .reply = export_reply);
