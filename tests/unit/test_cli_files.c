/*
 * test_cli_files.c - files that are written together: nothing is overwritten unasked, nothing stays half
 * there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/files.h"

static char directory[64], path[400];
static struct failure failure;
static struct outputs outputs;

static void set_up(void)
{
    snprintf(directory, sizeof directory, "/tmp/cli-files-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    umask(022);
}

static const char *in(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(in(name), "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void expect(const char *name, const char *text, mode_t mode)
{
    char *data;
    size_t length;
    struct stat status;
    ck_assert_int_eq(file_read(in(name), "the file", 1000, &data, &length, &failure), 0);
    ck_assert_str_eq(data, text);
    file_free(data, length);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, mode);
}

static int entries(void)
{
    int count = 0;
    DIR *stream = opendir(directory);
    ck_assert_ptr_nonnull(stream);
    while (readdir(stream))
        count++;
    closedir(stream);
    return count - 2;
}

static void tear_down(void)
{
    DIR *stream = opendir(directory);
    for (struct dirent *entry; (entry = readdir(stream));)
        if (unlink(in(entry->d_name)))
            rmdir(path);
    closedir(stream);
    rmdir(directory);
}

static int add(const char *name, mode_t mode, bool replace)
{
    return outputs_add(&outputs, in(name), mode, replace, OUTPUT_OPEN, &failure);
}

START_TEST(key_and_certificate_appear_together)
{
    set_up();
    ck_assert_int_eq(add("a.key", 0600, false), 0);
    ck_assert_int_eq(add("a.crt", 0644, false), 0);
    ck_assert_int_eq(outputs_write(&outputs, 0, "KEY", 3, &failure), 0);
    ck_assert_int_eq(outputs_write(&outputs, 1, "CRT", 3, &failure), 0);
    ck_assert(!file_exists(in("a.key")));
    ck_assert_int_eq(outputs_commit(&outputs, &failure), 0);
    outputs_clear(&outputs);
    expect("a.key", "KEY", 0600);
    expect("a.crt", "CRT", 0644);
    ck_assert_int_eq(entries(), 2);
    tear_down();
}
END_TEST

START_TEST(given_up_nothing_is_left)
{
    set_up();
    ck_assert_int_eq(add("a.key", 0600, false), 0);
    ck_assert_int_eq(add("new/a.crt", 0644, false), 0); /* the directory is made for it */
    ck_assert(file_exists(in("new")));
    outputs_clear(&outputs);
    outputs_clear(&outputs);
    ck_assert_int_eq(entries(), 0);
    tear_down();
}
END_TEST

START_TEST(what_exists_is_not_replaced_unless_told)
{
    set_up();
    put("a.key", "OLD");
    chmod(in("a.key"), 0640);
    ck_assert_int_eq(add("a.key", 0600, false), -1);
    ck_assert_int_eq(failure.code, FAILURE_CONFLICT);
    ck_assert_ptr_nonnull(strstr(failure.reason, "--force"));
    ck_assert_int_eq(entries(), 1);
    ck_assert_int_eq(add("a.key", 0600, true), 0);
    ck_assert_int_eq(outputs_write(&outputs, 0, "NEW", 3, &failure), 0);
    ck_assert_int_eq(outputs_commit(&outputs, &failure), 0);
    outputs_clear(&outputs);
    expect("a.key", "NEW", 0600);
    tear_down();
}
END_TEST

START_TEST(what_appears_meanwhile_stays)
{
    set_up();
    ck_assert_int_eq(add("a.key", 0600, false), 0);
    ck_assert_int_eq(outputs_write(&outputs, 0, "NEW", 3, &failure), 0);
    put("a.key", "SOMEBODY'S");
    ck_assert_int_eq(outputs_commit(&outputs, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_CONFLICT);
    outputs_clear(&outputs);
    expect("a.key", "SOMEBODY'S", 0644);
    ck_assert_int_eq(entries(), 1);
    tear_down();
}
END_TEST

START_TEST(symlinks_are_not_followed_even_with_force)
{
    set_up();
    put("target", "PRECIOUS");
    ck_assert_int_eq(symlink("target", in("a.key")), 0);
    ck_assert_int_eq(add("a.key", 0600, true), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "symbolic link"));
    ck_assert_int_eq(symlink("nowhere", in("b.key")), 0);
    ck_assert_int_eq(add("b.key", 0600, true), -1);
    expect("target", "PRECIOUS", 0644);
    tear_down();
}
END_TEST

START_TEST(only_files_in_directories_that_are_there)
{
    set_up();
    static const char *const bad[] = {"", "no/such/a.key", ".", "..", "sub/"};
    mkdir(in("sub"), 0700);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(add(bad[i], 0600, true) == -1, "%s", bad[i]);
        ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    }
    ck_assert_int_eq(add("sub", 0600, true), -1);
    ck_assert_int_eq(mkfifo(in("fifo"), 0600), 0);
    ck_assert_int_eq(add("fifo", 0600, true), -1);
    ck_assert_int_eq(entries(), 2);
    tear_down();
}
END_TEST

START_TEST(one_file_cannot_be_two_outputs)
{
    set_up();
    char other[200];
    ck_assert_int_eq(add("a.key", 0600, false), 0);
    snprintf(other, sizeof other, "%s/../%s/a.key", directory, strrchr(directory, '/') + 1);
    ck_assert_int_eq(outputs_add(&outputs, other, 0600, false, OUTPUT_OPEN, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "twice"));
    outputs_clear(&outputs);
    tear_down();
}
END_TEST

START_TEST(looking_leaves_no_trace)
{
    set_up();
    ck_assert_int_eq(outputs_add(&outputs, in("new/a.key"), 0600, false, OUTPUT_LOOK, &failure), 0);
    ck_assert_int_eq(outputs_add(&outputs, in("a.key"), 0600, false, OUTPUT_LOOK, &failure), 0);
    ck_assert_int_eq(entries(), 0);
    outputs_clear(&outputs);
    put("a.key", "OLD");
    ck_assert_int_eq(outputs_add(&outputs, in("a.key"), 0600, false, OUTPUT_LOOK, &failure), -1);
    tear_down();
}
END_TEST

START_TEST(a_signal_removes_the_temporaries)
{
    set_up();
    pid_t child = fork();
    if (child == 0) {
        signal(SIGTERM, SIG_DFL); /* Check has a handler of its own */
        if (add("a.key", 0600, false) == 0)
            raise(SIGTERM);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    ck_assert_int_eq(entries(), 0);
    tear_down();
}
END_TEST

START_TEST(reading_has_a_limit)
{
    set_up();
    char *data;
    size_t length;
    put("ten", "0123456789");
    ck_assert_int_eq(file_read(in("ten"), "the file", 10, &data, &length, &failure), 0);
    ck_assert_uint_eq(length, 10);
    file_free(data, length);
    ck_assert_int_eq(file_read(in("ten"), "the file", 9, &data, &length, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "longer than 9 bytes"));
    ck_assert_int_eq(file_read("/dev/zero", "the file", 100000, &data, &length, &failure), -1);
    ck_assert_int_eq(file_read(in("none"), "the file", 9, &data, &length, &failure), -1);
    ck_assert_int_eq(file_read(directory, "the file", 9, &data, &length, &failure), -1);
    tear_down();
}
END_TEST

START_TEST(names_that_can_be_files)
{
    static const char *const good[] = {"alice", "alice@example.com", "a b", "Ängström", "*.example.com"};
    static const char *const bad[] = {"", ".", "..", ".ssh", "a/b", "../x", "-rf", "a\nb", "\x7f"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert(file_name_safe(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert(!file_name_safe(bad[i]));
    char *joined = file_join("/x/", "a", ".key");
    ck_assert_str_eq(joined, "/x/a.key");
    free(joined);
    joined = file_join(".", "a", ".crt");
    ck_assert_str_eq(joined, "./a.crt");
    free(joined);
}
END_TEST

UNIT_MAIN("cli_files", key_and_certificate_appear_together, given_up_nothing_is_left,
          what_exists_is_not_replaced_unless_told, what_appears_meanwhile_stays,
          symlinks_are_not_followed_even_with_force, only_files_in_directories_that_are_there,
          one_file_cannot_be_two_outputs, looking_leaves_no_trace, a_signal_removes_the_temporaries,
          reading_has_a_limit, names_that_can_be_files)
