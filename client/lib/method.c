/*
 * method.c - one row a method: how its request of mtls.h becomes the wire's, and the proof that the two
 * agree.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The public structs have the members of proto/calls.h in the same places (checked below while compiling), so
 * that the codec's tables serve for both. Three requests differ, where the wire's "absent" is a number that
 * nobody should have to know.
 */
#include "client/lib/handle.h"

#include <string.h>

#define SAME_SIZE(ours, wire) _Static_assert(sizeof(struct ours) == sizeof(struct wire), #ours " and " #wire)
#define SAME(ours, wire, member)                                                              \
    _Static_assert(offsetof(struct ours, member) == offsetof(struct wire, member), #ours "." #member)

SAME_SIZE(mtls_text_list, text_list);
SAME(mtls_text_list, text_list, items);
SAME(mtls_text_list, text_list, count);
SAME_SIZE(mtls_certificate_list, struct_list);
SAME(mtls_certificate_list, struct_list, items);
SAME(mtls_certificate_list, struct_list, count);
SAME_SIZE(mtls_policy_line_list, struct_list);
SAME(mtls_policy_line_list, struct_list, items);
SAME(mtls_policy_line_list, struct_list, count);
SAME_SIZE(mtls_certificate, wire_certificate);
SAME(mtls_certificate, wire_certificate, serial);
SAME(mtls_certificate, wire_certificate, authority);
SAME(mtls_certificate, wire_certificate, subject);
SAME(mtls_certificate, wire_certificate, name);
SAME(mtls_certificate, wire_certificate, sans);
SAME(mtls_certificate, wire_certificate, profile);
SAME(mtls_certificate, wire_certificate, service);
SAME(mtls_certificate, wire_certificate, label);
SAME(mtls_certificate, wire_certificate, status);
SAME(mtls_certificate, wire_certificate, reason);
SAME(mtls_certificate, wire_certificate, revoked_at);
SAME(mtls_certificate, wire_certificate, not_before);
SAME(mtls_certificate, wire_certificate, not_after);
SAME(mtls_certificate, wire_certificate, issued_at);
SAME(mtls_certificate, wire_certificate, fingerprint);
SAME(mtls_certificate, wire_certificate, requester_uid);
SAME(mtls_certificate, wire_certificate, last_seen);
SAME(mtls_certificate, wire_certificate, last_service);
SAME(mtls_certificate, wire_certificate, last_address);
SAME_SIZE(mtls_identity, wire_identity);
SAME(mtls_identity, wire_identity, authority);
SAME(mtls_identity, wire_identity, ours);
SAME(mtls_identity, wire_identity, subject);
SAME(mtls_identity, wire_identity, name);
SAME(mtls_identity, wire_identity, sans);
SAME(mtls_identity, wire_identity, serial);
SAME(mtls_identity, wire_identity, profile);
SAME(mtls_identity, wire_identity, not_before);
SAME(mtls_identity, wire_identity, not_after);
SAME(mtls_identity, wire_identity, fingerprint);
SAME_SIZE(mtls_policy_line, wire_policy_line);
SAME(mtls_policy_line, wire_policy_line, file);
SAME(mtls_policy_line, wire_policy_line, line);
SAME(mtls_policy_line, wire_policy_line, control);
SAME(mtls_policy_line, wire_policy_line, module);
SAME(mtls_policy_line, wire_policy_line, arguments);
SAME(mtls_policy_line, wire_policy_line, result);
SAME(mtls_policy_line, wire_policy_line, detail);
SAME(mtls_policy_line, wire_policy_line, decided);
SAME_SIZE(mtls_keeper, wire_keeper);
SAME(mtls_keeper, wire_keeper, state);
SAME(mtls_keeper, wire_keeper, pid);
SAME(mtls_keeper, wire_keeper, uid);
SAME(mtls_keeper, wire_keeper, walls);
SAME(mtls_keeper, wire_keeper, signatures);
SAME_SIZE(mtls_issue_request, issue_call);
SAME(mtls_issue_request, issue_call, name);
SAME(mtls_issue_request, issue_call, sans);
SAME(mtls_issue_request, issue_call, profile);
SAME(mtls_issue_request, issue_call, service);
SAME(mtls_issue_request, issue_call, label);
SAME(mtls_issue_request, issue_call, life);
SAME(mtls_issue_request, issue_call, key_type);
SAME(mtls_issue_request, issue_call, request_id);
SAME(mtls_issue_request, issue_call, dry_run);
SAME_SIZE(mtls_issue_result, issue_reply);
SAME(mtls_issue_result, issue_reply, changed);
SAME(mtls_issue_result, issue_reply, certificate);
SAME(mtls_issue_result, issue_reply, pem);
SAME(mtls_issue_result, issue_reply, chain);
SAME(mtls_issue_result, issue_reply, private_key);
SAME(mtls_issue_result, issue_reply, clamped);
SAME(mtls_issue_result, issue_reply, ignored);
SAME_SIZE(mtls_sign_request, sign_call);
SAME(mtls_sign_request, sign_call, csr);
SAME(mtls_sign_request, sign_call, name);
SAME(mtls_sign_request, sign_call, sans);
SAME(mtls_sign_request, sign_call, profile);
SAME(mtls_sign_request, sign_call, service);
SAME(mtls_sign_request, sign_call, label);
SAME(mtls_sign_request, sign_call, life);
SAME(mtls_sign_request, sign_call, request_id);
SAME(mtls_sign_request, sign_call, dry_run);
SAME_SIZE(mtls_renew_request, renew_call);
SAME(mtls_renew_request, renew_call, serial);
SAME(mtls_renew_request, renew_call, name);
SAME(mtls_renew_request, renew_call, label);
SAME(mtls_renew_request, renew_call, service);
SAME(mtls_renew_request, renew_call, csr);
SAME(mtls_renew_request, renew_call, life);
SAME(mtls_renew_request, renew_call, key_type);
SAME(mtls_renew_request, renew_call, request_id);
SAME(mtls_renew_request, renew_call, dry_run);
SAME_SIZE(mtls_verify_request, verify_call);
SAME(mtls_verify_request, verify_call, certificate);
SAME(mtls_verify_request, verify_call, intermediates);
SAME(mtls_verify_request, verify_call, service);
SAME(mtls_verify_request, verify_call, purpose);
SAME(mtls_verify_request, verify_call, at);
SAME(mtls_verify_request, verify_call, method);
SAME(mtls_verify_request, verify_call, uri);
SAME(mtls_verify_request, verify_call, host);
SAME(mtls_verify_request, verify_call, address);
SAME_SIZE(mtls_verify_result, verify_reply);
SAME(mtls_verify_result, verify_reply, valid);
SAME(mtls_verify_result, verify_reply, reason);
SAME(mtls_verify_result, verify_reply, detail);
SAME(mtls_verify_result, verify_reply, identity);
SAME(mtls_verify_result, verify_reply, cacheable_until);
SAME(mtls_verify_result, verify_reply, vary);
SAME(mtls_verify_result, verify_reply, page);
SAME_SIZE(mtls_export_request, export_call);
SAME(mtls_export_request, export_call, serial);
SAME(mtls_export_request, export_call, name);
SAME(mtls_export_request, export_call, label);
SAME(mtls_export_request, export_call, service);
SAME(mtls_export_request, export_call, format);
SAME(mtls_export_request, export_call, private_key);
SAME(mtls_export_request, export_call, passphrase);
SAME_SIZE(mtls_export_result, export_reply);
SAME(mtls_export_result, export_reply, certificate);
SAME(mtls_export_result, export_reply, format);
SAME(mtls_export_result, export_reply, data);
SAME_SIZE(mtls_revoke_result, revoke_reply);
SAME(mtls_revoke_result, revoke_reply, changed);
SAME(mtls_revoke_result, revoke_reply, count);
SAME(mtls_revoke_result, revoke_reply, serials);
SAME_SIZE(mtls_resume_request, resume_call);
SAME(mtls_resume_request, resume_call, serial);
SAME(mtls_resume_request, resume_call, name);
SAME(mtls_resume_request, resume_call, label);
SAME(mtls_resume_request, resume_call, service);
SAME_SIZE(mtls_resume_result, resume_reply);
SAME(mtls_resume_result, resume_reply, changed);
SAME(mtls_resume_result, resume_reply, certificate);
SAME_SIZE(mtls_list_result, list_reply);
SAME(mtls_list_result, list_reply, certificates);
SAME(mtls_list_result, list_reply, next);
SAME_SIZE(mtls_get_request, get_call);
SAME(mtls_get_request, get_call, serial);
SAME(mtls_get_request, get_call, name);
SAME(mtls_get_request, get_call, label);
SAME(mtls_get_request, get_call, request_id);
SAME(mtls_get_request, get_call, service);
SAME_SIZE(mtls_get_result, get_reply);
SAME(mtls_get_result, get_reply, certificate);
SAME(mtls_get_result, get_reply, pem);
SAME(mtls_get_result, get_reply, chain);
SAME_SIZE(mtls_get_authority_result, get_authority_reply);
SAME(mtls_get_authority_result, get_authority_reply, name);
SAME(mtls_get_authority_result, get_authority_reply, pem);
SAME(mtls_get_authority_result, get_authority_reply, chain);
SAME(mtls_get_authority_result, get_authority_reply, fingerprint);
SAME(mtls_get_authority_result, get_authority_reply, serial);
SAME(mtls_get_authority_result, get_authority_reply, key_type);
SAME(mtls_get_authority_result, get_authority_reply, not_before);
SAME(mtls_get_authority_result, get_authority_reply, not_after);
SAME_SIZE(mtls_get_crl_result, get_crl_reply);
SAME(mtls_get_crl_result, get_crl_reply, number);
SAME(mtls_get_crl_result, get_crl_reply, this_update);
SAME(mtls_get_crl_result, get_crl_reply, next_update);
SAME(mtls_get_crl_result, get_crl_reply, size);
SAME(mtls_get_crl_result, get_crl_reply, data);
SAME_SIZE(mtls_status_result, status_reply);
SAME(mtls_status_result, status_reply, version);
SAME(mtls_status_result, status_reply, pid);
SAME(mtls_status_result, status_reply, uid);
SAME(mtls_status_result, status_reply, state);
SAME(mtls_status_result, status_reply, authority);
SAME(mtls_status_result, status_reply, keeper);
SAME(mtls_status_result, status_reply, sandbox);
SAME(mtls_status_result, status_reply, warnings);
SAME(mtls_status_result, status_reply, page);
SAME(mtls_status_result, status_reply, epoch);
SAME(mtls_status_result, status_reply, policy_generation);
SAME(mtls_status_result, status_reply, policy_error);
SAME(mtls_status_result, status_reply, live);
SAME(mtls_status_result, status_reply, revoked);
SAME(mtls_status_result, status_reply, expired);
SAME(mtls_status_result, status_reply, alarms);
SAME(mtls_status_result, status_reply, connections);
SAME(mtls_status_result, status_reply, requests);
SAME(mtls_status_result, status_reply, commits);
SAME(mtls_status_result, status_reply, committed);
SAME(mtls_status_result, status_reply, syncs);
SAME(mtls_status_result, status_reply, overlapped);
SAME(mtls_status_result, status_reply, crl_number);
SAME(mtls_status_result, status_reply, crl_at);
SAME(mtls_status_result, status_reply, started_at);
SAME_SIZE(mtls_explain_result, explain_reply);
SAME(mtls_explain_result, explain_reply, allowed);
SAME(mtls_explain_result, explain_reply, reason);
SAME(mtls_explain_result, explain_reply, lines);
SAME(mtls_explain_result, explain_reply, line);
SAME_SIZE(mtls_reload_result, reload_reply);
SAME(mtls_reload_result, reload_reply, generation);

static json_t *encode_same(const struct schema *schema, const void *request, bool *secret)
{
    *secret = schema_has_secret(schema, request);
    return schema_encode(schema, request);
}

static json_t *encode_nothing(const struct schema *schema, const void *request, bool *secret)
{
    (void)schema;
    (void)request;
    *secret = false;
    return json_object();
}

static json_t *encode_revoke(const struct schema *schema, const void *request, bool *secret)
{
    const struct mtls_revoke_request *revoke = request;
    struct revoke_call call = {
        .serial = revoke->serial,
        .name = revoke->name,
        .label = revoke->label,
        .profile = revoke->profile,
        .requester_uid = revoke->requester_uid ? (int64_t)*revoke->requester_uid : ABSENT,
        .issued_before = revoke->issued_before,
        .issued_after = revoke->issued_after,
        .service = revoke->service,
        .reason = revoke->reason,
        .several = revoke->several,
        .expected = revoke->expected ? revoke->expected : ABSENT,
        .dry_run = revoke->dry_run,
    };
    return encode_same(schema, &call, secret);
}

static json_t *encode_list(const struct schema *schema, const void *request, bool *secret)
{
    const struct mtls_list_request *list = request;
    struct list_call call = {
        .name = list->name,
        .status = list->status,
        .profile = list->profile,
        .expiring_within = list->expiring_within,
        .service = list->service,
        .after = list->after,
        .limit = list->limit ? list->limit : ABSENT,
    };
    return encode_same(schema, &call, secret);
}

static json_t *encode_explain(const struct schema *schema, const void *request, bool *secret)
{
    const struct mtls_explain_request *explain = request;
    struct explain_call call = {
        .operation = explain->operation,
        .service = explain->service,
        .name = explain->name,
        .sans = {(const char **)explain->sans.items, explain->sans.count},
        .profile = explain->profile,
        .life = explain->life,
        .key_type = explain->key_type,
        .serial = explain->serial,
        .as_uid = explain->as_uid ? (int64_t)*explain->as_uid : ABSENT,
        .method = explain->method,
        .uri = explain->uri,
        .host = explain->host,
        .address = explain->address,
    };
    return encode_same(schema, &call, secret);
}

static const struct method methods[] = {
    {"Issue", true, false, encode_same},      {"Sign", true, false, encode_same},
    {"Renew", true, false, encode_same},      {"Verify", true, false, encode_same},
    {"Export", true, false, encode_same},     {"Revoke", true, false, encode_revoke},
    {"Resume", true, false, encode_same},     {"List", true, true, encode_list},
    {"Get", true, false, encode_same},        {"GetAuthority", false, false, encode_nothing},
    {"GetCRL", false, true, encode_nothing},  {"Status", false, false, encode_nothing},
    {"Explain", true, false, encode_explain}, {"Reload", false, false, encode_nothing},
};

const struct method *method_find(const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (!strcmp(methods[i].name, name))
            return &methods[i];
    return NULL;
}
