/*
 * verify.c - Verify: what we issued, we recognise; what others issued goes through path validation on the pool.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The floor comes first and no stack can lift it: recognised or path-validated, within its times, not revoked, right purpose. Then the
 * `verify` stack of the service, which only narrows. Who may ask at all is decided by `use`.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/anchors.h"
#include "agent/ca/subject.h"
#include "agent/ops/common.h"
#include "proto/term.h"
#include "proto/x509/path.h"

enum { INTERMEDIATES_MAX = 8 };

/* What the slow part found out about a certificate that the index does not simply recognise. */
enum finding { FINDING_NONE, FINDING_ALTERED, FINDING_OURS_UNKNOWN, FINDING_UNTRUSTED, FINDING_FOREIGN };

struct verifying {
    enum path_purpose purpose;
    int64_t at;
    uint8_t *der;                  /* malloc */
    size_t length;
    struct certificate_key key;
    struct certificate_row row;    /* of the same serial, if there is one; in the arena */
    bool have_row, names_us;
    /* the slow part: */
    struct anchors *anchors;
    const struct authority *authority;
    enum finding finding;
    const struct anchor_set *anchor;
    struct certificate_facts facts; /* of a foreign certificate */
    struct path_verdict path;
    /* the verdict: */
    const char *reason, *detail;
    bool recognised;
};

static void verify_release(struct request *request)
{
    struct verifying *verifying = request->work_state;
    if (!verifying)
        return;
    free(verifying->der);
    anchors_unref(verifying->anchors);
    certificate_facts_clear(&verifying->facts);
    verifying->der = NULL;
    verifying->anchors = NULL;
}

static int purpose_read(const char *text, enum path_purpose *out, struct failure *failure)
{
    static const char *const names[] = {[PATH_CLIENT] = "client", [PATH_SERVER] = "server", [PATH_ANY] = "any"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(text ? text : "client", names[i])) {
            *out = (enum path_purpose)i;
            return 0;
        }
    return failure_set(failure, FAILURE_BAD_REQUEST, "purpose", "'%.40s' is no purpose; client, server or any", text);
}

/* --- the slow part, on the pool ---------------------------------------------------------------------------- */

static STACK_OF(X509) *read_intermediates(const struct verify_call *call)
{
    STACK_OF(X509) *stack = sk_X509_new_null();
    for (size_t i = 0; stack && i < call->intermediates.count && i < INTERMEDIATES_MAX; i++) {
        const char *text = call->intermediates.items[i];
        STACK_OF(X509) *some = path_read_certificates(text, strlen(text), "intermediates", NULL);
        while (some && sk_X509_num(some))
            if (!sk_X509_push(stack, sk_X509_shift(some)))
                break;
        sk_X509_pop_free(some, X509_free);
    }
    return stack;
}

/* The first set of anchors that validates wins; else the verdict of the last one that had more to say than "untrusted". */
static void validate_foreign(struct verifying *verifying, const struct verify_call *call)
{
    const uint8_t *cursor = verifying->der;
    X509 *leaf = d2i_X509(NULL, &cursor, (long)verifying->length);
    STACK_OF(X509) *untrusted = read_intermediates(call);
    for (size_t i = 0; leaf && i < verifying->anchors->count; i++) {
        const struct anchor_set *set = &verifying->anchors->sets[i];
        const struct path_request request = {.leaf = leaf, .untrusted = untrusted, .anchors = set->certificates, .crls = set->crls,
                                             .purpose = verifying->purpose, .at = verifying->at, .strict = set->strict};
        struct path_verdict verdict;
        if (path_validate(&request, &verdict, NULL))
            continue;
        if (verdict.valid || strcmp(verdict.reason, "untrusted")) {
            verifying->finding = FINDING_FOREIGN;
            verifying->anchor = set;
            verifying->path = verdict;
        }
        if (verdict.valid)
            break;
    }
    X509_free(leaf);
    sk_X509_pop_free(untrusted, X509_free);
}

static void verify_work(struct request *request)
{
    struct verifying *verifying = request->work_state;
    const struct authority *authority = verifying->authority;
    uint8_t seen[FINGERPRINT_SIZE], known[FINGERPRINT_SIZE];
    verifying->finding = FINDING_UNTRUSTED;
    if (verifying->names_us && verifying->have_row &&
        !certificate_tbs_digest(verifying->der, verifying->length, seen) &&
        !certificate_tbs_digest(verifying->row.der, verifying->row.der_length, known) && !memcmp(seen, known, sizeof seen))
        verifying->finding = FINDING_ALTERED; /* ECDSA signatures are malleable: not a second use of the key */
    else if (verifying->names_us && certificate_signed_by(verifying->der, verifying->length, authority->der, authority->length) == 1)
        verifying->finding = FINDING_OURS_UNKNOWN;
    else if (certificate_facts_read(verifying->der, verifying->length, "certificate", &verifying->facts, &request->work_failure) == 0)
        validate_foreign(verifying, request->call);
}

/* --- the floor --------------------------------------------------------------------------------------------- */

static const char *times_reason(int64_t at, int64_t not_before, int64_t not_after)
{
    return at < not_before ? "not-yet-valid" : at > not_after ? "expired" : NULL;
}

static bool purpose_fits(enum path_purpose purpose, uint32_t purposes)
{
    return purpose == PATH_ANY || (purposes & (purpose == PATH_CLIENT ? PURPOSE_CLIENT : PURPOSE_SERVER));
}

static void judge_recognised(struct request *request, struct verifying *verifying)
{
    const struct certificate_row *row = &verifying->row;
    struct arena *arena = &request->arena;
    verifying->recognised = true;
    if (row->status != STATUS_LIVE && row->revoked_at <= verifying->at) {
        verifying->reason = "revoked";
        verifying->detail = arena_format(arena, "%s since %s (%s)", row->status == STATUS_HELD ? "on hold" : "revoked",
                                         arena_instant(arena, row->revoked_at), reason_name(row->reason));
    } else if ((verifying->reason = times_reason(verifying->at, row->not_before, row->not_after))) {
        verifying->detail = arena_format(arena, "valid from %s to %s", arena_instant(arena, row->not_before),
                                         arena_instant(arena, row->not_after));
    } else if (!purpose_fits(verifying->purpose, row->purposes)) {
        verifying->reason = "wrong-purpose";
        verifying->detail = arena_format(arena, "profile %s", row->profile);
    }
}

static void judge_finding(struct request *request, struct verifying *verifying)
{
    struct plan *plan = &request->plan;
    struct arena *arena = &request->arena;
    char serial[SERIAL_TEXT_SIZE];
    serial_format(&verifying->key.serial, serial);
    switch (verifying->finding) {
    case FINDING_ALTERED:
        verifying->reason = "altered";
        verifying->detail = "its signed part is ours, but its signature bytes are not those that we issued";
        break;
    case FINDING_OURS_UNKNOWN:
        verifying->reason = "unknown-serial";
        verifying->detail = "it is signed with our CA key, but was not issued here: somebody else may have used the key";
        plan->alarm = arena_format(arena, "certificate %s is signed with the key of this CA but not in the index", serial);
        break;
    case FINDING_FOREIGN:
        verifying->reason = verifying->path.valid ? NULL : verifying->path.reason;
        verifying->detail = verifying->path.valid ? NULL : verifying->path.detail;
        break;
    default:
        verifying->reason = "untrusted";
        verifying->detail = verifying->names_us ? "it names our CA as its issuer, but our key did not sign it"
                                                : "it was issued by no CA that is configured here";
    }
}

/* --- the stack --------------------------------------------------------------------------------------------- */

static int names_of(const struct verifying *verifying, struct names *names)
{
    if (verifying->recognised)
        return names_from_lines(verifying->row.name, verifying->row.sans, names, NULL);
    return names_copy(&verifying->facts.names, names);
}

static void judge_by_policy(const struct world *world, struct request *request, struct verifying *verifying)
{
    const struct verify_call *call = request->call;
    struct names names = {0};
    struct policy_decision decision;
    if (names_of(verifying, &names)) {
        verifying->reason = "malformed";
        verifying->detail = "its names cannot be read";
        return;
    }
    const struct policy_question question = {
        .type = POLICY_VERIFY, .service = request->plan.service, .peer = request->peer, .names = &names,
        .profile = verifying->recognised ? verifying->row.profile : NULL, .now = world->now,
        .authority = verifying->recognised ? "" : verifying->anchor->name, .method = call->method, .uri = call->uri,
        .host = call->host, .address = call->address,
    };
    policy_decide(world->policy, &question, NULL, &decision);
    names_clear(&names);
    if (decision.allowed)
        return;
    verifying->reason = "not-permitted";
    verifying->detail = arena_format(&request->arena, "%s:%u %s: %s", decision.file ? decision.file : "", decision.line,
                                     decision.module ? decision.module : "", decision.reason);
}

/* --- the operation ----------------------------------------------------------------------------------------- */

static int verify_begin(const struct world *world, struct request *request, struct failure *failure)
{
    const struct verify_call *call = request->call;
    struct verifying *verifying = arena_new(&request->arena, sizeof *verifying);
    request->work_state = verifying;
    request->release = verify_release;
    verifying->at = world->now;
    verifying->authority = world->authority;
    if (call->at && instant_parse(call->at, &verifying->at))
        return failure_set(failure, FAILURE_BAD_REQUEST, "at", "'%.40s' is no time; write 2026-11-23T20:00:00Z", call->at);
    if (call->intermediates.count > INTERMEDIATES_MAX)
        return failure_set(failure, FAILURE_BAD_REQUEST, "intermediates", "at most %d", INTERMEDIATES_MAX);
    if (purpose_read(call->purpose, &verifying->purpose, failure) ||
        certificate_decode_text(call->certificate, "certificate", &verifying->der, &verifying->length, failure) ||
        certificate_key_read(verifying->der, verifying->length, "certificate", &verifying->key, failure))
        return -1;
    verifying->names_us = verifying->key.issuer_length == world->authority->subject_length &&
                          !memcmp(verifying->key.issuer, world->authority->subject, verifying->key.issuer_length);
    return 0;
}

/* 1: recognised; 0: not; -1 with *failure. */
static int look_up(const struct world *world, struct request *request, struct verifying *verifying, struct failure *failure)
{
    struct certificate_row found;
    int result = verifying->names_us ? store_find(world->store, &verifying->key.serial, &found, failure) : 0;
    if (result < 1)
        return result;
    arena_row(&request->arena, &found, &verifying->row);
    certificate_row_clear(&found);
    verifying->have_row = true;
    return !memcmp(verifying->row.fingerprint, verifying->key.fingerprint, FINGERPRINT_SIZE);
}

static enum plan_step verify_plan(const struct world *world, struct request *request, struct failure *failure)
{
    const struct verify_call *call = request->call;
    struct verifying *verifying = request->work_state;
    struct subject *use = arena_new(&request->arena, sizeof *use);
    use->type = POLICY_USE;
    request->plan.subjects = use;
    request->plan.subject_count = 1;
    request->plan.what = "a certificate";
    request->plan.service = request_service(call->service, failure);
    if (!request->plan.service || (!verifying && verify_begin(world, request, failure)))
        return PLAN_FAILED;
    verifying = request->work_state;
    int recognised = request->worked ? 0 : look_up(world, request, verifying, failure);
    if (recognised < 0)
        return PLAN_FAILED;
    if (!recognised && !request->worked) {
        verifying->anchors = anchors_ref(world->anchors);
        request->work = verify_work;
        return PLAN_WORK;
    }
    if (recognised)
        judge_recognised(request, verifying);
    else
        judge_finding(request, verifying);
    if (!verifying->reason)
        judge_by_policy(world, request, verifying);
    return PLAN_READY;
}

static struct wire_identity *identity_of(struct arena *arena, const struct world *world, const struct verifying *verifying)
{
    struct wire_identity *identity = arena_new(arena, sizeof *identity);
    char fingerprint[FINGERPRINT_TEXT_SIZE];
    fingerprint_format(verifying->key.fingerprint, fingerprint);
    if (verifying->recognised) {
        const struct certificate_row *row = &verifying->row;
        *identity = (struct wire_identity){
            .authority = world->authority->name, .ours = true, .subject = row->subject, .name = row->name,
            .sans = sans_to_list(arena, row->sans), .profile = row->profile, .not_before = arena_instant(arena, row->not_before),
            .not_after = arena_instant(arena, row->not_after)};
    } else if (verifying->finding == FINDING_FOREIGN) {
        const struct certificate_facts *facts = &verifying->facts;
        *identity = (struct wire_identity){
            .authority = verifying->anchor->name, .subject = facts->subject,
            .name = verifying->anchor->names && *facts->names.common_name ? facts->names.common_name : NULL,
            .sans = sans_to_list(arena, names_to_lines(arena, &facts->names)), .not_before = arena_instant(arena, facts->not_before),
            .not_after = arena_instant(arena, facts->not_after)};
    } else {
        return NULL; /* nobody vouches for what it says of itself */
    }
    identity->serial = arena_serial(arena, &verifying->key.serial);
    identity->fingerprint = arena_text(arena, fingerprint);
    return identity;
}

static struct text_list vary_list(struct arena *arena, unsigned facts)
{
    static const struct { unsigned bit; const char *name; } names[] = {
        {FACT_METHOD, "method"}, {FACT_URI, "uri"}, {FACT_HOST, "host"}, {FACT_ADDRESS, "address"}};
    struct text_list list = {arena_array(arena, 4, sizeof(char *)), 0};
    for (size_t i = 0; i < 4; i++)
        if (facts & names[i].bit)
            list.items[list.count++] = names[i].name;
    return list;
}

static json_t *verify_reply(const struct world *world, struct request *request, struct failure *failure)
{
    const struct verifying *verifying = request->work_state;
    const struct verify_call *call = request->call;
    struct arena *arena = &request->arena;
    (void)failure;
    int64_t until = world->now + world->config->agent.cacheable;
    if (verifying->recognised && verifying->row.not_after < until)
        until = verifying->row.not_after;
    until = policy_settled_until(world->policy, request->plan.service, world->now, until);
    /* Only a verdict about now, of a certificate that the epoch speaks for, may be kept. */
    bool cacheable = verifying->recognised && !call->at && until > world->now;
    const struct verify_reply reply = {
        .valid = !verifying->reason, .reason = verifying->reason, .detail = verifying->detail,
        .identity = identity_of(arena, world, verifying), .cacheable_until = cacheable ? arena_instant(arena, until) : NULL,
        .vary = vary_list(arena, policy_vary(world->policy, request->plan.service)), .page = world->vitals->page,
    };
    return schema_encode(method_schema_find("Verify")->reply, &reply);
}

OPERATION(Verify, POLICY_VERIFY, .plan = verify_plan, .reply = verify_reply);
