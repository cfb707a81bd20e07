/*
 * explain.c - Explain: which policy line decides, without doing anything. The deciding function itself, with a trace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ca/plan.h"
#include "agent/ops/common.h"
#include "agent/ops/issuing.h"

enum { STEPS_MAX = 1024, LOOKUP_SIZE = 16384 };

struct explaining {
    struct peer somebody;          /* where asUid is given */
    bool looked_up;
    enum policy_type type;
    struct issuing *issuing;
    struct certificate_row row;
    bool have_row;
};

static void explain_release(struct request *request)
{
    struct explaining *explaining = request->stream_state;
    if (explaining)
        peer_clear(&explaining->somebody);
    if (request->work_state)
        issuing_release(request);
}

/* Groups and login of another uid: NSS, so on the pool. */
static void lookup_work(struct request *request)
{
    const struct explain_call *call = request->call;
    struct explaining *explaining = request->stream_state;
    struct peer *somebody = &explaining->somebody;
    char buffer[LOOKUP_SIZE];
    struct passwd entry, *found = NULL;
    int count = PEER_GROUPS_MAX;
    *somebody = (struct peer){.uid = (uid_t)call->as_uid, .gid = (gid_t)call->as_uid, .pidfd = -1};
    somebody->groups = calloc(PEER_GROUPS_MAX, sizeof *somebody->groups);
    if (somebody->groups && !getpwuid_r(somebody->uid, &entry, buffer, sizeof buffer, &found) && found) {
        somebody->gid = entry.pw_gid;
        if (getgrouplist(entry.pw_name, entry.pw_gid, somebody->groups, &count) >= 0)
            somebody->group_count = (size_t)count;
    }
    peer_read_login(somebody);
    explaining->looked_up = true;
}

static int explain_begin(struct request *request, struct failure *failure)
{
    const struct explain_call *call = request->call;
    struct explaining *explaining = arena_new(&request->arena, sizeof *explaining);
    explaining->somebody.pidfd = -1;
    explaining->type = policy_type_find(call->operation);
    if (!strcmp(call->operation, "sign") || !strcmp(call->operation, "renew"))
        explaining->type = POLICY_ISSUE;
    if (explaining->type < POLICY_USE)
        return failure_set(failure, FAILURE_BAD_REQUEST, "operation",
                           "'%.40s' is no type of policy; use, issue, verify, export, revoke, read or admin", call->operation);
    if (call->as_uid != ABSENT && (call->as_uid < 0 || call->as_uid >= UINT32_MAX))
        return failure_set(failure, FAILURE_BAD_REQUEST, "asUid", "no uid");
    request->stream_state = explaining;
    request->release = explain_release;
    return 0;
}

/* What would be issued: names, profile, key and life as the call gives them, or for a renewal as the certificate has them. */
static int explain_issuing(const struct world *world, struct request *request, struct explaining *explaining, struct failure *failure)
{
    const struct explain_call *call = request->call;
    struct issuing *issuing = issuing_begin(request);
    request->release = explain_release;
    explaining->issuing = issuing;
    issuing->name = call->name;
    issuing->sans = call->sans;
    issuing->profile = explaining->have_row ? explaining->row.profile : call->profile;
    issuing->service = call->service;
    issuing->life = call->life;
    issuing->dry_run = true;
    issuing->renewing = explaining->have_row || !call->name; /* then the names alone are asked about */
    if (explaining->have_row && names_from_lines(explaining->row.name, explaining->row.sans, &issuing->names, failure))
        return -1;
    for (size_t i = 0; issuing->renewing && !explaining->have_row && i < call->sans.count; i++) {
        struct san san;
        if (san_parse(call->sans.items[i], &san, failure) || names_add(&issuing->names, &san, failure))
            return -1;
    }
    if (issuing_key_type(world, call->key_type, issuing->profile, &issuing->key_type, failure))
        return -1;
    return issuing_plan(world, request, issuing, failure) == PLAN_FAILED ? -1 : 0;
}

/* The plan that the question is about: what would be issued, or a certificate that is there. */
static int explain_plan_of(const struct world *world, struct request *request, struct explaining *explaining, struct failure *failure)
{
    const struct explain_call *call = request->call;
    if (call->serial) {
        const struct which_certificate which = {.serial = call->serial};
        if (find_one(world, request, &which, &explaining->row, failure))
            return -1;
        explaining->have_row = true;
    }
    bool plain = explaining->have_row ? explaining->type != POLICY_ISSUE : !call->name && !call->sans.count;
    return plain ? 0 : explain_issuing(world, request, explaining, failure);
}

static enum plan_step explain_plan(const struct world *world, struct request *request, struct failure *failure)
{
    const struct explain_call *call = request->call;
    if (!request->stream_state && explain_begin(request, failure))
        return PLAN_FAILED;
    struct explaining *explaining = request->stream_state;
    struct subject *subject = arena_new(&request->arena, sizeof *subject);
    bool other = call->as_uid != ABSENT && call->as_uid != (int64_t)request->peer->uid;
    request->plan.service = request_service(call->service, failure);
    request->plan.what = "explain";
    subject->type = other ? POLICY_ADMIN : POLICY_READ;
    if (!request->plan.service)
        return PLAN_FAILED;
    if (other && !explaining->looked_up) {
        request->plan.subjects = subject;
        request->plan.subject_count = 1;
        request->work = lookup_work;
        return PLAN_WORK;
    }
    if (explaining->issuing)
        issuing_release(request);
    if (explain_plan_of(world, request, explaining, failure)) {
        request->plan.what = "explain"; /* a refusal repeats what was asked, not what was found */
        return PLAN_FAILED;
    }
    request->plan.subjects = subject;
    request->plan.subject_count = 1;
    request->plan.what = "explain";
    request->plan.dry_run = true;
    return PLAN_READY;
}

static struct policy_question question_of(const struct world *world, const struct request *request, struct explaining *explaining,
                                          struct names *names)
{
    const struct explain_call *call = request->call;
    const struct grant *grant = request->plan.grant;
    struct policy_question question = {
        .type = explaining->type, .service = request->plan.service, .now = world->now, .authority = "",
        .peer = explaining->looked_up ? &explaining->somebody : request->peer,
        .method = call->method, .uri = call->uri, .host = call->host, .address = call->address,
        .profile = call->profile,
    };
    if (grant) {
        question.names = &grant->names;
        question.profile = request->plan.profile;
        question.key = explaining->issuing->key_type;
        question.life = grant->not_after - world->now;
    } else if (explaining->have_row && !names_from_lines(explaining->row.name, explaining->row.sans, names, NULL)) {
        question.names = names;
        question.profile = explaining->row.profile;
    }
    return question;
}

static struct struct_list steps_to_wire(struct arena *arena, const struct policy_trace *trace)
{
    struct wire_policy_line *lines = arena_array(arena, trace->count, sizeof *lines);
    for (size_t i = 0; i < trace->count; i++) {
        const struct policy_step *step = &trace->steps[i];
        lines[i] = (struct wire_policy_line){.file = step->file, .line = step->line, .control = step->control, .module = step->module,
                                             .arguments = step->arguments, .result = step->result,
                                             .detail = step->detail[0] ? step->detail : NULL, .decided = step->decided};
    }
    return (struct struct_list){lines, trace->count};
}

static json_t *explain_reply(const struct world *world, struct request *request, struct failure *failure)
{
    struct arena *arena = &request->arena;
    struct names names = {0};
    struct policy_decision decision;
    struct policy_trace trace = {.steps = arena_array(arena, STEPS_MAX, sizeof *trace.steps), .room = STEPS_MAX};
    const struct policy_question question = question_of(world, request, request->stream_state, &names);
    (void)failure;
    policy_decide(world->policy, &question, &trace, &decision);
    const struct explain_reply reply = {
        .allowed = decision.allowed,
        .reason = decision.hint[0] && !decision.allowed ? arena_format(arena, "%s; %s", decision.reason, decision.hint)
                                                        : arena_text(arena, decision.reason),
        .lines = steps_to_wire(arena, &trace),
        .line = decision.file && *decision.file ? arena_format(arena, "%s:%u %s", decision.file, decision.line, decision.module) : NULL,
    };
    json_t *encoded = schema_encode(method_schema_find("Explain")->reply, &reply);
    names_clear(&names);
    return encoded;
}

OPERATION(Explain, POLICY_READ, .plan = explain_plan, .reply = explain_reply);
