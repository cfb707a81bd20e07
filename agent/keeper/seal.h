/*
 * seal.h - the sealed file: how the CA key and its floor rest on disk.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * magic, version, method, Argon2id parameters, salt, nonce; then XChaCha20-Poly1305 of the contents, with all that
 * stands before them authenticated too. It knows nothing of what it seals.
 */
#ifndef MTLSD_KEEPER_SEAL_H
#define MTLSD_KEEPER_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"

enum seal_method {
    /* Whoever can read the file has the key: the file's mode is all there is. Damage is still noticed. */
    SEAL_NONE = 0,
    /* Argon2id (RFC 9106); somebody must type it after each start. */
    SEAL_PASSPHRASE = 1,
    /* 32 bytes from a file or a systemd credential; protects copies of the disk only where the secret lies elsewhere. */
    SEAL_SECRET = 2,
};

enum {
    SEAL_SECRET_SIZE = 32,
    SEAL_HEADER_SIZE = 8 + 1 + 1 + 2 + 4 + 8 + 16 + 24,
    SEAL_OVERHEAD = SEAL_HEADER_SIZE + 16,
    SEAL_OPERATIONS = 3,
    SEAL_MEMORY = 128 * 1024 * 1024, /* bytes that Argon2id takes to open it */
};

/* "none", "passphrase", "secret-file". 0 or -1. */
int seal_method_parse(const char *text, enum seal_method *out);
const char *seal_method_name(enum seal_method method);

/* The method of a sealed file, or -1 where it is none of ours. */
int seal_method_read(const uint8_t *file, size_t length, enum seal_method *out, struct failure *failure);

/* *file is freed with memory_free. The secret is the passphrase, or SEAL_SECRET_SIZE bytes, or nothing. */
int seal_close(enum seal_method method, const uint8_t *secret, size_t secret_length, const uint8_t *contents,
               size_t length, uint8_t **file, size_t *file_length, struct failure *failure);
/* *contents is locked memory, freed with memory_free. A wrong secret and an altered file are told in the same
 * words: they cannot be told apart. */
int seal_open(const uint8_t *file, size_t file_length, const uint8_t *secret, size_t secret_length,
              uint8_t **contents, size_t *length, struct failure *failure);

#endif
