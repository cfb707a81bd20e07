/*
 * csr_key.h - the key and the signature of a CSR: SubjectPublicKeyInfo to a typed key, and proof of possession.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_CA_CSR_KEY_H
#define MTLSD_AGENT_CA_CSR_KEY_H

#include <openssl/x509.h>

#include "proto/failure.h"
#include "proto/x509/key.h"
#include "proto/x509/span.h"

/* AlgorithmIdentifier and BIT STRING to a key that public_key_check accepts. 0, or -1 with BAD_REQUEST("csr"). */
int csr_key_read(const X509_ALGOR *algorithm, const ASN1_BIT_STRING *bits, struct public_key *out,
                 struct failure *failure);

/* Does the signature over `info` (the exact DER) verify with the key? 0, or -1 with BAD_REQUEST("csr").
 * Thread-safe. */
int csr_key_verify(const struct public_key *key, const X509_ALGOR *algorithm, const ASN1_BIT_STRING *signature,
                   const struct span *info, struct failure *failure);

#endif
