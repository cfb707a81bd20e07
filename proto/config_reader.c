/*
 * config_reader.c - a strict reader in front of inih: what inih would cut, join or ignore is refused with its
 * line.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * inih calls back for values only and never says which line it is at. So each line is looked at here before
 * inih gets it: the section headers are reported from here, and the count of lines is ours. inih splits and
 * trims; it never sees a doubtful line.
 */
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/config_table.h"

struct scan {
    FILE *stream;
    const char *file;
    const struct config_events *events;
    struct failure *failure;
    int line;
    bool failed;
};

static int refuse(struct scan *scan, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct scan *scan, const char *format, ...)
{
    char sentence[FAILURE_REASON_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    scan->failed = true;
    return failure_set(scan->failure, FAILURE_BAD_REQUEST, NULL, "%s:%d: %s", scan->file, scan->line, sentence);
}

/* One line without its newline into `line`. 1, 0 at the end, or -1. */
static int read_line(struct scan *scan, char line[static CONFIG_LINE_MAX + 1])
{
    size_t length = 0;
    int c = getc_unlocked(scan->stream);
    if (c == EOF && !ferror(scan->stream))
        return 0;
    scan->line++;
    for (; c != EOF && c != '\n'; c = getc_unlocked(scan->stream)) {
        if (length == CONFIG_LINE_MAX)
            return refuse(scan, "the line is longer than %d bytes", CONFIG_LINE_MAX);
        if (c == '\r')
            return refuse(scan, "a carriage return; the file must have Unix line ends");
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return refuse(scan, "a control character (byte %d)", c);
        line[length++] = (char)c;
    }
    if (ferror(scan->stream))
        return refuse(scan, "cannot be read: %s", strerror(errno));
    if (scan->line > CONFIG_LINES_MAX)
        return refuse(scan, "more than %d lines", CONFIG_LINES_MAX);
    line[length] = '\0';
    return 1;
}

static size_t trimmed_length(const char *text)
{
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    return length;
}

static int check_section(struct scan *scan, const char *line)
{
    size_t length = trimmed_length(line);
    if (length < 3 || line[length - 1] != ']' || strcspn(line + 1, "[]") != length - 2)
        return refuse(scan, "expected a section such as [agent] or [profile NAME], alone on its line");
    if (length - 2 > CONFIG_WORD_MAX)
        return refuse(scan, "the section's name is longer than %d bytes", CONFIG_WORD_MAX);
    char name[CONFIG_WORD_MAX + 1];
    memcpy(name, line + 1, length - 2);
    name[length - 2] = '\0';
    if (scan->events->section(scan->events->user, scan->line, name) == 0)
        return 0;
    scan->failed = true;
    return -1;
}

static int check_assignment(struct scan *scan, const char *line)
{
    size_t length = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789-");
    const char *after = line + length + strspn(line + length, " \t");
    if (length == 0 || *after != '=')
        return refuse(scan, "expected key=value, a [section], or a comment on a line of its own");
    if (length > CONFIG_WORD_MAX)
        return refuse(scan, "the key is longer than %d bytes", CONFIG_WORD_MAX);
    const char *value = after + 1 + strspn(after + 1, " \t");
    size_t value_length = trimmed_length(value);
    if (value_length == 0)
        return refuse(scan, "%.*s= has no value; leave the line out where none is meant", (int)length, line);
    if ((value[0] == '"' || value[0] == '\'') && value_length > 1 && value[value_length - 1] == value[0])
        return refuse(scan, "quotes would become part of the value; write it without them");
    if (value[value_length - 1] == '\\')
        return refuse(scan, "a value cannot go on in the next line");
    for (const char *p = value - 1; (p = strpbrk(p + 1, ";#"));)
        if (p == value || p[-1] == ' ' || p[-1] == '\t')
            return refuse(scan, "\" %c\" after a value; a comment stands on a line of its own", *p);
    return 0;
}

static int check_line(struct scan *scan, const char *line)
{
    if (scan->line == 1 && !strncmp(line, "\xef\xbb\xbf", 3))
        return refuse(scan, "a byte order mark; save the file as UTF-8 without one");
    const char *first = line + strspn(line, " \t");
    if (!*first)
        return 0;
    if (first != line)
        return refuse(scan, "the line begins with a blank; there are no continuation lines");
    if (*line == '#' || *line == ';')
        return 0;
    return *line == '[' ? check_section(scan, line) : check_assignment(scan, line);
}

/* inih's reader, like fgets. Blank lines and comments are not passed on: inih has nothing to say about them. */
static char *next_line(char *out, int size, void *opaque)
{
    struct scan *scan = opaque;
    char line[CONFIG_LINE_MAX + 1] = "";
    do {
        if (scan->failed || read_line(scan, line) <= 0 || check_line(scan, line))
            return NULL;
    } while (!line[strspn(line, " \t")] || *line == '#' || *line == ';');
    if (snprintf(out, (size_t)size, "%s\n", line) >= size) {
        refuse(scan, "the line is too long for this build of inih");
        return NULL;
    }
    return out;
}

static int on_value(void *opaque, const char *section, const char *name, const char *value)
{
    (void)section; /* reported by check_section, which saw all of it */
    struct scan *scan = opaque;
    if (!scan->failed && scan->events->value(scan->events->user, scan->line, name, value))
        scan->failed = true;
    return !scan->failed;
}

int config_scan(FILE *stream, const char *file, const struct config_events *events, struct failure *failure)
{
    struct scan scan = {.stream = stream, .file = file, .events = events, .failure = failure};
    int result = ini_parse_stream(next_line, &scan, on_value, &scan);
    if (!scan.failed && result != 0)
        refuse(&scan, "inih could not read the file (%d)", result);
    return scan.failed ? -1 : 0;
}
