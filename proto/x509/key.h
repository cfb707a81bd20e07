/*
 * key.h - public keys as raw numbers: what a grant carries and the keeper encodes, no ASN.1 in it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_PROTO_X509_KEY_H
#define MTLSD_PROTO_X509_KEY_H

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"

enum key_kind { KEY_NONE, KEY_EC_P256, KEY_EC_P384, KEY_ED25519, KEY_RSA };

enum { KEY_MATERIAL_MAX = 1024, KEY_TYPE_TEXT_SIZE = 16 };

/* What somebody asks for: "ec:P-256", "ec:P-384", "ed25519", "rsa:2048".."rsa:4096". */
struct key_type {
    enum key_kind kind;
    uint16_t bits; /* RSA: modulus bits; 0 otherwise */
};

struct public_key {
    struct key_type type;
    uint16_t length;                     /* of material */
    uint8_t material[KEY_MATERIAL_MAX];  /* EC: uncompressed point 04|x|y; Ed25519: 32 bytes (RFC 8032); RSA: n
                                            big-endian, no leading zero */
    uint32_t exponent;                   /* RSA: e, odd, 65537 or more; 0 otherwise */
};

int key_type_parse(const char *text, struct key_type *out); /* 0 or -1 */
void key_type_format(struct key_type type, char out[static KEY_TYPE_TEXT_SIZE]);

/* Is it a key that we are willing to sign: point on its curve, modulus 2048..4096 bits and odd, no small
 * factor, exponent odd and 65537..2^32-1, Ed25519 point not of small order? 0, or -1 with BAD_REQUEST("key",
 * ...). */
int public_key_check(const struct public_key *key, struct failure *failure);

/* From and to libcrypto's objects. -1 with BAD_REQUEST("key") where the kind is not one of ours. */
int public_key_from_evp(const EVP_PKEY *pkey, struct public_key *out, struct failure *failure);
EVP_PKEY *public_key_to_evp(const struct public_key *key); /* caller frees; NULL on failure */

#endif
