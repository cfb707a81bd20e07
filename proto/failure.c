/*
 * failure.c - the one table of error names, their fields and exit codes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MEMBERS_MAX = 4 };

#define TEXT(wire, member) \
    {wire, FAILURE_TEXT, offsetof(struct failure, member), sizeof(((struct failure *)0)->member)}
#define OFFSET(wire) {wire, FAILURE_OFFSET, offsetof(struct failure, offset), sizeof(int64_t)}
#define SERIALS(wire) {wire, FAILURE_SERIALS, offsetof(struct failure, serials), 0}

static const struct {
    const char *name;
    int exit_code;
    struct failure_member members[MEMBERS_MAX];
} codes[FAILURE_CODES] = {
    [FAILURE_METHOD_NOT_FOUND] = {"org.varlink.service.MethodNotFound", 2, {TEXT("method", field)}},
    [FAILURE_INTERFACE_NOT_FOUND] = {"org.varlink.service.InterfaceNotFound", 2, {TEXT("interface", field)}},
    [FAILURE_METHOD_NOT_IMPLEMENTED] = {"org.varlink.service.MethodNotImplemented", 2, {TEXT("method", field)}},
    [FAILURE_INVALID_PARAMETER] = {"org.varlink.service.InvalidParameter", 2, {TEXT("parameter", field)}},
    [FAILURE_NOT_PERMITTED] = {"io.mtlsd.Agent.NotPermitted",
                               1,
                               {TEXT("reason", reason), TEXT("operation", operation), TEXT("service", service),
                                TEXT("line", line)}},
    [FAILURE_BAD_REQUEST] = {"io.mtlsd.Agent.BadRequest",
                             2,
                             {TEXT("field", field), TEXT("reason", reason), OFFSET("offset")}},
    [FAILURE_NOT_FOUND] = {"io.mtlsd.Agent.NotFound", 2, {TEXT("reason", reason)}},
    [FAILURE_CONFLICT] = {"io.mtlsd.Agent.Conflict", 2, {TEXT("reason", reason), SERIALS("serials")}},
    [FAILURE_BUSY] = {"io.mtlsd.Agent.Busy", 4, {TEXT("reason", reason)}},
    [FAILURE_LOCKED] = {"io.mtlsd.Agent.Locked", 4, {TEXT("reason", reason)}},
    [FAILURE_PENDING] = {"io.mtlsd.Agent.Pending", 4, {TEXT("ticket", field)}},
    [FAILURE_INTERNAL] = {"io.mtlsd.Agent.Internal", 3, {TEXT("reason", reason)}},
};

/* Length of the UTF-8 sequence at p (RFC 3629), or 0 where there is none. */
static size_t utf8_length(const unsigned char *p)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* Overlong forms, surrogates, and what lies past U+10FFFF (RFC 3629 section 4). */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* What a stranger sent may be quoted in a sentence: keep it printable, and whole characters only (no control
 * characters, RFC 3629 section 10 and ECMA-48: a terminal would obey them). */
static void make_printable(char *text, bool truncated)
{
    unsigned char *p = (unsigned char *)text;
    while (*p) {
        size_t n = utf8_length(p);
        if (n == 0 && truncated && *p >= 0xc2 && strlen((char *)p) < 4) {
            *p = '\0'; /* the first bytes of a character that did not fit */
            return;
        }
        if (n == 0 || *p < 0x20 || *p == 0x7f || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0)) {
            *p++ = '?';
            continue;
        }
        p += n;
    }
}

void failure_copy_text(char *out, size_t size, const char *text)
{
    size_t length = strnlen(text, size);
    bool truncated = length == size;
    memcpy(out, text, length - truncated);
    out[length - truncated] = '\0';
    make_printable(out, truncated);
}

int failure_set(struct failure *failure, enum failure_code code, const char *field, const char *format, ...)
{
    if (!failure)
        return -1;
    /* Built aside, because the arguments may quote the failure that is being replaced. */
    struct failure next = {.code = code, .offset = -1};
    failure_copy_text(next.field, sizeof next.field, field ? field : "");
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(next.reason, sizeof next.reason, format, arguments);
    va_end(arguments);
    make_printable(next.reason, length >= (int)sizeof next.reason);
    *failure = next;
    return -1;
}

const struct failure_member *failure_members(enum failure_code code, size_t *count)
{
    *count = 0;
    if (code <= FAILURE_NONE || code >= FAILURE_CODES)
        return NULL;
    while (*count < MEMBERS_MAX && codes[code].members[*count].name)
        ++*count;
    return codes[code].members;
}

const char *failure_name(enum failure_code code)
{
    return code > FAILURE_NONE && code < FAILURE_CODES ? codes[code].name : NULL;
}

enum failure_code failure_from_name(const char *name)
{
    for (int code = FAILURE_NONE + 1; code < FAILURE_CODES; code++)
        if (name && !strcmp(codes[code].name, name))
            return (enum failure_code)code;
    return FAILURE_INTERNAL;
}

int failure_exit_code(enum failure_code code)
{
    return code > FAILURE_NONE && code < FAILURE_CODES ? codes[code].exit_code : 0;
}
