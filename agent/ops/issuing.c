/*
 * issuing.c - what Issue, Sign and Renew share: wish to grant and row, and their reply.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/ops/issuing.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ca/plan.h"
#include "agent/ca/private_key.h"
#include "agent/ca/subject.h"
#include "agent/ops/common.h"
#include "proto/nearest.h"

static const struct config_profile *find_profile(const struct config *config, const char *name, struct failure *failure)
{
    const struct config_profile *profile = config_profile_find(config, name ? name : "client");
    if (profile)
        return profile;
    const char *known[CONFIG_NAMED_MAX];
    for (size_t i = 0; i < config->profile_count; i++)
        known[i] = config->profiles[i].name;
    const char *near = nearest_word(name, known, config->profile_count);
    failure_set(failure, FAILURE_BAD_REQUEST, "profile", "there is no [profile %.60s] in the configuration%s%s", name,
                near ? "; did you mean " : "", near ? near : "");
    return NULL;
}

int issuing_key_type(const struct world *world, const char *text, const char *profile, struct key_type *out, struct failure *failure)
{
    const struct config_profile *found = find_profile(world->config, profile, failure);
    if (!found)
        return -1;
    *out = found->key_type;
    if (text && key_type_parse(text, out))
        return failure_set(failure, FAILURE_BAD_REQUEST, "keyType",
                           "'%.40s' is no key type; ec:P-256, ec:P-384, ed25519 or rsa:2048 to rsa:4096", text);
    return 0;
}

int issuing_csr(struct request *request, struct issuing *issuing, const char *text, struct failure *failure)
{
    (void)request;
    if (csr_decode_text(text, &issuing->csr_der, &issuing->csr_length, failure) ||
        csr_parse(issuing->csr_der, issuing->csr_length, &issuing->csr, failure))
        return -1;
    issuing->have_csr = true;
    issuing->key = issuing->csr.key;
    issuing->key_type = issuing->key.type;
    return 0;
}

/* A label or request id: printable, so that tables and logs stay whole. */
static int check_text(const char *text, const char *field, struct failure *failure)
{
    if (text && !text_is_clean(text, strlen(text)))
        return failure_set(failure, FAILURE_BAD_REQUEST, field, "control characters and changes of direction are not allowed in it");
    return 0;
}

static void key_work(struct request *request)
{
    struct issuing *issuing = request->work_state;
    private_key_make(issuing->key_type, &issuing->key, &issuing->private_key, &request->work_failure);
}

static void proof_work(struct request *request)
{
    struct issuing *issuing = request->work_state;
    csr_prove(issuing->csr_der, issuing->csr_length, &issuing->key, &request->work_failure);
}

static void fill_row(const struct world *world, struct request *request, const struct issuing *issuing,
                     const struct config_profile *profile)
{
    const struct grant *grant = request->plan.grant;
    request->plan.row = (struct certificate_row){
        .name = arena_text(&request->arena, grant->names.common_name), .subject = subject_text(&request->arena, &grant->names),
        .sans = names_to_lines(&request->arena, &grant->names), .label = issuing->label ? issuing->label : "",
        .profile = profile->name, .service = request->plan.service, .request_id = issuing->request_id ? issuing->request_id : "",
        .not_before = grant->not_before - GRANT_BACKDATE, .not_after = grant->not_after, .issued_at = world->now,
        .requester_uid = request->peer->uid, .reason = -1, .last_service = "", .last_address = "",
    };
    for (size_t i = 0; i < grant->eku_count; i++)
        request->plan.row.purposes |= purpose_of_eku(grant->eku[i]);
}

/* The call was made before under this request id: the same answer again, but for the key, which was given once. */
static int find_before(const struct world *world, struct request *request, struct issuing *issuing, struct failure *failure)
{
    struct certificate_row row;
    if (!issuing->request_id || issuing->answered_before)
        return 0;
    int found = store_find_request(world->store, request->peer->uid, issuing->request_id, &row, failure);
    if (found < 1)
        return found;
    arena_row(&request->arena, &row, &issuing->before);
    certificate_row_clear(&row);
    issuing->answered_before = true;
    return 0;
}

enum plan_step issuing_plan(const struct world *world, struct request *request, struct issuing *issuing, struct failure *failure)
{
    struct plan *plan = &request->plan;
    const struct config_profile *profile = find_profile(world->config, issuing->profile, failure);
    int64_t life;
    plan->service = request_service(issuing->service, failure);
    if (!profile || !plan->service || call_term(issuing->life, "life", &life, failure) ||
        check_text(issuing->label, "label", failure) || check_text(issuing->request_id, "requestId", failure) ||
        find_before(world, request, issuing, failure))
        return PLAN_FAILED;
    const struct certificate_wish wish = {
        .name = issuing->name, .sans = &issuing->sans, .csr = issuing->have_csr ? &issuing->csr : NULL, .key = &issuing->key,
        .renewed = issuing->renewing ? &issuing->names : NULL, .profile = profile, .life = life, .now = world->now,
        .authority_not_after = world->authority->facts.not_after,
    };
    struct grant *grant = arena_new(&request->arena, sizeof *grant);
    issuing->key.type = issuing->key_type;
    if (certificate_plan(&wish, grant, &request->clamped, failure))
        return PLAN_FAILED;
    plan->grant = grant;
    plan->profile = profile->name;
    plan->what = names_summary(&request->arena, &grant->names);
    struct subject *subject = arena_new(&request->arena, sizeof *subject);
    *subject = (struct subject){.names = &grant->names, .profile = profile->name, .key = issuing->key_type,
                                .life = grant->not_after - world->now};
    plan->subjects = subject;
    plan->subject_count = 1;
    plan->dry_run = issuing->dry_run || issuing->answered_before;
    fill_row(world, request, issuing, profile);
    if (request->worked || (plan->dry_run && !issuing->have_csr))
        return PLAN_READY;
    request->work = issuing->have_csr ? proof_work : key_work;
    request->quick_work = issuing->have_csr;
    return PLAN_WORK;
}

/* What a CSR asked for and did not get: what the reader left out, and the names that the caller's own replaced. */
static struct text_list ignored_of(struct request *request, const struct issuing *issuing)
{
    const struct names *asked = &issuing->csr.names, *granted = &request->plan.grant->names;
    struct text_list list = {arena_array(&request->arena, issuing->csr.ignored_count + asked->count + 1, sizeof(char *)), 0};
    for (size_t i = 0; i < issuing->csr.ignored_count; i++)
        list.items[list.count++] = issuing->csr.ignored[i];
    if (asked->common_name[0] && strcmp(asked->common_name, granted->common_name))
        list.items[list.count++] = arena_format(&request->arena, "subject CN %s", asked->common_name);
    for (size_t i = 0; i < asked->count; i++)
        if (!names_have(granted, &asked->sans[i]))
            list.items[list.count++] = arena_format(&request->arena, "san %s:%s", san_type_name(asked->sans[i].type), asked->sans[i].value);
    return list;
}

json_t *issuing_reply(const struct world *world, struct request *request, struct failure *failure)
{
    const struct issuing *issuing = request->work_state;
    const struct plan *plan = &request->plan;
    const struct certificate_row *row = issuing->answered_before ? &issuing->before : &plan->row;
    (void)failure;
    struct issue_reply reply = {
        .changed = !issuing->answered_before, .certificate = row_to_wire(&request->arena, world, row),
        .pem = row->der ? arena_pem(&request->arena, row->der, row->der_length) : NULL,
        .private_key = issuing->private_key, .clamped = request->clamped,
        .ignored = ignored_of(request, issuing),
    };
    if (!row->der)
        reply.certificate->serial = reply.certificate->fingerprint = "";
    return schema_encode(method_schema_find(request->operation->method)->reply, &reply);
}

void issuing_release(struct request *request)
{
    struct issuing *issuing = request->work_state;
    if (!issuing)
        return;
    csr_clear(&issuing->csr);
    free(issuing->csr_der);
    issuing->csr_der = NULL;
    names_clear(&issuing->names);
    sodium_free(issuing->private_key);
    issuing->private_key = NULL;
}

struct issuing *issuing_begin(struct request *request)
{
    struct issuing *issuing = arena_new(&request->arena, sizeof *issuing);
    request->work_state = issuing;
    request->release = issuing_release;
    return issuing;
}
