/*
 * counter.c - how many signatures, and the newest audit head.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/counter.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/keeper/files.h"
#include "proto/bytes.h"

enum { SLOTS = 2, CHECKSUM_SIZE = 32, BODY_SIZE = COUNTER_SLOT_SIZE - CHECKSUM_SIZE };
static const char magic[8] = {'M', 'T', 'L', 'S', 'D', 'C', 'N', '1'};

static void slot_write(const struct counter *counter, uint8_t slot[static COUNTER_SLOT_SIZE])
{
    struct bytes_writer writer = {.at = slot, .end = slot + BODY_SIZE};
    memset(slot, 0, COUNTER_SLOT_SIZE);
    write_bytes(&writer, magic, sizeof magic);
    write_u64(&writer, counter->generation);
    write_u64(&writer, counter->reserved);
    write_u8(&writer, counter->has_head);
    write_u64(&writer, counter->sequence);
    write_bytes(&writer, counter->head, sizeof counter->head);
    crypto_generichash(slot + BODY_SIZE, CHECKSUM_SIZE, slot, BODY_SIZE, NULL, 0);
}

static bool slot_read(const uint8_t slot[static COUNTER_SLOT_SIZE], struct counter *out)
{
    uint8_t checksum[CHECKSUM_SIZE];
    crypto_generichash(checksum, sizeof checksum, slot, BODY_SIZE, NULL, 0);
    if (memcmp(checksum, slot + BODY_SIZE, sizeof checksum) || memcmp(slot, magic, sizeof magic))
        return false;
    struct bytes_reader reader = {.at = slot + sizeof magic, .end = slot + BODY_SIZE};
    out->generation = read_u64(&reader);
    out->reserved = read_u64(&reader);
    out->has_head = read_bool(&reader);
    out->sequence = read_u64(&reader);
    memcpy(out->head, read_bytes(&reader, sizeof out->head), sizeof out->head);
    out->used = out->reserved; /* whatever was left of the last step is not known to be unused */
    return !reader.bad;
}

int counter_create(int directory, struct failure *failure)
{
    const struct counter fresh = {.generation = 1};
    uint8_t file[SLOTS * COUNTER_SLOT_SIZE] = {0};
    slot_write(&fresh, file + fresh.generation % SLOTS * COUNTER_SLOT_SIZE);
    return file_write(directory, COUNTER_FILE, 0600, false, file, sizeof file, failure);
}

static int load(struct counter *counter, struct failure *failure)
{
    uint8_t file[SLOTS * COUNTER_SLOT_SIZE];
    ssize_t got;
    do
        got = pread(counter->fd, file, sizeof file, 0);
    while (got < 0 && errno == EINTR);
    struct counter found[SLOTS] = {{.fd = counter->fd}, {.fd = counter->fd}};
    bool first = got == sizeof file && slot_read(file, &found[0]),
         second = got == sizeof file && slot_read(file + COUNTER_SLOT_SIZE, &found[1]);
    if (!first && !second)
        return failure_set(failure, FAILURE_BAD_REQUEST, NULL,
                           "%s: damaged: it says neither how much was signed nor which audit head was the last; "
                           "restore it from a backup of the same moment as the index",
                           COUNTER_FILE);
    *counter = !second || (first && found[0].generation > found[1].generation) ? found[0] : found[1];
    return 0;
}

int counter_open(int directory, struct counter *out, struct failure *failure)
{
    struct counter counter = {.fd = openat(directory, COUNTER_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW)};
    if (counter.fd < 0)
        return failure_set(failure, FAILURE_NOT_FOUND, NULL, "%s: %s", COUNTER_FILE, strerror(errno));
    if (flock(counter.fd, LOCK_EX | LOCK_NB)) {
        close(counter.fd);
        return failure_set(failure, FAILURE_CONFLICT, NULL, "another mtlsd-keeper runs on this directory");
    }
    if (load(&counter, failure)) {
        close(counter.fd);
        return -1;
    }
    *out = counter;
    return 0;
}

void counter_close(struct counter *counter)
{
    close(counter->fd);
    counter->fd = -1;
}

/* Write `next` into the slot that is not the newest, sync, and only then let it be the truth. */
static int store(struct counter *counter, const struct counter *wanted, struct failure *failure)
{
    struct counter next = *wanted;
    uint8_t slot[COUNTER_SLOT_SIZE];
    next.generation = counter->generation + 1;
    slot_write(&next, slot);
    ssize_t put;
    do
        put = pwrite(counter->fd, slot, sizeof slot, (off_t)(next.generation % SLOTS * COUNTER_SLOT_SIZE));
    while (put < 0 && errno == EINTR);
    if (put != sizeof slot || fdatasync(counter->fd))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "the keeper's counter file cannot be written: %s",
                           put < 0 || put == sizeof slot ? strerror(errno) : "no space");
    *counter = next;
    return 0;
}

int counter_take(struct counter *counter, struct failure *failure)
{
    if (counter->used == counter->reserved) {
        struct counter next = *counter;
        next.reserved += COUNTER_STEP;
        if (store(counter, &next, failure))
            return -1;
    }
    counter->used++;
    return 0;
}

int counter_advance_head(struct counter *counter, uint64_t sequence, const uint8_t head[static AUDIT_HEAD_HASH_SIZE],
                         struct failure *failure)
{
    if (counter->has_head && sequence < counter->sequence)
        return failure_set(failure, FAILURE_CONFLICT, "sequence",
                           "audit record %llu is older than %llu, whose head is signed already: records were cut "
                           "off, or an older index was restored",
                           (unsigned long long)sequence, (unsigned long long)counter->sequence);
    if (counter->has_head && sequence == counter->sequence) {
        if (!memcmp(counter->head, head, sizeof counter->head))
            return 0;
        return failure_set(
            failure, FAILURE_CONFLICT, "head",
            "audit record %llu has another head than the one that is signed already: records were altered",
            (unsigned long long)sequence);
    }
    struct counter next = *counter;
    next.has_head = true;
    next.sequence = sequence;
    memcpy(next.head, head, sizeof next.head);
    return store(counter, &next, failure);
}
