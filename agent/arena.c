/*
 * arena.c - the memory of one request, on glibc's obstack.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/log.h"

static void out_of_memory(void)
{
    log_message(LOG_CRIT, "out of memory; lower connections= or queue= in [agent], or give the service more");
    abort();
}

static void *chunk_new(long size)
{
    void *chunk = malloc((size_t)size);
    if (!chunk)
        out_of_memory();
    return chunk;
}

void arena_init(struct arena *arena)
{
    obstack_specify_allocation(&arena->stack, 0, 0, chunk_new, free);
}

void arena_free(struct arena *arena)
{
    obstack_free(&arena->stack, NULL);
}

void *arena_new(struct arena *arena, size_t size)
{
    /* obstack counts in int before glibc's version 2 of it: keep well inside. */
    if (size > 256 * 1024 * 1024)
        out_of_memory();
    void *memory = obstack_alloc(&arena->stack, size ? size : 1);
    return memset(memory, 0, size);
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory();
    return arena_new(arena, total);
}

void *arena_copy(struct arena *arena, const void *data, size_t length)
{
    void *memory = arena_new(arena, length);
    return length ? memcpy(memory, data, length) : memory;
}

const char *arena_text(struct arena *arena, const char *text)
{
    return text ? arena_copy(arena, text, strlen(text) + 1) : NULL;
}

const char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = arena_new(arena, (size_t)(length < 0 ? 0 : length) + 1);
    if (length > 0)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}
