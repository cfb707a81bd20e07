/*
 * test_user.c - the users of the configuration: by name or number, and what is left of root after becoming one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/user.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

enum { NOBODY_HAS_THIS = 3999999991U };

START_TEST(a_user_is_a_name_or_a_number)
{
    uid_t uid = 1;
    gid_t gid = 1;
    ck_assert_int_eq(user_find("root", &uid, &gid), 0);
    ck_assert_uint_eq(uid, 0);
    ck_assert_uint_eq(gid, 0);
    const struct passwd *daemon = getpwnam("daemon");
    ck_assert_ptr_nonnull(daemon);
    uid_t expected = daemon->pw_uid;
    gid_t group = daemon->pw_gid;
    char number[16];
    snprintf(number, sizeof number, "%u", expected);
    ck_assert_int_eq(user_find("daemon", &uid, &gid), 0);
    ck_assert(uid == expected && gid == group);
    ck_assert_int_eq(user_find(number, &uid, &gid), 0);
    ck_assert(uid == expected && gid == group); /* a number with an account has its group */
}
END_TEST

START_TEST(a_number_without_an_account_is_its_own_group)
{
    uid_t uid;
    gid_t gid;
    ck_assert_int_eq(user_find("3999999991", &uid, &gid), 0);
    ck_assert_uint_eq(uid, NOBODY_HAS_THIS);
    ck_assert_uint_eq(gid, NOBODY_HAS_THIS);
}
END_TEST

/* 4294967295 means "do not change" to setresuid(2). A sign or a blank must not make a number of what is none. */
START_TEST(what_is_neither_is_refused)
{
    static const char *const bad[] = {"", "no-such-user-here", "4294967295", "4294967296", "99999999999999999999", "-1", "+0", " 0", "0x0",
                                      "-18446744073709551615", "1001x", "-18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uid_t uid = 77;
        gid_t gid = 78;
        ck_assert_msg(user_find(bad[i], &uid, &gid) == -1, "'%s' is uid %u", bad[i], uid);
        ck_assert(uid == 77 && gid == 78);
    }
}
END_TEST

/* --- becoming one ------------------------------------------------------------------------------------------ */

static char state[64];
static struct config config = {.agent = {.state = state}};

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *level)
{
    (void)status, (void)type, (void)level;
    return remove(path);
}

static void make_file(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", state, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

/* 0 where nothing of root is left. */
static int what_is_left(uid_t uid)
{
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group, groups[4];
    struct failure failure;
    if (user_drop(&config, &failure))
        return 1;
    if (getresuid(&real, &effective, &saved) || real != uid || effective != uid || saved != uid)
        return 2;
    if (getresgid(&real_group, &effective_group, &saved_group) || real_group != uid || effective_group != uid || saved_group != uid)
        return 3;
    int count = getgroups(4, groups);
    if (count > 1 || (count == 1 && groups[0] != uid))
        return 4;
    return setuid(0) == 0 ? 5 : 0;
}

START_TEST(what_root_started_keeps_nothing_of_root)
{
    static char number[] = "3999999991";
    struct stat status;
    int result;
    if (geteuid() != 0)
        return; /* nothing to drop */
    snprintf(state, sizeof state, "/tmp/mtlsd-user-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(state));
    make_file("index.db");
    make_file("unrelated");
    config.agent.user = number;
    pid_t pid = fork();
    if (pid == 0)
        _exit(what_is_left(NOBODY_HAS_THIS));
    ck_assert_int_eq(waitpid(pid, &result, 0), pid);
    ck_assert_msg(WIFEXITED(result) && WEXITSTATUS(result) == 0, "step %d", WEXITSTATUS(result));
    char path[128];
    snprintf(path, sizeof path, "%s/index.db", state);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_uid, NOBODY_HAS_THIS);
    snprintf(path, sizeof path, "%s/unrelated", state);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_uid, 0); /* not one of the agent's */
    nftw(state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
END_TEST

/* Whoever owns the directory already could put a link there: what it points to is not given away. */
START_TEST(a_link_is_not_followed)
{
    static char number[] = "3999999991";
    char path[128], target[128];
    struct stat status;
    int result;
    if (geteuid() != 0)
        return;
    snprintf(state, sizeof state, "/tmp/mtlsd-user-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(state));
    make_file("secret");
    snprintf(target, sizeof target, "%s/secret", state);
    snprintf(path, sizeof path, "%s/crl.der", state);
    ck_assert_int_eq(symlink(target, path), 0);
    config.agent.user = number;
    pid_t pid = fork();
    if (pid == 0)
        _exit(what_is_left(NOBODY_HAS_THIS));
    ck_assert_int_eq(waitpid(pid, &result, 0), pid);
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq(stat(target, &status), 0);
    ck_assert_uint_eq(status.st_uid, 0);
    nftw(state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
END_TEST

START_TEST(a_user_that_is_not_there_is_named)
{
    static char nobody[] = "no-such-user-here";
    struct failure failure = {0};
    if (geteuid() != 0)
        return;
    config.agent.user = nobody;
    ck_assert_int_eq(user_drop(&config, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_ptr_nonnull(strstr(failure.reason, "no-such-user-here"));
    ck_assert_uint_eq(geteuid(), 0);
}
END_TEST

START_TEST(without_a_user_everything_stays)
{
    struct failure failure = {0};
    uid_t before = geteuid();
    config.agent.user = NULL;
    ck_assert_int_eq(user_drop(&config, &failure), 0);
    ck_assert_uint_eq(geteuid(), before);
}
END_TEST

UNIT_MAIN("user", a_user_is_a_name_or_a_number, a_number_without_an_account_is_its_own_group, what_is_neither_is_refused,
          what_root_started_keeps_nothing_of_root, a_link_is_not_followed, a_user_that_is_not_there_is_named, without_a_user_everything_stays)
