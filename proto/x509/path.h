/*
 * path.h - certification path validation for any PKI (RFC 5280 section 6), by OpenSSL.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Used by the agent for foreign anchors (on its pool) and by `mtlsctl verify --anchors`. Pure: no files, no
 * network, no clock.
 */
#ifndef MTLSD_PROTO_X509_PATH_H
#define MTLSD_PROTO_X509_PATH_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/failure.h"

enum path_purpose { PATH_CLIENT, PATH_SERVER, PATH_ANY };

struct path_request {
    X509 *leaf;
    STACK_OF(X509) *untrusted; /* may be NULL */
    STACK_OF(X509) *anchors;
    STACK_OF(X509_CRL) *crls; /* may be NULL: no revocation check. Complete and delta CRLs, with their scopes.
                                  Each certificate but the anchor needs one that covers it */
    enum path_purpose purpose;
    const char *dns; /* reference identity to match: a host name or an address; NULL: none. Against SANs only,
                        never the CN (RFC 9525) */
    int64_t at;                /* seconds since 1970 */
    bool strict;               /* X509_V_FLAG_X509_STRICT */
    bool partial_chain;        /* an anchor need not be self-signed; only where the caller asked */
    bool explicit_policy;      /* X509_V_FLAG_EXPLICIT_POLICY */
    int depth_max;             /* 0: the default, 10 */
};

struct path_verdict {
    bool valid;
    const char *reason; /* NULL when valid; else one of: expired, not-yet-valid, revoked, untrusted,
                           bad-signature, wrong-purpose, malformed, name-mismatch, name-constraints, policy,
                           path-too-long, not-a-ca, weak-key, weak-digest, critical-extension, crl-missing,
                           crl-expired, crl-not-yet-valid, crl-invalid, invalid: static text */
    char detail[256];   /* OpenSSL's words, the depth and the subject at fault */
    int depth;
};

enum { PATH_UNTRUSTED_MAX = 100, PATH_BUNDLE_MAX = 10000 };

/* 0 with *verdict, or -1 with *failure when no verdict could be reached: memory (INTERNAL), `dns` is no name
 * (BAD_REQUEST "dns"), more than PATH_UNTRUSTED_MAX untrusted certificates (BAD_REQUEST "chain"). Keys and
 * digests have 112 bits of strength at least (RSA 2048, SHA-256). Thread-safe, also on shared anchors and CRLs.
 */
int path_validate(const struct path_request *request, struct path_verdict *verdict, struct failure *failure);

/* PEM (one or many; other blocks in between, keys say, are passed over) or DER (one or many in a row) from
 * memory, at most PATH_BUNDLE_MAX. `field` names the source in errors. NULL with BAD_REQUEST(field) where there
 * is none or one is broken. The caller frees with sk_X509_pop_free. */
STACK_OF(X509) *path_read_certificates(const void *data, size_t length, const char *field, struct failure *failure);
STACK_OF(X509_CRL) *path_read_crls(const void *data, size_t length, const char *field, struct failure *failure);

#endif
