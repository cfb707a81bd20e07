/*
 * engine_fixture.h - an engine on a loop with real index, committer, pool and policy; the keeper is played here, on a pair of sockets.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The keeper answers between two turns of the loop, so that a test decides what it has answered at any moment. It makes real certificates.
 */
#ifndef MTLSD_TESTS_UNIT_ENGINE_FIXTURE_H
#define MTLSD_TESTS_UNIT_ENGINE_FIXTURE_H

#include <sodium.h>
#include <sqlite3.h>
#include <sys/socket.h>

#include "agent/job.h"
#include "tests/unit/world_fixture.h"

enum { HELD_MAX = 1024, REPLIES_MAX = 64, CALLERS_MAX = 256, PATIENCE_SECONDS = 20 };

static const char everything[] = "use required permit\nissue required permit\nverify required permit\nexport required permit\n"
                                 "revoke required permit\nread required permit\nadmin required permit\n";

/* Whoever asks, and what came back. */
struct caller {
    size_t count;
    json_t *replies[REPLIES_MAX];
    bool secret, done; /* the last reply was marked so; the caller may ask again */
    uint64_t epoch;    /* of the page, when the last reply came */
    const struct epoch *page;
    void *ticket;
};

struct played_keeper {
    int fd;
    bool open, hold, refuse, silent_crl;
    size_t seen;            /* grants */
    size_t held_count;
    struct keeper_packet held[HELD_MAX];
    uint64_t next_serial;
    size_t crls;            /* signed */
};

struct engine_fixture {
    struct world_fixture base;
    sd_event *event;
    struct keeper_link *link;
    struct pool *pool;
    struct epoch *epoch;
    struct engine *engine;
    struct played_keeper keeper;
    struct peer peer;
    struct caller callers[CALLERS_MAX];
    size_t rests, hooks, reloads;
};

/* --- what the engine tells --------------------------------------------------------------------------------- */

static inline void told_reply(void *caller_, const char *text, size_t length, bool secret, bool last)
{
    struct caller *caller = caller_;
    ck_assert_msg(!caller->done, "an answer after the last one");
    if (text) {
        ck_assert_uint_lt(caller->count, REPLIES_MAX);
        caller->replies[caller->count] = json_loadb(text, length, 0, NULL);
        ck_assert_ptr_nonnull(caller->replies[caller->count++]);
    }
    caller->secret = secret;
    caller->done = last;
    caller->epoch = epoch_read(caller->page);
}

static inline void told_rest(void *context) { ((struct engine_fixture *)context)->rests++; }
static inline void told_nothing(void *context) { (void)context; }
static inline void told_hook(void *context) { ((struct engine_fixture *)context)->hooks++; }
static inline void told_reload(void *context) { ((struct engine_fixture *)context)->reloads++; }

static const struct engine_callbacks engine_told = {told_reply, told_rest, told_nothing, told_hook, told_reload};

static inline void link_state(void *context, const struct keeper_state *state)
{
    struct engine_fixture *fixture = context;
    if (fixture->engine)
        engine_keeper_state(fixture->engine, state);
}

static inline void link_answer_(void *context, struct keeper_packet *packet)
{
    engine_keeper_answer(((struct engine_fixture *)context)->engine, packet);
}

static inline void link_room(void *context)
{
    engine_keeper_room(((struct engine_fixture *)context)->engine);
}

static inline void link_rest(void *context)
{
    struct engine_fixture *fixture = context;
    if (fixture->engine)
        engine_keeper_rest(fixture->engine);
}

static const struct keeper_link_callbacks link_told = {link_state, link_answer_, told_nothing, link_room, link_rest};

/* --- the keeper -------------------------------------------------------------------------------------------- */

static inline void keeper_send(struct engine_fixture *fixture, const struct keeper_packet *packet)
{
    uint8_t buffer[GRANT_PACKET_MAX];
    long length = keeper_packet_write(packet, buffer);
    ck_assert_int_gt(length, 0);
    ck_assert_int_eq(send(fixture->keeper.fd, buffer, (size_t)length, MSG_NOSIGNAL), length);
}

static inline void keeper_say(struct engine_fixture *fixture, bool open)
{
    static struct keeper_state state;
    state = (struct keeper_state){.protocol = GRANT_PROTOCOL, .open = open, .pid = 42, .uid = 43, .walls = "seccomp landlock"};
    const struct keeper_packet packet = {.type = KEEPER_STATE, .u.state = &state};
    fixture->keeper.open = open;
    keeper_send(fixture, &packet);
}

/* A certificate as the grant wants it, CN alone; serials count up. */
static inline void keeper_sign(struct engine_fixture *fixture, const struct keeper_packet *asked)
{
    const struct grant *grant = &asked->u.grant;
    uint64_t number = ++fixture->keeper.next_serial;
    const struct pki_certificate wanted = {
        .subject = grant->names.common_name, .serial = (long)(number + (UINT64_C(1) << 56)), .key = public_key_to_evp(&grant->key),
        .issuer = fixture->base.ca, .issuer_key = fixture->base.ca_key, .from = grant->not_before - GRANT_BACKDATE,
        .until = grant->not_after, .extensions = {PKI_CLIENT}};
    X509 *certificate = pki_certificate(&wanted);
    uint8_t *der;
    size_t length = pki_der(certificate, &der);
    struct keeper_packet answer = {.type = KEEPER_SIGNED, .id = asked->id,
                                   .u.certificate = {.serial = serial_of(number), .der = der, .length = length}};
    keeper_send(fixture, &answer);
    OPENSSL_free(der);
    X509_free(certificate);
    EVP_PKEY_free(wanted.key);
}

static inline void keeper_answer_grant(struct engine_fixture *fixture, const struct keeper_packet *asked)
{
    if (!fixture->keeper.refuse) {
        keeper_sign(fixture, asked);
        return;
    }
    struct failure failure = {0};
    failure_set(&failure, FAILURE_BAD_REQUEST, "life", "longer than the floor allows");
    const struct keeper_packet answer = {.type = KEEPER_REFUSED, .id = asked->id, .u.refused = &failure};
    keeper_send(fixture, &answer);
}

static inline void keeper_answer_crl(struct engine_fixture *fixture, const struct keeper_packet *asked)
{
    static uint8_t bytes[] = {0x30, 0x00, 0x05, 0x00};
    struct keeper_packet head = {.type = KEEPER_CRL_HEAD, .id = asked->id, .u.bytes = {bytes, 2}};
    struct keeper_packet end = {.type = KEEPER_CRL_SIGNED, .id = asked->id, .u.crl_signed = {bytes, bytes, bytes, 2, 2, 2}};
    if (fixture->keeper.silent_crl)
        return;
    if (asked->type == KEEPER_CRL_BEGIN)
        keeper_send(fixture, &head);
    else if (asked->type == KEEPER_CRL_END)
        keeper_send(fixture, &end), fixture->keeper.crls++;
}

/* Take what has come, and answer it or hold it. */
static inline void keeper_turn(struct engine_fixture *fixture)
{
    uint8_t buffer[GRANT_PACKET_MAX];
    struct played_keeper *keeper = &fixture->keeper;
    for (ssize_t length; keeper->fd >= 0 && (length = recv(keeper->fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0;) {
        struct keeper_packet packet;
        ck_assert_int_eq(keeper_packet_read(buffer, (size_t)length, &packet), 0);
        if (packet.type != KEEPER_GRANT) {
            keeper_answer_crl(fixture, &packet);
            keeper_packet_clear(&packet);
        } else if (keeper->seen++, keeper->hold) {
            ck_assert_uint_lt(keeper->held_count, HELD_MAX);
            keeper->held[keeper->held_count++] = packet;
        } else {
            keeper_answer_grant(fixture, &packet);
            keeper_packet_clear(&packet);
        }
    }
}

/* Answer what is held: `count` of it, the oldest first. */
static inline void keeper_release(struct engine_fixture *fixture, size_t count)
{
    struct played_keeper *keeper = &fixture->keeper;
    ck_assert_uint_le(count, keeper->held_count);
    for (size_t i = 0; i < count; i++) {
        keeper_answer_grant(fixture, &keeper->held[i]);
        keeper_packet_clear(&keeper->held[i]);
    }
    keeper->held_count -= count;
    memmove(keeper->held, keeper->held + count, keeper->held_count * sizeof keeper->held[0]);
}

static inline void keeper_drop_held(struct engine_fixture *fixture)
{
    for (size_t i = 0; i < fixture->keeper.held_count; i++)
        keeper_packet_clear(&fixture->keeper.held[i]);
    fixture->keeper.held_count = 0;
}

static inline void keeper_die(struct engine_fixture *fixture)
{
    close(fixture->keeper.fd);
    fixture->keeper.fd = -1;
    keeper_drop_held(fixture);
}

/* --- the loop ---------------------------------------------------------------------------------------------- */

static inline void turn(struct engine_fixture *fixture)
{
    ck_assert_int_ge(sd_event_run(fixture->event, 1000), 0);
    keeper_turn(fixture);
}

#define UNTIL(fixture, condition)                                                                            \
    for (time_t until_ = time(NULL) + PATIENCE_SECONDS; !(condition); turn(fixture))                         \
    ck_assert_msg(time(NULL) < until_, "waited in vain for " #condition)

/* Long enough for whatever could happen. */
static inline void settle(struct engine_fixture *fixture)
{
    for (int i = 0; i < 30; i++)
        turn(fixture);
}

static inline void keeper_come(struct engine_fixture *fixture, bool open)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    fixture->keeper.fd = pair[1];
    keeper_link_adopt(fixture->link, pair[0]);
    keeper_say(fixture, open);
    UNTIL(fixture, keeper_link_state(fixture->link) != NULL);
}

/* --- life -------------------------------------------------------------------------------------------------- */

/* Everything but the engine. */
static inline void engine_prepare(struct engine_fixture *fixture, const char *policy, const char *more)
{
    char path[100];
    memset(fixture, 0, sizeof *fixture);
    fixture->keeper.fd = -1;
    world_begin(&fixture->base, policy, more);
    fixture->peer = (struct peer){.uid = SOMEBODY, .gid = SOMEBODY, .pid = 1, .pidfd = -1};
    ck_assert_int_ge(sd_event_new(&fixture->event), 0);
    ck_assert_int_eq(keeper_link_new(fixture->event, NULL, &link_told, fixture, &fixture->link), 0);
    ck_assert_int_eq(pool_start(2, 64, &fixture->pool), 0);
    snprintf(path, sizeof path, "%s/epoch", fixture->base.directory);
    ck_assert_int_eq(epoch_open(path, &fixture->epoch, &fixture->base.failure), 0);
    keeper_come(fixture, true);
}

static inline void engine_make(struct engine_fixture *fixture, const struct engine_callbacks *callbacks, void *context)
{
    const struct engine_parts parts = {
        .event = fixture->event, .config = fixture->base.config, .authority = fixture->base.authority, .pool = fixture->pool,
        .epoch = fixture->epoch, .committer = fixture->base.committer, .store = fixture->base.store, .policy = fixture->base.policy,
        .anchors = fixture->base.anchors, .link = fixture->link, .sandbox = "none", .database = fixture->base.database};
    fixture->base.policy = NULL; /* taken over */
    fixture->base.anchors = NULL;
    ck_assert_int_eq(engine_new(&parts, callbacks, context, &fixture->engine), 0);
}

static inline void engine_settle(struct engine_fixture *fixture)
{
    engine_start(fixture->engine);
    UNTIL(fixture, crl_publisher_status(fixture->engine->publisher)->built);
    settle(fixture);
}

/* With the first CRL built, so that nothing goes on by itself. */
static inline void engine_begin_quiet(struct engine_fixture *fixture, const char *policy, const char *more)
{
    engine_prepare(fixture, policy, more);
    engine_make(fixture, &engine_told, fixture);
    engine_settle(fixture);
}

static inline void caller_clear(struct caller *caller)
{
    for (size_t i = 0; i < caller->count; i++)
        json_decref(caller->replies[i]);
    memset(caller, 0, sizeof *caller);
}

static inline void engine_end(struct engine_fixture *fixture)
{
    committer_stop(fixture->base.committer);
    pool_free(fixture->pool);
    engine_free(fixture->engine);
    fixture->engine = NULL;
    keeper_link_free(fixture->link);
    keeper_drop_held(fixture);
    if (fixture->keeper.fd >= 0)
        close(fixture->keeper.fd);
    epoch_close(fixture->epoch);
    sd_event_unref(fixture->event);
    for (size_t i = 0; i < CALLERS_MAX; i++)
        caller_clear(&fixture->callers[i]);
    world_end(&fixture->base);
}

/* --- asking ------------------------------------------------------------------------------------------------ */

/* Hand over without planning: `flags` is more of the envelope, as in ",\"more\":true". Takes over parameters. */
static inline struct caller *submit(struct engine_fixture *fixture, size_t number, const char *method, json_t *parameters, const char *flags)
{
    struct caller *caller = &fixture->callers[number];
    char *body = json_dumps(parameters, JSON_COMPACT), *text = NULL;
    caller_clear(caller);
    caller->page = fixture->epoch;
    int length = asprintf(&text, "{\"method\":\"io.mtlsd.Agent.%s\",\"parameters\":%s%s}", method, body, flags ? flags : "");
    ck_assert_int_gt(length, 0);
    caller->ticket = engine_submit(fixture->engine, caller, &fixture->peer, text, (size_t)length);
    free(text);
    free(body);
    json_decref(parameters);
    return caller;
}

static inline struct caller *call(struct engine_fixture *fixture, size_t number, const char *method, json_t *parameters)
{
    struct caller *caller = submit(fixture, number, method, parameters, NULL);
    engine_run(fixture->engine);
    UNTIL(fixture, caller->done);
    ck_assert_uint_eq(caller->count, 1);
    return caller;
}

static inline json_t *sign_parameters(const char *name)
{
    char *csr = make_csr(name);
    json_t *parameters = json_pack("{s:s, s:s}", "csr", csr, "name", name);
    free(csr);
    return parameters;
}

/* The bare name of the error of a caller's last reply, "" for success. */
static inline const char *error_of(const struct caller *caller)
{
    ck_assert_uint_gt(caller->count, 0);
    const char *error = json_string_value(json_object_get(caller->replies[caller->count - 1], "error"));
    const char *dot = error ? strrchr(error, '.') : NULL;
    return dot ? dot + 1 : "";
}

static inline const json_t *answer_of(const struct caller *caller)
{
    ck_assert_msg(!strcmp(error_of(caller), ""), "%s: %s", error_of(caller),
                  json_string_value(json_object_get(json_object_get(caller->replies[caller->count - 1], "parameters"), "reason")));
    return json_object_get(caller->replies[caller->count - 1], "parameters");
}

static inline const char *reason_of(const struct caller *caller)
{
    const char *reason = json_string_value(json_object_get(json_object_get(caller->replies[caller->count - 1], "parameters"), "reason"));
    return reason ? reason : "";
}

static inline const char *serial_of_answer(const struct caller *caller)
{
    return json_string_value(json_object_get(json_object_get(answer_of(caller), "certificate"), "serial"));
}

static inline int visit_nothing(const struct certificate_row *row, void *context)
{
    (void)row, (void)context;
    return 0;
}

static inline int64_t rows_of(struct engine_fixture *fixture, const char *name)
{
    const struct certificate_filter filter = {.name = name, .requester_uid = -1};
    return store_select(fixture->base.store, &filter, NULL, 100000, false, visit_nothing, NULL, &fixture->base.failure);
}

static inline bool committing(struct engine_fixture *fixture)
{
    return committer_is_committing(fixture->base.committer);
}

static inline struct committer_counters counters(struct engine_fixture *fixture)
{
    struct committer_counters now;
    committer_read_counters(fixture->base.committer, &now);
    return now;
}

static inline struct caller *sign(struct engine_fixture *fixture, size_t number, const char *name)
{
    struct caller *caller = submit(fixture, number, "Sign", sign_parameters(name), NULL);
    engine_run(fixture->engine);
    return caller;
}

static inline struct caller *sign_and_wait(struct engine_fixture *fixture, size_t number, const char *name)
{
    struct caller *caller = sign(fixture, number, name);
    UNTIL(fixture, caller->done);
    return caller;
}

static inline int64_t audit_records(struct engine_fixture *fixture)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    ck_assert_int_eq(sqlite3_open(fixture->base.database, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT count(*) FROM audit", -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

static inline int64_t status_number(struct engine_fixture *fixture, const char *member)
{
    return json_integer_value(json_object_get(answer_of(call(fixture, 200, "Status", json_object())), member));
}

#endif
