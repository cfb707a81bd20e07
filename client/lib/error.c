/*
 * error.c - the last error of a handle: set from the library's own refusals and from the agent's, told by
 * accessors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/lib/handle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const enum mtls_code codes[FAILURE_CODES] = {
    [FAILURE_METHOD_NOT_FOUND] = MTLS_METHOD_NOT_FOUND,
    [FAILURE_INTERFACE_NOT_FOUND] = MTLS_INTERFACE_NOT_FOUND,
    [FAILURE_METHOD_NOT_IMPLEMENTED] = MTLS_METHOD_NOT_IMPLEMENTED,
    [FAILURE_INVALID_PARAMETER] = MTLS_INVALID_PARAMETER,
    [FAILURE_NOT_PERMITTED] = MTLS_NOT_PERMITTED,
    [FAILURE_BAD_REQUEST] = MTLS_BAD_REQUEST,
    [FAILURE_NOT_FOUND] = MTLS_NOT_FOUND,
    [FAILURE_CONFLICT] = MTLS_CONFLICT,
    [FAILURE_BUSY] = MTLS_BUSY,
    [FAILURE_LOCKED] = MTLS_LOCKED,
    [FAILURE_PENDING] = MTLS_PENDING,
    [FAILURE_INTERNAL] = MTLS_INTERNAL,
};

void error_clear(struct mtls *mtls)
{
    mtls->code = MTLS_OK;
    mtls->name[0] = '\0';
    free(mtls->parameters);
    mtls->parameters = NULL;
    memset(&mtls->failure, 0, sizeof mtls->failure);
}

int error_set(struct mtls *mtls, enum mtls_code code, const char *field, const char *format, ...)
{
    char sentence[FAILURE_REASON_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    error_clear(mtls);
    mtls->code = code;
    return failure_set(&mtls->failure, FAILURE_INTERNAL, field, "%s", sentence);
}

/* Of an error whose name we do not know, the name and perhaps a reason are what can be told. */
static void describe_unknown(struct mtls *mtls, const struct message_reply *reply)
{
    const char *reason = json_string_value(json_object_get(reply->parameters, "reason"));
    mtls->code = MTLS_UNKNOWN_ERROR;
    failure_set(&mtls->failure, FAILURE_INTERNAL, NULL, "the agent answered %s%s%s", mtls->name,
                reason ? ": " : "", reason ? reason : ", an error that this version does not know");
}

int error_set_from_reply(struct mtls *mtls, const struct message_reply *reply)
{
    error_clear(mtls);
    failure_copy_text(mtls->name, sizeof mtls->name, reply->error);
    enum failure_code code = failure_from_name(reply->error);
    if (strcmp(failure_name(code), reply->error) != 0) {
        describe_unknown(mtls, reply);
    } else {
        message_failure(reply, &mtls->failure);
        mtls->code = codes[code];
    }
    mtls->parameters = json_dumps(reply->parameters, JSON_COMPACT);
    return -1;
}

enum mtls_code mtls_error_code(const struct mtls *mtls)
{
    return mtls->code;
}

const char *mtls_error_message(const struct mtls *mtls)
{
    return mtls->failure.reason;
}

const char *mtls_error_name(const struct mtls *mtls)
{
    return mtls->name;
}

const char *mtls_error_parameters(const struct mtls *mtls)
{
    return mtls->parameters ? mtls->parameters : "{}";
}

const char *mtls_error_field(const struct mtls *mtls)
{
    return mtls->code == MTLS_PENDING ? "" : mtls->failure.field;
}

const char *mtls_error_operation(const struct mtls *mtls)
{
    return mtls->failure.operation;
}

const char *mtls_error_service(const struct mtls *mtls)
{
    return mtls->failure.service;
}

const char *mtls_error_line(const struct mtls *mtls)
{
    return mtls->failure.line;
}

const char *mtls_error_ticket(const struct mtls *mtls)
{
    return mtls->code == MTLS_PENDING ? mtls->failure.field : "";
}

size_t mtls_error_serial_count(const struct mtls *mtls)
{
    return mtls->failure.serial_count;
}

const char *mtls_error_serial(const struct mtls *mtls, size_t index)
{
    return index < mtls->failure.serial_count ? mtls->failure.serials[index] : NULL;
}
