/*
 * calls.h - the methods of io.mtlsd.Agent as typed structs, one pair a method.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Member for member what io.mtlsd.Agent.varlink says (camelCase there, snake_case here); the tables
 * in calls.c are the codec, and test_calls.c compares them with the file. Meaning, units and
 * formats of each member are documented in the .varlink file.
 */
#ifndef MTLSD_PROTO_CALLS_H
#define MTLSD_PROTO_CALLS_H

#include "proto/schema.h"

struct wire_certificate {
    const char *serial, *authority, *subject, *name;
    struct text_list sans;
    const char *profile, *service, *label, *status, *reason, *revoked_at;
    const char *not_before, *not_after, *issued_at, *fingerprint;
    int64_t requester_uid;
    const char *last_seen, *last_service, *last_address;
};

struct wire_identity {
    const char *authority;
    bool ours;
    const char *subject, *name;
    struct text_list sans;
    const char *serial, *profile, *not_before, *not_after, *fingerprint;
};

struct wire_policy_line {
    const char *file;
    int64_t line;
    const char *control, *module, *arguments, *result, *detail;
    bool decided;
};

struct wire_keeper {
    const char *state;
    int64_t pid, uid;
    struct text_list walls;
    int64_t signatures;
};

struct issue_call {
    const char *name;
    struct text_list sans;
    const char *profile, *service, *label, *life, *key_type, *request_id;
    bool dry_run;
};
/* The reply of Issue, Sign (which leaves private_key out of its table) and Renew. */
struct issue_reply {
    bool changed;
    struct wire_certificate *certificate;
    const char *pem;
    struct text_list chain;
    const char *private_key;
    bool clamped;
    struct text_list ignored;
};

struct sign_call {
    const char *csr, *name;
    struct text_list sans;
    const char *profile, *service, *label, *life, *request_id;
    bool dry_run;
};

struct renew_call {
    const char *serial, *name, *label, *service, *csr, *life, *key_type, *request_id;
    bool dry_run;
};

struct verify_call {
    const char *certificate;
    struct text_list intermediates;
    const char *service, *purpose, *at, *method, *uri, *host, *address;
};
struct verify_reply {
    bool valid;
    const char *reason, *detail;
    struct wire_identity *identity;
    const char *cacheable_until;
    struct text_list vary;
    const char *page;
};

struct export_call {
    const char *serial, *name, *label, *service, *format, *private_key, *passphrase;
};
struct export_reply {
    struct wire_certificate *certificate;
    const char *format, *data;
};

struct revoke_call {
    const char *serial, *name, *label, *profile;
    int64_t requester_uid;
    const char *issued_before, *issued_after, *service, *reason;
    bool several;
    int64_t expected;
    bool dry_run;
};
struct revoke_reply {
    bool changed;
    int64_t count;
    struct text_list serials;
};

struct resume_call {
    const char *serial, *name, *label, *service;
};
struct resume_reply {
    bool changed;
    struct wire_certificate *certificate;
};

struct list_call {
    const char *name, *status, *profile, *expiring_within, *service, *after;
    int64_t limit;
};
struct list_reply {
    struct struct_list certificates; /* of struct wire_certificate */
    const char *next;
};

struct get_call {
    const char *serial, *name, *label, *request_id, *service;
};
struct get_reply {
    struct wire_certificate *certificate;
    const char *pem;
    struct text_list chain;
};

struct get_authority_reply {
    const char *name, *pem;
    struct text_list chain;
    const char *fingerprint, *serial, *key_type, *not_before, *not_after;
};

struct get_crl_reply {
    int64_t number;
    const char *this_update, *next_update;
    int64_t size;
    const char *data;
};

struct status_reply {
    const char *version;
    int64_t pid, uid;
    const char *state, *authority;
    struct wire_keeper *keeper;
    const char *sandbox;
    struct text_list warnings;
    const char *page, *epoch;
    int64_t policy_generation;
    const char *policy_error;
    int64_t live, revoked, expired, alarms, connections, requests, commits, committed, syncs, overlapped;
    int64_t crl_number;
    const char *crl_at, *started_at;
};

struct explain_call {
    const char *operation, *service, *name;
    struct text_list sans;
    const char *profile, *life, *key_type, *serial;
    int64_t as_uid;
    const char *method, *uri, *host, *address;
};
struct explain_reply {
    bool allowed;
    const char *reason;
    struct struct_list lines; /* of struct wire_policy_line */
    const char *line;
};

struct reload_reply {
    int64_t generation;
};

/* One row a method: what the agent decodes and encodes, and the client the other way round. */
struct method_schema {
    const char *method; /* "Issue" */
    const struct schema *call;
    const struct schema *reply;
};
extern const struct method_schema method_schemas[];
extern const size_t method_schema_count;

/* The row of a method of io.mtlsd.Agent by its bare name; NULL where there is none. */
const struct method_schema *method_schema_find(const char *method);

#endif
