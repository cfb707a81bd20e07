/*
 * sandbox.c - Landlock for files, seccomp for system calls.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define SANITIZER 1
#endif
#endif
#ifndef SANITIZER
#define SANITIZER 0
#endif

/* ABI 1 (Linux 5.13); TRUNCATE came with 3 and is handled only where it is known, REFER with 2. */
#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE                                                                                                          \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR)
#define EVERYTHING                                                                                                     \
    (READ | WRITE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_CHAR |         \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

struct rules {
    int ruleset;
    uint64_t extra; /* TRUNCATE where the kernel knows it */
    int error;      /* of the first rule that failed */
    char path[4096];
};

/* A path that is not there needs no rule. */
static void allow(struct rules *rules, const char *path, uint64_t access)
{
    struct stat status;
    int fd = path ? open(path, O_PATH | O_CLOEXEC) : -1;
    if (fd < 0 || fstat(fd, &status)) {
        if (fd >= 0)
            close(fd);
        return;
    }
    if (!S_ISDIR(status.st_mode))
        access &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, rules->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) && !rules->error) {
        rules->error = errno;
        snprintf(rules->path, sizeof rules->path, "%s", path);
    }
    close(fd);
}

static void allow_directory_of(struct rules *rules, const char *file, uint64_t access)
{
    char *copy = file ? strdup(file) : NULL;
    if (copy)
        allow(rules, dirname(copy), access);
    free(copy);
}

static void add_rules(struct rules *rules, const struct config *config)
{
    static const char *const readable[] = {"/etc", "/usr", "/lib", "/lib64", "/proc", "/sys/fs/cgroup", "/run", "/var/lib/sss",
                                           "/var/lib/extrausers", "/dev/urandom"};
    uint64_t write = READ | WRITE | rules->extra;
    for (size_t i = 0; i < sizeof readable / sizeof readable[0]; i++)
        allow(rules, readable[i], READ);
    allow(rules, "/dev/null", READ | LANDLOCK_ACCESS_FS_WRITE_FILE);
    allow(rules, config->agent.state, write);
    allow_directory_of(rules, config->agent.crl, write);
    allow_directory_of(rules, config->agent.socket, READ | LANDLOCK_ACCESS_FS_REMOVE_FILE);
    allow(rules, config->agent.policy, READ);
    for (size_t i = 0; i < config->anchors_count; i++) {
        allow_directory_of(rules, config->anchors[i].file, READ);
        allow_directory_of(rules, config->anchors[i].crl, READ);
    }
}

/* 1 in force, 0 the kernel has none, -1 with *failure. */
static int landlock_enter(const struct config *config, struct failure *failure)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
        return 0;
    struct rules rules = {.extra = abi >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0};
    struct landlock_ruleset_attr handled = {.handled_access_fs = EVERYTHING | rules.extra};
    rules.ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    if (abi < 0 || rules.ruleset < 0)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "landlock: %s", strerror(errno));
    add_rules(&rules, config);
    if (!rules.error && syscall(SYS_landlock_restrict_self, rules.ruleset, 0))
        rules.error = errno;
    close(rules.ruleset);
    return rules.error ? failure_set(failure, FAILURE_INTERNAL, NULL, "landlock %s: %s", rules.path, strerror(rules.error)) : 1;
}

/* What sd-event, SQLite, NSS modules and two kinds of thread need. No execve, no ptrace, no network. */
static const int calls[] = {
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(close),
    SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(lseek), SCMP_SYS(mmap),
    SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(mlock), SCMP_SYS(munlock),
    SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fcntl), SCMP_SYS(flock), SCMP_SYS(rename),
    SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(mkdir), SCMP_SYS(chmod), SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat), SCMP_SYS(fchown), SCMP_SYS(getdents64), SCMP_SYS(copy_file_range), SCMP_SYS(sendfile), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(umask), SCMP_SYS(dup), SCMP_SYS(pipe2), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime), SCMP_SYS(signalfd4), SCMP_SYS(accept4), SCMP_SYS(listen), SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg), SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(connect), SCMP_SYS(bind),
    SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(shutdown), SCMP_SYS(poll),
    SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(clone), SCMP_SYS(clone3),
    SCMP_SYS(rseq), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
    SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getgroups), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrandom),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigsuspend), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(sigaltstack),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(prlimit64), SCMP_SYS(getrlimit), SCMP_SYS(getrusage), SCMP_SYS(prctl),
    SCMP_SYS(tgkill), SCMP_SYS(kill), SCMP_SYS(pidfd_send_signal), SCMP_SYS(pidfd_open), SCMP_SYS(mincore), SCMP_SYS(restart_syscall), SCMP_SYS(set_tid_address),
    SCMP_SYS(membarrier), SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch),
};

static int seccomp_enter(struct failure *failure)
{
    /* A call that is not on the list fails with EPERM: an NSS module that tries something new must not end the agent. */
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int error = filter ? 0 : -ENOMEM;
    for (size_t i = 0; !error && i < sizeof calls / sizeof calls[0]; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
    if (!error)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return error ? failure_set(failure, FAILURE_INTERNAL, NULL, "seccomp: %s", strerror(-error)) : 0;
}

int sandbox_enter(const struct config *config, const char **words, struct failure *failure)
{
    const struct rlimit none = {0, 0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || setrlimit(RLIMIT_CORE, &none))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "sandbox: %s", strerror(errno));
    if (SANITIZER) {
        *words = "sandbox: sanitizer";
        return 0;
    }
    int landlock = landlock_enter(config, failure);
    if (landlock < 0 || seccomp_enter(failure))
        return -1;
    *words = landlock ? "nodump no-new-privs landlock seccomp" : "nodump no-new-privs seccomp (this kernel has no landlock)";
    return 0;
}
