/*
 * prompt.c - a passphrase without echo on /dev/tty; the terminal is as it was whatever signal comes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#include "client/cli/files.h"

static volatile sig_atomic_t interrupted;

static void remember(int number)
{
    interrupted = number;
}

void passphrase_wipe(struct passphrase *passphrase)
{
    explicit_bzero(passphrase, sizeof *passphrase);
}

bool prompt_possible(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

bool prompt_yes(const char *question)
{
    char answer[16] = "";
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    if (!fgets(answer, sizeof answer, stdin))
        return false;
    answer[strcspn(answer, "\n")] = '\0';
    return !strcasecmp(answer, "y") || !strcasecmp(answer, "yes");
}

/* One line, at most PASSPHRASE_MAX bytes. 0; -1 with errno (EINTR: a signal; EFBIG; ENODATA at end of file).
 */
static int read_line(int fd, struct passphrase *out)
{
    out->length = 0;
    for (;;) {
        char byte;
        ssize_t count = read(fd, &byte, 1);
        if (count < 0)
            return -1;
        if (count == 0 && out->length == 0) {
            errno = ENODATA;
            return -1;
        }
        if (count == 0 || byte == '\n')
            break;
        if (out->length == PASSPHRASE_MAX) {
            errno = EFBIG;
            return -1;
        }
        out->text[out->length++] = byte;
    }
    out->text[out->length] = '\0';
    return 0;
}

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
enum { CAUGHT = sizeof caught / sizeof caught[0] };

static int ask_once(int terminal, const char *question, struct passphrase *out)
{
    struct termios before, quiet;
    struct sigaction old[CAUGHT],
        action = {.sa_handler = remember}; /* without SA_RESTART: read(2) must return */
    if (tcgetattr(terminal, &before))
        return -1;
    interrupted = 0;
    for (size_t i = 0; i < CAUGHT; i++)
        sigaction(caught[i], &action, &old[i]);
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    int result = tcsetattr(terminal, TCSAFLUSH, &quiet);
    if (result == 0 && dprintf(terminal, "%s: ", question) > 0)
        result = read_line(terminal, out);
    int error = errno;
    tcsetattr(terminal, TCSAFLUSH, &before);
    (void)!write(terminal, "\n", 1);
    for (size_t i = 0; i < CAUGHT; i++)
        sigaction(caught[i], &old[i], NULL);
    errno = error;
    return result;
}

/* A stop (^Z) is passed on, and the question asked again afterwards; the others end the process as they would
 * have. */
static int ask(int terminal, const char *question, struct passphrase *out)
{
    for (;;) {
        int result = ask_once(terminal, question, out);
        int number = interrupted;
        if (result == 0 || !number)
            return result;
        passphrase_wipe(out);
        raise(number);
        if (number != SIGTSTP) {
            errno = EINTR;
            return -1;
        }
    }
}

static int ask_terminal(const char *question, bool confirm, struct passphrase *out, struct failure *failure)
{
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal < 0)
        return failure_set(
            failure, FAILURE_BAD_REQUEST, "--passphrase-file",
            "there is no terminal to ask for the passphrase on; --passphrase-file FILE names one");
    struct passphrase again;
    int result = ask(terminal, question, out);
    if (result)
        failure_set(failure, FAILURE_BAD_REQUEST, "", "no passphrase: %s", strerror(errno));
    else if (confirm && (ask(terminal, "The same again", &again) || again.length != out->length ||
                         memcmp(again.text, out->text, out->length) != 0))
        result = failure_set(failure, FAILURE_BAD_REQUEST, "", "the two passphrases differ");
    passphrase_wipe(&again);
    close(terminal);
    return result;
}

static int read_from_file(const char *file, struct passphrase *out, struct failure *failure)
{
    bool standard = !strcmp(file, "-");
    int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int result = fd < 0 ? -1 : read_line(fd, out);
    int error = errno;
    if (fd >= 0 && !standard)
        close(fd);
    if (result)
        return failure_set(failure, FAILURE_BAD_REQUEST, "--passphrase-file", "the passphrase file %s: %s",
                           file,
                           error == EFBIG     ? "its first line is longer than 1024 bytes"
                           : error == ENODATA ? "it is empty"
                                              : strerror(error));
    if (out->length && out->text[out->length - 1] == '\r')
        out->text[--out->length] = '\0';
    return 0;
}

int passphrase_get(const char *file, const char *question, bool confirm, struct passphrase *out,
                   struct failure *failure)
{
    memset(out, 0, sizeof *out);
    if (file ? read_from_file(file, out, failure) : ask_terminal(question, confirm, out, failure))
        return -1;
    if (memchr(out->text, '\0', out->length))
        return failure_set(failure, FAILURE_BAD_REQUEST, "--passphrase-file",
                           "the passphrase holds a NUL character");
    return 0;
}
