/*
 * test_frame.c - messages arrive whole whatever the pieces, and buffers stay bounded and clean.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

static int ours, theirs;
static struct frame_reader reader;
static struct frame_writer writer;

static void connect_pair(size_t max)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    ours = ends[0];
    theirs = ends[1];
    frame_reader_init(&reader, max);
    frame_writer_init(&writer);
}

static void disconnect(void)
{
    frame_reader_free(&reader);
    frame_writer_free(&writer);
    close(ours);
    close(theirs);
}

static void send_all(const void *bytes, size_t count)
{
    ck_assert_int_eq(write(theirs, bytes, count), (ssize_t)count);
}

static void expect_next(const char *text, size_t length)
{
    char *found;
    size_t found_length;
    ck_assert(frame_next(&reader, &found, &found_length));
    ck_assert_uint_eq(found_length, length);
    ck_assert_mem_eq(found, text, length);
    ck_assert_int_eq(found[length], '\0');
    frame_consume(&reader, length, false);
}

static void expect_none(void)
{
    char *text;
    size_t length;
    ck_assert(!frame_next(&reader, &text, &length));
}

START_TEST(nothing_is_allocated_before_the_first_byte)
{
    connect_pair(1000);
    ck_assert_ptr_null(reader.data);
    ck_assert_ptr_null(writer.data);
    expect_none();
    ck_assert_int_eq(frame_flush(&writer, ours), 1);
    disconnect();
}
END_TEST

START_TEST(several_messages_of_one_read_come_in_order)
{
    connect_pair(1000);
    send_all("one\0two\0\0thr", 12);
    ck_assert_int_eq(frame_read(&reader, ours), 12);
    expect_next("one", 3);
    expect_next("two", 3);
    expect_next("", 0);
    expect_none();
    send_all("ee\0", 3);
    ck_assert_int_eq(frame_read(&reader, ours), 3);
    expect_next("three", 5);
    expect_none();
    disconnect();
}
END_TEST

START_TEST(a_message_may_come_byte_by_byte)
{
    static const char text[] = "{\"method\":\"io.mtlsd.Agent.Status\"}";
    connect_pair(1000);
    for (size_t i = 0; i < sizeof text; i++) {
        expect_none();
        send_all(text + i, 1);
        ck_assert_int_eq(frame_read(&reader, ours), 1);
        ck_assert_uint_eq(reader.scanned, i < sizeof text - 1 ? i + 1 : i); /* each byte is looked at once */
    }
    expect_next(text, sizeof text - 1);
    disconnect();
}
END_TEST

START_TEST(no_data_and_end_of_file_differ)
{
    connect_pair(1000);
    ck_assert_int_eq(frame_read(&reader, ours), -1);
    ck_assert_int_eq(errno, EAGAIN);
    shutdown(theirs, SHUT_WR);
    ck_assert_int_eq(frame_read(&reader, ours), 0);
    disconnect();
}
END_TEST

/* Reads until the reader refuses or nothing is left; returns the errno. */
static int drain(void)
{
    while (frame_read(&reader, ours) > 0) {
    }
    return errno;
}

/* Reads until there is a whole message (0), or the reader refuses or nothing is left (the errno). */
static int read_message(void)
{
    char *text;
    size_t length;
    while (!frame_next(&reader, &text, &length))
        if (frame_read(&reader, ours) <= 0)
            return errno;
    return 0;
}

START_TEST(a_message_of_exactly_max_bytes_passes_and_one_more_does_not)
{
    for (size_t max = 4090; max < 4100; max += 3) {
        char *text = calloc(1, max + 2);
        memset(text, 'x', max);
        connect_pair(max);
        send_all(text, max + 1);
        ck_assert_int_eq(read_message(), 0);
        expect_next(text, max);
        text[max] = 'x';
        send_all(text, max + 1);
        ck_assert_int_eq(read_message(), EMSGSIZE);
        ck_assert_uint_le(reader.size, max + 1);
        disconnect();
        free(text);
    }
}
END_TEST

START_TEST(a_long_message_after_short_ones_gets_the_whole_room)
{
    enum { MAX = 10000 };
    char text[MAX + 1];
    memset(text, 'y', MAX);
    text[MAX] = '\0';
    connect_pair(MAX);
    send_all((char[3000]){0}, 3000);
    send_all(text, sizeof text);
    ck_assert_int_eq(frame_read(&reader, ours) > 0, 1);
    for (int i = 0; i < 3000; i++)
        expect_next("", 0);
    ck_assert_int_eq(read_message(), 0);
    expect_next(text, MAX);
    disconnect();
}
END_TEST

START_TEST(unread_messages_do_not_grow_the_buffer_past_its_limit)
{
    connect_pair(5000);
    char many[20000];
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = i % 10 == 9 ? '\0' : 'z';
    send_all(many, sizeof many);
    ck_assert_int_eq(drain(), ENOBUFS);
    ck_assert_uint_eq(reader.size, 5001);
    for (int i = 0; i < 2000; i++) {
        char *text;
        size_t length;
        if (!frame_next(&reader, &text, &length)) {
            ck_assert_int_gt((int)frame_read(&reader, ours), 0);
            ck_assert(frame_next(&reader, &text, &length));
        }
        expect_next("zzzzzzzzz", 9);
    }
    disconnect();
}
END_TEST

START_TEST(a_large_buffer_is_given_back_and_a_small_one_kept)
{
    connect_pair(100000);
    send_all("small\0", 6);
    ck_assert_int_eq(frame_read(&reader, ours), 6);
    ck_assert_uint_eq(reader.size, 4096);
    expect_next("small", 5);
    ck_assert_uint_eq(reader.size, 4096);
    char *large = calloc(1, 50001);
    memset(large, 'l', 50000);
    send_all(large, 50001);
    ck_assert_int_eq(drain(), EAGAIN);
    ck_assert_uint_eq(reader.size, 65536);
    expect_next(large, 50000);
    ck_assert_uint_eq(reader.size, 0);
    free(large);
    disconnect();
}
END_TEST

START_TEST(a_secret_is_erased_when_consumed)
{
    connect_pair(1000);
    send_all("passphrase\0more", 15);
    ck_assert_int_eq(frame_read(&reader, ours), 15);
    char *text;
    size_t length;
    ck_assert(frame_next(&reader, &text, &length));
    frame_consume(&reader, length, true);
    ck_assert_mem_eq(text, "\0\0\0\0\0\0\0\0\0\0\0more", 15);
    disconnect();
}
END_TEST

START_TEST(what_is_queued_arrives_with_its_nul)
{
    connect_pair(1000);
    ck_assert_int_eq(frame_queue(&writer, "one", 3, false), 0);
    ck_assert_int_eq(frame_queue(&writer, "", 0, false), 0);
    ck_assert_int_eq(frame_queue(&writer, "three", 5, false), 0);
    ck_assert_uint_eq(frame_pending(&writer), 11);
    ck_assert_int_eq(frame_flush(&writer, ours), 1);
    ck_assert_uint_eq(frame_pending(&writer), 0);
    char bytes[32];
    ck_assert_int_eq(read(theirs, bytes, sizeof bytes), 11);
    ck_assert_mem_eq(bytes, "one\0\0three\0", 11);
    disconnect();
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_waited_for_and_nothing_is_lost)
{
    enum { MESSAGES = 40, SIZE = 20000 };
    connect_pair(SIZE);
    char *text = malloc(SIZE);
    for (int i = 0; i < MESSAGES; i++) {
        memset(text, 'a' + i % 26, SIZE);
        ck_assert_int_eq(frame_queue(&writer, text, SIZE, i % 2), 0);
    }
    ck_assert_int_eq(frame_flush(&writer, ours), 0);
    ck_assert_uint_gt(frame_pending(&writer), 0);
    struct frame_reader far;
    frame_reader_init(&far, SIZE);
    int seen = 0;
    while (seen < MESSAGES) {
        char *found;
        size_t length;
        if (!frame_next(&far, &found, &length)) {
            if (frame_read(&far, theirs) < 0)
                ck_assert_int_ge(frame_flush(&writer, ours), 0);
            continue;
        }
        ck_assert_uint_eq(length, SIZE);
        ck_assert_int_eq(found[0], 'a' + seen % 26);
        ck_assert_int_eq(found[SIZE - 1], 'a' + seen % 26);
        frame_consume(&far, length, false);
        seen++;
    }
    ck_assert_int_eq(frame_flush(&writer, ours), 1);
    ck_assert_uint_eq(writer.size, 0); /* large and empty: given back */
    frame_reader_free(&far);
    free(text);
    disconnect();
}
END_TEST

START_TEST(a_secret_is_erased_when_sent_and_the_mark_goes_with_it)
{
    connect_pair(1000);
    ck_assert_int_eq(frame_queue(&writer, "key", 3, true), 0);
    ck_assert_int_eq(frame_queue(&writer, "text", 4, false), 0);
    ck_assert_int_eq(frame_flush(&writer, ours), 1);
    ck_assert_mem_eq(writer.data, "\0\0\0\0\0\0\0\0\0", 9);
    ck_assert(!writer.secret);
    disconnect();
}
END_TEST

START_TEST(a_peer_that_is_gone_is_an_error_and_no_signal)
{
    connect_pair(1000);
    signal(SIGPIPE, SIG_DFL);
    close(theirs);
    ck_assert_int_eq(frame_queue(&writer, "x", 1, false), 0);
    ck_assert_int_eq(frame_flush(&writer, ours), -1);
    ck_assert_int_eq(errno, EPIPE);
    theirs = dup(ours);
    disconnect();
}
END_TEST

UNIT_MAIN("frame", nothing_is_allocated_before_the_first_byte, several_messages_of_one_read_come_in_order,
          a_message_may_come_byte_by_byte, no_data_and_end_of_file_differ,
          a_message_of_exactly_max_bytes_passes_and_one_more_does_not, a_long_message_after_short_ones_gets_the_whole_room,
          unread_messages_do_not_grow_the_buffer_past_its_limit, a_large_buffer_is_given_back_and_a_small_one_kept,
          a_secret_is_erased_when_consumed, what_is_queued_arrives_with_its_nul,
          a_peer_that_does_not_read_is_waited_for_and_nothing_is_lost, a_secret_is_erased_when_sent_and_the_mark_goes_with_it,
          a_peer_that_is_gone_is_an_error_and_no_signal)
