/*
 * log.c - the journal with fields where stderr is connected to it, else lines on stderr.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

static bool to_journal;

void log_open(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat status;
    to_journal = stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(STDERR_FILENO, &status) == 0 &&
                 status.st_dev == device && status.st_ino == inode;
}

static void write_line(int priority, const char *field, const char *text)
{
    static const char *const words[] = {"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};
    if (to_journal) {
        sd_journal_send("MESSAGE=%s", text, "PRIORITY=%i", priority, "SYSLOG_IDENTIFIER=mtlsd", field, NULL);
        return;
    }
    char line[1400];
    int length = snprintf(line, sizeof line, "mtlsd: %s%s%s\n", priority < LOG_NOTICE ? words[priority & 7] : "",
                          priority < LOG_NOTICE ? ": " : "", text);
    if (length < 0)
        return;
    if ((size_t)length >= sizeof line) {
        length = sizeof line - 1;
        line[length - 1] = '\n';
    }
    /* One write, so that lines of two processes do not mix; nothing can be done where it fails. */
    if (write(STDERR_FILENO, line, (size_t)length) < 0)
        return;
}

void log_message(int priority, const char *format, ...)
{
    char text[1300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_line(priority, NULL, text);
}

void log_field(int priority, const char *field, const char *format, ...)
{
    char text[1300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_line(priority, field, text);
}
