/*
 * bytes.h - little-endian integers, texts and blobs into and out of a bounded buffer: packets, the sealed file, the
 * counter file.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Everything is inline, so that each program that speaks one of these formats has it without another object on its
 * link line.
 */
#ifndef MTLSD_PROTO_BYTES_H
#define MTLSD_PROTO_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Where a message is written to or read from. Once `bad` is set nothing moves any more, so a message is checked
 * once, at its end. */
struct bytes_writer {
    uint8_t *at, *end;
    bool bad;
};

struct bytes_reader {
    const uint8_t *at, *end;
    bool bad;
};

static inline void write_bytes(struct bytes_writer *sink, const void *data, size_t length)
{
    if (sink->bad || length > (size_t)(sink->end - sink->at)) {
        sink->bad = true;
        return;
    }
    if (length)
        memcpy(sink->at, data, length);
    sink->at += length;
}

/* NULL where so many bytes are not there. */
static inline const uint8_t *read_bytes(struct bytes_reader *source, size_t length)
{
    if (source->bad || length > (size_t)(source->end - source->at)) {
        source->bad = true;
        return NULL;
    }
    const uint8_t *data = source->at;
    source->at += length;
    return data;
}

static inline void write_integer(struct bytes_writer *sink, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    write_bytes(sink, bytes, size);
}

static inline uint64_t read_integer(struct bytes_reader *source, size_t size)
{
    const uint8_t *bytes = read_bytes(source, size);
    uint64_t value = 0;
    for (size_t i = 0; bytes && i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static inline void write_u8(struct bytes_writer *sink, uint64_t value) { write_integer(sink, value, 1); }
static inline void write_u16(struct bytes_writer *sink, uint64_t value) { write_integer(sink, value, 2); }
static inline void write_u32(struct bytes_writer *sink, uint64_t value) { write_integer(sink, value, 4); }
static inline void write_u64(struct bytes_writer *sink, uint64_t value) { write_integer(sink, value, 8); }
static inline uint8_t read_u8(struct bytes_reader *source) { return (uint8_t)read_integer(source, 1); }
static inline uint16_t read_u16(struct bytes_reader *source) { return (uint16_t)read_integer(source, 2); }
static inline uint32_t read_u32(struct bytes_reader *source) { return (uint32_t)read_integer(source, 4); }
static inline uint64_t read_u64(struct bytes_reader *source) { return read_integer(source, 8); }
static inline int64_t read_i64(struct bytes_reader *source) { return (int64_t)read_integer(source, 8); }

static inline bool read_bool(struct bytes_reader *source)
{
    uint8_t value = read_u8(source);
    source->bad |= value > 1;
    return value == 1;
}

static inline void write_blob(struct bytes_writer *sink, const void *data, size_t length)
{
    sink->bad |= length > UINT16_MAX;
    write_u16(sink, length);
    write_bytes(sink, data, length);
}

static inline void write_text(struct bytes_writer *sink, const char *text)
{
    write_blob(sink, text, strlen(text));
}

/* Into a fixed array, terminated. A NUL inside is not text. */
static inline void read_text(struct bytes_reader *source, char *out, size_t size)
{
    size_t length = read_u16(source);
    const uint8_t *data = read_bytes(source, length);
    if (!data || length >= size || memchr(data, '\0', length)) {
        source->bad = true;
        return;
    }
    memcpy(out, data, length);
    out[length] = '\0';
}

/* Into memory of its own. */
static inline uint8_t *read_blob(struct bytes_reader *source, size_t *length_out)
{
    size_t length = read_u16(source);
    const uint8_t *data = read_bytes(source, length);
    uint8_t *copy = data ? malloc(length ? length : 1) : NULL;
    if (!copy) {
        source->bad = true;
        return NULL;
    }
    memcpy(copy, data, length);
    *length_out = length;
    return copy;
}

#endif
