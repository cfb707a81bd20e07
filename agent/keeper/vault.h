/*
 * vault.h - what lies sealed in ca.key: the floor and the private key, together, so that neither is changed without
 * the other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_VAULT_H
#define MTLSD_KEEPER_VAULT_H

#include "agent/keeper/floor.h"
#include "agent/keeper/seal.h"

#define CA_KEY_FILE "ca.key"
#define CA_CERTIFICATE_FILE "ca.crt"

/* What opens a vault: a passphrase, 32 bytes, or nothing (data NULL). Locked memory. */
struct secret {
    uint8_t *data;
    size_t length;
};
void secret_clear(struct secret *secret);

/* The contents of ca.key in memory that memory_free frees. */
int vault_write(enum seal_method method, const struct secret *secret, const struct floor *floor, const uint8_t *pkcs8,
                size_t pkcs8_length, uint8_t **file, size_t *length, struct failure *failure);
/* *pkcs8 is locked memory, to be freed with memory_free. */
int vault_open(const uint8_t *file, size_t length, const struct secret *secret, struct floor *floor, uint8_t **pkcs8,
               size_t *pkcs8_length, struct failure *failure);

#endif
