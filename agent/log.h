/*
 * log.h - what the agent says to its operator: the journal with fields where it runs under one, else lines on stderr.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Priorities are those of syslog(3). Thread-safe. Never given anything secret.
 */
#ifndef MTLSD_AGENT_LOG_H
#define MTLSD_AGENT_LOG_H

#include <syslog.h>

/* Decide once whether stderr is the journal (sd_journal_stream_fd(3): JOURNAL_STREAM names its device and inode). */
void log_open(void);
void log_message(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with one field more: field is "MTLSD_SERIAL=0a1b", say. */
void log_field(int priority, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
