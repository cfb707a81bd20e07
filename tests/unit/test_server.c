/*
 * test_server.c - the agent's socket: order, limits, and peers that are slow, silent, greedy or gone.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Server, engine and clients share one thread and one loop: a client is a socket that is looked at between two turns.
 */
#include "agent/server.h"

#include <errno.h>
#include <sys/un.h>

#include "agent/connection.h"
#include "tests/unit/engine_fixture.h"

enum { INPUT_MAX = 4 * 1024 * 1024 };

static struct engine_fixture fixture;
static struct server *server;

struct client {
    int fd;
    char *input;
    size_t length;
    bool closed; /* by the server */
};

/* --- the server -------------------------------------------------------------------------------------------- */

static void nothing(void *context)
{
    (void)context;
}

static void begin(const char *policy, const char *more)
{
    static const struct server_upward upward = {nothing, nothing, NULL};
    int fd;
    engine_prepare(&fixture, policy, more);
    ck_assert_msg(server_listen(fixture.base.config, &fd, &fixture.base.failure) == 0, "%s", fixture.base.failure.reason);
    ck_assert_int_eq(server_new(fixture.event, fixture.base.config, fixture.pool, &server), 0);
    engine_make(&fixture, &server_engine_callbacks, server);
    server_set_upward(server, &upward);
    ck_assert_int_eq(server_start(server, fixture.engine, fd), 0);
    engine_settle(&fixture);
}

/* In the order of the agent: the pool first, because it may hold connections. */
static void end(void)
{
    pool_free(fixture.pool);
    fixture.pool = NULL;
    server_free(server);
    engine_end(&fixture);
}

/* --- clients ----------------------------------------------------------------------------------------------- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        return -1;
    }
    return fd;
}

static struct client client_new(void)
{
    struct client client = {.fd = connect_to(fixture.base.config->agent.socket), .input = calloc(1, INPUT_MAX)};
    ck_assert_int_ge(client.fd, 0);
    return client;
}

static void client_free(struct client *client)
{
    close(client->fd);
    free(client->input);
}

static void client_write(const struct client *client, const void *data, size_t length)
{
    ck_assert_int_eq(send(client->fd, data, length, MSG_NOSIGNAL), (ssize_t)length);
}

static void client_send(const struct client *client, const char *text)
{
    client_write(client, text, strlen(text) + 1);
}

static void client_call(const struct client *client, const char *method, json_t *parameters, const char *flags)
{
    char *body = json_dumps(parameters, JSON_COMPACT), *text;
    ck_assert_int_gt(asprintf(&text, "{\"method\":\"io.mtlsd.Agent.%s\",\"parameters\":%s%s}", method, body, flags), 0);
    client_send(client, text);
    free(text);
    free(body);
    json_decref(parameters);
}

static void client_read(struct client *client)
{
    for (ssize_t got; !client->closed; client->length += (size_t)got) {
        got = recv(client->fd, client->input + client->length, INPUT_MAX - client->length, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            client->closed = true;
            return;
        }
    }
}

static size_t client_answers(struct client *client)
{
    size_t count = 0;
    client_read(client);
    for (size_t i = 0; i < client->length; i++)
        count += client->input[i] == '\0';
    return count;
}

/* The answer number `index`, to be freed. */
static json_t *client_answer(const struct client *client, size_t index)
{
    const char *text = client->input;
    while (index--)
        text += strlen(text) + 1;
    json_t *answer = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(answer);
    return answer;
}

static bool answer_has_error(const struct client *client, size_t index, const char *error)
{
    json_t *answer = client_answer(client, index);
    const char *text = json_string_value(json_object_get(answer, "error"));
    bool has = *error ? text && strstr(text, error) : !text;
    json_decref(answer);
    return has;
}

static bool client_is_closed(struct client *client)
{
    client_read(client);
    return client->closed;
}

static const char status_call[] = "{\"method\":\"io.mtlsd.Agent.Status\"}";

static bool is_served(struct client *client)
{
    size_t before = client_answers(client);
    client_send(client, status_call);
    UNTIL(&fixture, client_answers(client) > before || client->closed);
    return !client->closed && answer_has_error(client, before, "");
}

/* --- order ------------------------------------------------------------------------------------------------- */

START_TEST(a_call_is_answered)
{
    begin(everything, NULL);
    struct client client = client_new();
    ck_assert(is_served(&client));
    ck_assert(is_served(&client));
    client_free(&client);
    end();
}
END_TEST

/* varlink's order: the answers come in the order of the calls, whatever each of them takes. */
START_TEST(calls_that_come_at_once_are_answered_in_order)
{
    begin(everything, NULL);
    struct client client = client_new();
    client_call(&client, "Issue", json_pack("{s:s}", "name", "alice"), "");
    for (int i = 0; i < 200; i++)
        client_send(&client, i % 2 ? status_call : "{\"method\":\"io.mtlsd.Agent.GetAuthority\"}");
    client_call(&client, "Get", json_pack("{s:s}", "name", "alice"), "");
    UNTIL(&fixture, client_answers(&client) == 202);
    for (size_t i = 0; i < 202; i++) {
        json_t *answer = client_answer(&client, i), *parameters = json_object_get(answer, "parameters");
        const char *member = i == 0 ? "privateKey" : i == 201 ? "pem" : i % 2 ? "keyType" : "version";
        ck_assert_msg(json_object_get(parameters, member) != NULL, "answer %zu has no %s", i, member);
        json_decref(answer);
    }
    client_free(&client);
    end();
}
END_TEST

/* Everybody reads what they have written: the second call is planned after the first is durable. */
START_TEST(a_call_sees_what_the_one_before_it_wrote)
{
    begin(everything, NULL);
    struct client client = client_new();
    client_call(&client, "Sign", sign_parameters("alice"), "");
    client_call(&client, "Revoke", json_pack("{s:s}", "name", "alice"), "");
    client_call(&client, "List", json_pack("{s:s}", "status", "revoked"), "");
    UNTIL(&fixture, client_answers(&client) == 3);
    json_t *answer = client_answer(&client, 2);
    ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(answer, "parameters"), "certificates")), 1);
    json_decref(answer);
    client_free(&client);
    end();
}
END_TEST

START_TEST(one_byte_at_a_time_is_a_call_too)
{
    begin(everything, NULL);
    struct client client = client_new();
    for (size_t i = 0; i < sizeof status_call; i++) {
        client_write(&client, status_call + i, 1);
        turn(&fixture);
    }
    UNTIL(&fixture, client_answers(&client) == 1);
    client_free(&client);
    end();
}
END_TEST

/* printf ... | nc -U: the writer is done before the answer is there. */
START_TEST(who_has_stopped_writing_still_gets_the_answer)
{
    begin(everything, NULL);
    struct client client = client_new();
    client_call(&client, "Sign", sign_parameters("alice"), "");
    client_send(&client, status_call);
    shutdown(client.fd, SHUT_WR);
    UNTIL(&fixture, client_is_closed(&client));
    ck_assert_uint_eq(client_answers(&client), 2);
    ck_assert(answer_has_error(&client, 0, "") && answer_has_error(&client, 1, ""));
    client_free(&client);
    end();
}
END_TEST

START_TEST(a_oneway_call_leaves_the_order_alone)
{
    begin(everything, NULL);
    struct client client = client_new();
    client_call(&client, "Sign", sign_parameters("alice"), ",\"oneway\":true");
    client_call(&client, "Get", json_pack("{s:s}", "name", "alice"), "");
    UNTIL(&fixture, client_answers(&client) == 1);
    ck_assert(answer_has_error(&client, 0, ""));
    client_free(&client);
    end();
}
END_TEST

/* --- bad input --------------------------------------------------------------------------------------------- */

START_TEST(a_bad_message_is_answered_and_the_connection_lives_on)
{
    static const char *const bad[] = {"", "x", "{\"method\":1}", "{\"method\":\"io.mtlsd.Agent.Status\",\"parameters\":{\"a\":1}}", "[[[[[[[[[[[["};
    begin(everything, NULL);
    struct client client = client_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        client_send(&client, bad[i]);
        UNTIL(&fixture, client_answers(&client) == i + 1);
        ck_assert_msg(answer_has_error(&client, i, "Parameter") || answer_has_error(&client, i, "BadRequest"), "%s", bad[i]);
    }
    ck_assert(is_served(&client));
    client_free(&client);
    end();
}
END_TEST

START_TEST(a_frame_that_is_too_large_ends_its_connection_alone)
{
    static char large[40 * 1024];
    begin(everything, "frame-max=16384\n");
    struct client greedy = client_new(), other = client_new();
    memset(large, ' ', sizeof large);
    ck_assert(is_served(&greedy));
    client_write(&greedy, large, sizeof large);
    UNTIL(&fixture, client_is_closed(&greedy));
    ck_assert_uint_eq(client_answers(&greedy), 2);
    ck_assert(answer_has_error(&greedy, 1, "BadRequest"));
    ck_assert_ptr_nonnull(strstr(greedy.input + strlen(greedy.input) + 1, "frame-max="));
    ck_assert(is_served(&other));
    client_free(&greedy);
    client_free(&other);
    end();
}
END_TEST

/* --- limits ------------------------------------------------------------------------------------------------ */

/* Who hoards connections loses his own oldest idle one. */
START_TEST(the_oldest_idle_connection_makes_room)
{
    begin(everything, "connections-per-uid=3\n");
    struct client clients[4];
    for (size_t i = 0; i < 4; i++) {
        clients[i] = client_new();
        ck_assert(is_served(&clients[i]));
    }
    ck_assert(client_is_closed(&clients[0]));
    for (size_t i = 1; i < 4; i++)
        ck_assert(is_served(&clients[i]));
    ck_assert_int_eq(engine_vitals(fixture.engine)->connections, 3);
    for (size_t i = 0; i < 4; i++)
        client_free(&clients[i]);
    end();
}
END_TEST

START_TEST(a_connection_with_something_under_way_does_not)
{
    begin(everything, "connections-per-uid=2\n");
    struct client busy[2] = {client_new(), client_new()};
    fixture.keeper.hold = true;
    for (size_t i = 0; i < 2; i++)
        client_call(&busy[i], "Sign", sign_parameters("alice"), "");
    UNTIL(&fixture, fixture.keeper.held_count == 2);
    struct client one_more = client_new();
    UNTIL(&fixture, client_is_closed(&one_more));
    ck_assert(answer_has_error(&one_more, 0, "Busy"));
    keeper_release(&fixture, 2);
    for (size_t i = 0; i < 2; i++)
        UNTIL(&fixture, client_answers(&busy[i]) == 1);
    client_free(&one_more);
    client_free(&busy[0]);
    UNTIL(&fixture, engine_vitals(fixture.engine)->connections == 1);
    one_more = client_new();
    ck_assert(is_served(&one_more));
    client_free(&one_more);
    client_free(&busy[1]);
    end();
}
END_TEST

/* One turn of the clock for all of them: an idle one, one that sends a byte now and then, one that never reads, and one that waits for its
 * answer, which is neither. */
START_TEST(slow_and_silent_peers_are_cut_off_and_patient_ones_are_not)
{
    begin(everything, "idle-timeout=1s\nslow-timeout=1s\n");
    world_insert_many(&fixture.base, 100000, 3000, "alice", "DNS:a.very.long.name.that.fills.the.socket.example.com", "client");
    struct client idle = client_new(), trickling = client_new(), deaf = client_new(), patient = client_new();
    fixture.keeper.hold = true;
    ck_assert(is_served(&idle));
    client_call(&patient, "Sign", sign_parameters("alice"), "");
    client_call(&deaf, "List", json_object(), ",\"more\":true");
    UNTIL(&fixture, fixture.keeper.held_count == 1);
    time_t start = time(NULL);
    bool deaf_closed = false;
    for (int i = 0; !client_is_closed(&trickling) || !client_is_closed(&idle) || !deaf_closed; i++) {
        ck_assert_msg(time(NULL) - start < 10, "idle %d, trickling %d, deaf %d", idle.closed, trickling.closed, deaf_closed);
        if (i % 50 == 0 && !trickling.closed && send(trickling.fd, " ", 1, MSG_NOSIGNAL) < 0)
            trickling.closed = true;
        turn(&fixture);
        /* Look at what is under way rather than read, which would be hearing. */
        deaf_closed = engine_under_way(fixture.engine) == 1 && engine_vitals(fixture.engine)->connections <= 3;
    }
    ck_assert_int_ge(time(NULL) - start, 1);
    ck_assert(!client_is_closed(&patient));
    keeper_release(&fixture, 1);
    UNTIL(&fixture, client_answers(&patient) == 1);
    ck_assert(answer_has_error(&patient, 0, ""));
    client_free(&idle);
    client_free(&trickling);
    client_free(&deaf);
    client_free(&patient);
    end();
}
END_TEST

/* A stream to one who does not read is a page and a socket full, however long it would be. */
START_TEST(a_stream_is_as_large_as_its_reader_is_fast)
{
    begin(everything, NULL);
    world_insert_many(&fixture.base, 100000, 5000, "alice", "DNS:alice", "client");
    struct client client = client_new();
    client_call(&client, "List", json_object(), ",\"more\":true");
    settle(&fixture);
    settle(&fixture);
    size_t pending = frame_pending(&server->connections->writer);
    ck_assert_uint_gt(pending, 0);
    ck_assert_uint_lt(pending, 256 * 1024);
    UNTIL(&fixture, client_answers(&client) == 50 + 1);
    ck_assert(is_served(&client));
    client_free(&client);
    end();
}
END_TEST

/* --- going away -------------------------------------------------------------------------------------------- */

START_TEST(who_leaves_in_the_middle_harms_nobody)
{
    begin(everything, NULL);
    world_insert_many(&fixture.base, 100000, 1000, "many", "DNS:many", "client");
    fixture.keeper.hold = true;
    struct client leaving[4] = {client_new(), client_new(), client_new(), client_new()};
    client_call(&leaving[0], "Sign", sign_parameters("alice"), "");
    client_call(&leaving[1], "Issue", json_pack("{s:s, s:s}", "name", "bob", "keyType", "rsa:2048"), "");
    client_call(&leaving[2], "List", json_object(), ",\"more\":true");
    client_write(&leaving[3], "{\"meth", 6);
    UNTIL(&fixture, fixture.keeper.held_count == 1 && engine_vitals(fixture.engine)->connections == 4);
    for (size_t i = 0; i < 4; i++)
        client_free(&leaving[i]);
    UNTIL(&fixture, engine_vitals(fixture.engine)->connections == 0);
    UNTIL(&fixture, fixture.keeper.held_count == 2);
    keeper_release(&fixture, 2);
    UNTIL(&fixture, engine_under_way(fixture.engine) == 0);
    ck_assert_int_eq(rows_of(&fixture, "alice") + rows_of(&fixture, "bob"), 2);
    struct client client = client_new();
    ck_assert(is_served(&client));
    client_free(&client);
    end();
}
END_TEST

START_TEST(stopping_finishes_what_was_accepted)
{
    begin(everything, NULL);
    struct client client = client_new(), late = client_new();
    fixture.keeper.hold = true;
    ck_assert(is_served(&late));
    client_call(&client, "Sign", sign_parameters("alice"), "");
    UNTIL(&fixture, fixture.keeper.held_count == 1);
    ck_assert(!server_is_quiet(server));
    server_stop(server);
    client_send(&late, status_call);
    settle(&fixture);
    ck_assert_uint_eq(client_answers(&late), 1); /* nothing new is taken up */
    ck_assert(!server_is_quiet(server));
    keeper_release(&fixture, 1);
    UNTIL(&fixture, server_is_quiet(server));
    ck_assert_uint_eq(client_answers(&client), 1);
    ck_assert(answer_has_error(&client, 0, ""));
    ck_assert_int_eq(connect_to(fixture.base.config->agent.socket), -1);
    client_free(&client);
    client_free(&late);
    end();
}
END_TEST

/* Where the policy has %u, each new peer is looked up on the pool first; the end may come in the middle of it. */
START_TEST(peers_are_looked_up_where_the_policy_asks_for_it)
{
    static const char with_login[] = "use required permit\nread sufficient permit\nissue required name dns=%u\n";
    begin(with_login, NULL);
    struct client client = client_new();
    ck_assert(is_served(&client));
    struct client many[20];
    for (size_t i = 0; i < 20; i++) {
        many[i] = client_new();
        client_send(&many[i], status_call);
    }
    turn(&fixture);
    end();
    for (size_t i = 0; i < 20; i++)
        client_free(&many[i]);
    client_free(&client);
}
END_TEST

START_TEST(a_reload_looks_connected_peers_up_again)
{
    static const char with_login[] = "use required permit\nread sufficient permit\nadmin required permit\nissue required name dns=%u\n";
    begin(everything, NULL);
    struct client clients[3] = {client_new(), client_new(), client_new()};
    for (size_t i = 0; i < 3; i++)
        ck_assert(is_served(&clients[i]));
    world_write_policy(&fixture.base, with_login);
    client_send(&clients[0], "{\"method\":\"io.mtlsd.Agent.Reload\"}");
    client_send(&clients[0], status_call); /* behind it, in one go */
    UNTIL(&fixture, client_answers(&clients[0]) == 3);
    ck_assert(answer_has_error(&clients[0], 1, "") && answer_has_error(&clients[0], 2, ""));
    for (size_t i = 0; i < 3; i++) {
        ck_assert(is_served(&clients[i]));
        client_free(&clients[i]);
    }
    end();
}
END_TEST

/* --- the socket -------------------------------------------------------------------------------------------- */

static void must_not_listen(const struct config *config, const char *part)
{
    int fd = -77;
    struct failure failure = {0};
    ck_assert_int_eq(server_listen(config, &fd, &failure), -1);
    ck_assert_int_eq(fd, -77);
    ck_assert_msg(strstr(failure.reason, part) != NULL, "'%s' is not in: %s", part, failure.reason);
}

START_TEST(the_socket_replaces_a_dead_one_and_no_live_one)
{
    static struct world_fixture world;
    struct failure failure = {0};
    struct stat status;
    int first, second;
    world_begin(&world, everything, "socket-mode=0660\n");
    ck_assert_int_eq(server_listen(world.config, &first, &failure), 0);
    ck_assert_int_eq(stat(world.config->agent.socket, &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0660);
    ck_assert_int_eq(listen(first, 1), 0);
    must_not_listen(world.config, "another agent answers there");
    close(first);
    ck_assert_int_eq(server_listen(world.config, &second, &failure), 0);
    close(second);
    unlink(world.config->agent.socket);
    write_text(world.config->agent.socket, "not a socket");
    must_not_listen(world.config, world.config->agent.socket); /* and it is not removed */
    ck_assert_int_eq(stat(world.config->agent.socket, &status), 0);
    ck_assert(S_ISREG(status.st_mode));
    world_end(&world);
}
END_TEST

START_TEST(a_socket_that_cannot_be_is_named)
{
    static char long_path[200], nowhere[] = "/nonexistent/agent.sock", nobody[] = "no-such-group-here";
    static struct config config;
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[0] = '/';
    config.agent = (struct config_agent){.socket = long_path, .socket_mode = 0666};
    must_not_listen(&config, "107 bytes");
    config.agent.socket = nowhere;
    must_not_listen(&config, "its directory must be there");
    static struct world_fixture world;
    world_begin(&world, everything, NULL);
    config.agent.socket = world.config->agent.socket;
    config.agent.socket_group = nobody;
    must_not_listen(&config, "no-such-group-here");
    world_end(&world);
}
END_TEST

UNIT_MAIN("server", a_call_is_answered, calls_that_come_at_once_are_answered_in_order, a_call_sees_what_the_one_before_it_wrote,
          one_byte_at_a_time_is_a_call_too, who_has_stopped_writing_still_gets_the_answer, a_oneway_call_leaves_the_order_alone,
          a_bad_message_is_answered_and_the_connection_lives_on, a_frame_that_is_too_large_ends_its_connection_alone,
          the_oldest_idle_connection_makes_room, a_connection_with_something_under_way_does_not,
          slow_and_silent_peers_are_cut_off_and_patient_ones_are_not, a_stream_is_as_large_as_its_reader_is_fast,
          who_leaves_in_the_middle_harms_nobody, stopping_finishes_what_was_accepted, peers_are_looked_up_where_the_policy_asks_for_it,
          a_reload_looks_connected_peers_up_again, the_socket_replaces_a_dead_one_and_no_live_one, a_socket_that_cannot_be_is_named)
