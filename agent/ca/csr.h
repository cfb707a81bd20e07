/*
 * csr.h - a stranger's CSR (PKCS#10, RFC 2986) to typed wishes, through asn1t templates of our own.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The template leaves SubjectPublicKeyInfo as AlgorithmIdentifier + BIT STRING: no decoder framework on this
 * path. Only CN and the four kinds of SAN are taken; everything else it asks for is listed in `ignored`. Proof
 * of possession is always checked.
 */
#ifndef MTLSD_AGENT_CA_CSR_H
#define MTLSD_AGENT_CA_CSR_H

#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"
#include "proto/x509/key.h"
#include "proto/x509/names.h"

enum { CSR_DER_MAX = 64 * 1024, CSR_IGNORED_MAX = 32 };

struct csr {
    struct names names;        /* CN of the last-most CN attribute, "" where none; SANs */
    struct public_key key;     /* checked by public_key_check */
    char *ignored[CSR_IGNORED_MAX]; /* "basicConstraints CA:TRUE", "subject O", "extendedKeyUsage",
                                       "san otherName"; each once; the last one says so where there were more */
    size_t ignored_count;
};

/* Text (one PEM "CERTIFICATE REQUEST" or "NEW CERTIFICATE REQUEST", or base64 of DER) to DER; free() it. */
int csr_decode_text(const char *text, uint8_t **der, size_t *length, struct failure *failure);
/* What it asks for, and the key; the signature is not looked at yet. Refused: bytes after it, an attribute or
 * an extension twice, an EC point that is not in uncompressed form, explicit EC parameters, a CN or SAN that
 * names.h refuses. A wish for CA rights is no error: it is ignored and listed. -1 with BAD_REQUEST("csr", ...);
 * *out is then untouched. Thread-safe, as are the two below. */
int csr_parse(const uint8_t *der, size_t length, struct csr *out, struct failure *failure);
/* Proof of possession: does its signature verify with the key of csr_parse? It costs most, so it comes when the
 * rest is known to be wanted. Accepted: ECDSA and RSA with SHA-256/384/512, RSASSA-PSS with those, Ed25519;
 * SHA-1 and MD5 are refused by name. */
int csr_prove(const uint8_t *der, size_t length, const struct public_key *key, struct failure *failure);
/* Both of them. */
int csr_read(const uint8_t *der, size_t length, struct csr *out, struct failure *failure);
/* Frees what it holds and empties it; may be called again. */
void csr_clear(struct csr *csr);

#endif
