/*
 * memory.h - the one locked, undumpable region in which the CA key and all that libcrypto computes with it live.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * libcrypto's allocator is replaced before its first call. What it allocates until memory_begin_secret (tables of
 * algorithms: 40 KiB that are in everybody's libcrypto.so) comes from the ordinary heap; from then on everything
 * comes from the region, and a block of the ordinary heap that grows moves there. Blocks are wiped when they are
 * freed. Locking is checked, not hoped for: where mlock fails, there is no memory.
 */
#ifndef MTLSD_KEEPER_MEMORY_H
#define MTLSD_KEEPER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEPER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define KEEPER_SANITIZER 1
#endif
#endif
#ifndef KEEPER_SANITIZER
#define KEEPER_SANITIZER 0 /* under a sanitizer mlock does nothing: the heap is the sanitizer's own, and Status says so */
#endif

enum {
    MEMORY_REGION_SIZE = 4 * 1024 * 1024, /* address space; locked as it is used */
    MEMORY_CHUNK = 8 * 1024,              /* locked at a time */
    MEMORY_STACK_LOCKED = 24 * 1024,      /* of the stack below memory_lock_stack's caller: where libcrypto's frames lie */
};

/* Make the region and give it to libcrypto. Must come before any other call of libcrypto. -1 with what to do where
 * memory cannot be locked. */
int memory_install(struct failure *failure);
/* From here on libcrypto allocates from the region alone. */
void memory_begin_secret(void);
/* Lock the part of the stack that deeper calls of this function's caller will use. */
int memory_lock_stack(struct failure *failure);
/* Wipe that part of the stack: after each burst of signatures. */
void memory_wipe_stack(void);

/* For secrets of ours: zeroed, locked, wiped when freed. NULL where the region is full or cannot be locked. */
void *memory_allocate(size_t size) __attribute__((warn_unused_result));
void memory_free(void *block);
/* For __attribute__((cleanup)): frees what the pointer points to. */
void memory_cleanup(uint8_t **block);

/* Bytes of the region that are locked now. */
size_t memory_locked(void);
/* Where the region lies, for the tests. */
bool memory_contains(const void *address);
const void *memory_base(void); /* MEMORY_REGION_SIZE bytes; NULL before memory_install and under a sanitizer */

#endif
