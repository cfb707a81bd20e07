/*
 * jail.c - the walls around the key.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/jail.h"

#include <errno.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agent/keeper/memory.h"

enum { DESCRIPTORS_MAX = 48 };

void jail_add_wall(char walls[static KEEPER_WALLS_SIZE], const char *word)
{
    size_t have = strlen(walls), length = strlen(word);
    if (have + 1 + length + 1 > KEEPER_WALLS_SIZE)
        return;
    if (have)
        walls[have++] = ' ';
    memcpy(walls + have, word, length + 1);
}

static int refuse(struct failure *failure, const char *what, int error)
{
    return failure_set(failure, FAILURE_INTERNAL, NULL, "the sandbox does not stand: %s: %s", what, strerror(error));
}

static int set_limits(struct failure *failure)
{
    const struct rlimit none = {0, 0}, few = {DESCRIPTORS_MAX, DESCRIPTORS_MAX};
    if (setrlimit(RLIMIT_CORE, &none) || setrlimit(RLIMIT_NOFILE, &few))
        return refuse(failure, "setrlimit", errno);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        return refuse(failure, "PR_SET_DUMPABLE", errno);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return refuse(failure, "PR_SET_NO_NEW_PRIVS", errno);
    return 0;
}

/* --- Landlock --------------------------------------------------------------------------------------------- */

/* As of ABI 6; the header of the oldest kernel we build on knows the first member alone, and an older kernel takes
 * a shorter structure. */
struct ruleset {
    uint64_t files, network, scoped;
};

static const struct {
    uint64_t files;
    size_t size;
    uint64_t network, scoped;
} abis[] = {
    [1] = {(UINT64_C(1) << 13) - 1, 8, 0, 0},
    [2] = {(UINT64_C(1) << 14) - 1, 8, 0, 0},   /* refer */
    [3] = {(UINT64_C(1) << 15) - 1, 8, 0, 0},   /* truncate */
    [4] = {(UINT64_C(1) << 15) - 1, 16, 3, 0},  /* bind and connect TCP */
    [5] = {(UINT64_C(1) << 16) - 1, 16, 3, 0},  /* ioctl of devices */
    [6] = {(UINT64_C(1) << 16) - 1, 24, 3, 3},  /* abstract sockets, signals */
};

/* 1: it stands; 0: the kernel has none; -1 */
static int landlock_enter(struct failure *failure)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 0)
        return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : refuse(failure, "landlock_create_ruleset", errno);
    long known = (long)(sizeof abis / sizeof abis[0]) - 1;
    if (abi < 1 || abi > known)
        abi = known;
    const struct ruleset rules = {abis[abi].files, abis[abi].network, abis[abi].scoped};
    long fd = syscall(SYS_landlock_create_ruleset, &rules, abis[abi].size, 0);
    if (fd < 0)
        return refuse(failure, "landlock_create_ruleset", errno);
    if (syscall(SYS_landlock_restrict_self, fd, 0)) {
        int error = errno;
        close((int)fd);
        return refuse(failure, "landlock_restrict_self", error);
    }
    close((int)fd);
    return 1;
}

/* --- seccomp ---------------------------------------------------------------------------------------------- */

/* What a keeper that is up may do, and no more. */
static const int allowed[] = {
    /* packets on what is open; new connections on the two listeners */
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(accept4),
    SCMP_SYS(ppoll),
    SCMP_SYS(poll),
    SCMP_SYS(close),
    /* the journal and the counter file */
    SCMP_SYS(write),
    SCMP_SYS(pwrite64),
    SCMP_SYS(fdatasync),
    /* memory, locked as it is used */
    SCMP_SYS(munmap),
    SCMP_SYS(brk),
    SCMP_SYS(mlock),
    SCMP_SYS(munlock),
    SCMP_SYS(madvise),
    /* time, randomness, who am I (libcrypto asks after a fork) */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getuid),
    SCMP_SYS(gettid),
    /* the C library's own */
    SCMP_SYS(futex),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

static int add_rules(scmp_filter_ctx filter)
{
    int error = 0;
    for (size_t i = 0; !error && i < sizeof allowed / sizeof allowed[0]; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    /* Memory of its own, and never executable. */
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                                 SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mremap), 0);
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    /* Who is at the other end. */
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(getsockopt), 1, SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET, 0));
    return error;
}

static int seccomp_enter(struct failure *failure)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter)
        return refuse(failure, "seccomp_init", ENOMEM);
    int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
    if (!error)
        error = add_rules(filter);
    if (!error)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return error ? refuse(failure, "seccomp", -error) : 0;
}

#if KEEPER_SANITIZER
/* The leak checker wants to trace its own process when it ends, which the jail forbids. */
static bool jailed;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return jailed;
}
#endif

int jail_enter(char walls[static KEEPER_WALLS_SIZE], struct failure *failure)
{
#if KEEPER_SANITIZER
    jailed = true;
#endif
    if (set_limits(failure))
        return -1;
    tzset(); /* the first gmtime_r would open /etc/localtime */
    int landlock = landlock_enter(failure);
    if (landlock < 0 || (!KEEPER_SANITIZER && seccomp_enter(failure)))
        return -1;
    jail_add_wall(walls, KEEPER_SANITIZER ? "sandbox:sanitizer" : "seccomp");
    if (landlock)
        jail_add_wall(walls, "landlock");
    jail_add_wall(walls, "nodump");
    return 0;
}
