/*
 * test_policy_directory.c - a policy from its directory: whose files are trusted, which are skipped, what is
 * warned of.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/policy_help.h"

/* A policy directory of our own, 0755 whatever the umask, removed at the end. */
static char directory[160], warnings[4096];

static void directory_make(void)
{
    char template[100];
    const char *scratch = getenv("TMPDIR");
    snprintf(template, sizeof template, "%s/test_policy_directory.XXXXXX", scratch ? scratch : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(template));
    snprintf(directory, sizeof directory, "%s/policy.d", template);
    ck_assert_int_eq(mkdir(directory, 0755), 0);
    ck_assert_int_eq(chmod(directory, 0755), 0);
    warnings[0] = '\0';
}

static void path_of(const char *name, char out[static 512])
{
    snprintf(out, 512, "%s/%s", directory, name);
}

static void file_make(const char *name, const char *text)
{
    char path[512];
    path_of(name, path);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0644), 0);
}

static void directory_remove(void)
{
    DIR *list = opendir(directory);
    ck_assert_ptr_nonnull(list);
    for (struct dirent *entry; (entry = readdir(list));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(list), entry->d_name, entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
    closedir(list);
    rmdir(directory);
    *strrchr(directory, '/') = '\0';
    rmdir(directory);
}

static void take_warning(void *context, const char *text)
{
    (void)context;
    size_t length = strlen(warnings);
    snprintf(warnings + length, sizeof warnings - length, "%s\n", text);
}

static struct policy *directory_load(void)
{
    struct policy *policy = NULL;
    struct failure failure = {.reason = ""};
    ck_assert_msg(policy_load(directory, take_warning, NULL, &policy, &failure) == 0, "refused: %s",
                  failure.reason);
    return policy;
}

static void directory_refused(const char *part)
{
    struct policy *untouched = NULL;
    struct failure failure = {.reason = ""};
    ck_assert_int_eq(policy_load(directory, take_warning, NULL, &untouched, &failure), -1);
    ck_assert_ptr_null(untouched);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_msg(strstr(failure.reason, part) != NULL, "refused with: %s, not with: %s", failure.reason, part);
}

START_TEST(test_directory_each_file_is_a_service)
{
    directory_make();
    file_make("default", "use required permit\nissue required peer uid=1\n");
    file_make("wiki.example", "use required peer uid=2\nissue required peer uid=2\n");
    file_make("other", "use required permit\nread required permit\n");
    struct policy *policy = directory_load();
    ck_assert(allowed_on(policy, "default", POLICY_ISSUE, 1));
    ck_assert(allowed_on(policy, NULL, POLICY_ISSUE, 1));
    ck_assert(!allowed_on(policy, "default", POLICY_READ,
                          1)); /* a type that it lacks does not fall through to other */
    ck_assert(allowed_on(policy, "wiki.example", POLICY_ISSUE, 2));
    ck_assert(!allowed_on(policy, "wiki.example", POLICY_ISSUE, 1));
    ck_assert(allowed_on(policy, "unheard-of", POLICY_READ, 1));
    policy_free(policy);
    directory_remove();
}
END_TEST

START_TEST(test_directory_all_or_nothing)
{
    directory_make();
    file_make("default", "use required permit\n");
    file_make("zzz", "use required permit\nissue required per\n");
    directory_refused("policy.d/zzz:2:16: found module 'per', expected permit");
    directory_remove();
}
END_TEST

START_TEST(test_directory_skips_leftovers_and_says_so)
{
    directory_make();
    file_make("default", "use required permit\nadmin required deny\n");
    static const char *const leftovers[] = {"default~",         "default.bak",     "default.dpkg-old",
                                            "default.ucf-dist", "default.rpmsave", "#default#",
                                            "default.orig",     "default.swp",     "default.old"};
    for (size_t i = 0; i < sizeof leftovers / sizeof leftovers[0]; i++)
        file_make(leftovers[i], "not a policy at all");
    file_make(".default.swx", "not a policy at all");
    struct policy *policy = directory_load();
    ck_assert(!allowed_on(policy, "default.bak", POLICY_USE, 0));
    for (size_t i = 0; i < sizeof leftovers / sizeof leftovers[0]; i++)
        ck_assert_msg(strstr(warnings, leftovers[i]) != NULL, "%s is not in: %s", leftovers[i], warnings);
    ck_assert_ptr_null(strstr(warnings, ".default.swx"));
    policy_free(policy);
    directory_remove();
}
END_TEST

START_TEST(test_directory_refuses_what_is_no_service_file)
{
    char path[512];
    directory_make();
    file_make("my service", "");
    directory_refused("policy.d/my service: found a name that no service can have");
    path_of("my service", path);
    unlink(path);
    path_of("sub", path);
    mkdir(path, 0755);
    directory_refused("policy.d/sub: found something that is not a regular file");
    rmdir(path);
    ck_assert_int_eq(mkfifo(path, 0644), 0); /* does not hold us up either */
    directory_refused("policy.d/sub: found something that is not a regular file");
    unlink(path);
    ck_assert_int_eq(symlink("/nonexistent/policy", path), 0);
    directory_refused("policy.d/sub: cannot be opened: No such file or directory");
    directory_remove();
}
END_TEST

START_TEST(test_directory_trusts_only_files_that_nobody_else_can_write)
{
    char path[512];
    directory_make();
    file_make("default", "use required permit\n");
    path_of("default", path);
    static const mode_t bad[] = {0664, 0646, 0666, 0620};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        chmod(path, bad[i]);
        directory_refused("policy.d/default: others than its owner may write the file");
    }
    chmod(path, 0640);
    policy_free(directory_load());
    if (geteuid() == 0) { /* nobody else can give files away */
        ck_assert_int_eq(chown(path, 61234, 0), 0);
        directory_refused("policy.d/default: the file belongs to uid 61234, expected root or the agent's own "
                          "user");
        ck_assert_int_eq(chown(path, 0, 0), 0);
        ck_assert_int_eq(chown(directory, 61234, 0), 0);
        directory_refused("the directory belongs to uid 61234");
        ck_assert_int_eq(chown(directory, 0, 0), 0);
    }
    chmod(directory, 0775);
    directory_refused("others than its owner may write the directory (mode 0775)");
    chmod(directory, 01777);
    directory_refused("others than its owner may write the directory");
    chmod(directory, 0755);
    policy_free(directory_load());
    directory_remove();
}
END_TEST

START_TEST(test_directory_missing_or_empty)
{
    directory_make();
    struct policy *policy = directory_load();
    ck_assert_ptr_nonnull(strstr(warnings, "no file in it, so that everybody is refused everything"));
    ck_assert(!allowed_on(policy, "default", POLICY_USE, 0));
    policy_free(policy);
    struct failure failure;
    ck_assert_int_eq(policy_load("/nonexistent/policy.d", NULL, NULL, &policy, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "/nonexistent/policy.d: the policy directory cannot be "
                                                 "opened: No such file"));
    directory_remove();
}
END_TEST

START_TEST(test_directory_limits)
{
    directory_make();
    char name[16], path[512];
    for (int i = 0; i < POLICY_FILES_MAX; i++) {
        snprintf(name, sizeof name, "s%d", i);
        file_make(name, "# nothing\n");
    }
    policy_free(directory_load());
    file_make("one-more", "# nothing\n");
    directory_refused("more than 256 files");
    path_of("one-more", path);
    unlink(path);
    static char big[POLICY_FILE_MAX + 2];
    memset(big, '\n', sizeof big - 1);
    file_make("s0", big);
    directory_refused("policy.d/s0: the file is longer than 64 KiB");
    directory_remove();
}
END_TEST

START_TEST(test_warnings_name_what_is_worth_a_look)
{
    directory_make();
    file_make("no-use", "issue required peer uid=0\n");
    file_make("no-peer", "use required permit\nissue required permit\nexport required profile client\nrevoke "
                         "required deny\n"
                         "read required permit\n");
    file_make("good", "use required permit\nissue include common\n");
    file_make("common", "issue required peer uid=0\n");
    file_make("README", "# Only a comment.\n");
    policy_free(directory_load());
    ck_assert_str_eq(
        warnings, "policy.d/no-peer: no 'peer' line among 'issue': whoever may use this service may issue\n"
                  "policy.d/no-peer: no 'peer' line among 'export': whoever may use this service may export\n"
                  "policy.d/no-use: no 'use' line, so that nobody may name this service; add 'use required "
                  "permit', or whom it "
                  "is for\n");
    directory_remove();
}
END_TEST

/* Users and groups of the packaged files need not exist here, so numbers stand for them. */
static void number_names(char *text, size_t size)
{
    static const char *const numbers[][2] = {
        {"mtls-gateway", "2001"}, {"wiki-ops", "2002"}, {"group=mtls", "group=2003"}};
    static char out[16384];
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        size_t length = 0;
        for (const char *p = text; *p;) {
            size_t n = strlen(numbers[i][0]);
            bool hit = !strncmp(p, numbers[i][0], n);
            length += (size_t)snprintf(out + length, sizeof out - length, "%.*s", hit ? 16 : 1,
                                       hit ? numbers[i][1] : p);
            p += hit ? n : 1;
        }
        ck_assert_uint_lt(length, size);
        memcpy(text, out, length + 1);
    }
}

/* Install a packaged file as it is, or with what it shows in comments put in force: lines that begin with `shown` lose
 * `strip` bytes, lines that begin with `dropped` are left out. */
static void file_install(const char *from, const char *name, const char *shown, size_t strip, const char *dropped)
{
    static char text[16384];
    char line[512];
    size_t length = 0;
    FILE *file = fopen(from, "r");
    ck_assert_msg(file != NULL, "%s cannot be read: run this from the top of the tree", from);
    while (fgets(line, sizeof line, file)) {
        if (dropped && !strncmp(line, dropped, strlen(dropped)))
            continue;
        bool strip_it = shown && !strncmp(line, shown, strlen(shown));
        length += (size_t)snprintf(text + length, sizeof text - length, "%s", line + (strip_it ? strip : 0));
        ck_assert_uint_lt(length, sizeof text);
    }
    fclose(file);
    number_names(text, sizeof text);
    file_make(name, text);
}

START_TEST(test_packaged_policy_is_what_its_comments_say)
{
    enum { GATEWAY = 2001, MEMBER = 1001, STRANGER = 1002 };
    directory_make();
    file_install("packaging/policy.d/default", "default", NULL, 0, NULL);
    file_install("packaging/policy.d/README", "README", NULL, 0, NULL);
    struct policy *policy = directory_load();
    ck_assert_str_eq(warnings, "");
    gid_t groups[] = {2003};
    for (int type = POLICY_USE; type < POLICY_TYPES; type++) {
        struct asked a;
        ask(&a, (enum policy_type)type);
        a.peer.uid = 0;
        ck_assert_msg(decide(policy, &a).allowed, "root may not %s", policy_type_name(a.question.type));
        bool look = type == POLICY_USE || type == POLICY_VERIFY;
        a.peer.uid = GATEWAY;
        ck_assert_int_eq(decide(policy, &a).allowed, look);
        a.peer.uid = STRANGER;
        ck_assert(!decide(policy, &a).allowed);
        a.peer.uid = MEMBER;
        a.peer.groups = groups;
        a.peer.group_count = 1;
        ck_assert_int_eq(decide(policy, &a).allowed, look || type == POLICY_READ);
        a.peer.uid = 0;
        a.question.service = "README";
        ck_assert(!decide(policy, &a).allowed);
    }
    policy_free(policy);
    directory_remove();
}
END_TEST

START_TEST(test_packaged_example_gives_everybody_their_own_login)
{
    directory_make();
    file_install("packaging/policy.d/default", "default", "#issue", 1, "issue");
    struct policy *policy = directory_load();
    gid_t groups[] = {2003};
    struct asked a;
    ask(&a, POLICY_ISSUE);
    a.peer.groups = groups;
    a.peer.group_count = 1;
    snprintf(a.peer.login, sizeof a.peer.login, "karen");
    ask_san(&a, SAN_DNS, "karen");
    ask_cn(&a, "karen");
    ck_assert(decide(policy, &a).allowed);
    a.question.life++;
    ck_assert(!decide(policy, &a).allowed);
    a.question.life--;
    ask_san(&a, SAN_EMAIL, "karen@example.com");
    ck_assert(decide(policy, &a).allowed);
    ask_san(&a, SAN_DNS, "bob");
    ck_assert(!decide(policy, &a).allowed);
    policy_free(policy);
    directory_remove();
}
END_TEST

START_TEST(test_packaged_example_of_a_service)
{
    directory_make();
    file_install("packaging/policy.d/README", "wiki", "#|", 2, NULL);
    struct policy *policy = directory_load();
    struct asked a;
    ask(&a, POLICY_VERIFY);
    a.question.service = "wiki";
    a.peer.uid = 2001;
    a.question.method = "GET";
    ask_san(&a, SAN_DNS, "a.wiki.example.com");
    ck_assert(decide(policy, &a).allowed);
    a.question.method = "POST";
    ck_assert(!decide(policy, &a).allowed);
    a.sans[0].value = (char[]){"a.admin.wiki.example.com"};
    ck_assert(decide(policy, &a).allowed);
    a.question.authority = "elsewhere";
    ck_assert(!decide(policy, &a).allowed);
    policy_free(policy);
    directory_remove();
}
END_TEST

UNIT_MAIN("policy_directory", test_directory_each_file_is_a_service, test_directory_all_or_nothing,
          test_directory_skips_leftovers_and_says_so, test_directory_refuses_what_is_no_service_file,
          test_directory_trusts_only_files_that_nobody_else_can_write, test_directory_missing_or_empty,
          test_directory_limits, test_warnings_name_what_is_worth_a_look,
          test_packaged_policy_is_what_its_comments_say, test_packaged_example_gives_everybody_their_own_login,
          test_packaged_example_of_a_service)
