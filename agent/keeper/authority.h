/*
 * authority.h - the CA as the keeper knows it: its certificate, always; its key and its floor, while it is open.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_AUTHORITY_H
#define MTLSD_KEEPER_AUTHORITY_H

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/keeper/floor.h"
#include "agent/keeper/signer.h"
#include "proto/failure.h"
#include "proto/grant.h"

enum { AUTHORITY_DER_MAX = sizeof(((struct keeper_state *)0)->authority), KEY_ID_SIZE = 20 };

struct authority {
    uint8_t der[AUTHORITY_DER_MAX];      /* its certificate */
    size_t length;
    uint8_t *subject;                    /* Name, DER: the issuer of what it signs */
    size_t subject_length;
    uint8_t *key_identifier;             /* AuthorityKeyIdentifier, DER: the value of that extension */
    size_t key_identifier_length;
    int64_t not_before, not_after;
    struct public_key key;
    EVP_MD *sha1;                        /* for subject key identifiers */
    struct floor floor;                  /* while open */
    struct signer *signer;               /* NULL: locked */
};

/* Take in ca.crt (PEM). Free with authority_clear. */
int authority_read(const void *pem, size_t length, struct authority *out, struct failure *failure);
/* Take over the key. -1 where it is not the certificate's; then the signer is still the caller's. */
int authority_open(struct authority *authority, struct signer *signer, const struct floor *floor, struct failure *failure);
/* The key leaves memory. */
void authority_lock(struct authority *authority);
void authority_clear(struct authority *authority);

/* The subject key identifier of RFC 5280 section 4.2.1.2, method 1: SHA-1 of the key's bits. Not a matter of
 * security; every client knows it. */
int key_identifier(const EVP_MD *sha1, const uint8_t *bits, size_t length, uint8_t out[static KEY_ID_SIZE]);

/* A self-signed certificate for a new key: pathlen 0, keyCertSign and cRLSign, SKI, name constraints where the
 * floor permits only some domains. */
struct authority_wish {
    const char *name;                    /* CN, UTF-8 */
    int64_t not_before, not_after;
    const struct floor *floor;
    const uint8_t *pkcs8;
    size_t pkcs8_length;
};
/* PEM in memory that the caller frees with free(). */
int authority_make(const struct authority_wish *wish, char **pem, size_t *length, struct failure *failure);

#endif
