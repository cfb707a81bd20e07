/*
 * calls.c - the tables of io.mtlsd.Agent: each method's parameters with type, place, and the longest value
 * accepted.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * In the order of io.mtlsd.Agent.varlink, which says what each member means. The limits are those of the edge:
 * what a value must look like beyond them is judged by whoever uses it.
 */
#include "proto/calls.h"

#include <string.h>

enum {
    TOKEN = 64,  /* words that we choose from: profile, reason, key type, format; terms and instants too */
    NAME = 256,  /* a CN of 64 characters of up to 4 bytes (RFC 5280 ub-common-name); labels, host names */
    SERIAL = 64, /* 20 bytes as hex with colons */
    SAN = 1040,  /* 1,024 bytes after the type */
    URI = 8192,  /* what nginx takes as a request line by default */
    PEM = 64 * 1024,
    KEY = 16 * 1024, /* RSA 4096 as PKCS#8 PEM is 3,272 */
    PASSPHRASE = 1024,
    TEXT = 16 * 1024,        /* subjects and sentences in replies */
    DATA = 16 * 1024 * 1024, /* replies: bounded by the frame */
    SANS = 100,
    CHAIN = 16,
    MANY = 16 * 1024, /* replies: bounded by the frame */
};

/* The member's C type is checked where the row is written: a table cannot disagree with its struct. */
#define IS(s, member, c_type) \
    (0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((struct s *)0)->member), c_type) ? 1 : -1]))
#define ROW(s, member, c_type, json, field_kind, need, ...) \
    {.name = json, .type = field_kind, .required = need, \
     .offset = offsetof(struct s, member) + IS(s, member, c_type), ##__VA_ARGS__}
#define REQUIRED true
#define OPTIONAL false
#define TEXT_(s, member, json, need, max) ROW(s, member, const char *, json, FIELD_TEXT, need, .max_bytes = max)
#define SECRET_(s, member, json, need, max) \
    ROW(s, member, const char *, json, FIELD_TEXT, need, .max_bytes = max, .secret = true)
#define INT_(s, member, json, need) ROW(s, member, int64_t, json, FIELD_INT, need)
#define BOOL_(s, member, json, need) ROW(s, member, bool, json, FIELD_BOOL, need)
#define TEXTS_(s, member, json, need, max, items) \
    ROW(s, member, struct text_list, json, FIELD_TEXT_LIST, need, .max_bytes = max, .max_items = items)
#define STRUCT_(s, member, json, need, of) \
    ROW(s, member, struct wire_##of *, json, FIELD_STRUCT, need, .child = &of)
#define STRUCTS_(s, member, json, need, items, of) \
    ROW(s, member, struct struct_list, json, FIELD_STRUCT_LIST, need, .max_items = items, .child = &of)
#define SCHEMA(variable, text, c_struct) \
    static const struct schema variable = {text, sizeof(struct c_struct), \
                                           sizeof variable##_fields / sizeof variable##_fields[0], variable##_fields}

static const struct field certificate_fields[] = {
    TEXT_(wire_certificate, serial, "serial", REQUIRED, SERIAL),
    TEXT_(wire_certificate, authority, "authority", REQUIRED, TEXT),
    TEXT_(wire_certificate, subject, "subject", REQUIRED, TEXT),
    TEXT_(wire_certificate, name, "name", REQUIRED, NAME),
    TEXTS_(wire_certificate, sans, "sans", REQUIRED, SAN, SANS),
    TEXT_(wire_certificate, profile, "profile", REQUIRED, TOKEN),
    TEXT_(wire_certificate, service, "service", REQUIRED, TOKEN),
    TEXT_(wire_certificate, label, "label", OPTIONAL, NAME),
    TEXT_(wire_certificate, status, "status", REQUIRED, TOKEN),
    TEXT_(wire_certificate, reason, "reason", OPTIONAL, TOKEN),
    TEXT_(wire_certificate, revoked_at, "revokedAt", OPTIONAL, TOKEN),
    TEXT_(wire_certificate, not_before, "notBefore", REQUIRED, TOKEN),
    TEXT_(wire_certificate, not_after, "notAfter", REQUIRED, TOKEN),
    TEXT_(wire_certificate, issued_at, "issuedAt", REQUIRED, TOKEN),
    TEXT_(wire_certificate, fingerprint, "fingerprint", REQUIRED, NAME),
    INT_(wire_certificate, requester_uid, "requesterUid", REQUIRED),
    TEXT_(wire_certificate, last_seen, "lastSeen", OPTIONAL, TOKEN),
    TEXT_(wire_certificate, last_service, "lastService", OPTIONAL, TOKEN),
    TEXT_(wire_certificate, last_address, "lastAddress", OPTIONAL, NAME),
};
SCHEMA(certificate, "Certificate", wire_certificate);

/* A certificate of another authority may hold more names and longer ones than ours. */
static const struct field identity_fields[] = {
    TEXT_(wire_identity, authority, "authority", REQUIRED, TEXT),
    BOOL_(wire_identity, ours, "ours", REQUIRED),
    TEXT_(wire_identity, subject, "subject", REQUIRED, TEXT),
    TEXT_(wire_identity, name, "name", OPTIONAL, TEXT),
    TEXTS_(wire_identity, sans, "sans", REQUIRED, TEXT, MANY),
    TEXT_(wire_identity, serial, "serial", REQUIRED, NAME),
    TEXT_(wire_identity, profile, "profile", OPTIONAL, TOKEN),
    TEXT_(wire_identity, not_before, "notBefore", REQUIRED, TOKEN),
    TEXT_(wire_identity, not_after, "notAfter", REQUIRED, TOKEN),
    TEXT_(wire_identity, fingerprint, "fingerprint", REQUIRED, NAME),
};
SCHEMA(identity, "Identity", wire_identity);

static const struct field policy_line_fields[] = {
    TEXT_(wire_policy_line, file, "file", REQUIRED, TEXT),
    INT_(wire_policy_line, line, "line", REQUIRED),
    TEXT_(wire_policy_line, control, "control", REQUIRED, TOKEN),
    TEXT_(wire_policy_line, module, "module", REQUIRED, TOKEN),
    TEXT_(wire_policy_line, arguments, "arguments", REQUIRED, TEXT),
    TEXT_(wire_policy_line, result, "result", REQUIRED, TOKEN),
    TEXT_(wire_policy_line, detail, "detail", OPTIONAL, TEXT),
    BOOL_(wire_policy_line, decided, "decided", REQUIRED),
};
SCHEMA(policy_line, "PolicyLine", wire_policy_line);

static const struct field keeper_fields[] = {
    TEXT_(wire_keeper, state, "state", REQUIRED, TOKEN),
    INT_(wire_keeper, pid, "pid", REQUIRED),
    INT_(wire_keeper, uid, "uid", REQUIRED),
    TEXTS_(wire_keeper, walls, "walls", REQUIRED, TEXT, MANY),
    INT_(wire_keeper, signatures, "signatures", REQUIRED),
};
SCHEMA(keeper, "Keeper", wire_keeper);

static const struct field issue_call_fields[] = {
    TEXT_(issue_call, name, "name", REQUIRED, NAME),
    TEXTS_(issue_call, sans, "sans", OPTIONAL, SAN, SANS),
    TEXT_(issue_call, profile, "profile", OPTIONAL, TOKEN),
    TEXT_(issue_call, service, "service", OPTIONAL, TOKEN),
    TEXT_(issue_call, label, "label", OPTIONAL, NAME),
    TEXT_(issue_call, life, "life", OPTIONAL, TOKEN),
    TEXT_(issue_call, key_type, "keyType", OPTIONAL, TOKEN),
    TEXT_(issue_call, request_id, "requestId", OPTIONAL, NAME),
    BOOL_(issue_call, dry_run, "dryRun", OPTIONAL),
};
SCHEMA(issue_call, "Issue", issue_call);

static const struct field issue_reply_fields[] = {
    BOOL_(issue_reply, changed, "changed", REQUIRED),
    STRUCT_(issue_reply, certificate, "certificate", REQUIRED, certificate),
    TEXT_(issue_reply, pem, "pem", OPTIONAL, PEM),
    TEXTS_(issue_reply, chain, "chain", REQUIRED, PEM, CHAIN),
    SECRET_(issue_reply, private_key, "privateKey", OPTIONAL, KEY),
    BOOL_(issue_reply, clamped, "clamped", REQUIRED),
    TEXTS_(issue_reply, ignored, "ignored", REQUIRED, TEXT, MANY),
};
SCHEMA(issue_reply, "Issue", issue_reply);

static const struct field sign_call_fields[] = {
    TEXT_(sign_call, csr, "csr", REQUIRED, PEM),
    TEXT_(sign_call, name, "name", OPTIONAL, NAME),
    TEXTS_(sign_call, sans, "sans", OPTIONAL, SAN, SANS),
    TEXT_(sign_call, profile, "profile", OPTIONAL, TOKEN),
    TEXT_(sign_call, service, "service", OPTIONAL, TOKEN),
    TEXT_(sign_call, label, "label", OPTIONAL, NAME),
    TEXT_(sign_call, life, "life", OPTIONAL, TOKEN),
    TEXT_(sign_call, request_id, "requestId", OPTIONAL, NAME),
    BOOL_(sign_call, dry_run, "dryRun", OPTIONAL),
};
SCHEMA(sign_call, "Sign", sign_call);

static const struct field sign_reply_fields[] = {
    BOOL_(issue_reply, changed, "changed", REQUIRED),
    STRUCT_(issue_reply, certificate, "certificate", REQUIRED, certificate),
    TEXT_(issue_reply, pem, "pem", OPTIONAL, PEM),
    TEXTS_(issue_reply, chain, "chain", REQUIRED, PEM, CHAIN),
    BOOL_(issue_reply, clamped, "clamped", REQUIRED),
    TEXTS_(issue_reply, ignored, "ignored", REQUIRED, TEXT, MANY),
};
SCHEMA(sign_reply, "Sign", issue_reply);

static const struct field renew_call_fields[] = {
    TEXT_(renew_call, serial, "serial", OPTIONAL, SERIAL),
    TEXT_(renew_call, name, "name", OPTIONAL, NAME),
    TEXT_(renew_call, label, "label", OPTIONAL, NAME),
    TEXT_(renew_call, service, "service", OPTIONAL, TOKEN),
    TEXT_(renew_call, csr, "csr", OPTIONAL, PEM),
    TEXT_(renew_call, life, "life", OPTIONAL, TOKEN),
    TEXT_(renew_call, key_type, "keyType", OPTIONAL, TOKEN),
    TEXT_(renew_call, request_id, "requestId", OPTIONAL, NAME),
    BOOL_(renew_call, dry_run, "dryRun", OPTIONAL),
};
SCHEMA(renew_call, "Renew", renew_call);

static const struct field verify_call_fields[] = {
    TEXT_(verify_call, certificate, "certificate", REQUIRED, PEM),
    TEXTS_(verify_call, intermediates, "intermediates", OPTIONAL, PEM, CHAIN),
    TEXT_(verify_call, service, "service", OPTIONAL, TOKEN),
    TEXT_(verify_call, purpose, "purpose", OPTIONAL, TOKEN),
    TEXT_(verify_call, at, "at", OPTIONAL, TOKEN),
    TEXT_(verify_call, method, "method", OPTIONAL, TOKEN),
    TEXT_(verify_call, uri, "uri", OPTIONAL, URI),
    TEXT_(verify_call, host, "host", OPTIONAL, NAME),
    TEXT_(verify_call, address, "address", OPTIONAL, NAME),
};
SCHEMA(verify_call, "Verify", verify_call);

static const struct field verify_reply_fields[] = {
    BOOL_(verify_reply, valid, "valid", REQUIRED),
    TEXT_(verify_reply, reason, "reason", OPTIONAL, TOKEN),
    TEXT_(verify_reply, detail, "detail", OPTIONAL, TEXT),
    STRUCT_(verify_reply, identity, "identity", OPTIONAL, identity),
    TEXT_(verify_reply, cacheable_until, "cacheableUntil", OPTIONAL, TOKEN),
    TEXTS_(verify_reply, vary, "vary", REQUIRED, NAME, MANY),
    TEXT_(verify_reply, page, "page", REQUIRED, NAME),
};
SCHEMA(verify_reply, "Verify", verify_reply);

static const struct field export_call_fields[] = {
    TEXT_(export_call, serial, "serial", OPTIONAL, SERIAL),
    TEXT_(export_call, name, "name", OPTIONAL, NAME),
    TEXT_(export_call, label, "label", OPTIONAL, NAME),
    TEXT_(export_call, service, "service", OPTIONAL, TOKEN),
    TEXT_(export_call, format, "format", REQUIRED, TOKEN),
    SECRET_(export_call, private_key, "privateKey", OPTIONAL, KEY),
    SECRET_(export_call, passphrase, "passphrase", OPTIONAL, PASSPHRASE),
};
SCHEMA(export_call, "Export", export_call);

static const struct field export_reply_fields[] = {
    STRUCT_(export_reply, certificate, "certificate", REQUIRED, certificate),
    TEXT_(export_reply, format, "format", REQUIRED, TOKEN),
    SECRET_(export_reply, data, "data", REQUIRED, DATA),
};
SCHEMA(export_reply, "Export", export_reply);

static const struct field revoke_call_fields[] = {
    TEXT_(revoke_call, serial, "serial", OPTIONAL, SERIAL),
    TEXT_(revoke_call, name, "name", OPTIONAL, NAME),
    TEXT_(revoke_call, label, "label", OPTIONAL, NAME),
    TEXT_(revoke_call, profile, "profile", OPTIONAL, TOKEN),
    INT_(revoke_call, requester_uid, "requesterUid", OPTIONAL),
    TEXT_(revoke_call, issued_before, "issuedBefore", OPTIONAL, TOKEN),
    TEXT_(revoke_call, issued_after, "issuedAfter", OPTIONAL, TOKEN),
    TEXT_(revoke_call, service, "service", OPTIONAL, TOKEN),
    TEXT_(revoke_call, reason, "reason", OPTIONAL, TOKEN),
    BOOL_(revoke_call, several, "several", OPTIONAL),
    INT_(revoke_call, expected, "expected", OPTIONAL),
    BOOL_(revoke_call, dry_run, "dryRun", OPTIONAL),
};
SCHEMA(revoke_call, "Revoke", revoke_call);

static const struct field revoke_reply_fields[] = {
    BOOL_(revoke_reply, changed, "changed", REQUIRED),
    INT_(revoke_reply, count, "count", REQUIRED),
    TEXTS_(revoke_reply, serials, "serials", REQUIRED, SERIAL, MANY),
};
SCHEMA(revoke_reply, "Revoke", revoke_reply);

static const struct field resume_call_fields[] = {
    TEXT_(resume_call, serial, "serial", OPTIONAL, SERIAL),
    TEXT_(resume_call, name, "name", OPTIONAL, NAME),
    TEXT_(resume_call, label, "label", OPTIONAL, NAME),
    TEXT_(resume_call, service, "service", OPTIONAL, TOKEN),
};
SCHEMA(resume_call, "Resume", resume_call);

static const struct field resume_reply_fields[] = {
    BOOL_(resume_reply, changed, "changed", REQUIRED),
    STRUCT_(resume_reply, certificate, "certificate", REQUIRED, certificate),
};
SCHEMA(resume_reply, "Resume", resume_reply);

static const struct field list_call_fields[] = {
    TEXT_(list_call, name, "name", OPTIONAL, NAME),
    TEXT_(list_call, status, "status", OPTIONAL, TOKEN),
    TEXT_(list_call, profile, "profile", OPTIONAL, TOKEN),
    TEXT_(list_call, expiring_within, "expiringWithin", OPTIONAL, TOKEN),
    TEXT_(list_call, service, "service", OPTIONAL, TOKEN),
    TEXT_(list_call, after, "after", OPTIONAL, NAME),
    INT_(list_call, limit, "limit", OPTIONAL),
};
SCHEMA(list_call, "List", list_call);

static const struct field list_reply_fields[] = {
    STRUCTS_(list_reply, certificates, "certificates", REQUIRED, MANY, certificate),
    TEXT_(list_reply, next, "next", OPTIONAL, NAME),
};
SCHEMA(list_reply, "List", list_reply);

static const struct field get_call_fields[] = {
    TEXT_(get_call, serial, "serial", OPTIONAL, SERIAL),
    TEXT_(get_call, name, "name", OPTIONAL, NAME),
    TEXT_(get_call, label, "label", OPTIONAL, NAME),
    TEXT_(get_call, request_id, "requestId", OPTIONAL, NAME),
    TEXT_(get_call, service, "service", OPTIONAL, TOKEN),
};
SCHEMA(get_call, "Get", get_call);

static const struct field get_reply_fields[] = {
    STRUCT_(get_reply, certificate, "certificate", REQUIRED, certificate),
    TEXT_(get_reply, pem, "pem", REQUIRED, PEM),
    TEXTS_(get_reply, chain, "chain", REQUIRED, PEM, CHAIN),
};
SCHEMA(get_reply, "Get", get_reply);

static const struct field get_authority_reply_fields[] = {
    TEXT_(get_authority_reply, name, "name", REQUIRED, TEXT),
    TEXT_(get_authority_reply, pem, "pem", REQUIRED, PEM),
    TEXTS_(get_authority_reply, chain, "chain", REQUIRED, PEM, CHAIN),
    TEXT_(get_authority_reply, fingerprint, "fingerprint", REQUIRED, NAME),
    TEXT_(get_authority_reply, serial, "serial", REQUIRED, SERIAL),
    TEXT_(get_authority_reply, key_type, "keyType", REQUIRED, TOKEN),
    TEXT_(get_authority_reply, not_before, "notBefore", REQUIRED, TOKEN),
    TEXT_(get_authority_reply, not_after, "notAfter", REQUIRED, TOKEN),
};
SCHEMA(get_authority_reply, "GetAuthority", get_authority_reply);

static const struct field get_crl_reply_fields[] = {
    INT_(get_crl_reply, number, "number", REQUIRED),
    TEXT_(get_crl_reply, this_update, "thisUpdate", REQUIRED, TOKEN),
    TEXT_(get_crl_reply, next_update, "nextUpdate", REQUIRED, TOKEN),
    INT_(get_crl_reply, size, "size", REQUIRED),
    TEXT_(get_crl_reply, data, "data", REQUIRED, DATA),
};
SCHEMA(get_crl_reply, "GetCRL", get_crl_reply);

static const struct field status_reply_fields[] = {
    TEXT_(status_reply, version, "version", REQUIRED, TOKEN),
    INT_(status_reply, pid, "pid", REQUIRED),
    INT_(status_reply, uid, "uid", REQUIRED),
    TEXT_(status_reply, state, "state", REQUIRED, TOKEN),
    TEXT_(status_reply, authority, "authority", REQUIRED, TEXT),
    STRUCT_(status_reply, keeper, "keeper", REQUIRED, keeper),
    TEXT_(status_reply, sandbox, "sandbox", REQUIRED, TEXT),
    TEXTS_(status_reply, warnings, "warnings", REQUIRED, TEXT, MANY),
    TEXT_(status_reply, page, "page", REQUIRED, NAME),
    TEXT_(status_reply, epoch, "epoch", REQUIRED, NAME),
    INT_(status_reply, policy_generation, "policyGeneration", REQUIRED),
    TEXT_(status_reply, policy_error, "policyError", OPTIONAL, TEXT),
    INT_(status_reply, live, "live", REQUIRED),
    INT_(status_reply, revoked, "revoked", REQUIRED),
    INT_(status_reply, expired, "expired", REQUIRED),
    INT_(status_reply, alarms, "alarms", REQUIRED),
    INT_(status_reply, connections, "connections", REQUIRED),
    INT_(status_reply, requests, "requests", REQUIRED),
    INT_(status_reply, commits, "commits", REQUIRED),
    INT_(status_reply, committed, "committed", REQUIRED),
    INT_(status_reply, syncs, "syncs", REQUIRED),
    INT_(status_reply, overlapped, "overlapped", REQUIRED),
    INT_(status_reply, crl_number, "crlNumber", REQUIRED),
    TEXT_(status_reply, crl_at, "crlAt", OPTIONAL, TOKEN),
    TEXT_(status_reply, started_at, "startedAt", REQUIRED, TOKEN),
};
SCHEMA(status_reply, "Status", status_reply);

static const struct field explain_call_fields[] = {
    TEXT_(explain_call, operation, "operation", REQUIRED, TOKEN),
    TEXT_(explain_call, service, "service", OPTIONAL, TOKEN),
    TEXT_(explain_call, name, "name", OPTIONAL, NAME),
    TEXTS_(explain_call, sans, "sans", OPTIONAL, SAN, SANS),
    TEXT_(explain_call, profile, "profile", OPTIONAL, TOKEN),
    TEXT_(explain_call, life, "life", OPTIONAL, TOKEN),
    TEXT_(explain_call, key_type, "keyType", OPTIONAL, TOKEN),
    TEXT_(explain_call, serial, "serial", OPTIONAL, SERIAL),
    INT_(explain_call, as_uid, "asUid", OPTIONAL),
    TEXT_(explain_call, method, "method", OPTIONAL, TOKEN),
    TEXT_(explain_call, uri, "uri", OPTIONAL, URI),
    TEXT_(explain_call, host, "host", OPTIONAL, NAME),
    TEXT_(explain_call, address, "address", OPTIONAL, NAME),
};
SCHEMA(explain_call, "Explain", explain_call);

static const struct field explain_reply_fields[] = {
    BOOL_(explain_reply, allowed, "allowed", REQUIRED),
    TEXT_(explain_reply, reason, "reason", REQUIRED, TEXT),
    STRUCTS_(explain_reply, lines, "lines", REQUIRED, MANY, policy_line),
    TEXT_(explain_reply, line, "line", OPTIONAL, TEXT),
};
SCHEMA(explain_reply, "Explain", explain_reply);

static const struct field reload_reply_fields[] = {
    INT_(reload_reply, generation, "generation", REQUIRED),
};
SCHEMA(reload_reply, "Reload", reload_reply);

/* A method without parameters still has a table, so that any parameter is an unknown one. Size 1: there is no
 * empty struct in C. */
#define NO_PARAMETERS(variable, text) static const struct schema variable = {text, 1, 0, NULL}
NO_PARAMETERS(get_authority_call, "GetAuthority");
NO_PARAMETERS(get_crl_call, "GetCRL");
NO_PARAMETERS(status_call, "Status");
NO_PARAMETERS(reload_call, "Reload");

const struct method_schema method_schemas[] = {
    {"Issue", &issue_call, &issue_reply},
    {"Sign", &sign_call, &sign_reply},
    {"Renew", &renew_call, &issue_reply},
    {"Verify", &verify_call, &verify_reply},
    {"Export", &export_call, &export_reply},
    {"Revoke", &revoke_call, &revoke_reply},
    {"Resume", &resume_call, &resume_reply},
    {"List", &list_call, &list_reply},
    {"Get", &get_call, &get_reply},
    {"GetAuthority", &get_authority_call, &get_authority_reply},
    {"GetCRL", &get_crl_call, &get_crl_reply},
    {"Status", &status_call, &status_reply},
    {"Explain", &explain_call, &explain_reply},
    {"Reload", &reload_call, &reload_reply},
};
const size_t method_schema_count = sizeof method_schemas / sizeof method_schemas[0];

const struct method_schema *method_schema_find(const char *method)
{
    for (size_t i = 0; i < method_schema_count; i++)
        if (!strcmp(method_schemas[i].method, method))
            return &method_schemas[i];
    return NULL;
}
