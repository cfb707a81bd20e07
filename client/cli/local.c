/*
 * local.c - certificates, CRLs and CSRs of local files, through libcrypto. No private keys here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/local.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/files.h"
#include "proto/x509/path.h"

STACK_OF(X509) *local_certificates(const char *path, const char *what, struct failure *failure)
{
    char *data;
    size_t length;
    if (file_read(path, what, FILE_MAX, &data, &length, failure))
        return NULL;
    STACK_OF(X509) *certificates = path_read_certificates(data, length, path, failure);
    file_free(data, length);
    if (certificates && sk_X509_num(certificates) == 0) {
        failure_set(failure, FAILURE_BAD_REQUEST, path, "%s %s holds no certificate", what, path);
        local_certificates_free(certificates);
        return NULL;
    }
    return certificates;
}

void local_certificates_free(STACK_OF(X509) *certificates)
{
    sk_X509_pop_free(certificates, X509_free);
}

STACK_OF(X509_CRL) *local_crls(const char *path, struct failure *failure)
{
    char *data;
    size_t length;
    if (file_read(path, "the CRL", FILE_CRL_MAX, &data, &length, failure))
        return NULL;
    STACK_OF(X509_CRL) *crls = path_read_crls(data, length, path, failure);
    file_free(data, length);
    return crls;
}

char *local_pem(X509 *certificate)
{
    unsigned char *der = NULL;
    int length = i2d_X509(certificate, &der);
    char *pem = length > 0 ? certificate_to_pem(der, (size_t)length) : NULL;
    OPENSSL_free(der);
    return pem;
}

int local_facts(X509 *certificate, const char *what, struct certificate_facts *out, struct failure *failure)
{
    unsigned char *der = NULL;
    int length = i2d_X509(certificate, &der);
    if (length <= 0)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    int result = certificate_facts_read(der, (size_t)length, what, out, failure);
    OPENSSL_free(der);
    return result;
}

bool local_csr_fits(const char *csr, size_t length, X509 *certificate)
{
    BIO *bio = BIO_new_mem_buf(csr, (int)length);
    X509_REQ *request = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
    const unsigned char *at = (const unsigned char *)csr;
    if (!request)
        request = d2i_X509_REQ(NULL, &at, (long)length);
    EVP_PKEY *wanted = request ? X509_REQ_get0_pubkey(request) : NULL, *held = X509_get0_pubkey(certificate);
    bool fits = wanted && held && EVP_PKEY_eq(wanted, held) == 1;
    X509_REQ_free(request);
    BIO_free(bio);
    ERR_clear_error();
    return fits;
}
