/*
 * test_peer.c - who is at the other end: what the kernel says, and the lesser path where it says less.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static void read_own(struct peer *peer)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(peer_read(ends[0], peer), 0);
    close(ends[0]);
    close(ends[1]);
}

START_TEST(a_socket_pair_leads_back_to_this_process)
{
    struct peer peer;
    read_own(&peer);
    ck_assert_int_eq(peer.pid, getpid());
    ck_assert_uint_eq(peer.uid, geteuid());
    ck_assert_uint_eq(peer.gid, getegid());
    ck_assert_str_eq(peer.unit, "");
    ck_assert_str_eq(peer.login, "");
    ck_assert(peer_in_group(&peer, getegid()));
    ck_assert(!peer_in_group(&peer, 4000000000u));
    peer_clear(&peer);
    ck_assert_ptr_null(peer.groups);
    ck_assert_int_eq(peer.pidfd, -1);
}
END_TEST

START_TEST(supplementary_groups_are_those_of_the_process)
{
    gid_t own[PEER_GROUPS_MAX];
    int count = getgroups(PEER_GROUPS_MAX, own);
    ck_assert_int_ge(count, 0);
    struct peer peer;
    read_own(&peer);
    ck_assert_uint_eq(peer.group_count, (size_t)count);
    for (int i = 0; i < count; i++)
        ck_assert(peer_in_group(&peer, own[i]));
    peer_clear(&peer);
}
END_TEST

/* Only root may choose its groups; for others the number is what it is, and the test above has compared it. */
START_TEST(many_groups_are_read_and_too_many_refused)
{
    static gid_t many[PEER_GROUPS_MAX + 1];
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
        many[i] = (gid_t)(100000 + i);
    if (setgroups(PEER_GROUPS_MAX, many)) {
        ck_assert_int_eq(errno, EPERM);
        return;
    }
    struct peer peer;
    read_own(&peer);
    ck_assert_uint_eq(peer.group_count, PEER_GROUPS_MAX);
    ck_assert(peer_in_group(&peer, 100000 + PEER_GROUPS_MAX - 1));
    ck_assert(!peer_in_group(&peer, 100000 + PEER_GROUPS_MAX));
    peer_clear(&peer);
    ck_assert_int_eq(setgroups(PEER_GROUPS_MAX + 1, many), 0);
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(peer_read(ends[0], &peer), -1);
    ck_assert_int_eq(errno, E2BIG);
}
END_TEST

START_TEST(what_has_no_peer_is_refused)
{
    struct peer peer = {.pid = 42};
    int lonely = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(peer_read(lonely, &peer), -1);
    ck_assert_int_eq(errno, ENOTCONN);
    close(lonely);
    ck_assert_int_eq(peer_read(-1, &peer), -1);
    ck_assert_int_eq(errno, EBADF);
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(peer_read(file, &peer), -1);
    ck_assert_int_eq(errno, ENOTSOCK);
    close(file);
    ck_assert_int_eq(peer.pid, 42);
}
END_TEST

/* A kernel before 6.5 answers ENOPROTOOPT; a sandbox that does not know the option, ENOSYS. */
START_TEST(without_pidfds_there_is_a_peer_but_no_unit)
{
    static const int answers[] = {ENOPROTOOPT, ENOSYS};
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    ck_assert_ptr_nonnull(filter);
    ck_assert_int_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)answers[_i]), SCMP_SYS(getsockopt), 1,
                                      SCMP_A2(SCMP_CMP_EQ, SO_PEERPIDFD)), 0);
    ck_assert_int_eq(seccomp_load(filter), 0);
    seccomp_release(filter);
    struct peer peer;
    read_own(&peer);
    ck_assert_int_eq(peer.pid, getpid());
    ck_assert_int_eq(peer.pidfd, -1);
    peer_read_unit(&peer);
    ck_assert_str_eq(peer.unit, "");
    peer_clear(&peer);
}
END_TEST

START_TEST(any_other_error_of_the_pidfd_is_one)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    ck_assert_int_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EMFILE), SCMP_SYS(getsockopt), 1, SCMP_A2(SCMP_CMP_EQ, SO_PEERPIDFD)), 0);
    ck_assert_int_eq(seccomp_load(filter), 0);
    seccomp_release(filter);
    int ends[2];
    struct peer peer;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(peer_read(ends[0], &peer), -1);
    ck_assert_int_eq(errno, EMFILE);
}
END_TEST

START_TEST(a_unit_is_the_first_part_that_is_no_slice)
{
    static const struct { const char *text, *unit; } files[] = {
        {"0::/system.slice/nginx.service\n", "nginx.service"},
        {"0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service"},
        {"0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"},
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service\n", "user@1000.service"},
        {"0::/system.slice/docker-0a.scope/system.slice/nginx.service\n", "docker-0a.scope"},
        {"12:pids:/x\n1:name=systemd:/system.slice/cron.service\n", "cron.service"},
        {"1:name=systemd:/system.slice/old.service\n0::/system.slice/new.service\n", "new.service"},
        {"0::/system.slice/no-newline.service", "no-newline.service"},
        {"0::/", ""}, {"0::/\n", ""}, {"", ""}, {"\n\n", ""}, {"0::/system.slice\n", ""}, {"0::/system.slice/\n", ""},
        {"0::/../../system.slice/nginx.service\n", ""}, {"0:://nginx.service\n", ""}, {"0::/.service\n", ""},
        {"0::/nginx.service.d\n", ""}, {"0::/system.slice/web\n", ""}, {"0::nginx.service\n", ""},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char unit[PEER_UNIT_MAX] = "";
        ck_assert_msg(peer_unit_from_cgroup(files[i].text, unit) == (files[i].unit[0] != '\0'), "%s", files[i].text);
        ck_assert_str_eq(unit, files[i].unit);
    }
    char longest[PEER_UNIT_MAX + 32] = "0::/";
    memset(longest + 4, 'a', PEER_UNIT_MAX);
    snprintf(longest + 4 + PEER_UNIT_MAX - 7, 16, ".service\n");
    char unit[PEER_UNIT_MAX] = "";
    ck_assert(!peer_unit_from_cgroup(longest, unit));
}
END_TEST

START_TEST(a_process_that_has_ended_has_no_unit)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct peer peer;
    ck_assert_int_eq(peer_read(ends[0], &peer), 0);
    if (peer.pidfd < 0)
        return; /* an older kernel: the test of the lesser path is the whole truth here */
    close(peer.pidfd);
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    peer.pid = getpid(); /* as if the number had been given to another process, this one */
    peer.pidfd = (int)syscall(434 /* pidfd_open */, child, 0);
    ck_assert_int_ge(peer.pidfd, 0);
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    peer_read_unit(&peer);
    ck_assert_str_eq(peer.unit, "");
    peer_clear(&peer);
}
END_TEST

START_TEST(a_login_is_of_plain_letters)
{
    static const char *const good[] = {"alice", "a", "web-1", "svc_backup", "0day"};
    static const char *const bad[] = {"", "Alice", "a.b", "alice$", "a b", "*", "a/b", "zo\xc3\xab", "a\n",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert(peer_login_is_plain(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!peer_login_is_plain(bad[i]), "%s", bad[i]);
}
END_TEST

static void expect_range(const char *text, uid_t expected_least, uid_t expected_most)
{
    char path[] = "/tmp/test-peer-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    uid_t least, most;
    peer_uid_range(path, &least, &most);
    unlink(path);
    ck_assert_uint_eq(least, expected_least);
    ck_assert_uint_eq(most, expected_most);
}

START_TEST(the_range_of_people_is_that_of_login_defs)
{
    expect_range("# UID_MIN 1\nUID_MIN\t\t 500\nSYS_UID_MIN 100\nUID_MAX 29999\n", 500, 29999);
    expect_range("UID_MIN 0x10\n", 16, 60000);
    expect_range("", 1000, 60000);
    expect_range("UID_MIN none\nUID_MAX -1\nUID_MINIMUM 7\nUID_MIN 5 6\nUID_MAX 99999999999", 1000, 60000);
    uid_t least, most;
    peer_uid_range("/nonexistent/login.defs", &least, &most);
    ck_assert_uint_eq(least, 1000);
    ck_assert_uint_eq(most, 60000);
}
END_TEST

START_TEST(root_and_numbers_without_a_name_have_no_login)
{
    static const uid_t uids[] = {0, 65534, 59999, 4000000000u};
    for (size_t i = 0; i < sizeof uids / sizeof uids[0]; i++) {
        struct peer peer = {.uid = uids[i], .pidfd = -1};
        snprintf(peer.login, sizeof peer.login, "stale");
        peer_read_login(&peer);
        ck_assert_str_eq(peer.login, "");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("peer");
    TCase *all = tcase_create("peer");
    tcase_set_timeout(all, 60);
    const TTest *const cases[] = {a_socket_pair_leads_back_to_this_process, supplementary_groups_are_those_of_the_process,
                                  many_groups_are_read_and_too_many_refused, what_has_no_peer_is_refused, any_other_error_of_the_pidfd_is_one,
                                  a_unit_is_the_first_part_that_is_no_slice, a_process_that_has_ended_has_no_unit, a_login_is_of_plain_letters,
                                  the_range_of_people_is_that_of_login_defs, root_and_numbers_without_a_name_have_no_login};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        tcase_add_test(all, cases[i]);
    tcase_add_loop_test(all, without_pidfds_there_is_a_peer_but_no_unit, 0, 2);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
