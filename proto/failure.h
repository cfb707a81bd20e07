/*
 * failure.h - why a request was not done: a code for programs, a sentence for people.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Filled by whoever refuses, carried unchanged to the wire (proto/failure.c holds the one table
 * that maps codes to varlink error names, fields and exit codes). It knows nothing of JSON.
 */
#ifndef MTLSD_PROTO_FAILURE_H
#define MTLSD_PROTO_FAILURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum failure_code {
    FAILURE_NONE = 0,
    FAILURE_METHOD_NOT_FOUND,    /* org.varlink.service.MethodNotFound(method) */
    FAILURE_INTERFACE_NOT_FOUND, /* org.varlink.service.InterfaceNotFound(interface) */
    FAILURE_METHOD_NOT_IMPLEMENTED, /* org.varlink.service.MethodNotImplemented(method) */
    FAILURE_INVALID_PARAMETER,   /* org.varlink.service.InvalidParameter(parameter): unknown or mistyped */
    FAILURE_NOT_PERMITTED,       /* io.mtlsd.Agent.NotPermitted(reason, operation, service, line) */
    FAILURE_BAD_REQUEST,         /* io.mtlsd.Agent.BadRequest(field, reason, offset) */
    FAILURE_NOT_FOUND,           /* io.mtlsd.Agent.NotFound(reason) */
    FAILURE_CONFLICT,            /* io.mtlsd.Agent.Conflict(reason, serials) */
    FAILURE_BUSY,                /* io.mtlsd.Agent.Busy(reason) */
    FAILURE_LOCKED,              /* io.mtlsd.Agent.Locked(reason) */
    FAILURE_PENDING,             /* io.mtlsd.Agent.Pending(ticket) */
    FAILURE_INTERNAL,            /* io.mtlsd.Agent.Internal(reason) */
    FAILURE_CODES
};

enum {
    FAILURE_FIELD_SIZE = 80,    /* bytes, terminator included */
    FAILURE_REASON_SIZE = 640,
    FAILURE_LINE_SIZE = 160,    /* "policy.d/default:3 name" */
    FAILURE_SERIALS_MAX = 20,   /* further ones are counted in the sentence only */
    FAILURE_SERIAL_SIZE = 41,   /* 20 bytes as hex, RFC 5280 section 4.1.2.2 */
};

/* A plain value: copy it freely, nothing to free. Unused members are empty strings or zero. */
struct failure {
    enum failure_code code;
    char field[FAILURE_FIELD_SIZE];   /* the parameter at fault; for varlink's own errors the method,
                                         interface or parameter; for PENDING the ticket */
    char reason[FAILURE_REASON_SIZE]; /* one sentence, no trailing newline, valid UTF-8, no control bytes */
    char operation[16];               /* NOT_PERMITTED: "issue", "revoke", ... */
    char service[65];                 /* NOT_PERMITTED */
    char line[FAILURE_LINE_SIZE];     /* NOT_PERMITTED: the policy line that decided */
    int64_t offset;                   /* BAD_REQUEST with empty field: byte where the JSON library stopped; else -1 */
    size_t serial_count;              /* CONFLICT */
    char serials[FAILURE_SERIALS_MAX][FAILURE_SERIAL_SIZE];
};

/* The parameters of an error on the wire, in order: which member of struct failure each one is. */
enum failure_member_kind { FAILURE_TEXT, FAILURE_OFFSET /* int64_t; absent where -1 */, FAILURE_SERIALS };
struct failure_member {
    const char *name; /* as in the .varlink file */
    enum failure_member_kind kind;
    size_t place, size; /* FAILURE_TEXT: where the array lies in struct failure, and its size */
};
/* The table of a code, *count long; NULL and 0 for FAILURE_NONE. Static storage. */
const struct failure_member *failure_members(enum failure_code code, size_t *count);

/* Copy text into out, truncated at a character's boundary, what is not printable UTF-8 replaced by '?'. */
void failure_copy_text(char *out, size_t size, const char *text);

/* Set *failure (which may be NULL: then nothing is recorded) and return -1, so that a caller can
 * `return failure_set(...)`. field may be NULL. The text is truncated at a UTF-8 boundary to fit;
 * bytes that are not printable UTF-8 are replaced by '?'. Thread-safe. */
int failure_set(struct failure *failure, enum failure_code code, const char *field,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The varlink name of a code ("io.mtlsd.Agent.NotPermitted"), static storage; NULL for FAILURE_NONE. */
const char *failure_name(enum failure_code code);

/* The code of a varlink error name; FAILURE_INTERNAL where the name is not ours. */
enum failure_code failure_from_name(const char *name);

/* The exit code of mtlsctl for it: 0..4, see mtlsctl(1). */
int failure_exit_code(enum failure_code code);

#endif
