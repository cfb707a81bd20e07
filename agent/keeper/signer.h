/*
 * signer.h - the CA's private key: made, decoded, used. The only file of the keeper in which it is more than bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_SIGNER_H
#define MTLSD_KEEPER_SIGNER_H

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"
#include "proto/x509/key.h"

enum {
    SIGNATURE_MAX = 512,                     /* RSA of 4096 bits */
    PRIVATE_KEY_MAX = 4096,                  /* bytes of PKCS#8 */
    ALGORITHM_MAX = 32,                      /* bytes of an AlgorithmIdentifier */
    BUFFERED_STREAM_MAX = 64 * 1024 * 1024,  /* what an Ed25519 key buffers */
};

struct signer;        /* an open key */
struct signer_stream; /* a signature under way over data that comes in pieces */

/* Start libcrypto as lean as the keeper wants it: no configuration, no tables of names (so X509_verify finds no
 * digest: not for other programs), a random generator that needs no cipher. Once, before any other use of libcrypto
 * but memory_install. Ends with signer_prepare. */
int signer_start(struct failure *failure);
/* Fetch from libcrypto whatever is used later, so that its tables lie in the ordinary heap: before
 * memory_begin_secret. -1 where libcrypto lacks something. */
int signer_prepare(struct failure *failure);

/* A new key pair as PKCS#8 (RFC 5958) DER in locked memory; memory_free it. */
int signer_generate(struct key_type type, uint8_t **pkcs8, size_t *length, struct failure *failure);

/* From PKCS#8 DER. The bytes are still the caller's, to be wiped. */
int signer_open(const uint8_t *pkcs8, size_t length, struct signer **out, struct failure *failure);
void signer_close(struct signer *signer); /* NULL is fine */

/* libcrypto's object, for the CA's own certificate at init; lives as long as the signer. */
EVP_PKEY *signer_key(const struct signer *signer);
const struct public_key *signer_public_key(const struct signer *signer);
/* The signatureAlgorithm that goes with a key of this kind: AlgorithmIdentifier, DER (RFC 5758, RFC 8410, RFC
 * 4055). Static. */
const uint8_t *signer_algorithm(enum key_kind kind, size_t *length);

/* Sign; *length is set to the signature's. */
int signer_sign(struct signer *signer, const void *data, size_t size, uint8_t signature[static SIGNATURE_MAX],
                size_t *length, struct failure *failure);

/* The same for data that comes in pieces. Ed25519 reads its data twice (RFC 8032 section 5.1.6), so it buffers, up
 * to BUFFERED_STREAM_MAX. */
int signer_stream_begin(struct signer *signer, uint64_t size, struct signer_stream **out, struct failure *failure);
int signer_stream_add(struct signer_stream *stream, const void *data, size_t size);
/* Frees the stream, on success and on failure. */
int signer_stream_finish(struct signer_stream *stream, uint8_t signature[static SIGNATURE_MAX], size_t *length,
                         struct failure *failure);
void signer_stream_abort(struct signer_stream *stream); /* NULL is fine */

#endif
