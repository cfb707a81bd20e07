/*
 * unlock.c - the keeper's end of unlock.sock: who may open the key, and how often somebody may be wrong.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/unlock.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/keeper/log.h"
#include "agent/keeper/memory.h"
#include "proto/peer.h"

int unlock_init(struct unlock *unlock)
{
    memset(unlock, 0, sizeof *unlock);
    for (size_t i = 0; i < UNLOCK_CONNECTIONS; i++)
        unlock->connections[i] = -1;
    unlock->request = memory_allocate(UNLOCK_REQUEST_MAX);
    return unlock->request ? 0 : -1;
}

static bool is_allowed(int fd, uid_t owner)
{
    struct peer peer;
    if (peer_read(fd, &peer))
        return false;
    uid_t uid = peer.uid;
    peer_clear(&peer);
    if (uid == 0 || uid == owner)
        return true;
    keeper_log("uid %u may not unlock: disconnected", (unsigned)uid);
    return false;
}

void unlock_accept(struct unlock *unlock, int fd, uid_t owner)
{
    if (is_allowed(fd, owner))
        for (size_t i = 0; i < UNLOCK_CONNECTIONS; i++)
            if (unlock->connections[i] < 0) {
                unlock->connections[i] = fd;
                return;
            }
    close(fd);
}

static size_t say(char out[static UNLOCK_ANSWER_MAX + 1], enum unlock_answer code, const char *sentence)
{
    out[0] = (char)code;
    snprintf(out + 1, UNLOCK_ANSWER_MAX, "%s", sentence);
    return strlen(out);
}

/* Three may be wrong in a row for nothing, since a person mistypes; then 1, 2, 4 ... 30 seconds in which nobody is
 * heard. */
static void count_failure(struct unlock *unlock, int64_t now)
{
    unlock->failures++;
    if (unlock->failures < UNLOCK_FREE_FAILURES)
        return;
    unsigned doublings = unlock->failures - UNLOCK_FREE_FAILURES;
    unlock->wait_until = now + (doublings < 5 ? INT64_C(1) << doublings : UNLOCK_DELAY_MAX);
}

static size_t answer_open(struct unlock *unlock, struct keeper *keeper, const uint8_t *passphrase, size_t length,
                          int64_t now, char out[static UNLOCK_ANSWER_MAX + 1])
{
    struct failure failure;
    const struct secret secret = {(uint8_t *)passphrase, length};
    char sentence[UNLOCK_SENTENCE_MAX];
    if (keeper_is_open(keeper))
        return say(out, UNLOCK_OK, "open already");
    if (now < unlock->wait_until) {
        snprintf(sentence, sizeof sentence, "too many wrong passphrases; try again in %lld s",
                 (long long)(unlock->wait_until - now));
        return say(out, UNLOCK_NO, sentence);
    }
    if (!keeper_unlock(keeper, &secret, &failure)) {
        unlock->failures = 0;
        keeper_log("the CA key is open");
        return say(out, UNLOCK_OK, "the CA key is open");
    }
    if (failure.code == FAILURE_NOT_PERMITTED) {
        count_failure(unlock, now);
        keeper_log("unlock refused: %u wrong in a row", unlock->failures);
    }
    return say(out, UNLOCK_NO, failure.reason);
}

static size_t answer_status(const struct keeper *keeper, char out[static UNLOCK_ANSWER_MAX + 1])
{
    char sentence[UNLOCK_SENTENCE_MAX];
    snprintf(sentence, sizeof sentence, "%s: sealed with method %s", keeper_is_open(keeper) ? "open" : "locked",
             seal_method_name(keeper->method));
    return say(out, UNLOCK_OK, sentence);
}

size_t unlock_answer(struct unlock *unlock, struct keeper *keeper, const uint8_t *request, size_t length, int64_t now,
                     char out[static UNLOCK_ANSWER_MAX + 1])
{
    if (length > UNLOCK_REQUEST_MAX)
        return say(out, UNLOCK_NO, "the passphrase has more than 1024 bytes");
    if (length >= 1 && request[0] == UNLOCK_OPEN)
        return answer_open(unlock, keeper, request + 1, length - 1, now, out);
    if (length == 1 && request[0] == UNLOCK_STATUS)
        return answer_status(keeper, out);
    if (length != 1 || request[0] != UNLOCK_CLOSE)
        return say(out, UNLOCK_NO, "no such verb; this socket knows 'u' and a passphrase, 'l', 's'");
    if (keeper_is_open(keeper))
        keeper_log("the CA key is locked");
    keeper_lock(keeper);
    return say(out, UNLOCK_OK, "the CA key is locked");
}

static void disconnect(struct unlock *unlock, size_t index)
{
    close(unlock->connections[index]);
    unlock->connections[index] = -1;
}

void unlock_run(struct unlock *unlock, size_t index, struct keeper *keeper)
{
    int fd = unlock->connections[index];
    struct timespec now;
    char answer[UNLOCK_ANSWER_MAX + 1];
    ssize_t length = recv(fd, unlock->request, UNLOCK_REQUEST_MAX, MSG_DONTWAIT | MSG_TRUNC);
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (length <= 0) {
        disconnect(unlock, index);
        return;
    }
    clock_gettime(CLOCK_BOOTTIME, &now);
    size_t size = unlock_answer(unlock, keeper, unlock->request, (size_t)length, now.tv_sec, answer);
    sodium_memzero(unlock->request, UNLOCK_REQUEST_MAX);
    if (send(fd, answer, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        disconnect(unlock, index);
}

void unlock_clear(struct unlock *unlock)
{
    for (size_t i = 0; i < UNLOCK_CONNECTIONS; i++)
        if (unlock->connections[i] >= 0)
            disconnect(unlock, i);
    memory_free(unlock->request);
    unlock->request = NULL;
}
