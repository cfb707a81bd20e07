/*
 * vault.c - what lies sealed in ca.key.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/vault.h"

#include <string.h>

#include "agent/keeper/memory.h"
#include "agent/keeper/signer.h"
#include "proto/bytes.h"

void secret_clear(struct secret *secret)
{
    memory_free(secret->data);
    *secret = (struct secret){NULL, 0};
}

int vault_write(enum seal_method method, const struct secret *secret, const struct floor *floor, const uint8_t *pkcs8,
                size_t pkcs8_length, uint8_t **file, size_t *length, struct failure *failure)
{
    uint8_t encoded[FLOOR_ENCODED_MAX];
    long floor_length = floor_write(floor, encoded);
    if (floor_length < 0 || pkcs8_length > PRIVATE_KEY_MAX)
        return failure_set(failure, FAILURE_BAD_REQUEST, NULL, "the floor or the key is too large to be sealed");
    size_t size = 4 + (size_t)floor_length + pkcs8_length;
    uint8_t *contents __attribute__((cleanup(memory_cleanup))) = memory_allocate(size);
    if (!contents)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "no locked memory left");
    struct bytes_writer writer = {.at = contents, .end = contents + size};
    write_blob(&writer, encoded, (size_t)floor_length);
    write_blob(&writer, pkcs8, pkcs8_length);
    return seal_close(method, secret->data, secret->length, contents, size, file, length, failure);
}

int vault_open(const uint8_t *file, size_t length, const struct secret *secret, struct floor *floor, uint8_t **pkcs8,
               size_t *pkcs8_length, struct failure *failure)
{
    uint8_t *contents __attribute__((cleanup(memory_cleanup))) = NULL;
    size_t size = 0;
    if (seal_open(file, length, secret->data, secret->length, &contents, &size, failure))
        return -1;
    struct bytes_reader reader = {.at = contents, .end = contents + size};
    struct floor found;
    size_t floor_length = read_u16(&reader);
    const uint8_t *encoded = read_bytes(&reader, floor_length);
    size_t key_length = read_u16(&reader);
    const uint8_t *key = read_bytes(&reader, key_length);
    if (!encoded || !key || reader.at != reader.end || key_length == 0 || key_length > PRIVATE_KEY_MAX ||
        floor_read(encoded, floor_length, &found))
        return failure_set(failure, FAILURE_BAD_REQUEST, NULL,
                           "ca.key: opened, but its contents are not those of this version");
    uint8_t *copy = memory_allocate(key_length);
    if (!copy)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "no locked memory left");
    memcpy(copy, key, key_length);
    *floor = found;
    *pkcs8 = copy;
    *pkcs8_length = key_length;
    return 0;
}
