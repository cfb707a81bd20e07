/*
 * secret.c - where passphrases and secrets come from.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "agent/keeper/files.h"
#include "agent/keeper/memory.h"
#include "proto/unlock.h"

enum { OTHERS = 077 };

/* One trailing newline is the editor's, not the passphrase's. */
static int take_passphrase(const char *from, uint8_t *data, size_t length, struct secret *out, struct failure *failure)
{
    if (length && data[length - 1] == '\n')
        length--;
    if (length == 0 || length > UNLOCK_PASSPHRASE_MAX) {
        memory_free(data);
        return failure_set(failure, FAILURE_BAD_REQUEST, "passphrase", "%s: the passphrase has %s", from,
                           length ? "more than 1024 bytes" : "no letters");
    }
    *out = (struct secret){data, length};
    return 0;
}

int secret_from_passphrase_file(const char *path, struct secret *out, struct failure *failure)
{
    uint8_t *data;
    size_t length;
    if (file_read(AT_FDCWD, path, OTHERS, &data, &length, failure))
        return -1;
    return take_passphrase(path, data, length, out, failure);
}

static int take_secret(const char *path, uint8_t *data, size_t length, struct secret *out, struct failure *failure)
{
    if (length == SEAL_SECRET_SIZE) {
        *out = (struct secret){data, length};
        return 0;
    }
    if (length == 2 * SEAL_SECRET_SIZE + 1 && data[length - 1] == '\n')
        length--;
    uint8_t *raw = memory_allocate(SEAL_SECRET_SIZE);
    size_t raw_length = 0;
    bool good = raw && length == 2 * SEAL_SECRET_SIZE &&
                sodium_hex2bin(raw, SEAL_SECRET_SIZE, (const char *)data, length, NULL, &raw_length, NULL) == 0 &&
                raw_length == SEAL_SECRET_SIZE;
    memory_free(data);
    if (!good) {
        memory_free(raw);
        return failure_set(failure, FAILURE_BAD_REQUEST, "secret-file",
                           "%s: not 32 bytes, nor 64 hex digits; `openssl rand -hex 32` makes one", path);
    }
    *out = (struct secret){raw, SEAL_SECRET_SIZE};
    return 0;
}

/* systemd lays credentials out 0400 in a directory of the unit's own. */
static int read_credential(const char *path, uint8_t **data, size_t *length, struct failure *failure)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    char full[PATH_MAX];
    if (path[0] != '/' && directory && *directory &&
        (size_t)snprintf(full, sizeof full, "%s/%s", directory, path) < sizeof full && access(full, F_OK) == 0)
        return file_read(AT_FDCWD, full, OTHERS, data, length, failure);
    return file_read(AT_FDCWD, path, OTHERS, data, length, failure);
}

int secret_from_file(const char *path, struct secret *out, struct failure *failure)
{
    uint8_t *data;
    size_t length;
    if (read_credential(path, &data, &length, failure))
        return -1;
    return take_secret(path, data, length, out, failure);
}

static ssize_t read_line(int terminal, uint8_t *line, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t got = read(terminal, line + have, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        if (line[have++] == '\n')
            break;
    }
    return (ssize_t)have;
}

/* A Ctrl-C while echo is off waits until echo is on again. */
static ssize_t prompt_once(int terminal, const char *prompt, uint8_t *line, size_t size)
{
    struct termios before, quiet;
    if (tcgetattr(terminal, &before))
        return -1;
    sigset_t stop, old;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGTSTP);
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    sigprocmask(SIG_BLOCK, &stop, &old);
    ssize_t length = -1;
    if (dprintf(terminal, "%s: ", prompt) > 0 && !tcsetattr(terminal, TCSAFLUSH, &quiet))
        length = read_line(terminal, line, size);
    tcsetattr(terminal, TCSAFLUSH, &before);
    dprintf(terminal, "\n");
    sigprocmask(SIG_SETMASK, &old, NULL);
    return length;
}

int secret_from_terminal(const char *prompt, bool confirm, struct secret *out, struct failure *failure)
{
    enum { LINE_SIZE = UNLOCK_PASSPHRASE_MAX + 2 };
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal < 0)
        return failure_set(failure, FAILURE_BAD_REQUEST, "passphrase",
                           "no terminal to ask for a passphrase; give --passphrase-file FILE");
    uint8_t *line = memory_allocate(LINE_SIZE),
            *again __attribute__((cleanup(memory_cleanup))) = memory_allocate(LINE_SIZE);
    ssize_t length = line && again ? prompt_once(terminal, prompt, line, LINE_SIZE) : -1;
    bool same = !confirm || (length > 0 && prompt_once(terminal, "Again", again, LINE_SIZE) == length &&
                             !sodium_memcmp(line, again, (size_t)length));
    close(terminal);
    if (length < 0 || !same) {
        memory_free(line);
        return failure_set(failure, FAILURE_BAD_REQUEST, "passphrase",
                           length < 0 ? "no passphrase was typed" : "the two passphrases differ");
    }
    return take_passphrase("terminal", line, (size_t)length, out, failure);
}
