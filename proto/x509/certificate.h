/*
 * certificate.h - a certificate as both sides look at it: PEM and DER, its facts, its fingerprint.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_PROTO_X509_CERTIFICATE_H
#define MTLSD_PROTO_X509_CERTIFICATE_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"
#include "proto/x509/names.h"
#include "proto/x509/serial.h"

enum { FINGERPRINT_SIZE = 32, FINGERPRINT_TEXT_SIZE = 65, CERTIFICATE_DER_MAX = 64 * 1024 };

/* The facts of a certificate, parsed from DER through libcrypto. A serial of zero, which some old roots have,
 * is one zero byte. */
struct certificate_facts {
    struct serial serial;
    char *issuer;           /* as certificate_name_text writes it */
    char *subject;
    struct names names;     /* CN and the SANs of the four kinds we know, in the form that names.h accepts */
    size_t other_names;     /* CNs and SANs that are not in `names`: of other kinds, or in a form that names.h
                               refuses */
    int64_t not_before, not_after; /* seconds since 1970, UTC */
    uint8_t fingerprint[FINGERPRINT_SIZE]; /* SHA-256 of the DER */
};

/* What a look-up needs, and no more: cheap (an asn1t template that leaves the rest undecoded, no X509 object). */
struct certificate_key {
    struct serial serial;
    const uint8_t *issuer; /* DER of the issuer Name, inside the input */
    size_t issuer_length;
    uint8_t fingerprint[FINGERPRINT_SIZE];
};

/* One PEM "CERTIFICATE" block (text before it is ignored), or base64 of DER, to DER that the caller frees with
 * free(). Fast for plain PEM: it is on the path of every Verify. A second block is refused (BAD_REQUEST names
 * `field`). */
int certificate_decode_text(const char *text, const char *field, uint8_t **der, size_t *length,
                            struct failure *failure);
/* DER to PEM in memory that the caller frees; NULL when memory ran out. */
char *certificate_to_pem(const uint8_t *der, size_t length);

/* Trailing bytes after the certificate are refused. 0, or -1 with BAD_REQUEST(field). */
int certificate_key_read(const uint8_t *der, size_t length, const char *field, struct certificate_key *out,
                         struct failure *failure);
int certificate_facts_read(const uint8_t *der, size_t length, const char *field, struct certificate_facts *out,
                           struct failure *failure);
/* Frees what it holds and empties it; may be called again. */
void certificate_facts_clear(struct certificate_facts *facts);

/* A Name on one line as RFC 4514 writes it (last RDN first), UTF-8, control characters escaped; where a value
 * is not clean UTF-8 the whole text is ASCII with escapes. In memory that the caller frees; NULL when memory
 * ran out. */
char *certificate_name_text(const X509_NAME *name);

/* SHA-256 of the DER. 0, or -1 where libcrypto refused. */
int certificate_fingerprint(const uint8_t *der, size_t length, uint8_t out[static FINGERPRINT_SIZE]);
void fingerprint_format(const uint8_t fingerprint[static FINGERPRINT_SIZE], char out[static FINGERPRINT_TEXT_SIZE]);

/* Does the certificate's signature verify with the key of this authority (DER)? 1 yes, 0 no, -1 cannot tell
 * (one of them is no certificate). The names of issuer and subject are not compared. */
int certificate_signed_by(const uint8_t *der, size_t length, const uint8_t *authority, size_t authority_length);
/* SHA-256 of the tbsCertificate as it stands in the DER: tells a certificate whose signature bytes were changed
 * (ECDSA is malleable) from one that we never made. 0, or -1 where it is no certificate. */
int certificate_tbs_digest(const uint8_t *der, size_t length, uint8_t out[static FINGERPRINT_SIZE]);

#endif
