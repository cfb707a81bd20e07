/*
 * scripted_peer.h - the other end of a connection of libmtls: takes one call, and sends what the test says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_TESTS_UNIT_SCRIPTED_PEER_H
#define MTLSD_TESTS_UNIT_SCRIPTED_PEER_H

#include "tests/unit/unit.h"

#include <mtls.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CERTIFICATE \
    "{\"serial\":\"0a1b\",\"authority\":\"CN=X\",\"subject\":\"CN=alice\",\"name\":\"alice\",\"sans\":[\"DNS:alice\"]," \
    "\"profile\":\"client\",\"service\":\"default\",\"status\":\"live\",\"notBefore\":\"2026-11-23T20:00:00Z\"," \
    "\"notAfter\":\"2027-02-21T20:00:00Z\",\"issuedAt\":\"2026-11-23T20:05:00Z\",\"fingerprint\":\"00\",\"requesterUid\":1000}"
#define ISSUED \
    "{\"changed\":true,\"certificate\":" CERTIFICATE \
    ",\"pem\":\"LEAF\",\"chain\":[\"MIDDLE\"],\"privateKey\":\"SECRET\"," \
    "\"clamped\":false,\"ignored\":[]}"
#define RELOADED "{\"parameters\":{\"generation\":7}}"

/* The peer takes one call, then sends `reply` (size bytes) in pieces, then perhaps closes. */
struct script {
    int fd;
    const char *reply;
    size_t size, piece;
    int pause_ms;     /* before each piece */
    bool close_early; /* after the call, before the reply */
    bool close_after;
    char call[8192]; /* what came */
    size_t call_length;
};

static inline void nap(int milliseconds)
{
    struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static inline void *play(void *argument)
{
    struct script *script = argument;
    for (;;) {
        ssize_t count =
            read(script->fd, script->call + script->call_length, sizeof script->call - script->call_length);
        if (count <= 0)
            return NULL;
        script->call_length += (size_t)count;
        if (script->call[script->call_length - 1] == '\0')
            break;
    }
    for (size_t at = 0; !script->close_early && at < script->size;) {
        size_t piece = script->piece && script->piece < script->size - at ? script->piece : script->size - at;
        if (script->pause_ms)
            nap(script->pause_ms);
        ssize_t count = send(script->fd, script->reply + at, piece, MSG_NOSIGNAL);
        if (count < 0)
            break;
        at += (size_t)count;
    }
    if (script->close_early || script->close_after)
        shutdown(script->fd, SHUT_RDWR);
    return NULL;
}

static pthread_t thread __attribute__((unused));

static inline struct mtls *start(struct script *script)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    script->fd = pair[1];
    struct mtls *mtls = mtls_new_from_fd(pair[0]);
    ck_assert_ptr_nonnull(mtls);
    ck_assert_int_eq(pthread_create(&thread, NULL, play, script), 0);
    return mtls;
}

static inline void finish(struct mtls *mtls, struct script *script)
{
    mtls_free(mtls);
    pthread_join(thread, NULL);
    close(script->fd);
}

/* A reply is the text and its NUL. */
#define REPLY(text) .reply = text, .size = sizeof text

#endif
