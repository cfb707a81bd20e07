/*
 * test_counter.c - the counter file: never back, not even after a torn write or a kill.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/counter.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static char path[] = "/tmp/test_counter.XXXXXX";
static int directory;
static struct counter counter;
static struct failure failure;

static void begin(void)
{
    ck_assert_int_ge(sodium_init(), 0);
    ck_assert_ptr_nonnull(mkdtemp(path));
    directory = open(path, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(counter_create(directory, &failure), 0);
    ck_assert_msg(counter_open(directory, &counter, &failure) == 0, "%s", failure.reason);
}

static void end(void)
{
    unlinkat(directory, COUNTER_FILE, 0);
    rmdir(path);
}

/* As after SIGKILL: what is on disk is all there is. */
static void restart(void)
{
    counter_close(&counter);
    ck_assert_msg(counter_open(directory, &counter, &failure) == 0, "%s", failure.reason);
}

static void damage(off_t at)
{
    int fd = openat(directory, COUNTER_FILE, O_RDWR);
    uint8_t byte;
    ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

START_TEST(signatures_are_reserved_in_steps)
{
    begin();
    ck_assert_uint_eq(counter.reserved, 0);
    for (int i = 0; i < COUNTER_STEP; i++)
        ck_assert_int_eq(counter_take(&counter, &failure), 0);
    ck_assert_uint_eq(counter.reserved, COUNTER_STEP);
    ck_assert_int_eq(counter_take(&counter, &failure), 0);
    ck_assert_uint_eq(counter.reserved, 2 * COUNTER_STEP);
    end();
}
END_TEST

START_TEST(a_kill_rounds_up_never_down)
{
    begin();
    ck_assert_int_eq(counter_take(&counter, &failure), 0);
    restart();
    ck_assert_uint_eq(counter.reserved, COUNTER_STEP);
    ck_assert_int_eq(counter_take(&counter, &failure), 0);
    ck_assert_uint_eq(counter.reserved, 2 * COUNTER_STEP);
    end();
}
END_TEST

START_TEST(an_older_or_altered_head_is_refused)
{
    const uint8_t head[AUDIT_HEAD_HASH_SIZE] = {1}, other[AUDIT_HEAD_HASH_SIZE] = {2};
    begin();
    ck_assert_int_eq(counter_advance_head(&counter, 5, head, &failure), 0);
    ck_assert_int_eq(counter_advance_head(&counter, 5, head, &failure), 0);
    restart();
    ck_assert_int_eq(counter_advance_head(&counter, 4, head, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_CONFLICT);
    ck_assert_str_eq(failure.field, "sequence");
    ck_assert_int_eq(counter_advance_head(&counter, 5, other, &failure), -1);
    ck_assert_str_eq(failure.field, "head");
    ck_assert_int_eq(counter_advance_head(&counter, 6, other, &failure), 0);
    end();
}
END_TEST

START_TEST(the_first_head_may_be_zero)
{
    const uint8_t head[AUDIT_HEAD_HASH_SIZE] = {1}, other[AUDIT_HEAD_HASH_SIZE] = {2};
    begin();
    ck_assert_int_eq(counter_advance_head(&counter, 0, head, &failure), 0);
    restart();
    ck_assert_int_eq(counter_advance_head(&counter, 0, other, &failure), -1);
    end();
}
END_TEST

/* The slot written last is torn: the one before it counts, and what was answered under the torn one was never
 * answered. */
START_TEST(a_torn_write_leaves_the_slot_before)
{
    const uint8_t head[AUDIT_HEAD_HASH_SIZE] = {1};
    begin();
    ck_assert_int_eq(counter_advance_head(&counter, 5, head, &failure), 0);
    ck_assert_int_eq(counter_advance_head(&counter, 6, head, &failure), 0);
    damage((off_t)(counter.generation % 2 * COUNTER_SLOT_SIZE) + 20);
    restart();
    ck_assert_uint_eq(counter.sequence, 5);
    damage(COUNTER_SLOT_SIZE + 21);
    damage(21);
    counter_close(&counter);
    ck_assert_int_eq(counter_open(directory, &counter, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "damaged"));
    end();
}
END_TEST

START_TEST(two_keepers_do_not_count_beside_each_other)
{
    struct counter second;
    begin();
    ck_assert_int_eq(counter_open(directory, &second, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "another mtlsd-keeper"));
    ck_assert_int_eq(counter_create(directory, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_CONFLICT);
    end();
}
END_TEST

START_TEST(without_a_file_that_can_be_written_nothing_is_counted)
{
    begin();
    int readable = openat(directory, COUNTER_FILE, O_RDONLY);
    dup2(readable, counter.fd);
    ck_assert_int_eq(counter_take(&counter, &failure), -1);
    ck_assert_uint_eq(counter.used, 0);
    ck_assert_uint_eq(counter.reserved, 0);
    end();
}
END_TEST

START_TEST(a_short_or_missing_file_is_refused)
{
    begin();
    counter_close(&counter);
    int fd = openat(directory, COUNTER_FILE, O_RDWR);
    ck_assert_int_eq(ftruncate(fd, 700), 0);
    close(fd);
    ck_assert_int_eq(counter_open(directory, &counter, &failure), -1);
    unlinkat(directory, COUNTER_FILE, 0);
    ck_assert_int_eq(counter_open(directory, &counter, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_NOT_FOUND);
    end();
}
END_TEST

UNIT_MAIN("counter", signatures_are_reserved_in_steps, a_kill_rounds_up_never_down,
          an_older_or_altered_head_is_refused, the_first_head_may_be_zero, a_torn_write_leaves_the_slot_before,
          two_keepers_do_not_count_beside_each_other, without_a_file_that_can_be_written_nothing_is_counted,
          a_short_or_missing_file_is_refused)
