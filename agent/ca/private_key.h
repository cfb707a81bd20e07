/*
 * private_key.h - client key pairs made by the agent, and PKCS#12. Slow and pure: runs on the pool.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_CA_PRIVATE_KEY_H
#define MTLSD_AGENT_CA_PRIVATE_KEY_H

#include "proto/failure.h"
#include "proto/x509/key.h"

/* A new key pair: *pem is PKCS#8 PEM (RFC 5958) in sodium_malloc memory, NUL-terminated; sodium_free it. */
int private_key_make(struct key_type type, struct public_key *public_key, char **pem, struct failure *failure);

struct pkcs12_request {
    const uint8_t *certificate; size_t certificate_length;  /* DER */
    const uint8_t *const *chain; const size_t *chain_lengths; size_t chain_count;
    const char *private_key_pem;   /* unencrypted PKCS#8 or traditional PEM; must fit the certificate, else
                                      BAD_REQUEST("privateKey") */
    const char *passphrase;        /* UTF-8, not empty */
    const char *friendly_name;
    int iterations;                /* 0: 100,000 */
};
/* RFC 7292; PBES2 with PBKDF2-HMAC-SHA256 and AES-256-CBC, HMAC-SHA256 MAC. *der in sodium_malloc memory. */
int pkcs12_make(const struct pkcs12_request *request, uint8_t **der, size_t *length, struct failure *failure);
/* The key (parsed, checked against the certificate) as PKCS#8 PEM in sodium_malloc memory: Export as pem. */
int private_key_check(const char *pem, const uint8_t *certificate, size_t length, char **pkcs8,
                      struct failure *failure);

#endif
