/*
 * memory.c - the locked region: a bump allocator with free lists by size, made for small long-lived blocks.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * One thread. It knows nothing of what the blocks hold.
 */
#include "agent/keeper/memory.h"

#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { GRAIN = 16, SMALL_CLASSES = 32, CLASSES = 80, SMALL_MAX = GRAIN * SMALL_CLASSES };

/* Before each block; 16 bytes, so that blocks are aligned as malloc's are. */
struct header {
    uint32_t capacity;
    uint32_t class;
    struct header *next; /* while it is free */
};

static struct {
    uint8_t *base, *top, *locked_end;
    bool secret;
    struct header *free[CLASSES];
} region;

/* Sizes in steps of 16 up to 512, then four steps an octave: little is lost to rounding, and a freed block is soon
 * wanted again. */
static bool find_class(size_t size, uint32_t *class, uint32_t *capacity)
{
    if (size == 0)
        size = 1;
    if (size <= SMALL_MAX) {
        *class = (uint32_t)((size - 1) / GRAIN);
        *capacity = (*class + 1) * GRAIN;
        return true;
    }
    uint32_t octave = SMALL_MAX;
    for (*class = SMALL_CLASSES; *class + 4 <= CLASSES; octave *= 2)
        for (uint32_t quarter = 1; quarter <= 4; quarter++, (*class)++)
            if (size <= octave + octave / 4 * quarter) {
                *capacity = octave + octave / 4 * quarter;
                return true;
            }
    return false;
}

/* Lock as much of the region as reaches to `end`. */
static bool lock_to(const uint8_t *end)
{
    if (end <= region.locked_end)
        return true;
    size_t wanted = ((size_t)(end - region.locked_end) + MEMORY_CHUNK - 1) / MEMORY_CHUNK * MEMORY_CHUNK;
    if (wanted > (size_t)(region.base + MEMORY_REGION_SIZE - region.locked_end) || mlock(region.locked_end, wanted))
        return false;
    region.locked_end += wanted;
    return true;
}

bool memory_contains(const void *address)
{
    return region.base && (const uint8_t *)address >= region.base &&
           (const uint8_t *)address < region.base + MEMORY_REGION_SIZE;
}

const void *memory_base(void)
{
    return region.base;
}

size_t memory_locked(void)
{
    return (size_t)(region.locked_end - region.base);
}

static void *region_take(size_t size)
{
    uint32_t class, capacity;
    if (!find_class(size, &class, &capacity))
        return NULL;
    struct header *header = region.free[class];
    if (header) {
        region.free[class] = header->next;
    } else {
        uint8_t *end = region.top + sizeof *header + capacity;
        if (sizeof *header + capacity > (size_t)(region.base + MEMORY_REGION_SIZE - region.top) || !lock_to(end))
            return NULL;
        header = (struct header *)region.top;
        region.top = end;
        header->capacity = capacity;
        header->class = class;
    }
    header->next = NULL;
    return header + 1;
}

static void region_give(void *block)
{
    struct header *header = (struct header *)block - 1;
    explicit_bzero(block, header->capacity);
    header->next = region.free[header->class];
    region.free[header->class] = header;
}

static void *crypto_allocate(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    if (size == 0)
        return NULL;
    return region.secret ? region_take(size) : malloc(size);
}

static void crypto_free(void *block, const char *file, int line)
{
    (void)file, (void)line;
    if (memory_contains(block))
        region_give(block);
    else
        free(block);
}

/* A block of the ordinary heap has no size that we know, and libcrypto does not say: malloc's own word is enough,
 * since blocks only move from there into the region while they grow. */

static void *crypto_resize(void *block, size_t size, const char *file, int line)
{
    if (!block)
        return crypto_allocate(size, file, line);
    if (size == 0) {
        crypto_free(block, file, line);
        return NULL;
    }
    bool inside = memory_contains(block);
    if (!inside && !region.secret)
        return realloc(block, size);
    size_t capacity = inside ? ((struct header *)block - 1)->capacity : malloc_usable_size(block);
    if (inside && size <= capacity && size > capacity / 2)
        return block;
    void *moved = region_take(size);
    if (!moved)
        return NULL;
    memcpy(moved, block, size < capacity ? size : capacity);
    crypto_free(block, file, line);
    return moved;
}

void *memory_allocate(size_t size)
{
    void *block = region.base ? region_take(size) : malloc(size ? size : 1);
    return block ? memset(block, 0, size) : NULL;
}

void memory_free(void *block)
{
    if (!block)
        return;
    if (!memory_contains(block))
        explicit_bzero(block, malloc_usable_size(block));
    crypto_free(block, NULL, 0);
}

void memory_cleanup(uint8_t **block)
{
    memory_free(*block);
}

void memory_begin_secret(void)
{
    region.secret = region.base != NULL;
}

static int refuse_lock(struct failure *failure, const char *what, size_t size)
{
    int error = errno;
    struct rlimit limit = {0};
    getrlimit(RLIMIT_MEMLOCK, &limit);
    return failure_set(failure, FAILURE_INTERNAL, NULL,
                       "cannot lock %zu bytes of %s (%s; the limit is %llu bytes): the CA key is not held in memory "
                       "that may be swapped; "
                       "raise it with LimitMEMLOCK=8M in the unit, or `ulimit -l 8192`",
                       size, what, strerror(error), (unsigned long long)limit.rlim_cur);
}

/* DONTDUMP: not in a core file; WIPEONFORK: a child, should there ever be one, finds zeros. */
static int region_make(struct failure *failure)
{
    uint8_t *base =
        mmap(NULL, MEMORY_REGION_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "cannot reserve %d bytes: %s", MEMORY_REGION_SIZE,
                           strerror(errno));
    if (madvise(base, MEMORY_REGION_SIZE, MADV_DONTDUMP) || madvise(base, MEMORY_REGION_SIZE, MADV_WIPEONFORK)) {
        munmap(base, MEMORY_REGION_SIZE);
        return failure_set(failure, FAILURE_INTERNAL, NULL, "cannot keep memory out of core files and children: %s",
                           strerror(errno));
    }
    region.base = region.top = region.locked_end = base;
    if (!lock_to(base + 1)) {
        int error = errno;
        region.base = region.top = region.locked_end = NULL;
        munmap(base, MEMORY_REGION_SIZE);
        errno = error;
        return refuse_lock(failure, "the key's region", MEMORY_CHUNK);
    }
    return 0;
}

int memory_install(struct failure *failure)
{
    if (KEEPER_SANITIZER || region.base)
        return 0;
    if (region_make(failure))
        return -1;
    if (!CRYPTO_set_mem_functions(crypto_allocate, crypto_resize, crypto_free))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "libcrypto was used before its memory was set up");
    return 0;
}

int memory_lock_stack(struct failure *failure)
{
    if (KEEPER_SANITIZER)
        return 0;
    memory_wipe_stack(); /* makes the pages exist */
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t start = (here - MEMORY_STACK_LOCKED) & ~(page - 1);
    if (mlock((void *)start, here - start))
        return refuse_lock(failure, "the stack", here - start);
    return 0;
}

/* libcrypto clears its heap, but not every frame: its assembler keeps words of what it works on, a private key
 * among them, on the stack. */
__attribute__((noinline)) void memory_wipe_stack(void)
{
    uint8_t below[MEMORY_STACK_LOCKED - 1024];
    explicit_bzero(below, sizeof below);
}
