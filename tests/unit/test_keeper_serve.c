/*
 * test_keeper_serve.c - a keeper as it runs: in its jail, with an agent at one end and a person at the other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/keeper_process.h"
#include "tests/unit/unit.h"

/* One keeper a test: a process that has used libcrypto cannot become one. */
static void grants_are_answered(const char *type)
{
    begin(SEAL_NONE, type);
    start();
    hear_state(true);
    for (uint64_t id = 1; id <= GRANT_WINDOW; id++)
        grant(id);
    for (uint64_t id = 1; id <= GRANT_WINDOW; id++)
        hear_certificate(id);
    close(agent);
    int status = end(); /* nobody can come any more: the keeper ends by itself, in order */
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == SERVE_STOPPED, "wait status %#x", (unsigned)status);
}

START_TEST(an_ec_ca_answers_grants_in_their_order)
{
    grants_are_answered("ec:P-256");
}
END_TEST

START_TEST(a_p384_ca_answers_grants_in_their_order)
{
    grants_are_answered("ec:P-384");
}
END_TEST

START_TEST(an_ed25519_ca_answers_grants_in_their_order)
{
    grants_are_answered("ed25519");
}
END_TEST

START_TEST(an_rsa_ca_answers_grants_in_their_order)
{
    grants_are_answered("rsa:3072");
}
END_TEST

/* The agent sends and does not read: the keeper stops taking in, holds what it must, and goes on where it stopped. */
START_TEST(an_agent_that_does_not_read_loses_nothing)
{
    begin(SEAL_NONE, "ec:P-256");
    start();
    fcntl(agent, F_SETFL, O_NONBLOCK);
    uint64_t sent = 0;
    struct keeper_packet packet = {.type = KEEPER_CRL_END}; /* refused each time: small, many */
    for (int idle = 0; idle < 50 && sent < 5000;) {
        packet.id = sent + 1;
        long length = keeper_packet_write(&packet, wire);
        if (send(agent, wire, (size_t)length, MSG_NOSIGNAL) == length) {
            sent++;
            idle = 0;
        } else {
            ck_assert_int_eq(errno, EAGAIN);
            usleep(10000);
            idle++;
        }
    }
    fcntl(agent, F_SETFL, 0);
    ck_assert_uint_gt(sent, GRANT_WINDOW);
    for (uint64_t id = 1; id <= sent; id++) {
        ck_assert_uint_eq(hear_answer(KEEPER_REFUSED)->id, id);
    }
    close(agent);
    end();
}
END_TEST

START_TEST(a_crl_streams_between_grants)
{
    enum { ENTRIES = 1000 };
    static uint8_t der[ENTRIES * CRL_ENTRY_DER_MAX + 8192];
    static struct crl_entry entries[ENTRIES];
    size_t length = 0;
    int64_t now = time(NULL);
    begin(SEAL_NONE, "ec:P-256");
    start();
    hear_state(true);
    for (int i = 0; i < ENTRIES; i++) {
        entries[i] = (struct crl_entry){{3, {1, (uint8_t)(i >> 8), (uint8_t)i}}, now, 1};
        length += crl_entry_encode(&entries[i], der + length);
    }
    struct keeper_packet packet = {.type = KEEPER_CRL_BEGIN, .id = 7};
    packet.u.crl_begin.number = 3;
    packet.u.crl_begin.this_update = now;
    packet.u.crl_begin.next_update = now + 7 * DAY;
    packet.u.crl_begin.count = ENTRIES;
    packet.u.crl_begin.length = length;
    say(&packet);
    const struct keeper_packet *answer = hear_answer(KEEPER_CRL_HEAD);
    memmove(der + answer->u.bytes.length, der, length);
    memcpy(der, answer->u.bytes.data, answer->u.bytes.length);
    length += answer->u.bytes.length;
    for (int i = 0; i < ENTRIES; i += 250) {
        packet = (struct keeper_packet){.type = KEEPER_CRL_ENTRIES, .id = 7};
        packet.u.crl_entries.count = 250;
        packet.u.crl_entries.entries = entries + i;
        say(&packet);
        grant((uint64_t)i + 1000);
        hear_certificate((uint64_t)i + 1000);
    }
    packet = (struct keeper_packet){.type = KEEPER_CRL_END, .id = 7};
    say(&packet);
    answer = hear_answer(KEEPER_CRL_SIGNED);
    memcpy(der + length, answer->u.crl_signed.tail, answer->u.crl_signed.tail_length);
    length += answer->u.crl_signed.tail_length;
    memcpy(der + length, answer->u.crl_signed.algorithm, answer->u.crl_signed.algorithm_length);
    length += answer->u.crl_signed.algorithm_length;
    memcpy(der + length, answer->u.crl_signed.signature, answer->u.crl_signed.signature_length);
    length += answer->u.crl_signed.signature_length;
    uint8_t outer[16], *at = outer;
    ASN1_put_object(&at, 1, (int)length, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    memmove(der + (at - outer), der, length);
    memcpy(der, outer, (size_t)(at - outer));
    const uint8_t *from = der;
    X509_CRL *crl = d2i_X509_CRL(NULL, &from, (long)length + (at - outer));
    ck_assert_ptr_nonnull(crl);
    ck_assert_int_eq(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)), ENTRIES);
    X509_CRL_free(crl);
    close(agent);
    end();
}
END_TEST

START_TEST(a_passphrase_opens_lock_closes_and_the_agent_hears_it)
{
    begin(SEAL_PASSPHRASE, "ec:P-256");
    start();
    hear_state(false);
    grant(1);
    const struct keeper_packet *packet = hear_answer(KEEPER_REFUSED);
    ck_assert_int_eq(packet->u.refused->code, FAILURE_LOCKED);
    ck_assert_int_eq(unlock("ufalsch"), UNLOCK_NO);
    ck_assert_int_eq(unlock("ugeheim"), UNLOCK_OK);
    hear_state(true);
    grant(2);
    hear_certificate(2);

    struct keeper_packet begin_crl = {.type = KEEPER_CRL_BEGIN, .id = 3}, end_crl = {.type = KEEPER_CRL_END, .id = 3};
    begin_crl.u.crl_begin.this_update = time(NULL);
    begin_crl.u.crl_begin.next_update = time(NULL) + DAY;
    say(&begin_crl);
    hear_answer(KEEPER_CRL_HEAD);
    ck_assert_int_eq(unlock("l"), UNLOCK_OK);
    packet = hear_answer(KEEPER_REFUSED); /* the CRL that was under way ends with the key */
    ck_assert_uint_eq(packet->id, 3);
    ck_assert_int_eq(packet->u.refused->code, FAILURE_LOCKED);
    hear_state(false);
    say(&end_crl); /* already answered: dropped */
    grant(4);
    packet = hear_answer(KEEPER_REFUSED);
    ck_assert_uint_eq(packet->id, 4);
    close(agent);
    end();
}
END_TEST

START_TEST(the_audit_head_never_goes_back)
{
    begin(SEAL_NONE, "ed25519");
    start();
    hear_state(true);
    struct keeper_packet packet = {.type = KEEPER_HEAD, .id = 1};
    packet.u.head.sequence = 10;
    packet.u.head.time = time(NULL);
    say(&packet);
    const struct keeper_packet *answer = hear_answer(KEEPER_HEAD_SIGNED);
    ck_assert_uint_eq(answer->u.bytes.length, 64);
    packet.u.head.sequence = 9;
    say(&packet);
    answer = hear_answer(KEEPER_REFUSED);
    ck_assert_str_eq(answer->u.refused->field, "sequence");
    packet.u.head.sequence = 11;
    packet.u.head.time -= 7200;
    say(&packet);
    answer = hear_answer(KEEPER_REFUSED);
    ck_assert_str_eq(answer->u.refused->field, "time");
    close(agent);
    end();
}
END_TEST

/* Only a bug or an attacker makes one. */
static void framing_error(const uint8_t *data, size_t length)
{
    begin(SEAL_NONE, "ec:P-256");
    start();
    hear_state(true);
    ck_assert_int_eq(send(agent, data, length, 0), (ssize_t)length);
    int status = end();
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == SERVE_BROKEN, "wait status %#x", (unsigned)status);
    close(agent);
}

START_TEST(a_packet_too_long_ends_the_keeper)
{
    static uint8_t huge[GRANT_PACKET_MAX + 1] = {KEEPER_GRANT};
    framing_error(huge, sizeof huge);
}
END_TEST

START_TEST(a_message_of_the_keepers_own_ends_it)
{
    framing_error((const uint8_t[9 + 2]){KEEPER_CRL_HEAD}, 9 + 2);
}
END_TEST

START_TEST(an_unknown_message_ends_the_keeper)
{
    framing_error((const uint8_t[9]){200}, 9);
}
END_TEST

START_TEST(a_truncated_message_ends_the_keeper)
{
    framing_error((const uint8_t[5]){KEEPER_CRL_END}, 5);
}
END_TEST

static int connect_agent(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    for (int i = 0; i < 1000 && connect(fd, (struct sockaddr *)&address, sizeof address); i++)
        usleep(5000);
    return fd;
}

START_TEST(a_new_connection_of_the_agent_replaces_the_old_one)
{
    begin(SEAL_NONE, "ec:P-256");
    agent = -1;
    keeper_pid = fork();
    if (keeper_pid == 0)
        be_the_keeper(-1, geteuid());
    agent = connect_agent();
    hear_state(true);
    int old = agent;
    agent = connect_agent();
    hear_state(true);
    grant(1);
    hear_certificate(1);
    ck_assert_int_eq(recv(old, wire, sizeof wire, 0), 0);
    close(agent); /* and when it is gone the keeper waits for the next */
    agent = connect_agent();
    hear_state(true);
    ck_assert_int_eq(kill(keeper_pid, SIGTERM), 0);
    int status = end();
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == SERVE_STOPPED, "wait status %#x", (unsigned)status);
}
END_TEST

START_TEST(another_uid_is_not_the_agent)
{
    begin(SEAL_NONE, "ec:P-256");
    agent = -1;
    keeper_pid = fork();
    if (keeper_pid == 0)
        be_the_keeper(-1, geteuid() + 1);
    agent = connect_agent();
    ck_assert_int_eq(recv(agent, wire, sizeof wire, 0), 0);
    kill(keeper_pid, SIGKILL);
    end();
}
END_TEST

/* What was signed before the kill is counted; the next keeper takes over the socket that was left behind. */
START_TEST(a_killed_keeper_is_followed_by_the_next)
{
    pid_t keepers[2];
    int turn[2];
    begin(SEAL_NONE, "ec:P-256");
    agent = -1;
    ck_assert_int_eq(pipe(turn), 0);
    for (int i = 0; i < 2; i++)
        if ((keepers[i] = fork()) == 0) {
            char byte;
            if (i == 1 && read(turn[0], &byte, 1) != 1) /* the second waits for its turn */
                _exit(1);
            be_the_keeper(-1, geteuid());
        }
    for (int i = 0; i < 2; i++) {
        keeper_pid = keepers[i];
        agent = connect_agent();
        struct keeper_packet packet = hear();
        ck_assert_int_eq(packet.u.state->signatures, i * COUNTER_STEP);
        keeper_packet_clear(&packet);
        grant(1);
        hear_certificate(1);
        ck_assert_int_eq(kill(keeper_pid, SIGKILL), 0);
        if (i == 0) {
            waitpid(keeper_pid, NULL, 0);
            ck_assert_int_eq(write(turn[1], "", 1), 1);
        }
        close(agent);
    }
    end();
}
END_TEST

START_TEST(a_ca_that_is_there_is_never_overwritten)
{
    struct options options = {.state = state,
                              .name = "Other",
                              .days = 1,
                              .has_seal = true,
                              .seal = SEAL_NONE,
                              .key_type = {KEY_EC_P256, 0}};
    static const char *const files[] = {"ca.key", "ca.crt", "counter"};
    char path[96];
    begin(SEAL_NONE, "ec:P-256");
    for (size_t i = 0; i < 3; i++) { /* whichever is left of them */
        ck_assert_int_eq(init_run(&options, &failure), -1);
        ck_assert_int_eq(failure_exit_code(failure.code), 2);
        ck_assert_ptr_nonnull(strstr(failure.reason, files[i]));
        snprintf(path, sizeof path, "%s/%s", state, files[i]);
        unlink(path);
    }
    keeper_pid = fork();
    if (keeper_pid == 0)
        _exit(0);
    end();
}
END_TEST

UNIT_MAIN("keeper_serve", an_ec_ca_answers_grants_in_their_order, a_p384_ca_answers_grants_in_their_order,
          an_ed25519_ca_answers_grants_in_their_order, an_rsa_ca_answers_grants_in_their_order,
          an_agent_that_does_not_read_loses_nothing, a_crl_streams_between_grants,
          a_passphrase_opens_lock_closes_and_the_agent_hears_it, the_audit_head_never_goes_back,
          a_packet_too_long_ends_the_keeper, a_message_of_the_keepers_own_ends_it, an_unknown_message_ends_the_keeper,
          a_truncated_message_ends_the_keeper, a_new_connection_of_the_agent_replaces_the_old_one,
          another_uid_is_not_the_agent, a_killed_keeper_is_followed_by_the_next,
          a_ca_that_is_there_is_never_overwritten)
