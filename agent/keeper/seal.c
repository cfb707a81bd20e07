/*
 * seal.c - sealing and opening by libsodium.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/seal.h"

#include <sodium.h>
#include <string.h>

#include "agent/keeper/memory.h"
#include "proto/bytes.h"

enum {
    VERSION = 1,
    OPERATIONS_MAX = 64,
    NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    KEY_SIZE = crypto_aead_xchacha20poly1305_ietf_KEYBYTES
};
static const uint64_t memory_max = UINT64_C(1) << 30;
static const char magic[8] = {'M', 'T', 'L', 'S', 'D', 'K', 'E', 'Y'};

static const struct {
    const char *name;
} methods[] = {[SEAL_NONE] = {"none"}, [SEAL_PASSPHRASE] = {"passphrase"}, [SEAL_SECRET] = {"secret-file"}};

struct seal_header {
    enum seal_method method;
    uint32_t operations;
    uint64_t memory;
    uint8_t salt[crypto_pwhash_SALTBYTES];
    uint8_t nonce[NONCE_SIZE];
};

_Static_assert(SEAL_HEADER_SIZE == sizeof magic + 1 + 1 + 2 + 4 + 8 + crypto_pwhash_SALTBYTES + NONCE_SIZE, "header");
_Static_assert(SEAL_OVERHEAD == SEAL_HEADER_SIZE + crypto_aead_xchacha20poly1305_ietf_ABYTES, "overhead");

int seal_method_parse(const char *text, enum seal_method *out)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (!strcmp(text, methods[i].name)) {
            *out = (enum seal_method)i;
            return 0;
        }
    return -1;
}

const char *seal_method_name(enum seal_method method)
{
    return methods[method].name;
}

static void header_write(const struct seal_header *header, uint8_t out[static SEAL_HEADER_SIZE])
{
    struct bytes_writer writer = {.at = out, .end = out + SEAL_HEADER_SIZE};
    write_bytes(&writer, magic, sizeof magic);
    write_u8(&writer, VERSION);
    write_u8(&writer, header->method);
    write_u16(&writer, 0);
    write_u32(&writer, header->operations);
    write_u64(&writer, header->memory);
    write_bytes(&writer, header->salt, sizeof header->salt);
    write_bytes(&writer, header->nonce, sizeof header->nonce);
}

/* The parameters are used before they can be authenticated, so they are bounded first. */
static int header_read(const uint8_t *file, size_t length, struct seal_header *out, struct failure *failure)
{
    if (length < SEAL_OVERHEAD || memcmp(file, magic, sizeof magic))
        return failure_set(failure, FAILURE_BAD_REQUEST, NULL, "ca.key: not a sealed key of mtlsd-keeper");
    struct bytes_reader reader = {.at = file + sizeof magic, .end = file + SEAL_HEADER_SIZE};
    uint8_t version = read_u8(&reader), method = read_u8(&reader);
    uint16_t reserved = read_u16(&reader);
    out->operations = read_u32(&reader);
    out->memory = read_u64(&reader);
    memcpy(out->salt, read_bytes(&reader, sizeof out->salt), sizeof out->salt);
    memcpy(out->nonce, read_bytes(&reader, sizeof out->nonce), sizeof out->nonce);
    if (version != VERSION || reserved != 0 || method >= sizeof methods / sizeof methods[0])
        return failure_set(failure, FAILURE_BAD_REQUEST, NULL,
                           "ca.key: version %u, method %u: made by a newer mtlsd-keeper, or damaged", version,
                           method);
    out->method = (enum seal_method)method;
    if (out->method == SEAL_PASSPHRASE &&
        (out->operations < crypto_pwhash_OPSLIMIT_MIN || out->operations > OPERATIONS_MAX ||
         out->memory < crypto_pwhash_MEMLIMIT_MIN || out->memory > memory_max))
        return failure_set(failure, FAILURE_BAD_REQUEST, NULL, "ca.key: Argon2id parameters out of bounds: damaged");
    return 0;
}

int seal_method_read(const uint8_t *file, size_t length, enum seal_method *out, struct failure *failure)
{
    struct seal_header header;
    if (header_read(file, length, &header, failure))
        return -1;
    *out = header.method;
    return 0;
}

/* The key of the file from the secret. Each file has a salt of its own, so no two files share a key. */
static int derive(const struct seal_header *header, const uint8_t *secret, size_t length,
                  uint8_t key[static KEY_SIZE], struct failure *failure)
{
    if (header->method == SEAL_PASSPHRASE) {
        if (length == 0)
            return failure_set(failure, FAILURE_BAD_REQUEST, "passphrase", "the passphrase is empty");
        if (crypto_pwhash(key, KEY_SIZE, (const char *)secret, length, header->salt, header->operations,
                          (size_t)header->memory, crypto_pwhash_ALG_ARGON2ID13))
            return failure_set(failure, FAILURE_INTERNAL, NULL, "Argon2id needs %llu MiB of memory that are not to be had",
                               (unsigned long long)header->memory >> 20);
        return 0;
    }
    if (length != (header->method == SEAL_SECRET ? SEAL_SECRET_SIZE : 0))
        return failure_set(failure, FAILURE_BAD_REQUEST, "secret", "the key is sealed with %s",
                           header->method == SEAL_SECRET ? "a secret of 32 bytes: give --secret-file"
                                                         : "nothing: no secret is wanted");
    crypto_generichash(key, KEY_SIZE, header->salt, sizeof header->salt, length ? secret : NULL, length);
    return 0;
}

int seal_close(enum seal_method method, const uint8_t *secret, size_t secret_length, const uint8_t *contents,
               size_t length, uint8_t **file, size_t *file_length, struct failure *failure)
{
    struct seal_header header = {.method = method};
    if (method == SEAL_PASSPHRASE) {
        header.operations = SEAL_OPERATIONS;
        header.memory = SEAL_MEMORY;
    }
    randombytes_buf(header.salt, sizeof header.salt);
    randombytes_buf(header.nonce, sizeof header.nonce);
    uint8_t *key __attribute__((cleanup(memory_cleanup))) = memory_allocate(KEY_SIZE);
    uint8_t *out = memory_allocate(SEAL_OVERHEAD + length);
    if (!key || !out) {
        memory_free(out);
        return failure_set(failure, FAILURE_INTERNAL, NULL, "no locked memory left");
    }
    if (derive(&header, secret, secret_length, key, failure)) {
        memory_free(out);
        return -1;
    }
    header_write(&header, out);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + SEAL_HEADER_SIZE, NULL, contents, length, out, SEAL_HEADER_SIZE,
                                               NULL, header.nonce, key);
    *file = out;
    *file_length = SEAL_OVERHEAD + length;
    return 0;
}

int seal_open(const uint8_t *file, size_t file_length, const uint8_t *secret, size_t secret_length,
              uint8_t **contents, size_t *length, struct failure *failure)
{
    struct seal_header header;
    if (header_read(file, file_length, &header, failure))
        return -1;
    size_t size = file_length - SEAL_OVERHEAD;
    uint8_t *key __attribute__((cleanup(memory_cleanup))) = memory_allocate(KEY_SIZE);
    uint8_t *out = memory_allocate(size);
    if (!key || !out) {
        memory_free(out);
        return failure_set(failure, FAILURE_INTERNAL, NULL, "no locked memory left");
    }
    if (derive(&header, secret, secret_length, key, failure)) {
        memory_free(out);
        return -1;
    }
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, file + SEAL_HEADER_SIZE,
                                                   file_length - SEAL_HEADER_SIZE, file, SEAL_HEADER_SIZE,
                                                   header.nonce, key)) {
        memory_free(out);
        return failure_set(failure, FAILURE_NOT_PERMITTED, NULL, "%s",
                           header.method == SEAL_PASSPHRASE ? "this passphrase does not open ca.key, or the file was altered"
                           : header.method == SEAL_SECRET   ? "this secret does not open ca.key, or the file was altered"
                                                            : "ca.key was altered; restore it from a backup");
    }
    *contents = out;
    *length = size;
    return 0;
}
