/*
 * test_epoch.c - the shared page that tells when a verdict may have changed: what a reader sees across bumps, restarts and damage.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/epoch.h"
#include "tests/unit/unit.h"

static char directory[] = "/tmp/mtlsd-epoch-XXXXXX", path[64];

static void begin(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/epoch", directory);
}

static void end(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(directory), 0);
}

static struct epoch *must_open(void)
{
    struct epoch *epoch;
    struct failure failure = {0};
    ck_assert_msg(epoch_open(path, &epoch, &failure) == 0, "%s", failure.reason);
    return epoch;
}

/* As the gateway does: read-only, of the file that is there. */
static const struct epoch_page *map_as_reader(void)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    const struct epoch_page *page = mmap(NULL, EPOCH_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(page, MAP_FAILED);
    close(fd);
    return page;
}

static uint64_t seen(const struct epoch_page *page)
{
    return atomic_load_explicit(&((struct epoch_page *)(uintptr_t)page)->counter, memory_order_acquire);
}

static void write_file(const void *data, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, data, length), (ssize_t)length);
    close(fd);
}

START_TEST(a_reader_sees_each_bump)
{
    begin();
    struct epoch *epoch = must_open();
    const struct epoch_page *page = map_as_reader();
    ck_assert_int_eq(memcmp(page->magic, EPOCH_MAGIC, sizeof page->magic), 0);
    ck_assert_uint_eq(seen(page), epoch_read(epoch));
    for (int i = 0; i < 3; i++) {
        uint64_t before = seen(page);
        epoch_bump(epoch);
        ck_assert_uint_ne(seen(page), before);
        ck_assert_uint_eq(seen(page), epoch_read(epoch));
    }
    munmap((void *)(uintptr_t)page, EPOCH_PAGE_SIZE);
    epoch_close(epoch);
    end();
}
END_TEST

START_TEST(everybody_may_read_it_and_only_we_write_it)
{
    begin();
    umask(0077);
    struct epoch *epoch = must_open();
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0644);
    ck_assert_int_ge(status.st_size, EPOCH_PAGE_SIZE);
    epoch_close(epoch);
    end();
}
END_TEST

START_TEST(its_id_is_128_bits_as_hex_and_differs_from_page_to_page)
{
    char first[64];
    begin();
    struct epoch *epoch = must_open();
    ck_assert_uint_eq(strlen(epoch_page_id(epoch)), 32);
    ck_assert_uint_eq(strspn(epoch_page_id(epoch), "0123456789abcdef"), 32);
    snprintf(first, sizeof first, "%s", epoch_page_id(epoch));
    uint64_t counter = epoch_read(epoch);
    epoch_close(epoch);
    unlink(path);
    epoch = must_open();
    ck_assert_str_ne(epoch_page_id(epoch), first);
    ck_assert_uint_ne(epoch_read(epoch), counter); /* a random start: no page continues another one */
    epoch_close(epoch);
    end();
}
END_TEST

/* A reader that has it mapped keeps seeing every bump: same file, same id, and the start itself is one. */
START_TEST(a_restart_keeps_the_page_and_bumps_it)
{
    char id[64];
    struct stat before, after;
    begin();
    struct epoch *epoch = must_open();
    const struct epoch_page *page = map_as_reader();
    snprintf(id, sizeof id, "%s", epoch_page_id(epoch));
    stat(path, &before);
    epoch_close(epoch);
    uint64_t old = seen(page);
    epoch = must_open();
    stat(path, &after);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    ck_assert_str_eq(epoch_page_id(epoch), id);
    ck_assert_uint_ne(seen(page), old);
    uint64_t restarted = seen(page);
    epoch_bump(epoch);
    ck_assert_uint_ne(seen(page), restarted);
    munmap((void *)(uintptr_t)page, EPOCH_PAGE_SIZE);
    epoch_close(epoch);
    end();
}
END_TEST

START_TEST(what_is_no_page_becomes_one_with_a_new_id)
{
    static const uint8_t zeros[EPOCH_PAGE_SIZE];
    uint8_t almost[EPOCH_PAGE_SIZE] = {0};
    memcpy(almost, EPOCH_MAGIC, 3);
    const struct { const void *data; size_t length; } files[] = {{"", 0}, {"junk", 4}, {zeros, sizeof zeros}, {almost, sizeof almost}, {almost, 20}};
    begin();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        write_file(files[i].data, files[i].length);
        struct epoch *epoch = must_open();
        const struct epoch_page *page = map_as_reader();
        ck_assert_int_eq(memcmp(page->magic, EPOCH_MAGIC, sizeof page->magic), 0);
        ck_assert_str_ne(epoch_page_id(epoch), "00000000000000000000000000000000");
        munmap((void *)(uintptr_t)page, EPOCH_PAGE_SIZE);
        epoch_close(epoch);
    }
    end();
}
END_TEST

/* A file that was cut short has lost what it was, even with our magic. */
START_TEST(a_page_cut_short_is_a_new_page)
{
    char id[64];
    begin();
    struct epoch *epoch = must_open();
    snprintf(id, sizeof id, "%s", epoch_page_id(epoch));
    epoch_close(epoch);
    ck_assert_int_eq(truncate(path, 16), 0);
    epoch = must_open();
    ck_assert_int_ne(strncmp(epoch_page_id(epoch), id, 16), 0); /* not what is left of the old one */
    ck_assert_str_ne(epoch_page_id(epoch) + 16, "0000000000000000");
    epoch_close(epoch);
    end();
}
END_TEST

static void must_fail(const char *what)
{
    struct epoch *untouched = (struct epoch *)(uintptr_t)1;
    struct failure failure = {0};
    ck_assert_msg(epoch_open(path, &untouched, &failure) == -1, "%s was taken", what);
    ck_assert_ptr_eq(untouched, (struct epoch *)(uintptr_t)1);
    ck_assert_msg(strstr(failure.reason, path) != NULL, "%s: the file is not named: %s", what, failure.reason);
}

START_TEST(what_is_not_a_file_is_refused_by_name)
{
    char target[80];
    begin();
    must_fail((mkdir(path, 0700), "a directory"));
    rmdir(path);
    must_fail((mkfifo(path, 0600), "a FIFO"));
    unlink(path);
    snprintf(target, sizeof target, "%s/victim", directory);
    ck_assert_int_eq(symlink(target, path), 0);
    must_fail("a symbolic link");
    ck_assert_int_ne(access(target, F_OK), 0); /* and what it points to was not made */
    end();
}
END_TEST

START_TEST(a_directory_that_is_not_there_is_named)
{
    struct epoch *epoch;
    struct failure failure = {0};
    ck_assert_int_eq(epoch_open("/nonexistent/epoch", &epoch, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "/nonexistent/epoch"));
    epoch_close(NULL);
}
END_TEST

UNIT_MAIN("epoch", a_reader_sees_each_bump, everybody_may_read_it_and_only_we_write_it,
          its_id_is_128_bits_as_hex_and_differs_from_page_to_page, a_restart_keeps_the_page_and_bumps_it,
          what_is_no_page_becomes_one_with_a_new_id, a_page_cut_short_is_a_new_page, what_is_not_a_file_is_refused_by_name,
          a_directory_that_is_not_there_is_named)
