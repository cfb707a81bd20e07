/*
 * frame.h - bytes to NUL-terminated messages and back, with a limit; the two buffers of a connection.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Knows file descriptors and bytes, nothing of JSON. Buffers are wiped when freed or when they shrink; a frame
 * marked secret is wiped as soon as it is consumed or sent.
 */
#ifndef MTLSD_PROTO_FRAME_H
#define MTLSD_PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct frame_reader {
    char *data;
    size_t size, start, end, scanned; /* data[start..end) is unread; [start..scanned) holds no NUL; data[scanned] is one, or not looked at yet */
    size_t max;
};

struct frame_writer {
    char *data;
    size_t size, start, end;
    bool secret; /* wipe what was sent */
};

/* `max`: longest message, without its NUL. Nothing is allocated. */
void frame_reader_init(struct frame_reader *reader, size_t max);
/* Wipes. The reader may be used again, empty. */
void frame_reader_free(struct frame_reader *reader);

/* Read once from a non-blocking descriptor. Returns bytes read; 0 at end of file; -1 with errno (EAGAIN: nothing now;
 * EMSGSIZE: more than max bytes without a NUL, framing is lost; ENOBUFS: the buffer is full of whole messages, take them
 * first; ENOMEM). EINTR is retried. No memory is held before the first read. */
ssize_t frame_read(struct frame_reader *reader, int fd);

/* The next whole message: sets text and length (without the NUL) and returns true. They stay valid until
 * frame_consume, which must follow before the next frame_read; `wipe` erases it. */
bool frame_next(struct frame_reader *reader, char **text, size_t *length);
void frame_consume(struct frame_reader *reader, size_t length, bool wipe);

void frame_writer_init(struct frame_writer *writer);
/* Wipes; what was not sent is lost. The writer may be used again, empty. */
void frame_writer_free(struct frame_writer *writer);
/* Queue a message and its NUL. 0, or -1 with errno ENOMEM. */
int frame_queue(struct frame_writer *writer, const char *text, size_t length, bool secret);
/* Send what is queued on a non-blocking socket. 1: all gone; 0: the peer is not reading, wait for writability; -1 with errno.
 * Never raises SIGPIPE. */
int frame_flush(struct frame_writer *writer, int fd);
static inline size_t frame_pending(const struct frame_writer *writer) { return writer->end - writer->start; }

#endif
