/*
 * keeper_process.h - a keeper as it runs, in a child of the test: in its jail, with the test as its agent and as
 * whoever unlocks.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * One keeper a test: a process that has used libcrypto cannot become one.
 */
#ifndef MTLSD_TESTS_UNIT_KEEPER_PROCESS_H
#define MTLSD_TESTS_UNIT_KEEPER_PROCESS_H

#include "agent/keeper/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/keeper/files.h"
#include "agent/keeper/init.h"
#include "agent/keeper/jail.h"
#include "agent/keeper/sockets.h"
#include "proto/unlock.h"
#include "tests/unit/keeper_fixture.h"

static char state[] = "/tmp/test_serve.XXXXXX";
static char socket_path[64], unlock_path[64];
static struct failure failure;
static pid_t keeper_pid;
static int agent; /* our end */
static uint8_t wire[GRANT_PACKET_MAX];

/* --- a keeper in a child ---------------------------------------------------------------------------------- */

/* As main does it: everything open, then the jail, then the key. */
__attribute__((noreturn)) static inline void be_the_keeper(int fd, uid_t agent_uid)
{
    static struct keeper keeper;
    struct secret none = {NULL, 0};
    struct doors doors = {-1, fd, -1, -1, -1, agent_uid};
    int directory;
    close(agent);
    if (memory_install(&failure) || signer_start(&failure) ||
        state_open(state, &directory, &keeper.owner, &failure) || keeper_load(&keeper, directory, &failure) ||
        (fd < 0 && socket_listen(socket_path, 0666, (uid_t)-1, &doors.agent_listener, &failure)) ||
        socket_listen(unlock_path, 0600, (uid_t)-1, &doors.unlock_listener, &failure))
        _exit(100);
    serve_prepare();
    if (memory_lock_stack(&failure) || jail_enter(keeper.walls, &failure))
        _exit(101);
    memory_begin_secret();
    if (keeper.method == SEAL_NONE && keeper_unlock(&keeper, &none, &failure))
        _exit(102);
    int status = serve_run(&keeper, &doors);
    keeper_clear(&keeper);
    exit(status);
}

/* init runs in a process of its own, as it does in life. */
static inline void make_authority(enum seal_method method, const char *type)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct options options = {.state = state, .name = "Test CA", .days = 3650, .has_seal = true, .seal = method};
        char path[96];
        snprintf(path, sizeof path, "%s.pass", state);
        options.passphrase_file = path;
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (sodium_init() < 0 || write(fd, "geheim\n", 7) != 7 || key_type_parse(type, &options.key_type) ||
            init_run(&options, &failure)) {
            fprintf(stderr, "%s\n", failure.reason);
            _exit(1);
        }
        unlink(path);
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    ck_assert_int_eq(status, 0);
}

static inline void begin(enum seal_method method, const char *type)
{
    ck_assert_ptr_nonnull(mkdtemp(state));
    snprintf(socket_path, sizeof socket_path, "%s/s", state);
    snprintf(unlock_path, sizeof unlock_path, "%s/u", state);
    make_authority(method, type);
}

static inline void start(void)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    agent = pair[0];
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    fflush(NULL);
    keeper_pid = fork();
    if (keeper_pid == 0)
        be_the_keeper(pair[1], geteuid());
    close(pair[1]);
}

static inline int end(void)
{
    int status;
    char command[96];
    waitpid(keeper_pid, &status, 0);
    static const char *const files[] = {"ca.crt", "ca.key", "counter", "s", "u"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(command, sizeof command, "%s/%s", state, files[i]);
        unlink(command);
    }
    rmdir(state);
    return status;
}

/* --- the agent's end -------------------------------------------------------------------------------------- */

static inline void say(const struct keeper_packet *packet)
{
    long length = keeper_packet_write(packet, wire);
    ck_assert_int_gt(length, 0);
    ck_assert_int_eq(send(agent, wire, (size_t)length, MSG_NOSIGNAL), length);
}

static inline struct keeper_packet hear(void)
{
    struct keeper_packet packet;
    struct pollfd slot = {agent, POLLIN, 0};
    ck_assert_msg(poll(&slot, 1, 20000) == 1, "the keeper says nothing");
    ssize_t length = recv(agent, wire, sizeof wire, 0);
    ck_assert_msg(length > 0, "the keeper is gone");
    ck_assert_int_eq(keeper_packet_read(wire, (size_t)length, &packet), 0);
    return packet;
}

/* The next packet that is no state; it is there until the next one is heard. */
static inline const struct keeper_packet *hear_answer(enum keeper_message wanted)
{
    static struct keeper_packet packet;
    do {
        if (packet.type)
            keeper_packet_clear(&packet);
        packet = hear();
    } while (packet.type == KEEPER_STATE);
    ck_assert_msg(packet.type == wanted, "type %d: %s", (int)packet.type,
                  packet.type == KEEPER_REFUSED ? packet.u.refused->reason : "");
    return &packet;
}

static inline void hear_state(bool open)
{
    struct keeper_packet packet = hear();
    ck_assert_int_eq(packet.type, KEEPER_STATE);
    ck_assert_int_eq(packet.u.state->open, open);
    ck_assert_uint_eq(packet.u.state->protocol, GRANT_PROTOCOL);
    ck_assert_int_eq(packet.u.state->pid, keeper_pid);
    ck_assert_int_eq(packet.u.state->uid, geteuid());
    X509_free(fixture_parse(packet.u.state->authority, packet.u.state->authority_length));
    keeper_packet_clear(&packet);
}

static inline void grant(uint64_t id)
{
    static const char *const sans[] = {"DNS:alice.example.com"};
    static struct keeper_packet packet;
    if (!packet.type)
        fixture_grant(&packet.u.grant, time(NULL), sans, 1);
    packet.type = KEEPER_GRANT;
    packet.id = id;
    say(&packet);
}

static inline void hear_certificate(uint64_t id)
{
    const struct keeper_packet *packet = hear_answer(KEEPER_SIGNED);
    ck_assert_uint_eq(packet->id, id);
    X509_free(fixture_parse(packet->u.certificate.der, packet->u.certificate.length));
}

static inline char unlock(const char *request)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char answer[UNLOCK_ANSWER_MAX];
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", unlock_path);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    ck_assert_int_gt(recv(fd, answer, sizeof answer, 0), 1);
    close(fd);
    return answer[0];
}

#endif
