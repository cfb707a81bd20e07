/*
 * test_jail.c - each wall around the key, tried from inside by a process of its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Belongs to the plain build: under a sanitizer there is no seccomp.
 */
#include "agent/keeper/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/keeper/memory.h"
#include "tests/unit/unit.h"

enum { REFUSED = 77 };

/* Run it in the jail, in a child. Returns the wait status. */
static int run(void (*what)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        char walls[KEEPER_WALLS_SIZE] = "";
        struct failure failure;
        if (jail_enter(walls, &failure)) {
            fprintf(stderr, "%s\n", failure.reason);
            _exit(REFUSED);
        }
        what();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void open_file(void) { open("/dev/null", O_RDONLY); }
static void open_kept(void) { openat(AT_FDCWD, "/", O_PATH); }
static void status_file(void) { access("/etc/passwd", F_OK); }
static void remove_file(void) { unlink("/tmp/nothing-of-that-name"); }
static void make_socket(void) { socket(AF_UNIX, SOCK_STREAM, 0); }
static void make_internet(void) { socket(AF_INET, SOCK_STREAM, 0); }
static void connect_somewhere(void) { connect(0, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(struct sockaddr)); }
static void make_pair(void) { int pair[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, pair); }
static void run_program(void) { execl("/bin/true", "true", (char *)NULL); }
static void make_child(void) { syscall(SYS_fork); }
static void make_clone(void) { syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }
static void trace(void) { ptrace(PTRACE_TRACEME, 0, 0, 0); }
static void read_other(void) { syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0); }
static void kill_other(void) { syscall(SYS_kill, 1, 0); }
static void map_code(void) { mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void map_file(void) { mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 0, 0); }
static void become_root(void) { syscall(SYS_setuid, 0); }
static void dump_again(void) { prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }
static void load_program(void) { syscall(SYS_bpf, 0, NULL, 0); }
static void make_ring(void) { syscall(SYS_io_uring_setup, 1, NULL); }
static void make_memory_file(void) { memfd_create("x", 0); }
static void pass_message(void) { recvmsg(0, &(struct msghdr){0}, 0); }
static void set_option(void) { setsockopt(0, SOL_SOCKET, SO_RCVBUF, &(int){1}, sizeof(int)); }
static void read_something(void) { char byte; ssize_t n = read(0, &byte, 1); (void)n; }

static void make_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static const struct {
    const char *name;
    void (*call)(void);
} forbidden[] = {
#define CALL(x) {#x, x}
    CALL(open_file),      CALL(open_kept),        CALL(status_file),       CALL(remove_file),
    CALL(make_socket),    CALL(make_internet),    CALL(connect_somewhere), CALL(make_pair),
    CALL(run_program),    CALL(make_child),       CALL(make_clone),        CALL(trace),
    CALL(read_other),     CALL(kill_other),       CALL(map_code),          CALL(map_file),
    CALL(make_code),      CALL(become_root),      CALL(dump_again),        CALL(load_program),
    CALL(make_ring),      CALL(make_memory_file), CALL(pass_message),      CALL(set_option),
    CALL(read_something),
};

START_TEST(each_forbidden_call_kills)
{
    if (KEEPER_SANITIZER)
        return;
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        int status = run(forbidden[i].call);
        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: wait status %#x", forbidden[i].name,
                      (unsigned)status);
        ck_assert_msg(!WCOREDUMP(status), "%s left a core", forbidden[i].name);
    }
}
END_TEST

/* What a keeper does all day is still to be had. */
static int pair[2], listener;

static void do_the_days_work(void)
{
    char byte = 1;
    struct pollfd slot = {pair[1], POLLIN, 0};
    struct ucred peer;
    socklen_t size = sizeof peer;
    time_t now = time(NULL);
    struct tm tm;
    uint8_t random[16];
    if (send(pair[0], &byte, 1, MSG_NOSIGNAL) != 1 || poll(&slot, 1, 1000) != 1 ||
        recv(pair[1], &byte, 1, MSG_DONTWAIT) != 1)
        _exit(1);
    if (getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &size) ||
        accept4(listener, NULL, NULL, SOCK_NONBLOCK) >= 0 || errno != EAGAIN)
        _exit(2);
    void *memory = malloc(10 << 20);
    if (!memory || !gmtime_r(&now, &tm) || getentropy(random, sizeof random))
        _exit(3);
    free(memory);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || mlock(page, 4096) || munmap(page, 4096))
        _exit(4);
    if (write(STDERR_FILENO, "", 0) != 0 || close(pair[0]))
        _exit(5);
}

START_TEST(the_days_work_can_be_done)
{
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&any, sizeof any.sun_family), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    int status = run(do_the_days_work);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status %#x", (unsigned)status);
}
END_TEST

/* --- seen from outside ------------------------------------------------------------------------------------ */

static int told[2];

__attribute__((noreturn)) static void be_a_keeper(void)
{
    char walls[KEEPER_WALLS_SIZE] = "";
    struct failure failure;
    if (jail_enter(walls, &failure))
        _exit(REFUSED);
    if (write(told[1], walls, sizeof walls) != sizeof walls)
        _exit(1);
    for (;;)
        poll(NULL, 0, -1);
}

static void read_status(pid_t pid, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    size_t length = fread(text, 1, size - 1, file);
    text[length] = '\0';
    fclose(file);
}

START_TEST(the_walls_it_names_are_those_that_stand)
{
    char walls[KEEPER_WALLS_SIZE], status[4096], path[64];
    ck_assert_int_eq(pipe(told), 0);
    pid_t pid = fork();
    if (pid == 0)
        be_a_keeper();
    ck_assert_int_eq(read(told[0], walls, sizeof walls), sizeof walls);
    read_status(pid, status, sizeof status);
    ck_assert_ptr_nonnull(strstr(status, "NoNewPrivs:\t1"));
    ck_assert_int_eq(strstr(walls, "seccomp") != NULL, strstr(status, "Seccomp:\t2") != NULL);
    ck_assert_int_eq(strstr(walls, "sandbox:sanitizer") != NULL, KEEPER_SANITIZER);
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    ck_assert_int_eq(strstr(walls, "landlock") != NULL, abi >= 1);
    ck_assert_ptr_nonnull(strstr(walls, "nodump"));

    /* Not dumpable: another process of the very same user cannot read its memory. */
    pid_t other = fork();
    if (other == 0) {
        snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
        if (geteuid() == 0 && setresuid(54321, 54321, 54321))
            _exit(2);
        _exit(open(path, O_RDONLY) < 0 && (errno == EACCES || errno == EPERM) ? 0 : 1);
    }
    int result;
    waitpid(other, &result, 0);
    ck_assert_int_eq(WEXITSTATUS(result), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
END_TEST

/* --- other kernels, forced by a filter -------------------------------------------------------------------- */

/* In a child where `call` fails with `error`: does the jail stand, and with which walls? 0: without Landlock, 1:
 * with it, REFUSED: not at all. */
static int enter_where(int call, int first_argument, int error)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        char walls[KEEPER_WALLS_SIZE] = "";
        struct failure failure;
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        int set = first_argument < 0 ? seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)error), call, 0)
                                     : seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)error), call, 1,
                                                        SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)first_argument, 0));
        if (call == SCMP_SYS(seccomp)) /* and by its older name */
            set |= seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)error), SCMP_SYS(prctl), 1,
                                    SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP, 0));
        if (set || seccomp_load(filter))
            _exit(9);
        _exit(jail_enter(walls, &failure) ? REFUSED : strstr(walls, "landlock") != NULL);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(a_kernel_without_landlock_is_a_lower_wall)
{
    ck_assert_int_eq(enter_where(SCMP_SYS(landlock_create_ruleset), -1, ENOSYS), 0);
    ck_assert_int_eq(enter_where(SCMP_SYS(landlock_create_ruleset), -1, EOPNOTSUPP), 0);
}
END_TEST

START_TEST(a_wall_that_should_stand_and_does_not_is_fatal)
{
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1)
        ck_assert_int_eq(enter_where(SCMP_SYS(landlock_restrict_self), -1, EPERM), REFUSED);
    ck_assert_int_eq(enter_where(SCMP_SYS(landlock_create_ruleset), -1, EINVAL), REFUSED);
    ck_assert_int_eq(enter_where(SCMP_SYS(prctl), PR_SET_DUMPABLE, EPERM), REFUSED);
    ck_assert_int_eq(enter_where(SCMP_SYS(prctl), PR_SET_NO_NEW_PRIVS, EPERM), REFUSED);
    ck_assert_int_eq(enter_where(SCMP_SYS(prlimit64), -1, EPERM), REFUSED);
    if (!KEEPER_SANITIZER)
        ck_assert_int_eq(enter_where(SCMP_SYS(seccomp), -1, EPERM), REFUSED);
}
END_TEST

START_TEST(a_full_list_of_walls_takes_no_more)
{
    char walls[KEEPER_WALLS_SIZE] = "";
    for (int i = 0; i < 1000; i++)
        jail_add_wall(walls, "wall");
    ck_assert_uint_lt(strlen(walls), sizeof walls);
    ck_assert_str_eq(walls + strlen(walls) - 5, " wall");
}
END_TEST

UNIT_MAIN("jail", each_forbidden_call_kills, the_days_work_can_be_done, the_walls_it_names_are_those_that_stand,
          a_kernel_without_landlock_is_a_lower_wall, a_wall_that_should_stand_and_does_not_is_fatal,
          a_full_list_of_walls_takes_no_more)
