/*
 * files.h - small whole files of the keeper's directory: read with a limit, written so that they are there whole or
 * not at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_FILES_H
#define MTLSD_KEEPER_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/failure.h"

enum { STATE_FILE_MAX = 64 * 1024 };

/* Open the keeper's directory (O_CLOEXEC). Refused where others than its owner may write in it. *owner: the uid
 * that owns it. */
int state_open(const char *path, int *directory, uid_t *owner, struct failure *failure);
/* The whole file in memory that memory_free frees. Refused where longer than STATE_FILE_MAX, not a plain file, or
 * where any bit of `forbidden` is in its mode. Relative to `directory`, which may be AT_FDCWD. */
int file_read(int directory, const char *name, mode_t forbidden, uint8_t **data, size_t *length, struct failure *failure);
bool file_exists(int directory, const char *name);
/* A temporary file, fsync, rename over `name` (or, without `replace`, link, which fails where the name is taken),
 * fsync of the directory. */
int file_write(int directory, const char *name, mode_t mode, bool replace, const void *data, size_t length,
               struct failure *failure);

#endif
