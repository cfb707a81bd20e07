/*
 * local.h - certificates and keys that lie in files here, looked at without the agent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_LOCAL_H
#define MTLSD_CLIENT_CLI_LOCAL_H

#include <openssl/x509.h>

#include "proto/failure.h"
#include "proto/x509/certificate.h"

/* Every certificate of a file (PEM, one or many, or DER). NULL with *failure. Free with
 * local_certificates_free. */
STACK_OF(X509) *local_certificates(const char *path, const char *what, struct failure *failure);
void local_certificates_free(STACK_OF(X509) *certificates);
STACK_OF(X509_CRL) *local_crls(const char *path, struct failure *failure);

/* PEM in memory that the caller frees; NULL when memory ran out. */
char *local_pem(X509 *certificate);
int local_facts(X509 *certificate, const char *what, struct certificate_facts *out, struct failure *failure);

/* How a file beside a certificate stands to it. */
enum local_fit {
    LOCAL_FITS,
    LOCAL_OTHER,   /* is what it should be, but of another certificate */
    LOCAL_FOREIGN, /* is something else, or cannot be read */
};
/* local_key.c: the one file of the client that decodes private keys. */
enum local_fit local_key_fits(const char *path, X509 *certificate);
enum local_fit local_p12_fits(const char *path, const char *passphrase, X509 *certificate);

/* Does the CSR (PEM or DER text of a file) carry the certificate's key? */
bool local_csr_fits(const char *csr, size_t length, X509 *certificate);

#endif
