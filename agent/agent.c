/*
 * agent.c - the agent process: socket, sandbox, keeper, index, engine, server; in this order; and the loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "agent/anchors.h"
#include "agent/engine.h"
#include "agent/epoch.h"
#include "agent/keeper_link.h"
#include "agent/log.h"
#include "agent/parent.h"
#include "agent/sandbox.h"
#include "agent/server.h"
#include "agent/state.h"
#include "agent/user.h"

enum {
    POOL_THREADS = 2,
    POOL_QUEUE = 256,
    KEEPER_PATIENCE_USEC = 15 * 1000 * 1000, /* for its first word, where the CA's certificate is not known here yet */
    GOODBYE_USEC = 10 * 1000 * 1000,         /* for slow readers, when stopping */
    GOODBYE_POLL_USEC = 5 * 1000,
    SECURE_HEAP = 512 * 1024,                /* of libcrypto, for client keys in the making */
    SECURE_HEAP_LEAST = 64,
};

struct agent {
    const struct config *config;
    int parent_fd, listen_fd;
    int state_fd;           /* the state directory, locked: one agent on one index */
    const char *sandbox;
    char *database;
    sd_event *event;
    sd_event_source *parent_io, *goodbye;
    uint64_t goodbye_until;
    struct keeper_link *link;
    struct authority *authority;
    struct epoch *epoch;
    struct pool *pool;
    struct committer *committer;
    struct store *store;
    struct engine *engine;
    struct server *server;
    bool stopping, wrong_authority, own_socket;
};

/* --- the parent -------------------------------------------------------------------------------------------- */

static void tell_parent(struct agent *agent, enum parent_word word)
{
    char byte = (char)word;
    if (agent->parent_fd >= 0 && send(agent->parent_fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
        log_message(LOG_WARNING, "the parent process cannot be told: %s", strerror(errno));
}

static void want_keeper(void *context)
{
    struct agent *agent = context;
    if (!agent->stopping)
        tell_parent(agent, PARENT_KEEPER);
}

static void run_crl_hook(void *context)
{
    struct agent *agent = context;
    if (agent->config->agent.crl_hook)
        tell_parent(agent, PARENT_CRL_HOOK);
}

static void agent_stop(struct agent *agent);

static int on_parent(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct agent *agent = userdata;
    int received = parent_receive(fd);
    (void)events;
    if (received >= 0)
        keeper_link_adopt(agent->link, received);
    if (received == PARENT_GONE) {
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        agent_stop(agent);
    }
    return 0;
}

/* --- the keeper -------------------------------------------------------------------------------------------- */

/* An index belongs to one CA: a keeper with another one's key must not be used with it. */
static bool authority_accept(struct agent *agent, const struct keeper_state *state)
{
    struct failure failure;
    if (agent->authority && agent->authority->length == state->authority_length &&
        !memcmp(agent->authority->der, state->authority, state->authority_length))
        return true;
    if (agent->authority) {
        log_message(LOG_CRIT, "the keeper holds the key of another CA than this state directory's (%s); it is not used",
                    agent->authority->name);
        return false;
    }
    if (authority_parse(state->authority, state->authority_length, &agent->authority, &failure) ||
        authority_save(agent->config->agent.state, agent->authority, &failure)) {
        log_message(LOG_CRIT, "%s", failure.reason);
        return false;
    }
    return true;
}

static void keeper_state(void *context, const struct keeper_state *state)
{
    struct agent *agent = context;
    if (state && !authority_accept(agent, state)) {
        agent->wrong_authority = true;
        sd_event_exit(agent->event, EX_CONFIG);
        return;
    }
    if (state)
        log_message(LOG_NOTICE, "keeper %lld (uid %lld) is %s; walls: %s", (long long)state->pid, (long long)state->uid,
                    state->open ? "open" : "locked: open it with mtlsctl unlock", state->walls);
    if (agent->engine)
        engine_keeper_state(agent->engine, state);
}

static void keeper_answer(void *context, struct keeper_packet *packet)
{
    struct agent *agent = context;
    if (agent->engine)
        engine_keeper_answer(agent->engine, packet);
}

static void keeper_room(void *context)
{
    struct agent *agent = context;
    if (agent->engine)
        engine_keeper_room(agent->engine);
}

static void keeper_rest(void *context)
{
    struct agent *agent = context;
    if (agent->engine)
        engine_keeper_rest(agent->engine);
}

static const struct keeper_link_callbacks keeper_callbacks = {keeper_state, keeper_answer, want_keeper, keeper_room, keeper_rest};

/* --- stopping and reloading -------------------------------------------------------------------------------- */

/* As soon as nobody is listening: later the path may be a new agent's. */
static void remove_socket(struct agent *agent)
{
    if (agent->own_socket)
        unlink(agent->config->agent.socket);
    agent->own_socket = false;
}

/* Everything accepted is answered first; who does not read its answer is not waited for long. */
static int on_goodbye(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct agent *agent = userdata;
    bool quiet = !agent->server || (engine_under_way(agent->engine) == 0 && server_is_quiet(agent->server));
    if (quiet || usec >= agent->goodbye_until) {
        sd_event_exit(agent->event, EX_OK);
        return 0;
    }
    sd_event_source_set_time_relative(source, GOODBYE_POLL_USEC);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

static void agent_stop(struct agent *agent)
{
    if (agent->stopping)
        return;
    agent->stopping = true;
    sd_notify(0, "STOPPING=1");
    log_message(LOG_NOTICE, "stopping");
    if (agent->server)
        server_stop(agent->server);
    remove_socket(agent);
    uint64_t now;
    sd_event_now(agent->event, CLOCK_MONOTONIC, &now);
    agent->goodbye_until = now + GOODBYE_USEC;
    sd_event_add_time_relative(agent->event, &agent->goodbye, CLOCK_MONOTONIC, 0, 1, on_goodbye, agent);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    struct agent *agent = userdata;
    (void)source;
    if (info->ssi_signo != SIGHUP) {
        agent_stop(agent);
    } else if (agent->engine && !agent->stopping) {
        uint64_t now;
        sd_event_now(agent->event, CLOCK_MONOTONIC, &now);
        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)now);
        engine_reload(agent->engine);
        sd_notify(0, "READY=1");
    }
    return 0;
}

/* --- starting ---------------------------------------------------------------------------------------------- */

/* The socket that systemd passed, or our own. */
static int open_socket(struct agent *agent, struct failure *failure)
{
    int count = sd_listen_fds(1);
    if (count == 0) {
        agent->own_socket = !server_listen(agent->config, &agent->listen_fd, failure);
        return agent->own_socket ? 0 : -1;
    }
    if (count != 1 || sd_is_socket(SD_LISTEN_FDS_START, AF_UNIX, SOCK_STREAM, -1) <= 0)
        return failure_set(failure, FAILURE_BAD_REQUEST, "socket", "%d sockets were passed; the agent takes one Unix stream socket", count);
    agent->listen_fd = SD_LISTEN_FDS_START;
    int flags = fcntl(agent->listen_fd, F_GETFL);
    if (flags < 0 || fcntl(agent->listen_fd, F_SETFL, flags | O_NONBLOCK))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "the socket passed: %s", strerror(errno));
    return 0;
}

static void raise_descriptor_limit(const struct config *config)
{
    struct rlimit limit;
    rlim_t wanted = 2 * (rlim_t)config->agent.connections + 64; /* a pidfd each, where the policy has unit= */
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur < wanted)
        log_message(LOG_WARNING, "only %llu descriptors are allowed here, fewer than connections=%lld wants; raise LimitNOFILE=",
                    (unsigned long long)limit.rlim_cur, (long long)config->agent.connections);
}

static int prepare_process(struct agent *agent, struct failure *failure)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGPIPE);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    if (state_lock(agent->config->agent.state, &agent->state_fd, failure) || open_socket(agent, failure) || epoch_open(agent->config->agent.epoch, &agent->epoch, failure))
        return -1;
    raise_descriptor_limit(agent->config);
    if (CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_HEAP_LEAST) != 1)
        log_message(LOG_WARNING, "client keys made here may be swapped out: %d bytes cannot be locked; raise LimitMEMLOCK=", SECURE_HEAP);
    if (user_drop(agent->config, failure))
        return -1;
    if (agent->parent_fd >= 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* dropping the uid has cleared it */
    return sandbox_enter(agent->config, &agent->sandbox, failure);
}

static int add_sources(struct agent *agent)
{
    int error = sd_event_new(&agent->event);
    for (const int *number = (const int[]){SIGTERM, SIGINT, SIGHUP, 0}; error >= 0 && *number; number++)
        error = sd_event_add_signal(agent->event, NULL, *number, on_signal, agent);
    if (error >= 0 && agent->parent_fd >= 0)
        error = sd_event_add_io(agent->event, &agent->parent_io, agent->parent_fd, EPOLLIN, on_parent, agent);
    if (error >= 0)
        error = sd_event_set_watchdog(agent->event, true);
    if (error >= 0 && keeper_link_new(agent->event, agent->config->agent.keeper, &keeper_callbacks, agent, &agent->link))
        error = -errno;
    return error < 0 ? error : 0;
}

static int on_impatience(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct agent *agent = userdata;
    (void)source, (void)usec;
    log_message(LOG_ERR, "no keeper has answered: without it the CA of %s is not known; see what it says on its start",
                agent->config->agent.state);
    return sd_event_exit(agent->event, EX_UNAVAILABLE);
}

/* Wait for the keeper's first word: at the first start for the CA's certificate, later so that the first request need not find it away. */
static int wait_for_keeper(struct agent *agent)
{
    sd_event_source *patience = NULL;
    uint64_t usec = agent->authority ? KEEPER_PATIENCE_USEC / 10 : KEEPER_PATIENCE_USEC;
    uint64_t start, now;
    sd_event_now(agent->event, CLOCK_MONOTONIC, &start);
    if (!agent->authority && sd_event_add_time_relative(agent->event, &patience, CLOCK_MONOTONIC, usec, 0, on_impatience, agent) < 0)
        return EX_OSERR;
    while (!keeper_link_state(agent->link) && !agent->stopping && !agent->wrong_authority &&
           sd_event_get_state(agent->event) != SD_EVENT_FINISHED) {
        if (sd_event_run(agent->event, 50 * 1000) < 0)
            return EX_SOFTWARE;
        sd_event_now(agent->event, CLOCK_MONOTONIC, &now);
        if (agent->authority && now - start > usec)
            break;
    }
    sd_event_source_disable_unref(patience);
    return agent->wrong_authority ? EX_CONFIG : agent->authority ? EX_OK : agent->stopping ? EX_OK : EX_UNAVAILABLE;
}

static int open_index(struct agent *agent, struct failure *failure)
{
    const uint8_t *fingerprint = agent->authority->facts.fingerprint;
    if (committer_start(agent->database, fingerprint, &agent->committer, failure) ||
        store_open(agent->database, fingerprint, &agent->store, failure))
        return -1;
    if (pool_start(POOL_THREADS, POOL_QUEUE, &agent->pool))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "threads: %s", strerror(errno));
    return 0;
}

static int open_engine(struct agent *agent, struct failure *failure)
{
    struct engine_parts parts = {
        .event = agent->event, .config = agent->config, .authority = agent->authority, .pool = agent->pool, .epoch = agent->epoch,
        .committer = agent->committer, .store = agent->store, .link = agent->link, .sandbox = agent->sandbox,
        .database = agent->database,
    };
    const struct server_upward upward = {want_keeper, run_crl_hook, agent};
    if (engine_read_policy(agent->config, &parts.policy, &parts.anchors, failure))
        return -1;
    if (server_new(agent->event, agent->config, agent->pool, &agent->server) ||
        engine_new(&parts, &server_engine_callbacks, agent->server, &agent->engine))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "engine: %s", strerror(errno));
    server_set_upward(agent->server, &upward);
    if (server_start(agent->server, agent->engine, agent->listen_fd))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "socket: %s", strerror(errno));
    agent->listen_fd = -1;
    engine_start(agent->engine);
    return 0;
}

static void agent_close(struct agent *agent)
{
    if (agent->committer)
        committer_stop(agent->committer);
    pool_free(agent->pool); /* before the connections that it looks up */
    server_free(agent->server);
    engine_free(agent->engine);
    store_close(agent->store);
    committer_free(agent->committer);
    keeper_link_free(agent->link);
    epoch_close(agent->epoch);
    authority_free(agent->authority);
    sd_event_source_disable_unref(agent->parent_io);
    sd_event_source_disable_unref(agent->goodbye);
    sd_event_unref(agent->event);
    free(agent->database);
    if (agent->parent_fd >= 0)
        close(agent->parent_fd);
    if (agent->listen_fd >= 0)
        close(agent->listen_fd);
    if (agent->state_fd >= 0)
        close(agent->state_fd);
}

static int agent_failed(const struct failure *failure)
{
    log_message(LOG_ERR, "cannot start: %s", failure->reason);
    return failure->code == FAILURE_BAD_REQUEST ? EX_CONFIG : EX_OSERR;
}

static int agent_live(struct agent *agent)
{
    struct failure failure = {0};
    if (prepare_process(agent, &failure) || authority_load(agent->config->agent.state, &agent->authority, &failure) < 0 ||
        (agent->authority && state_expect_index(agent->config->agent.state, agent->database, &failure)))
        return agent_failed(&failure);
    int error = add_sources(agent);
    if (error < 0) {
        failure_set(&failure, FAILURE_INTERNAL, NULL, "event loop: %s", strerror(-error));
        return agent_failed(&failure);
    }
    int code = wait_for_keeper(agent);
    if (code != EX_OK || agent->stopping)
        return code;
    if (open_index(agent, &failure) || open_engine(agent, &failure))
        return agent_failed(&failure);
    log_message(LOG_NOTICE, "ready: CA %s, socket %s, sandbox: %s", agent->authority->name, agent->config->agent.socket, agent->sandbox);
    sd_notify(0, "READY=1");
    code = sd_event_loop(agent->event);
    return code < 0 ? EX_SOFTWARE : code;
}

int agent_run(const struct config *config, int parent_fd)
{
    struct agent agent = {.config = config, .parent_fd = parent_fd, .listen_fd = -1, .state_fd = -1, .sandbox = "none"};
    int code = EX_OSERR;
    if (asprintf(&agent.database, "%s/index.db", config->agent.state) >= 0)
        code = agent_live(&agent);
    else
        agent.database = NULL;
    remove_socket(&agent);
    agent_close(&agent);
    return code;
}

int agent_check(const struct config *config)
{
    struct failure failure = {0};
    struct policy *policy = NULL;
    struct anchors *anchors = NULL;
    if (engine_read_policy(config, &policy, &anchors, &failure)) {
        fprintf(stderr, "mtlsd: %s\n", failure.reason);
        return 1;
    }
    policy_free(policy);
    anchors_unref(anchors);
    return 0;
}
