/*
 * unlock.c - mtlsctl unlock and lock: to the keeper itself, so that no passphrase passes through the agent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/unlock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "client/cli/prompt.h"
#include "client/cli/report.h"

struct answer {
    char verdict;
    char sentence[UNLOCK_SENTENCE_MAX + 1];
};

/* --unlock-socket, MTLS_UNLOCK_SOCKET, or beside the agent's. False where it is too long for a socket. */
static bool find_path(const struct cli *cli, char *out, size_t size)
{
    const char *path = cli->options.unlock_socket, *agent = agent_socket(cli);
    if (!path)
        path = secure_getenv("MTLS_UNLOCK_SOCKET");
    int length;
    const char *slash = strrchr(agent, '/');
    if (path && *path)
        length = snprintf(out, size, "%s", path);
    else
        length = snprintf(out, size, "%.*skeeper-unlock.sock", slash ? (int)(slash + 1 - agent) : 0, agent);
    return length > 0 && (size_t)length < size;
}

static int report_unreachable(const struct cli *cli, const char *path, const char *why)
{
    char sentence[512];
    json_t *parameters = json_object();
    snprintf(sentence, sizeof sentence,
             "no keeper at %s: %s; is mtlsd running? (--unlock-socket or MTLS_UNLOCK_SOCKET names another)",
             path, why);
    output_set(parameters, "reason", sentence);
    output_set(parameters, "socket", path);
    output_failure(cli->options.json, stdout, stderr, "io.mtlsd.Agent.Unreachable", parameters, sentence);
    return EXIT_UNREACHABLE;
}

static int connect_keeper(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = UNLOCK_ANSWER_SECONDS};
    memcpy(address.sun_path, path, strlen(path)); /* find_path has made sure that it fits */
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) ||
        connect(fd, (const struct sockaddr *)&address, sizeof address)) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* One packet there, one back. 0, or -1 with errno; ECONNRESET where the keeper would not hear us. */
static int exchange(int fd, enum unlock_verb verb, const struct passphrase *passphrase, struct answer *out)
{
    char packet[UNLOCK_REQUEST_MAX], reply[UNLOCK_ANSWER_MAX];
    size_t length = passphrase ? passphrase->length : 0;
    packet[0] = (char)verb;
    if (length)
        memcpy(packet + 1, passphrase->text, length);
    ssize_t count = send(fd, packet, 1 + length, MSG_NOSIGNAL);
    explicit_bzero(packet, sizeof packet);
    if (count >= 0)
        count = recv(fd, reply, sizeof reply, 0);
    if (count < 0)
        return -1;
    if (count == 0 || (reply[0] != UNLOCK_OK && reply[0] != UNLOCK_NO)) {
        errno = count == 0 ? ECONNRESET : EPROTO;
        return -1;
    }
    out->verdict = reply[0];
    memcpy(out->sentence, reply + 1, (size_t)count - 1);
    out->sentence[count - 1] = '\0';
    return 0;
}

static int report_denied(const struct cli *cli, const char *path)
{
    struct failure failure;
    failure_set(&failure, FAILURE_NOT_PERMITTED, NULL,
                "denied: %s: the keeper at %s hears root and the user that owns the CA key only",
                cli->command->name, path);
    snprintf(failure.operation, sizeof failure.operation, "%s", cli->command->name);
    return report_failure(cli, &failure);
}

static int report_exchange(const struct cli *cli, const char *path)
{
    if (errno == EAGAIN || errno == EPROTO)
        return report_unreachable(cli, path,
                                  errno == EAGAIN ? "it does not answer" : "what answers is no keeper");
    return report_denied(cli, path);
}

static int tell(const struct cli *cli, bool changed, bool open, const char *sentence)
{
    if (cli->options.json) {
        json_t *object = json_object();
        json_object_set_new(object, "changed", json_boolean(changed));
        output_set(object, "state", open ? "open" : "locked");
        return output_json(stdout, object) ? report_memory(cli) : EXIT_DONE;
    }
    if (!changed)
        fputs("nothing to do: ", stdout);
    output_text(stdout, *sentence ? sentence : open ? "open" : "locked");
    fputc('\n', stdout);
    return EXIT_DONE;
}

static bool says_open(const struct answer *answer)
{
    return !strncmp(answer->sentence, "open", 4);
}

static int refused(const struct cli *cli, const struct answer *answer)
{
    struct failure failure;
    failure_set(&failure, FAILURE_NOT_PERMITTED, NULL, "denied: %s: %s", cli->command->name,
                answer->sentence);
    snprintf(failure.operation, sizeof failure.operation, "%s", cli->command->name);
    return report_failure(cli, &failure);
}

static int change(const struct cli *cli, int fd, const char *path, bool open)
{
    struct answer answer;
    struct passphrase passphrase = {.length = 0};
    struct failure failure;
    if (exchange(fd, UNLOCK_STATUS, NULL, &answer))
        return report_exchange(cli, path);
    if (answer.verdict == UNLOCK_OK && says_open(&answer) == open)
        return tell(cli, false, open, answer.sentence);
    int failed = open ? passphrase_get(cli->options.passphrase_file, "Passphrase of the CA key", false,
                                       &passphrase, &failure)
                      : 0;
    int exit_code;
    if (failed)
        exit_code = report_failure(cli, &failure);
    else if (exchange(fd, open ? UNLOCK_OPEN : UNLOCK_CLOSE, &passphrase, &answer))
        exit_code = report_exchange(cli, path);
    else
        exit_code =
            answer.verdict == UNLOCK_OK ? tell(cli, true, open, answer.sentence) : refused(cli, &answer);
    passphrase_wipe(&passphrase);
    return exit_code;
}

static int run(struct cli *cli, bool open)
{
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    if (!find_path(cli, path, sizeof path)) {
        struct failure failure;
        failure_set(&failure, FAILURE_BAD_REQUEST, "--unlock-socket",
                    "the path of the keeper's socket is longer than %zu bytes", sizeof path - 1);
        return report_failure(cli, &failure);
    }
    int fd = connect_keeper(path);
    if (fd < 0)
        return errno == EACCES || errno == EPERM ? report_denied(cli, path)
                                                 : report_unreachable(cli, path, strerror(errno));
    int exit_code = change(cli, fd, path, open);
    close(fd);
    return exit_code;
}

static int run_unlock(struct cli *cli)
{
    return run(cli, true);
}

static int run_lock(struct cli *cli)
{
    return run(cli, false);
}

const struct command command_unlock = {
    .name = "unlock",
    .operands = "",
    .least = 0,
    .most = 0,
    .run = run_unlock,
    .summary = "open the CA key",
    .examples = "mtlsctl unlock\n"
                "    after a start; asks for the passphrase\n"
                "mtlsctl unlock --passphrase-file /root/ca-pass\n"
                "    from a script\n"
                "systemd-creds cat ca-pass | mtlsctl unlock --passphrase-file -\n"
                "    from a credential\n",
    .description = "The passphrase goes to the keeper's own socket, never through the agent. Only\n"
                   "root and the user that owns the keeper's state are heard. While the key is\n"
                   "locked, verifying, listing and revoking work; issuing, signing, renewing and\n"
                   "a new CRL do not.\n",
    .options = "passphrase-file unlock-socket",
};

const struct command command_lock = {
    .name = "lock",
    .operands = "",
    .least = 0,
    .most = 0,
    .run = run_lock,
    .summary = "close the CA key",
    .examples = "mtlsctl lock\n"
                "    the key leaves memory\n"
                "mtlsctl lock --json\n"
                "    changed is false where it was locked already\n"
                "mtlsctl lock --unlock-socket /run/mtlsd-keeper/unlock.sock\n"
                "    of this keeper\n",
    .description = "Signs nothing more until mtlsctl unlock. Verifying and revoking go on.\n",
    .options = "unlock-socket",
};
