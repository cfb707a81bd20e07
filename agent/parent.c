/*
 * parent.c - the supervisor where nobody else supervises.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/log.h"
#include "agent/user.h"

enum { KEEPER_ARGUMENTS_MAX = 20, KEEPER_FD = 3, KEEPER_PAUSE_MS = 500, KEEPER_GOODBYE_MS = 5000 };

struct parent {
    const struct config *config;
    int control, signals;
    pid_t agent, keeper, hook;
    int64_t keeper_started; /* milliseconds */
    bool hook_again, stopping;
    int status;             /* of the agent, as waitpid tells */
};

static int64_t clock_milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* In a fresh child, before exec: nothing of ours goes along but `keep`, as descriptor KEEPER_FD. */
static void child_prepare(int keep)
{
    static const char *const ours[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        unsetenv(ours[i]); /* a keeper that says READY=1 would say it for the agent */
    if (keep >= 0 && dup2(keep, KEEPER_FD) < 0)
        _exit(71);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0)
        _exit(71);
    close_range(keep >= 0 ? KEEPER_FD + 1 : KEEPER_FD, ~0U, 0);
}

static void keeper_exec(const struct config *config, int fd)
{
    char path[4096];
    char number[16], agent_user[16];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof "-keeper");
    uid_t uid = geteuid();
    gid_t gid;
    if (length < 0)
        _exit(71);
    memcpy(path + length, "-keeper", sizeof "-keeper");
    if (config->agent.user)
        user_find(config->agent.user, &uid, &gid);
    snprintf(number, sizeof number, "%d", KEEPER_FD);
    snprintf(agent_user, sizeof agent_user, "%u", uid);
    const char *arguments[KEEPER_ARGUMENTS_MAX] = {path, "--state", config->keeper.state, "--unlock", config->keeper.unlock,
                                                   "--agent-fd", number, "--agent-user", agent_user};
    size_t count = 9;
    if (config->keeper.secret_file) {
        arguments[count++] = "--secret-file";
        arguments[count++] = config->keeper.secret_file;
    }
    if (config->keeper.user && geteuid() == 0) {
        arguments[count++] = "--user";
        arguments[count++] = config->keeper.user;
    }
    child_prepare(fd);
    execv(path, (char *const *)arguments);
    fprintf(stderr, "mtlsd: %s: %s\n", path, strerror(errno));
    _exit(71);
}

static int send_keeper(int control, int fd)
{
    char word = PARENT_KEEPER;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } ancillary = {0};
    struct iovec vector = {&word, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = ancillary.bytes,
                             .msg_controllen = sizeof ancillary.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return sendmsg(control, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

int parent_receive(int socket)
{
    char byte;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } ancillary;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = ancillary.bytes,
                             .msg_controllen = sizeof ancillary.bytes};
    ssize_t length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *header = length == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    int fd = -1;
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return length == 0 ? PARENT_GONE : fd;
}

/* A keeper for the agent. One that is still there has lost its agent's connection: it is of no use. */
static void keeper_start(struct parent *parent)
{
    int pair[2];
    int64_t now = clock_milliseconds();
    if (parent->keeper > 0) {
        kill(parent->keeper, SIGKILL);
        return; /* the agent asks again */
    }
    if (parent->keeper_started && now - parent->keeper_started < KEEPER_PAUSE_MS)
        return; /* one that dies at once must not be started in a tight loop */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) {
        log_message(LOG_ERR, "keeper: %s", strerror(errno));
        return;
    }
    parent->keeper_started = now;
    parent->keeper = fork();
    if (parent->keeper == 0)
        keeper_exec(parent->config, pair[1]);
    close(pair[1]);
    if (parent->keeper < 0 || send_keeper(parent->control, pair[0]))
        log_message(LOG_ERR, "keeper: %s", strerror(errno));
    close(pair[0]);
}

static void hook_start(struct parent *parent)
{
    if (parent->hook > 0) {
        parent->hook_again = true;
        return;
    }
    parent->hook_again = false;
    parent->hook = fork();
    if (parent->hook < 0)
        log_message(LOG_ERR, "crl-hook: %s", strerror(errno));
    if (parent->hook)
        return;
    child_prepare(-1);
    execl("/bin/sh", "sh", "-c", parent->config->agent.crl_hook, (char *)NULL);
    _exit(127);
}

static void hook_ended(struct parent *parent, int status)
{
    parent->hook = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        log_message(LOG_WARNING, "crl-hook=%s failed (%s %d): servers may go on with the old CRL", parent->config->agent.crl_hook,
                    WIFEXITED(status) ? "exit" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    if (parent->hook_again && !parent->stopping)
        hook_start(parent);
}

static void children_reap(struct parent *parent)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == parent->agent) {
            parent->agent = 0;
            parent->status = status;
        } else if (pid == parent->keeper) {
            parent->keeper = 0;
            if (!parent->stopping)
                log_message(LOG_WARNING, "keeper %d ended (%s %d)", (int)pid, WIFEXITED(status) ? "exit" : "signal",
                            WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        } else if (pid == parent->hook) {
            hook_ended(parent, status);
        }
    }
}

static void on_signal(struct parent *parent)
{
    struct signalfd_siginfo info;
    if (read(parent->signals, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGCHLD) {
        children_reap(parent);
        return;
    }
    parent->stopping |= info.ssi_signo != SIGHUP;
    if (parent->agent > 0)
        kill(parent->agent, info.ssi_signo == SIGHUP ? SIGHUP : SIGTERM);
}

static void on_control(struct parent *parent)
{
    char word;
    ssize_t length = recv(parent->control, &word, 1, MSG_DONTWAIT);
    if (length == 1 && word == PARENT_KEEPER && !parent->config->agent.keeper)
        keeper_start(parent);
    else if (length == 1 && word == PARENT_CRL_HOOK && parent->config->agent.crl_hook)
        hook_start(parent);
    else if (length == 0) {
        close(parent->control); /* the agent is about to end; waitpid tells how */
        parent->control = -1;
    }
}

/* The keeper ends by itself when its agent's connection does; it is given a moment. */
static void keeper_goodbye(struct parent *parent)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    for (int waited = 0; parent->keeper > 0 && waited < KEEPER_GOODBYE_MS; waited += 10) {
        children_reap(parent);
        if (parent->keeper > 0)
            nanosleep(&pause, NULL);
    }
    if (parent->keeper > 0)
        kill(parent->keeper, SIGKILL);
}

static int exit_code(const struct parent *parent)
{
    if (WIFEXITED(parent->status))
        return WEXITSTATUS(parent->status);
    log_message(LOG_CRIT, "the agent was killed by signal %d", WTERMSIG(parent->status));
    return 128 + WTERMSIG(parent->status);
}

/* Sockets that were passed to the parent are the agent's (sd_listen_fds(3) looks at the pid). */
static void take_over_listen_fds(pid_t parent)
{
    char number[24];
    const char *pid = getenv("LISTEN_PID");
    snprintf(number, sizeof number, "%d", (int)parent);
    if (!pid || strcmp(pid, number))
        return;
    snprintf(number, sizeof number, "%d", (int)getpid());
    setenv("LISTEN_PID", number, 1);
}

static pid_t agent_start(const struct parent *parent, int child_end)
{
    pid_t self = getpid(), pid = fork();
    if (pid)
        return pid;
    close(parent->control);
    close(parent->signals);
    /* Where the parent is killed, the agent must not stay behind and hold the socket. (agent_run sets it again after it drops its uid.) */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != self)
        _exit(71);
    take_over_listen_fds(self);
    _exit(agent_run(parent->config, child_end));
}

int parent_run(const struct config *config)
{
    struct parent parent = {.config = config};
    int pair[2];
    sigset_t signals;
    sigemptyset(&signals);
    for (const int *signal = (const int[]){SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0}; *signal; signal++)
        sigaddset(&signals, *signal);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    parent.signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (parent.signals < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        log_message(LOG_ERR, "cannot start: %s", strerror(errno));
        return 71; /* EX_OSERR */
    }
    parent.control = pair[0];
    parent.agent = agent_start(&parent, pair[1]);
    close(pair[1]);
    while (parent.agent > 0) {
        struct pollfd events[] = {{.fd = parent.signals, .events = POLLIN}, {.fd = parent.control, .events = POLLIN}};
        if (poll(events, 2, -1) < 0 && errno != EINTR)
            break;
        if (events[0].revents)
            on_signal(&parent);
        if (parent.control >= 0 && events[1].revents)
            on_control(&parent);
    }
    parent.stopping = true;
    if (parent.control >= 0)
        close(parent.control);
    keeper_goodbye(&parent);
    return exit_code(&parent);
}
