/*
 * arena.h - the memory of one request: taken piece by piece, given back as a whole.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * glibc's obstack behind it. Never for secrets: it does not wipe. When memory runs out the process ends (queues are bounded, so this is
 * a limit set too low, and a supervisor starts it again with nothing half done). One thread at a time.
 */
#ifndef MTLSD_AGENT_ARENA_H
#define MTLSD_AGENT_ARENA_H

#include <obstack.h>
#include <stddef.h>

struct arena {
    struct obstack stack;
};

void arena_init(struct arena *arena);
void arena_free(struct arena *arena);

/* Zeroed memory, aligned for anything. */
void *arena_new(struct arena *arena, size_t size);
/* count * size with an overflow check. */
void *arena_array(struct arena *arena, size_t count, size_t size);
void *arena_copy(struct arena *arena, const void *data, size_t length);
/* NULL stays NULL. */
const char *arena_text(struct arena *arena, const char *text);
const char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
