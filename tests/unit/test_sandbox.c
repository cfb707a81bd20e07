/*
 * test_sandbox.c - what the agent can no longer do once it is in its sandbox, tried from inside by a process of its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Belongs to the plain build: a sanitizer needs what the sandbox takes away, and then the status words say so.
 */
#include "agent/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

enum { NO_SANDBOX = 70, LANDLOCKED = 1, FILTERED = 2, SANITIZED = 4 };

static char directory[64], state[80], policy[80], sockets[80], outside[80], file[100];
static struct config config;

static void write_file(const char *where, const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", where, name);
    FILE *stream = fopen(path, "we");
    ck_assert_ptr_nonnull(stream);
    fputs("text\n", stream);
    fclose(stream);
}

static void begin(void)
{
    char *const made[] = {state, policy, sockets, outside};
    static const char *const names[] = {"state", "policy.d", "run", "outside"};
    static char socket_path[100];
    snprintf(directory, sizeof directory, "/tmp/mtlsd-sandbox-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    for (size_t i = 0; i < 4; i++) {
        snprintf(made[i], 80, "%s/%s", directory, names[i]);
        ck_assert_int_eq(mkdir(made[i], 0700), 0);
        write_file(made[i], "file");
    }
    snprintf(socket_path, sizeof socket_path, "%s/agent.sock", sockets);
    config.agent.state = state;
    config.agent.policy = policy;
    config.agent.socket = socket_path;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *level)
{
    (void)status, (void)type, (void)level;
    return remove(path);
}

static void end(void)
{
    ck_assert_int_eq(nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static const char *path_in(const char *where, const char *name)
{
    snprintf(file, sizeof file, "%s/%s", where, name);
    return file;
}

/* Run `what` inside, in a child; it returns what the child's exit code shall be. */
static int inside(int (*what)(const char *words))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        const char *words = "";
        struct failure failure;
        if (sandbox_enter(&config, &words, &failure)) {
            fprintf(stderr, "%s\n", failure.reason);
            _exit(NO_SANDBOX);
        }
        _exit(what(words));
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "wait status %#x", (unsigned)status);
    ck_assert_msg(WEXITSTATUS(status) != NO_SANDBOX, "the sandbox could not be entered");
    return WEXITSTATUS(status);
}

static int tell_words(const char *words)
{
    return (strstr(words, "sanitizer") ? SANITIZED : 0) | (strstr(words, " landlock ") ? LANDLOCKED : 0) |
           (strstr(words, "seccomp") ? FILTERED : 0);
}

/* --- what the words say ------------------------------------------------------------------------------------ */

static bool is_sanitized(void)
{
    return inside(tell_words) & SANITIZED;
}

static bool kernel_has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1;
}

START_TEST(the_words_are_what_stands)
{
    begin();
    int words = inside(tell_words);
    if (!(words & SANITIZED)) {
        ck_assert_int_eq((words & LANDLOCKED) != 0, kernel_has_landlock());
        ck_assert(words & FILTERED);
    }
    end();
}
END_TEST

static int look_at_the_process(const char *words)
{
    struct rlimit limit;
    (void)words;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 ||
           getrlimit(RLIMIT_CORE, &limit) || limit.rlim_max != 0;
}

/* Also under a sanitizer. */
START_TEST(it_leaves_no_core_and_gains_no_privilege)
{
    begin();
    ck_assert_int_eq(inside(look_at_the_process), 0);
    end();
}
END_TEST

/* --- system calls ------------------------------------------------------------------------------------------ */

static int run_program(void) { return execl("/bin/true", "true", (char *)NULL); }
static int make_inet(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static int make_inet6(void) { return socket(AF_INET6, SOCK_DGRAM, 0); }
static int make_netlink(void) { return socket(AF_NETLINK, SOCK_RAW, 0); }
static int make_packet(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static int trace(void) { return (int)ptrace(PTRACE_ATTACH, getppid(), 0, 0); }
static int read_other(void) { return (int)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0); }
static int become_somebody(void) { return (int)syscall(SYS_setuid, 65534); }
static int mount_something(void) { return mount("none", "/mnt", "tmpfs", 0, NULL); }
static int change_root(void) { return chroot("/tmp"); }
static int leave_namespace(void) { return unshare(CLONE_NEWUSER); }
static int load_bpf(void) { return (int)syscall(SYS_bpf, 0, NULL, 0); }
static int make_ring(void) { return (int)syscall(SYS_io_uring_setup, 1, NULL); }
static int make_program_file(void) { return memfd_create("x", 0); }
static int load_module(void) { return (int)syscall(SYS_init_module, NULL, 0, ""); }
static int add_key(void) { return (int)syscall(SYS_keyctl, 0, 0, 0, 0, 0); }
static int change_owner(void) { return chown(path_in(state, "file"), 65534, 65534); }

static const struct { const char *name; int (*call)(void); } forbidden[] = {
#define CALL(x) {#x, x}
    CALL(run_program), CALL(make_inet), CALL(make_inet6), CALL(make_netlink), CALL(make_packet), CALL(trace), CALL(read_other),
    CALL(become_somebody), CALL(mount_something), CALL(change_root), CALL(leave_namespace), CALL(load_bpf), CALL(make_ring),
    CALL(make_program_file), CALL(load_module), CALL(add_key), CALL(change_owner),
};
enum { FORBIDDEN = sizeof forbidden / sizeof forbidden[0] };

/* 0, or the number of the first that was not refused by the filter. */
static int try_forbidden(const char *words)
{
    (void)words;
    for (int i = 0; i < FORBIDDEN; i++) {
        errno = 0;
        if (forbidden[i].call() >= 0 || errno != EPERM)
            return i + 1;
    }
    return 0;
}

START_TEST(programs_network_and_other_processes_are_out_of_reach)
{
    begin();
    int first = is_sanitized() ? 0 : inside(try_forbidden);
    ck_assert_msg(first == 0, "%s was not refused", first > 0 && first <= FORBIDDEN ? forbidden[first - 1].name : "?");
    end();
}
END_TEST

static void *try_in_thread(void *argument)
{
    *(int *)argument = try_forbidden("");
    return NULL;
}

static int try_in_threads(const char *words)
{
    pthread_t thread;
    int result = 99;
    (void)words;
    if (pthread_create(&thread, NULL, try_in_thread, &result))
        return 98; /* the agent makes its threads inside */
    pthread_join(thread, NULL);
    return result;
}

START_TEST(threads_are_made_inside_and_stay_inside)
{
    begin();
    ck_assert_int_eq(is_sanitized() ? 0 : inside(try_in_threads), 0);
    end();
}
END_TEST

/* --- files ------------------------------------------------------------------------------------------------- */

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* 0, or the line of the first that was not so. */
#define EXPECT(condition)                                                                                    \
    if (!(condition))                                                                                        \
    return __LINE__ % 256

static int try_outside(const char *words)
{
    (void)words;
    EXPECT(!opens(path_in(outside, "file"), O_RDONLY));
    EXPECT(!opens(path_in(outside, "file"), O_WRONLY));
    EXPECT(!opens(path_in(outside, "new"), O_WRONLY | O_CREAT));
    EXPECT(unlink(path_in(outside, "file")) != 0);
    EXPECT(mkdir(path_in(outside, "new"), 0700) != 0);
    EXPECT(!opens("/etc/mtlsd-sandbox-test", O_WRONLY | O_CREAT));
    EXPECT(!opens("/etc/passwd", O_WRONLY));
    EXPECT(!opens("/root", O_RDONLY | O_DIRECTORY));
    EXPECT(!opens("/var/lib/dpkg/status", O_RDONLY));
    EXPECT(!opens("/dev/mem", O_RDONLY));
    EXPECT(!opens("/proc/sys/kernel/core_pattern", O_WRONLY));
    return 0;
}

START_TEST(files_of_others_are_out_of_reach)
{
    begin();
    if (!is_sanitized()) {
        ck_assert_msg(kernel_has_landlock(), "missing facility: landlock");
        int line = inside(try_outside);
        ck_assert_msg(line == 0, "the expectation on line %d (modulo 256) does not hold", line);
    }
    end();
}
END_TEST

static int try_policy(const char *words)
{
    (void)words;
    EXPECT(opens(path_in(policy, "file"), O_RDONLY));
    EXPECT(!opens(path_in(policy, "file"), O_WRONLY)); /* it must not be able to permit itself anything */
    EXPECT(!opens(path_in(policy, "new"), O_WRONLY | O_CREAT));
    EXPECT(unlink(path_in(policy, "file")) != 0);
    return 0;
}

START_TEST(the_policy_can_be_read_and_not_written)
{
    begin();
    if (!is_sanitized()) {
        ck_assert_msg(kernel_has_landlock(), "missing facility: landlock");
        int line = inside(try_policy);
        ck_assert_msg(line == 0, "the expectation on line %d (modulo 256) does not hold", line);
    }
    end();
}
END_TEST

/* What an agent does all day is still to be had. */
static int do_the_days_work(const char *words)
{
    char other[100];
    int fd = open(path_in(state, "index"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)words;
    EXPECT(fd >= 0);
    EXPECT(write(fd, "row", 3) == 3 && fsync(fd) == 0 && fdatasync(fd) == 0 && ftruncate(fd, 4096) == 0);
    EXPECT(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    EXPECT(fcntl(fd, F_SETLK, &lock) == 0);
    snprintf(other, sizeof other, "%s/index.new", state);
    EXPECT(rename(path_in(state, "index"), other) == 0 && unlink(other) == 0);
    EXPECT(opens("/etc/passwd", O_RDONLY) && opens("/proc/self/cgroup", O_RDONLY) && opens("/dev/null", O_RDWR));
    EXPECT(unlink(path_in(sockets, "file")) == 0); /* the socket, when it stops */
    EXPECT(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) >= 0);
    EXPECT(syscall(SYS_getrandom, other, 8, 0) == 8);
    return 0;
}

START_TEST(the_days_work_is_still_possible)
{
    begin();
    int line = inside(do_the_days_work);
    ck_assert_msg(line == 0, "the expectation on line %d (modulo 256) does not hold", line);
    end();
}
END_TEST

/* A directory that is configured and not there is no reason not to start: what reads it says so better. */
START_TEST(a_path_that_is_not_there_needs_no_rule)
{
    static char nowhere[] = "/nonexistent/policy.d", crl[] = "/nonexistent/crl.pem";
    begin();
    config.agent.policy = nowhere;
    config.agent.crl = crl;
    ck_assert_int_eq(inside(look_at_the_process), 0);
    config.agent.crl = NULL;
    end();
}
END_TEST

UNIT_MAIN("sandbox", the_words_are_what_stands, it_leaves_no_core_and_gains_no_privilege,
          programs_network_and_other_processes_are_out_of_reach, threads_are_made_inside_and_stay_inside, files_of_others_are_out_of_reach,
          the_policy_can_be_read_and_not_written, the_days_work_is_still_possible, a_path_that_is_not_there_needs_no_rule)
