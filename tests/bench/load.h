/*
 * load.h - a load generator for a socket of varlink messages: so many connections, each with one request under way.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_TESTS_BENCH_LOAD_H
#define MTLSD_TESTS_BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>

struct load_message {
    const char *text;   /* without the NUL */
    size_t length;
};

struct load_result {
    uint64_t answers;
    double seconds;
    double p50, p99;    /* seconds */
};

/* Send messages[i % count] in turn for `seconds`. An answer that holds "error" as a member ends the program with it on stderr: what is
 * measured must have been done. */
struct load_result load_run(const char *socket, int connections, const struct load_message *messages, size_t count, double seconds);

/* One message, one answer (cut to size). */
void load_once(const char *socket, const struct load_message *message, char *answer, size_t size);
/* A process that answers each message with `reply` bytes and does nothing else. Returns its pid when it listens; kill it in the end. */
int load_echo_server(const char *socket, size_t reply);

double clock_now(void);          /* CLOCK_MONOTONIC, seconds */
double cpu_of(int pid);          /* user and system time of a process, seconds */
long rss_of(int pid);            /* resident memory, KiB */

#endif
