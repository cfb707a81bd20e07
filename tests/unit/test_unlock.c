/*
 * test_unlock.c - unlock.sock: open, lock, status, and how often somebody may be wrong.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/unlock.h"

#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/keeper_fixture.h"
#include "tests/unit/unit.h"

static struct unlock unlock;
static struct keeper keeper;
static char said[UNLOCK_ANSWER_MAX + 1];

/* A locked keeper as it stands after its start. */
static void begin(enum seal_method method, const char *with, size_t length)
{
    struct failure failure = {.code = FAILURE_NONE};
    struct key_type type = {KEY_EC_P256, 0};
    struct floor floor;
    uint8_t *pkcs8;
    char *pem;
    size_t pkcs8_length, pem_length;
    int64_t now = time(NULL);
    const struct secret secret = {(uint8_t *)with, length};
    ck_assert_int_ge(sodium_init(), 0);
    floor_default(&floor);
    ck_assert_int_eq(signer_prepare(&failure), 0);
    ck_assert_int_eq(signer_generate(type, &pkcs8, &pkcs8_length, &failure), 0);
    const struct authority_wish wish = {"Test CA", now - 300, now + 3650 * DAY, &floor, pkcs8, pkcs8_length};
    ck_assert_int_eq(authority_make(&wish, &pem, &pem_length, &failure), 0);
    ck_assert_int_eq(authority_read(pem, pem_length, &keeper.authority, &failure), 0);
    ck_assert_int_eq(
        vault_write(method, &secret, &floor, pkcs8, pkcs8_length, &keeper.sealed, &keeper.sealed_length, &failure),
        0);
    memory_free(pkcs8);
    free(pem);
    keeper.method = method;
    if (method == SEAL_SECRET) {
        keeper.secret = (struct secret){memory_allocate(length), length};
        memcpy(keeper.secret.data, with, length);
    }
    ck_assert_int_eq(unlock_init(&unlock), 0);
}

static char ask_at(const char *request, int64_t now)
{
    size_t length = unlock_answer(&unlock, &keeper, (const uint8_t *)request, strlen(request), now, said);
    ck_assert_uint_ge(length, 2);
    ck_assert_uint_le(length, UNLOCK_ANSWER_MAX);
    ck_assert_ptr_null(strchr(said, '\n'));
    return said[0];
}

static char ask(const char *request)
{
    return ask_at(request, 1000);
}

START_TEST(the_right_passphrase_opens_and_lock_closes)
{
    begin(SEAL_PASSPHRASE, "geheim", 6);
    ck_assert_int_eq(ask("s"), UNLOCK_OK);
    ck_assert_int_eq(strncmp(said + 1, "locked", 6), 0);
    ck_assert_int_eq(ask("ugeheim"), UNLOCK_OK);
    ck_assert(keeper_is_open(&keeper));
    ck_assert_int_eq(ask("s"), UNLOCK_OK);
    ck_assert_int_eq(strncmp(said + 1, "open", 4), 0);
    ck_assert_int_eq(ask("uwhatever"), UNLOCK_OK);
    ck_assert_str_eq(said + 1, "open already");
    ck_assert_int_eq(ask("l"), UNLOCK_OK);
    ck_assert(!keeper_is_open(&keeper));
    ck_assert_int_eq(ask("l"), UNLOCK_OK);
    ck_assert_uint_eq(keeper.changes, 2);
}
END_TEST

START_TEST(a_wrong_passphrase_opens_nothing_and_is_told_nothing)
{
    char first[sizeof said];
    begin(SEAL_PASSPHRASE, "geheim", 6);
    ck_assert_int_eq(ask("ugeheil"), UNLOCK_NO);
    memcpy(first, said, sizeof first);
    ck_assert_int_eq(ask("ux"), UNLOCK_NO);
    ck_assert_str_eq(said, first);
    ck_assert_int_eq(ask("u"), UNLOCK_NO);
    ck_assert(!keeper_is_open(&keeper));
    ck_assert_uint_eq(keeper.changes, 0);
}
END_TEST

START_TEST(after_three_wrong_ones_nobody_is_heard_for_a_while)
{
    begin(SEAL_PASSPHRASE, "geheim", 6);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ask("ux"), UNLOCK_NO);
    ck_assert_int_eq(ask("ugeheim"), UNLOCK_NO);
    ck_assert_ptr_nonnull(strstr(said, "in 1 s"));
    ck_assert_int_eq(ask_at("ux", 1001), UNLOCK_NO);
    ck_assert_ptr_null(strstr(said, "try again"));
    ck_assert_int_eq(ask_at("ugeheim", 1002), UNLOCK_NO);
    ck_assert_ptr_nonnull(strstr(said, "in 1 s"));
    ck_assert_int_eq(ask_at("ugeheim", 1003), UNLOCK_OK);
    ck_assert_uint_eq(unlock.failures, 0);
}
END_TEST

/* Locked, a CA that is sealed by a secret stays so until somebody who may says otherwise; no passphrase opens it. */
START_TEST(a_secret_needs_no_passphrase)
{
    begin(SEAL_SECRET, "0123456789abcdef0123456789abcdef", SEAL_SECRET_SIZE);
    ck_assert_int_eq(ask("uwhatever"), UNLOCK_NO);
    ck_assert_ptr_nonnull(strstr(said, "secret-file"));
    ck_assert_int_eq(ask("u"), UNLOCK_OK);
    ck_assert_int_eq(ask("l"), UNLOCK_OK);
    ck_assert_int_eq(ask("u"), UNLOCK_OK);
    ck_assert(keeper_is_open(&keeper));
}
END_TEST

START_TEST(other_packets_are_answered_and_do_nothing)
{
    static uint8_t long_one[UNLOCK_REQUEST_MAX + 1] = {UNLOCK_OPEN};
    begin(SEAL_NONE, NULL, 0);
    ck_assert_int_eq(ask(""), UNLOCK_NO);
    ck_assert_int_eq(ask("x"), UNLOCK_NO);
    ck_assert_int_eq(ask("lx"), UNLOCK_NO);
    ck_assert_int_eq(ask("status"), UNLOCK_NO);
    unlock_answer(&unlock, &keeper, long_one, sizeof long_one, 1000, said);
    ck_assert_int_eq(said[0], UNLOCK_NO);
    ck_assert(!keeper_is_open(&keeper));
}
END_TEST

START_TEST(over_a_socket_the_passphrase_is_wiped_after_the_answer)
{
    int pair[2];
    char answer[UNLOCK_ANSWER_MAX];
    begin(SEAL_PASSPHRASE, "geheim", 6);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    unlock_accept(&unlock, pair[0], 12345); /* root, or whoever runs the test */
    if (geteuid() != 0) {
        ck_assert_int_eq(recv(pair[1], answer, sizeof answer, 0), 0);
        return;
    }
    ck_assert_int_eq(send(pair[1], "ugeheim", 7, 0), 7);
    unlock_run(&unlock, 0, &keeper);
    ck_assert_int_gt(recv(pair[1], answer, sizeof answer, 0), 1);
    ck_assert_int_eq(answer[0], UNLOCK_OK);
    ck_assert(sodium_is_zero(unlock.request, UNLOCK_REQUEST_MAX));
    close(pair[1]);
    unlock_run(&unlock, 0, &keeper);
    ck_assert_int_eq(unlock.connections[0], -1);
}
END_TEST

START_TEST(a_ninth_connection_is_closed)
{
    int pair[2];
    begin(SEAL_NONE, NULL, 0);
    for (int i = 0; i < UNLOCK_CONNECTIONS + 1; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
        unlock_accept(&unlock, pair[0], geteuid());
    }
    char byte;
    ck_assert_int_eq(recv(pair[1], &byte, 1, 0), 0);
    unlock_clear(&unlock);
}
END_TEST

UNIT_MAIN("unlock", the_right_passphrase_opens_and_lock_closes, a_wrong_passphrase_opens_nothing_and_is_told_nothing,
          after_three_wrong_ones_nobody_is_heard_for_a_while, a_secret_needs_no_passphrase,
          other_packets_are_answered_and_do_nothing, over_a_socket_the_passphrase_is_wiped_after_the_answer,
          a_ninth_connection_is_closed)
