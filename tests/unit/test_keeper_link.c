/*
 * test_keeper_link.c - the agent's end of the channel, held against a keeper that is played here, on the other end of a pair.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/unit.h"

enum { ORDER_MAX = 1000, PATIENCE_SECONDS = 20 };

/* What the link told. */
static struct told {
    size_t open, locked, away, answers, wanted, rooms, rests;
    uint64_t last_id;
    enum keeper_message last_type;
} told;

static sd_event *event;
static struct keeper_link *keeper;
static int their_end; /* of the pair, or accepted */

static void on_state(void *context, const struct keeper_state *state)
{
    (void)context;
    told.open += state && state->open;
    told.locked += state && !state->open;
    told.away += !state;
}

static void on_answer(void *context, struct keeper_packet *packet)
{
    (void)context;
    told.answers++;
    told.last_id = packet->id;
    told.last_type = packet->type;
}

static void on_wanted(void *context)
{
    (void)context;
    told.wanted++;
}

static void on_room(void *context)
{
    (void)context;
    told.rooms++;
}

static void on_rest(void *context)
{
    (void)context;
    told.rests++;
}

static const struct keeper_link_callbacks callbacks = {on_state, on_answer, on_wanted, on_room, on_rest};

/* --- the loop ---------------------------------------------------------------------------------------------- */

static void begin(const char *path)
{
    ck_assert_int_ge(sd_event_new(&event), 0);
    ck_assert_int_eq(keeper_link_new(event, path, &callbacks, NULL, &keeper), 0);
    their_end = -1;
}

static void end(void)
{
    keeper_link_free(keeper);
    sd_event_unref(event);
    if (their_end >= 0)
        close(their_end);
}

static void turn(void)
{
    ck_assert_int_ge(sd_event_run(event, 1000), 0);
}

#define UNTIL(condition)                                                                                     \
    for (time_t until_ = time(NULL) + PATIENCE_SECONDS; !(condition); turn())                                \
    ck_assert_msg(time(NULL) < until_, "waited in vain for " #condition)

/* Long enough for whatever could happen. */
static void settle(void)
{
    for (int i = 0; i < 20; i++)
        turn();
}

/* --- the keeper that we play ------------------------------------------------------------------------------- */

static void send_packet(const struct keeper_packet *packet)
{
    uint8_t buffer[GRANT_PACKET_MAX];
    long length = keeper_packet_write(packet, buffer);
    ck_assert_int_gt(length, 0);
    ck_assert_int_eq(send(their_end, buffer, (size_t)length, MSG_NOSIGNAL), length);
}

static void say_state(bool open)
{
    static struct keeper_state state;
    state = (struct keeper_state){.protocol = GRANT_PROTOCOL, .open = open, .pid = 42, .uid = 43, .walls = "seccomp", .authority_length = 3};
    const struct keeper_packet packet = {.type = KEEPER_STATE, .u.state = &state};
    send_packet(&packet);
}

static void hand_over(void)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    keeper_link_adopt(keeper, pair[0]);
    their_end = pair[1];
}

static void hand_over_open(void)
{
    size_t before = told.open;
    hand_over();
    say_state(true);
    UNTIL(told.open > before);
}

/* What has arrived: the ids of it, in order. */
static size_t receive_ids(uint64_t ids[ORDER_MAX])
{
    uint8_t buffer[GRANT_PACKET_MAX];
    size_t count = 0;
    for (ssize_t length; (length = recv(their_end, buffer, sizeof buffer, MSG_DONTWAIT)) > 0;) {
        struct keeper_packet packet;
        ck_assert_int_eq(keeper_packet_read(buffer, (size_t)length, &packet), 0);
        ck_assert_uint_lt(count, ORDER_MAX);
        ids[count++] = packet.id;
        keeper_packet_clear(&packet);
    }
    return count;
}

static void refuse(uint64_t id)
{
    struct failure failure = {0};
    failure_set(&failure, FAILURE_BAD_REQUEST, "key", "no");
    const struct keeper_packet packet = {.type = KEEPER_REFUSED, .id = id, .u.refused = &failure};
    send_packet(&packet);
}

static void ask(uint64_t id)
{
    struct failure failure = {0};
    struct keeper_packet packet = {.type = KEEPER_GRANT, .id = id};
    packet.u.grant = (struct grant){.not_before = 1, .not_after = 2, .usage = GRANT_DIGITAL_SIGNATURE};
    packet.u.grant.key = (struct public_key){.type = {.kind = KEY_ED25519}, .length = 32};
    ck_assert_int_eq(names_set_common_name(&packet.u.grant.names, "alice", 5, "name", NULL), 0);
    ck_assert_msg(keeper_link_send(keeper, &packet, &failure) == 0, "%s", failure.reason);
}

static int ask_bulk(uint64_t id)
{
    const struct keeper_packet packet = {.type = KEEPER_CRL_END, .id = KEEPER_LINK_BULK_ID | id};
    struct failure failure;
    return keeper_link_send(keeper, &packet, &failure);
}

/* --- who is there ------------------------------------------------------------------------------------------ */

START_TEST(a_keeper_is_asked_for_until_there_is_one)
{
    begin(NULL);
    UNTIL(told.wanted >= 2); /* whoever provides may have failed the first time */
    ck_assert_ptr_null(keeper_link_state(keeper));
    hand_over();
    size_t wanted = told.wanted;
    say_state(true);
    UNTIL(told.open);
    struct timespec pause = {.tv_nsec = 300 * 1000 * 1000};
    nanosleep(&pause, NULL);
    settle();
    ck_assert_uint_eq(told.wanted, wanted);
    end();
}
END_TEST

START_TEST(what_it_says_of_itself_is_kept)
{
    begin(NULL);
    hand_over();
    settle();
    ck_assert_ptr_null(keeper_link_state(keeper)); /* connected, but it has not said anything */
    say_state(false);
    UNTIL(told.locked);
    ck_assert(!keeper_link_is_open(keeper));
    ck_assert_int_eq(keeper_link_state(keeper)->pid, 42);
    say_state(true);
    UNTIL(told.open);
    ck_assert(keeper_link_is_open(keeper));
    end();
}
END_TEST

START_TEST(before_its_first_word_nothing_is_sent)
{
    const struct keeper_packet packet = {.type = KEEPER_CRL_END, .id = 1};
    struct failure failure = {0};
    begin(NULL);
    ck_assert_int_eq(keeper_link_send(keeper, &packet, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_LOCKED);
    hand_over();
    ck_assert_int_eq(keeper_link_send(keeper, &packet, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_LOCKED);
    ck_assert(!keeper_link_has_room(keeper));
    end();
}
END_TEST

START_TEST(a_second_one_is_not_taken_beside_the_first)
{
    int pair[2];
    char byte;
    begin(NULL);
    hand_over_open();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    keeper_link_adopt(keeper, pair[0]);
    ck_assert_int_eq(recv(pair[1], &byte, 1, 0), 0); /* closed */
    close(pair[1]);
    ck_assert(keeper_link_is_open(keeper));
    end();
}
END_TEST

/* --- grants ------------------------------------------------------------------------------------------------ */

START_TEST(grants_wait_for_the_flush_and_keep_their_order)
{
    uint64_t ids[ORDER_MAX];
    begin(NULL);
    hand_over_open();
    for (uint64_t id = 1; id <= 20; id++)
        ask(id);
    ck_assert_uint_eq(receive_ids(ids), 0);
    keeper_link_flush(keeper);
    ck_assert_uint_eq(receive_ids(ids), 20);
    for (uint64_t id = 1; id <= 20; id++)
        ck_assert_uint_eq(ids[id - 1], id);
    end();
}
END_TEST

/* The keeper is never owed more than a window of answers, whatever is asked of us. */
START_TEST(at_most_a_window_is_unanswered)
{
    uint64_t ids[ORDER_MAX];
    size_t received = 0, answered = 0;
    begin(NULL);
    hand_over_open();
    for (uint64_t id = 1; id <= 3 * GRANT_WINDOW; id++)
        ask(id);
    keeper_link_flush(keeper);
    settle();
    received += receive_ids(ids);
    ck_assert_uint_eq(received, GRANT_WINDOW);
    ck_assert_uint_eq(keeper_link_under_way(keeper), 3 * GRANT_WINDOW);
    while (answered < 3 * GRANT_WINDOW) {
        refuse(++answered);
        UNTIL(told.answers == answered);
        received += receive_ids(ids);
        ck_assert_uint_le(received - answered, GRANT_WINDOW);
        ck_assert_uint_eq(received, answered + GRANT_WINDOW < 3 * GRANT_WINDOW ? answered + GRANT_WINDOW : 3 * GRANT_WINDOW);
    }
    ck_assert_uint_eq(keeper_link_under_way(keeper), 0);
    end();
}
END_TEST

START_TEST(answers_are_told_and_then_a_rest)
{
    begin(NULL);
    hand_over_open();
    for (uint64_t id = 1; id <= 30; id++)
        ask(id);
    keeper_link_flush(keeper);
    size_t rests = told.rests;
    for (uint64_t id = 1; id <= 30; id++)
        refuse(id);
    UNTIL(told.answers == 30);
    ck_assert_uint_eq(told.last_id, 30);
    ck_assert_int_eq(told.last_type, KEEPER_REFUSED);
    ck_assert_uint_eq(told.rests, rests + 1); /* one for the whole burst: that is what commits are grouped by */
    end();
}
END_TEST

START_TEST(what_does_not_fit_into_a_packet_is_refused_by_field)
{
    static char host[260];
    struct failure failure = {0};
    struct keeper_packet packet = {.type = KEEPER_GRANT, .id = 1};
    begin(NULL);
    hand_over_open();
    for (int i = 0; i < NAMES_MAX; i++) {
        struct san san;
        snprintf(host, sizeof host, "DNS:a%02d.%.60s.%.60s.%.60s.com", i, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc");
        ck_assert_int_eq(san_parse(host, &san, &failure), 0);
        ck_assert_int_eq(names_add(&packet.u.grant.names, &san, &failure), 0);
    }
    ck_assert_int_eq(keeper_link_send(keeper, &packet, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_str_eq(failure.field, "sans");
    ck_assert_uint_eq(keeper_link_under_way(keeper), 0);
    names_clear(&packet.u.grant.names);
    end();
}
END_TEST

/* --- bulk -------------------------------------------------------------------------------------------------- */

START_TEST(bulk_goes_out_between_grants)
{
    uint64_t ids[ORDER_MAX];
    begin(NULL);
    hand_over_open();
    for (uint64_t id = 1; id <= 5; id++)
        ck_assert_int_eq(ask_bulk(id), 0);
    for (uint64_t id = 1; id <= 40; id++)
        ask(id);
    keeper_link_flush(keeper);
    ck_assert_uint_eq(receive_ids(ids), 45);
    /* No grant waits behind more than one packet of bulk, and bulk moves on all the same. */
    for (size_t i = 1; i < 45; i++)
        ck_assert_msg(!(ids[i] & ids[i - 1] & KEEPER_LINK_BULK_ID), "two packets of bulk in a row at %zu", i);
    ck_assert_uint_eq(ids[0], 1);
    end();
}
END_TEST

START_TEST(bulk_is_bounded_and_tells_of_room)
{
    uint64_t ids[ORDER_MAX];
    size_t sent = 0;
    begin(NULL);
    hand_over_open();
    while (keeper_link_has_room(keeper)) {
        ck_assert_int_eq(ask_bulk(++sent), 0);
        ck_assert_uint_lt(sent, 100);
    }
    ck_assert_uint_eq(told.rooms, 0);
    keeper_link_flush(keeper);
    ck_assert_uint_eq(receive_ids(ids), sent);
    ck_assert_uint_eq(told.rooms, 1);
    ck_assert(keeper_link_has_room(keeper));
    end();
}
END_TEST

START_TEST(bulk_does_not_use_up_the_window)
{
    uint64_t ids[ORDER_MAX];
    begin(NULL);
    hand_over_open();
    for (uint64_t id = 1; id <= 8; id++)
        ck_assert_int_eq(ask_bulk(id), 0);
    keeper_link_flush(keeper);
    ck_assert_uint_eq(keeper_link_under_way(keeper), 0);
    for (uint64_t id = 1; id <= GRANT_WINDOW; id++)
        ask(id);
    keeper_link_flush(keeper);
    settle();
    ck_assert_uint_eq(receive_ids(ids), 8 + GRANT_WINDOW);
    refuse(KEEPER_LINK_BULK_ID | 8); /* an answer to bulk frees no place in the window */
    UNTIL(told.answers == 1);
    ck_assert_uint_eq(keeper_link_under_way(keeper), GRANT_WINDOW);
    end();
}
END_TEST

/* A keeper that does not read: nothing is lost, nothing spins, and it goes on when there is room. */
START_TEST(a_full_socket_is_waited_for)
{
    uint64_t ids[ORDER_MAX];
    size_t received = 0;
    int pair[2], small = 4096;
    begin(NULL);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    keeper_link_adopt(keeper, pair[0]);
    their_end = pair[1];
    say_state(true);
    UNTIL(told.open);
    for (uint64_t id = 1; id <= GRANT_WINDOW; id++)
        ask(id);
    keeper_link_flush(keeper);
    settle();
    received = receive_ids(ids);
    ck_assert_msg(received > 0 && received < GRANT_WINDOW, "%zu went at once", received);
    for (time_t until = time(NULL) + PATIENCE_SECONDS; received < GRANT_WINDOW; turn()) {
        ck_assert(time(NULL) < until);
        received += receive_ids(ids);
    }
    ck_assert_uint_eq(received, GRANT_WINDOW);
    end();
}
END_TEST

/* --- losing it --------------------------------------------------------------------------------------------- */

static void must_be_away(void)
{
    struct failure failure = {0};
    const struct keeper_packet packet = {.type = KEEPER_CRL_END, .id = 1};
    ck_assert_ptr_null(keeper_link_state(keeper));
    ck_assert(!keeper_link_is_open(keeper));
    ck_assert(!keeper_link_has_room(keeper));
    ck_assert_uint_eq(keeper_link_under_way(keeper), 0);
    ck_assert_int_eq(keeper_link_send(keeper, &packet, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_LOCKED);
    keeper_link_flush(keeper);
}

START_TEST(when_it_dies_all_is_dropped_and_another_is_wanted)
{
    begin(NULL);
    hand_over_open();
    for (uint64_t id = 1; id <= 2 * GRANT_WINDOW; id++)
        ask(id);
    ask_bulk(1);
    keeper_link_flush(keeper);
    size_t wanted = told.wanted;
    close(their_end);
    UNTIL(told.away);
    ck_assert_uint_eq(told.away, 1);
    must_be_away();
    UNTIL(told.wanted > wanted);
    end();
}
END_TEST

START_TEST(the_next_one_starts_afresh)
{
    uint64_t ids[ORDER_MAX];
    begin(NULL);
    for (int round = 0; round < 3; round++) {
        hand_over_open();
        for (uint64_t id = 1; id <= GRANT_WINDOW; id++)
            ask(id);
        keeper_link_flush(keeper);
        ck_assert_uint_eq(receive_ids(ids), GRANT_WINDOW); /* the window is whole again: nothing is owed from before */
        size_t away = told.away;
        close(their_end);
        UNTIL(told.away > away);
    }
    their_end = -1;
    end();
}
END_TEST

/* What it answered before it died still counts. */
START_TEST(answers_before_its_death_are_heard)
{
    uint64_t ids[ORDER_MAX];
    begin(NULL);
    hand_over_open();
    ask(1);
    ask(2);
    keeper_link_flush(keeper);
    ck_assert_uint_eq(receive_ids(ids), 2); /* what it leaves unread would reset the connection, unix(7) */
    refuse(1);
    close(their_end);
    their_end = -1;
    UNTIL(told.away);
    ck_assert_uint_eq(told.answers, 1);
    end();
}
END_TEST

static void must_end_it(const void *data, size_t length, const char *what)
{
    size_t away = told.away, answers = told.answers;
    hand_over_open();
    ask(1);
    keeper_link_flush(keeper);
    ck_assert_int_eq(send(their_end, data, length, MSG_NOSIGNAL), (ssize_t)length);
    UNTIL(told.away > away);
    ck_assert_msg(told.answers == answers, "%s was told as an answer", what);
    must_be_away();
    close(their_end);
    their_end = -1;
}

/* Only a bug or an attacker makes one: it ends the connection as the keeper's death would. */
START_TEST(a_malformed_packet_ends_the_connection)
{
    static uint8_t large[2 * GRANT_PACKET_MAX];
    uint8_t buffer[GRANT_PACKET_MAX];
    struct failure failure = {0};
    failure_set(&failure, FAILURE_BAD_REQUEST, "key", "no");
    const struct keeper_packet packet = {.type = KEEPER_REFUSED, .id = 1, .u.refused = &failure};
    long length = keeper_packet_write(&packet, buffer);
    begin(NULL);
    must_end_it("x", 1, "one byte");
    must_end_it("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, "an unknown type");
    must_end_it(buffer, (size_t)length - 1, "a packet cut short");
    buffer[length] = 0;
    must_end_it(buffer, (size_t)length + 1, "a packet with a byte too many");
    memcpy(large, buffer, (size_t)length);
    must_end_it(large, GRANT_PACKET_MAX + 1, "a packet that is too large");
    end();
}
END_TEST

/* --- by its socket ----------------------------------------------------------------------------------------- */

START_TEST(by_path_it_connects_itself_and_again)
{
    char directory[] = "/tmp/mtlsd-link-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/keeper.sock", directory);
    begin(address.sun_path);
    settle(); /* nobody is there yet */
    ck_assert_ptr_null(keeper_link_state(keeper));
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    for (size_t round = 1; round <= 2; round++) {
        UNTIL((their_end = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
        say_state(true);
        UNTIL(told.open == round);
        close(their_end);
        their_end = -1;
        UNTIL(told.away == round);
    }
    ck_assert_uint_eq(told.wanted, 0);
    close(listener);
    unlink(address.sun_path);
    rmdir(directory);
    end();
}
END_TEST

UNIT_MAIN("keeper_link", a_keeper_is_asked_for_until_there_is_one, what_it_says_of_itself_is_kept, before_its_first_word_nothing_is_sent,
          a_second_one_is_not_taken_beside_the_first, grants_wait_for_the_flush_and_keep_their_order, at_most_a_window_is_unanswered,
          answers_are_told_and_then_a_rest, what_does_not_fit_into_a_packet_is_refused_by_field, bulk_goes_out_between_grants,
          bulk_is_bounded_and_tells_of_room, bulk_does_not_use_up_the_window, a_full_socket_is_waited_for,
          when_it_dies_all_is_dropped_and_another_is_wanted, the_next_one_starts_afresh, answers_before_its_death_are_heard,
          a_malformed_packet_ends_the_connection, by_path_it_connects_itself_and_again)
