/*
 * frame.c - the read and write buffers of a connection: grow by doubling, shrink when idle, wipe what goes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/frame.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FIRST_SIZE = 4096, /* holds nearly every call and reply */
    KEEP_SIZE = 8192,  /* an empty buffer over this is given back: thousands of connections are idle */
};

static void wipe_and_free(char *data, size_t size)
{
    if (data)
        explicit_bzero(data, size);
    free(data);
}

/* Move [start..end) to the beginning of a buffer of new_size. realloc would leave a copy behind. */
static int move(char **data, size_t *size, size_t start, size_t end, size_t new_size)
{
    char *moved = malloc(new_size);
    if (!moved) {
        errno = ENOMEM;
        return -1;
    }
    if (*data)
        memcpy(moved, *data + start, end - start);
    wipe_and_free(*data, *size);
    *data = moved;
    *size = new_size;
    return 0;
}

void frame_reader_init(struct frame_reader *reader, size_t max)
{
    *reader = (struct frame_reader){.max = max < SIZE_MAX ? max : SIZE_MAX - 1};
}

void frame_reader_free(struct frame_reader *reader)
{
    wipe_and_free(reader->data, reader->size);
    *reader = (struct frame_reader){.max = reader->max};
}

/* Advance `scanned` to the next NUL or to the end; no byte is looked at twice. */
static bool scan(struct frame_reader *reader)
{
    if (reader->scanned == reader->end)
        return false;
    const char *nul = memchr(reader->data + reader->scanned, '\0', reader->end - reader->scanned);
    reader->scanned = nul ? (size_t)(nul - reader->data) : reader->end;
    return nul != NULL;
}

/* Room for at least one byte after `end`. The buffer is never over max + 1: a whole message and its NUL. */
static int make_room(struct frame_reader *reader)
{
    if (reader->end < reader->size)
        return 0;
    size_t limit = reader->max + 1, unread = reader->end - reader->start;
    if (reader->start > 0 && unread <= reader->size / 2) {
        memmove(reader->data, reader->data + reader->start, unread);
    } else if (reader->size < limit) {
        size_t size = reader->size == 0 ? FIRST_SIZE : reader->size > limit / 2 ? limit : reader->size * 2;
        if (move(&reader->data, &reader->size, reader->start, reader->end, size < limit ? size : limit))
            return -1;
    } else if (reader->start > 0) {
        memmove(reader->data, reader->data + reader->start, unread);
    } else {
        errno = ENOBUFS; /* full of whole messages that nobody has taken */
        return -1;
    }
    reader->scanned -= reader->start;
    reader->end = unread;
    reader->start = 0;
    return 0;
}

ssize_t frame_read(struct frame_reader *reader, int fd)
{
    if (make_room(reader))
        return -1;
    ssize_t count;
    do
        count = read(fd, reader->data + reader->end, reader->size - reader->end);
    while (count < 0 && errno == EINTR);
    if (count <= 0)
        return count;
    reader->end += (size_t)count;
    if (!scan(reader) && reader->end - reader->start > reader->max) {
        errno = EMSGSIZE;
        return -1;
    }
    return count;
}

bool frame_next(struct frame_reader *reader, char **text, size_t *length)
{
    if (!scan(reader))
        return false;
    *text = reader->data + reader->start;
    *length = reader->scanned - reader->start;
    return true;
}

void frame_consume(struct frame_reader *reader, size_t length, bool wipe)
{
    if (wipe)
        explicit_bzero(reader->data + reader->start, length);
    reader->start += length + 1;
    reader->scanned = reader->start;
    if (reader->start < reader->end)
        return;
    reader->start = reader->end = reader->scanned = 0;
    if (reader->size > KEEP_SIZE)
        frame_reader_free(reader);
}

void frame_writer_init(struct frame_writer *writer)
{
    *writer = (struct frame_writer){0};
}

void frame_writer_free(struct frame_writer *writer)
{
    wipe_and_free(writer->data, writer->size);
    *writer = (struct frame_writer){0};
}

static int make_writer_room(struct frame_writer *writer, size_t count)
{
    size_t pending = writer->end - writer->start;
    if (count <= writer->size - writer->end)
        return 0;
    if (count <= writer->size - pending) {
        memmove(writer->data, writer->data + writer->start, pending);
    } else {
        size_t size = writer->size ? writer->size : FIRST_SIZE;
        while (size - pending < count) {
            if (size > SIZE_MAX / 2) {
                errno = ENOMEM;
                return -1;
            }
            size *= 2;
        }
        if (move(&writer->data, &writer->size, writer->start, writer->end, size))
            return -1;
    }
    writer->start = 0;
    writer->end = pending;
    return 0;
}

int frame_queue(struct frame_writer *writer, const char *text, size_t length, bool secret)
{
    if (length == SIZE_MAX) {
        errno = ENOMEM;
        return -1;
    }
    if (make_writer_room(writer, length + 1))
        return -1;
    memcpy(writer->data + writer->end, text, length);
    writer->data[writer->end + length] = '\0';
    writer->end += length + 1;
    writer->secret |= secret;
    return 0;
}

int frame_flush(struct frame_writer *writer, int fd)
{
    while (writer->start < writer->end) {
        ssize_t count = send(fd, writer->data + writer->start, writer->end - writer->start, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        if (writer->secret)
            explicit_bzero(writer->data + writer->start, (size_t)count);
        writer->start += (size_t)count;
    }
    writer->start = writer->end = 0;
    writer->secret = false;
    if (writer->size > KEEP_SIZE)
        frame_writer_free(writer);
    return 1;
}
