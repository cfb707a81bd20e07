/*
 * test_authorise.c - nothing that a plan names goes unasked, Explain says what would be decided, and a refusal tells nothing of the index.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Plans and policies are drawn at random; the seed is in the message of what fails.
 */
#include "agent/authorise.h"

#include "agent/ops/common.h"
#include "proto/message.h"
#include "tests/unit/world_fixture.h"

static unsigned long seed;

static unsigned draw(unsigned below)
{
    seed = seed * 6364136223846793005UL + 1442695040888963407UL;
    return (unsigned)(seed >> 33) % below;
}

static const char *pick(const char *const *from, size_t count)
{
    return from[draw((unsigned)count)];
}
#define PICK(list) pick(list, sizeof(list) / sizeof(list)[0])

/* --- one request, as the engine would make it -------------------------------------------------------------- */

struct asking {
    struct request request;
    struct peer peer;
    json_t *parameters;
    const struct method_schema *schema;
    enum plan_step step;
    struct failure failure;
};

static void asking_plan(struct asking *asking, const struct world *world, const char *method, json_t *parameters, uid_t uid)
{
    memset(asking, 0, sizeof *asking);
    asking->peer = (struct peer){.uid = uid, .gid = uid, .pid = 1, .pidfd = -1};
    if (uid == 1002)
        snprintf(asking->peer.login, sizeof asking->peer.login, "karen");
    struct request *request = &asking->request;
    arena_init(&request->arena);
    request->operation = operation_find(method);
    request->peer = &asking->peer;
    asking->parameters = parameters;
    asking->schema = method_schema_find(method);
    void *call = arena_new(&request->arena, asking->schema->call->size);
    ck_assert_msg(schema_decode(asking->schema->call, parameters, false, call, &asking->failure) == 0, "%s", asking->failure.reason);
    request->call = call;
    asking->step = request->operation->plan(world, request, &asking->failure);
}

static void asking_end(struct asking *asking)
{
    struct request *request = &asking->request;
    if (request->release)
        request->release(request);
    if (request->plan.grant)
        names_clear(&request->plan.grant->names);
    schema_clear(asking->schema->call, (void *)request->call);
    json_decref(asking->parameters);
    arena_free(&request->arena);
}

/* --- random policies and wishes ---------------------------------------------------------------------------- */

static const char *const controls[] = {"required", "required", "requisite", "sufficient", "optional"};
static const char *const modules[] = {
    "permit", "deny", "peer uid=1001", "peer uid=1002", "peer uid=1001,1002", "profile client", "profile server", "profile client server",
    "name dns=*.clients.example.com", "name dns=*", "name dns=alice email=*@example.com", "name dns=alice,bob",
    "name cn=alice dns=*.clients.example.com", "name dns=%u.clients.example.com dns=%u", "name ip=192.0.2.0/24 dns=alice",
    /* of what is to be issued alone: */
    "life max=30d", "life max=90d", "life max=365d", "key type=ec:P-256",
};
enum { MODULES = sizeof modules / sizeof modules[0], FOR_ISSUE_ALONE = 4 };

static void random_policy(char text[static 4096], const char *type)
{
    size_t length = (size_t)snprintf(text, 4096, "use required %s\n", draw(8) ? "permit" : "peer uid=1001");
    length += (size_t)snprintf(text + length, 4096 - length, "read required permit\n");
    for (unsigned lines = draw(4); lines < 5; lines++)
        length += (size_t)snprintf(text + length, 4096 - length, "%s %s %s\n", type, PICK(controls),
                                   pick(modules, MODULES - (strcmp(type, "issue") ? FOR_ISSUE_ALONE : 0)));
}

/* The modules whose arguments this build does not know would make every policy the same: each must be good by itself. */
START_TEST(every_line_that_is_drawn_is_good)
{
    for (size_t i = 0; i < MODULES; i++) {
        char text[200];
        struct policy *policy;
        struct failure failure = {0};
        snprintf(text, sizeof text, "issue required %s\n", modules[i]);
        ck_assert_msg(policy_load_text(text, strlen(text), &policy, &failure) == 0, "%s: %s", text, failure.reason);
        policy_free(policy);
    }
}
END_TEST

static const char *const names[] = {"alice", "bob", "carol", "x.clients.example.com", "a@example.com", "karen", "karen.clients.example.com"};
static const char *const sans[] = {"DNS:alice", "DNS:bob", "DNS:x.clients.example.com", "DNS:y.z.clients.example.com", "email:a@example.com",
                                   "email:a@elsewhere.example", "IP:192.0.2.7", "IP:198.51.100.1", "URI:https://example.com/a", "DNS:karen"};
static const char *const profiles[] = {"client", "server", "person"};
static const char *const lives[] = {"1d", "30d", "31d", "90d", "365d"};

static json_t *random_wish(void)
{
    json_t *wish = json_pack("{s:s}", "name", PICK(names));
    if (draw(2))
        json_object_set_new(wish, "profile", json_string(PICK(profiles)));
    if (draw(2))
        json_object_set_new(wish, "life", json_string(PICK(lives)));
    if (draw(4) == 0)
        json_object_set_new(wish, "keyType", json_string(draw(2) ? "ec:P-384" : "ed25519"));
    json_t *list = json_array();
    for (unsigned count = draw(4); count > 0; count--)
        json_array_append_new(list, json_string(PICK(sans)));
    if (json_array_size(list))
        json_object_set(wish, "sans", list);
    json_decref(list);
    return wish;
}

static void use_policy(struct world_fixture *fixture, const char *text)
{
    struct policy *policy;
    ck_assert_msg(policy_load_text(text, strlen(text), &policy, &fixture->failure) == 0, "%s\n%s", text, fixture->failure.reason);
    policy_free(fixture->policy);
    fixture->policy = policy;
    fixture->world.policy = policy;
}

/* --- Explain is the decision ------------------------------------------------------------------------------- */

/* 1 allowed, 0 refused, -1 where the wish itself is bad. *line is that which decided. */
static int decide_issue(const struct world *world, const json_t *wish, uid_t uid, char line[static FAILURE_LINE_SIZE])
{
    struct asking asking;
    struct failure denial = {0};
    asking_plan(&asking, world, "Issue", json_deep_copy(wish), uid);
    int result = asking.step == PLAN_FAILED ? -1 : !authorise_plan(world, &asking.request, &denial);
    const struct policy_decision *decision = &asking.request.decision;
    snprintf(line, FAILURE_LINE_SIZE, "%s:%u %s", decision->file ? decision->file : "", decision->line, decision->module ? decision->module : "");
    ck_assert_int_eq(asking.step == PLAN_FAILED, asking.failure.code != FAILURE_NONE);
    asking_end(&asking);
    return result;
}

static int explain(const struct world *world, json_t *question, uid_t uid, char line[static FAILURE_LINE_SIZE])
{
    struct asking asking;
    struct failure failure = {0};
    int allowed = -1;
    asking_plan(&asking, world, "Explain", question, uid);
    if (asking.step != PLAN_FAILED) {
        ck_assert_int_eq(asking.step, PLAN_READY);
        json_t *reply = asking.request.operation->reply(world, &asking.request, &failure);
        ck_assert_ptr_nonnull(reply);
        allowed = json_is_true(json_object_get(reply, "allowed"));
        const char *decided = json_string_value(json_object_get(reply, "line"));
        snprintf(line, FAILURE_LINE_SIZE, "%s", decided ? decided : ":0 ");
        json_decref(reply);
    }
    asking_end(&asking);
    return allowed;
}

START_TEST(explain_says_what_would_be_decided)
{
    static struct world_fixture fixture;
    size_t counts[3] = {0};
    world_begin(&fixture, "use required permit\n", NULL);
    for (unsigned long round = 1; round <= 4000; round++) {
        char text[4096], decided[FAILURE_LINE_SIZE], explained[FAILURE_LINE_SIZE];
        seed = round;
        random_policy(text, "issue");
        use_policy(&fixture, text);
        json_t *wish = random_wish();
        uid_t uid = 1001 + draw(3);
        int decision = decide_issue(&fixture.world, wish, uid, decided);
        json_object_set_new(wish, "operation", json_string(draw(2) ? "issue" : "sign"));
        char *asked = json_dumps(wish, 0);
        int explanation = explain(&fixture.world, wish, uid, explained);
        ck_assert_msg(decision == explanation, "seed %lu: decided %d, explained %d: %s\n%s", round, decision, explanation, asked, text);
        if (decision >= 0)
            ck_assert_msg(!strcmp(decided, explained), "seed %lu: '%s' decided, '%s' was explained: %s\n%s", round, decided, explained, asked, text);
        counts[decision + 1]++;
        free(asked);
    }
    /* The drawing is worth something only where both answers are frequent. */
    ck_assert_msg(counts[1] > 300 && counts[2] > 300, "%zu bad, %zu refused, %zu allowed", counts[0], counts[1], counts[2]);
    world_end(&fixture);
}
END_TEST

/* What is there already is judged by its row, by Explain as by the operation. */
START_TEST(explain_says_what_would_be_decided_of_a_certificate)
{
    static const char *const methods[][2] = {{"Revoke", "revoke"}, {"Get", "read"}, {"Renew", "renew"}};
    static struct world_fixture fixture;
    size_t allowed = 0, rounds = 0;
    world_begin(&fixture, "use required permit\n", NULL);
    struct serial serials[6];
    for (size_t i = 0; i < 6; i++)
        serials[i] = world_insert(&fixture, i + 1, names[i], i % 2 ? sans[i] : "DNS:alice\nemail:a@example.com", profiles[i % 2]);
    for (unsigned long round = 1; round <= 1500; round++) {
        char text[4096], decided[FAILURE_LINE_SIZE], explained[FAILURE_LINE_SIZE];
        struct asking asking;
        struct failure denial = {0};
        seed = round;
        const char *const *method = methods[draw(3)];
        random_policy(text, !strcmp(method[1], "renew") ? "issue" : method[1]);
        use_policy(&fixture, text);
        uid_t uid = 1001 + draw(3);
        const char *serial = serial_text(serials[draw(6)]);
        asking_plan(&asking, &fixture.world, method[0], json_pack("{s:s}", "serial", serial), uid);
        ck_assert_int_ne(asking.step, PLAN_FAILED);
        int decision = !authorise_plan(&fixture.world, &asking.request, &denial);
        const struct policy_decision *by = &asking.request.decision;
        snprintf(decided, sizeof decided, "%s:%u %s", by->file ? by->file : "", by->line, by->module ? by->module : "");
        asking_end(&asking);
        int explanation = explain(&fixture.world, json_pack("{s:s, s:s}", "operation", method[1], "serial", serial), uid, explained);
        ck_assert_msg(decision == explanation, "seed %lu: %s decided %d, explained %d\n%s", round, method[0], decision, explanation, text);
        ck_assert_msg(!strcmp(decided, explained), "seed %lu: %s: '%s' decided, '%s' was explained\n%s", round, method[0], decided, explained, text);
        allowed += (size_t)decision;
        rounds++;
    }
    ck_assert_msg(allowed > 100 && allowed < rounds - 100, "%zu of %zu allowed", allowed, rounds);
    world_end(&fixture);
}
END_TEST

/* --- every name is asked ----------------------------------------------------------------------------------- */

/* One name that is not permitted, at any place among many that are, refuses the whole. */
START_TEST(one_bad_name_among_many_refuses)
{
    static struct world_fixture fixture;
    char line[FAILURE_LINE_SIZE];
    world_begin(&fixture, "use required permit\nissue required name dns=*.clients.example.com\n", NULL);
    for (int count = 1; count <= 40; count++)
        for (int bad = -1; bad < count; bad += count / 3 + 1) {
            json_t *list = json_array();
            for (int i = 0; i < count; i++)
                json_array_append_new(list, json_sprintf("DNS:h%d.%s.example.com", i, i == bad ? "servers" : "clients"));
            json_t *wish = json_pack("{s:s, s:o}", "name", "h0.clients.example.com", "sans", list);
            ck_assert_int_eq(decide_issue(&fixture.world, wish, SOMEBODY, line), bad < 0);
            json_decref(wish);
        }
    world_end(&fixture);
}
END_TEST

/* The plan is judged, not the call: names that the profile's template adds, the CN, the life that the profile gives. */
START_TEST(what_the_profile_adds_is_asked_too)
{
    static struct world_fixture fixture;
    char line[FAILURE_LINE_SIZE];
    world_begin(&fixture, "use required permit\n", "[profile mail]\neku=clientAuth\nsan=email:%n@corp.example\nlife=60d\n");
    static const struct { const char *policy, *wish; int allowed; } cases[] = {
        {"issue required name cn=alice email=*@example.com\n", "{\"name\":\"alice\",\"profile\":\"mail\"}", 0},
        {"issue required name cn=alice email=*@corp.example\n", "{\"name\":\"alice\",\"profile\":\"mail\"}", 1},
        {"issue required life max=30d\n", "{\"name\":\"alice\",\"profile\":\"mail\"}", 0},
        {"issue required life max=30d\n", "{\"name\":\"alice\",\"profile\":\"mail\",\"life\":\"30d\"}", 1},
        {"issue required life max=89d\n", "{\"name\":\"alice\"}", 0},
        {"issue required profile client\n", "{\"name\":\"alice\"}", 1},
        {"issue required profile mail\n", "{\"name\":\"alice\"}", 0},
        /* the CN is a name as well, even where the SANs are fine */
        {"issue required name dns=*.clients.example.com\n", "{\"name\":\"root\",\"sans\":[\"DNS:x.clients.example.com\"]}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[300];
        snprintf(text, sizeof text, "use required permit\n%s", cases[i].policy);
        use_policy(&fixture, text);
        json_t *wish = json_loads(cases[i].wish, 0, NULL);
        int decision = decide_issue(&fixture.world, wish, SOMEBODY, line);
        ck_assert_msg(decision == cases[i].allowed, "%s%s: %d", cases[i].policy, cases[i].wish, decision);
        json_decref(wish);
    }
    world_end(&fixture);
}
END_TEST

/* A revocation of several is one of each of them. */
START_TEST(every_certificate_of_a_bulk_is_asked)
{
    static struct world_fixture fixture;
    world_begin(&fixture, "use required permit\nrevoke required name cn=alice dns=*.clients.example.com\n", NULL);
    for (uint64_t i = 1; i <= 20; i++)
        world_insert(&fixture, i, "alice", "DNS:a.clients.example.com", "client");
    for (int round = 0; round < 2; round++) {
        struct asking asking;
        struct failure denial = {0};
        asking_plan(&asking, &fixture.world, "Revoke", json_pack("{s:s, s:b}", "name", "alice", "several", 1), SOMEBODY);
        ck_assert_int_eq(asking.step, PLAN_READY);
        ck_assert_uint_eq(asking.request.plan.subject_count, 20u + (unsigned)round);
        ck_assert_int_eq(authorise_plan(&fixture.world, &asking.request, &denial), round ? -1 : 0);
        asking_end(&asking);
        if (!round)
            world_insert(&fixture, 21, "alice", "DNS:a.servers.example.com", "client");
    }
    world_end(&fixture);
}
END_TEST

/* --- what a refusal tells ---------------------------------------------------------------------------------- */

/* As the engine answers: the code that goes out. */
static enum failure_code answer_of(const struct world *world, const char *method, json_t *parameters, uid_t uid)
{
    struct asking asking;
    struct failure denial = {0};
    asking_plan(&asking, world, method, parameters, uid);
    bool looked = asking.failure.code == FAILURE_NOT_FOUND || asking.failure.code == FAILURE_CONFLICT || asking.request.plan.subject_count;
    enum failure_code code = asking.failure.code;
    if ((asking.step != PLAN_FAILED || looked) && authorise_plan(world, &asking.request, &denial))
        code = denial.code;
    asking_end(&asking);
    return code;
}

struct way { const char *method, *type, *member; };
static const struct way ways[] = {
    {"Get", "read", "name"}, {"Get", "read", "serial"}, {"Revoke", "revoke", "name"}, {"Revoke", "revoke", "serial"},
    {"Resume", "revoke", "name"}, {"Resume", "revoke", "serial"}, {"Renew", "issue", "name"}, {"Renew", "issue", "serial"},
    {"Export", "export", "name"}, {"Export", "export", "serial"}, {"Explain", "read", "serial"},
};

static json_t *ask_about(const struct way *way, const char *value)
{
    json_t *parameters = json_pack("{s:s}", way->member, value);
    if (!strcmp(way->method, "Export"))
        json_object_set_new(parameters, "format", json_string("pem"));
    if (!strcmp(way->method, "Explain"))
        json_object_set_new(parameters, "operation", json_string("revoke"));
    return parameters;
}

/* Who is refused what is there is refused what is not there too: else asking would tell which is which. */
START_TEST(a_refusal_does_not_tell_what_exists)
{
    static struct world_fixture fixture;
    size_t refused = 0, served = 0;
    world_begin(&fixture, "use required permit\n", NULL);
    struct serial there = world_insert(&fixture, 1, "alice", "DNS:alice\nemail:a@example.com", "client");
    world_insert(&fixture, 2, "twin", "DNS:alice", "client");
    world_insert(&fixture, 3, "twin", "DNS:x.clients.example.com", "server");
    for (unsigned long round = 1; round <= 3000; round++) {
        char text[4096];
        seed = round;
        const struct way *way = &ways[draw(sizeof ways / sizeof ways[0])];
        bool by_name = !strcmp(way->member, "name");
        random_policy(text, way->type);
        use_policy(&fixture, text);
        uid_t uid = 1001 + draw(3);
        const char *known = !by_name ? serial_text(there) : draw(2) ? "alice" : "twin";
        const char *unknown = by_name ? "ghost" : serial_text(serial_of(999));
        enum failure_code of_known = answer_of(&fixture.world, way->method, ask_about(way, known), uid);
        enum failure_code of_unknown = answer_of(&fixture.world, way->method, ask_about(way, unknown), uid);
        if (of_known == FAILURE_NOT_PERMITTED) {
            ck_assert_msg(of_unknown == FAILURE_NOT_PERMITTED, "seed %lu: %s by %s tells: what is there is refused, what is not is %s\n%s",
                          round, way->method, way->member, failure_name(of_unknown), text);
            refused++;
        } else {
            served++;
        }
    }
    ck_assert_msg(refused > 300 && served > 300, "%zu refused, %zu served", refused, served);
    world_end(&fixture);
}
END_TEST

/* A call that is wrong in another way must not answer earlier for what exists. */
START_TEST(a_bad_value_does_not_tell_what_exists)
{
    static const struct { const char *method, *parameters; } wrong[] = {
        {"Renew", "{\"life\":\"soon\"}"}, {"Renew", "{\"csr\":\"garbage\"}"}, {"Renew", "{\"keyType\":\"dsa\"}"},
        {"Renew", "{\"requestId\":\"a\\nb\"}"}, {"Export", "{\"format\":\"p12\",\"passphrase\":\"x\"}"}, {"Explain", "{\"operation\":\"revoke\"}"},
        {"Explain", "{\"operation\":\"renew\",\"life\":\"soon\"}"}, {"Revoke", "{\"reason\":\"unspecified\"}"}, {"Get", "{}"},
    };
    static struct world_fixture fixture;
    static const char nobody[] = "use required permit\nissue required name dns=nobody\nexport required name dns=nobody\n"
                                 "revoke required name dns=nobody\nread required name dns=nobody\n";
    world_begin(&fixture, nobody, NULL);
    struct serial there = world_insert(&fixture, 1, "alice", "DNS:alice", "client");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        enum failure_code codes[2];
        for (int known = 0; known < 2; known++) {
            json_t *parameters = json_loads(wrong[i].parameters, 0, NULL);
            json_object_set_new(parameters, "serial", json_string(serial_text(known ? there : serial_of(999))));
            codes[known] = answer_of(&fixture.world, wrong[i].method, parameters, SOMEBODY);
        }
        ck_assert_msg(codes[0] == codes[1], "%s %s: %s for what is not there, %s for what is", wrong[i].method, wrong[i].parameters,
                      failure_name(codes[0]), failure_name(codes[1]));
    }
    world_end(&fixture);
}
END_TEST

/* Explain shows what each line looked at, so whoever may not read a certificate must not have it explained. */
START_TEST(explain_shows_no_certificate_that_may_not_be_read)
{
    static struct world_fixture fixture;
    world_begin(&fixture, "use required permit\nread sufficient name dns=bob cn=bob\nread required peer uid=1002\nrevoke required permit\n", NULL);
    struct serial alice = world_insert(&fixture, 1, "alice", "DNS:alice", "client");
    struct serial bob = world_insert(&fixture, 2, "bob", "DNS:bob", "client");
    const struct way way = {"Explain", "read", "serial"};
    ck_assert_int_eq(answer_of(&fixture.world, "Explain", ask_about(&way, serial_text(alice)), SOMEBODY), FAILURE_NOT_PERMITTED);
    ck_assert_int_eq(answer_of(&fixture.world, "Explain", ask_about(&way, serial_text(alice)), 1002), FAILURE_NONE);
    ck_assert_int_eq(answer_of(&fixture.world, "Explain", ask_about(&way, serial_text(bob)), 1002), FAILURE_NONE);
    world_end(&fixture);
}
END_TEST

/* Asking what another uid may is asking for that uid's rights. */
START_TEST(explaining_as_somebody_else_needs_admin)
{
    static struct world_fixture fixture;
    world_begin(&fixture, "use required permit\nread required permit\nadmin required peer uid=1002\nissue required permit\n", NULL);
    json_t *question = json_pack("{s:s, s:i}", "operation", "issue", "asUid", 4242);
    ck_assert_int_eq(answer_of(&fixture.world, "Explain", json_incref(question), SOMEBODY), FAILURE_NOT_PERMITTED);
    ck_assert_int_eq(answer_of(&fixture.world, "Explain", json_incref(question), 1002), FAILURE_NONE);
    json_object_set_new(question, "asUid", json_integer(SOMEBODY));
    ck_assert_int_eq(answer_of(&fixture.world, "Explain", json_incref(question), SOMEBODY), FAILURE_NONE);
    json_decref(question);
    world_end(&fixture);
}
END_TEST

/* Public methods ask nobody, whatever the policy says. */
START_TEST(public_is_public)
{
    static struct world_fixture fixture;
    world_begin(&fixture, "use required deny\n", NULL);
    ck_assert_int_eq(answer_of(&fixture.world, "GetAuthority", json_object(), SOMEBODY), FAILURE_NONE);
    ck_assert_int_eq(answer_of(&fixture.world, "Status", json_object(), SOMEBODY), FAILURE_NOT_PERMITTED);
    world_end(&fixture);
}
END_TEST

UNIT_MAIN("authorise", every_line_that_is_drawn_is_good, explain_says_what_would_be_decided,
          explain_says_what_would_be_decided_of_a_certificate, one_bad_name_among_many_refuses, what_the_profile_adds_is_asked_too,
          every_certificate_of_a_bulk_is_asked, a_refusal_does_not_tell_what_exists, a_bad_value_does_not_tell_what_exists,
          explain_shows_no_certificate_that_may_not_be_read, explaining_as_somebody_else_needs_admin, public_is_public)
