/*
 * log.c - what the keeper says to its journal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void keeper_log(const char *format, ...)
{
    static const char prefix[] = "mtlsd-keeper: ";
    char line[1024];
    memcpy(line, prefix, sizeof prefix);
    size_t length = sizeof prefix - 1;
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(line + length, sizeof line - length - 1, format, arguments);
    va_end(arguments);
    if (wanted < 0)
        return;
    length = strlen(line);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[length++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, length);
    (void)written; /* nobody is left to be told */
}
