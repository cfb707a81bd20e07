/*
 * pki.h - small PKIs for the tests, made with OpenSSL's ordinary X509 API: certificates, CRLs, CSRs, in memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Extensions are written as in openssl.cnf(5): {"basicConstraints", "critical,CA:TRUE"}. Everything asserts; the caller frees.
 */
#ifndef MTLSD_TESTS_UNIT_PKI_H
#define MTLSD_TESTS_UNIT_PKI_H

#include <check.h>
#include <openssl/conf.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { PKI_DAY = 86400, PKI_EXTENSIONS_MAX = 8 };
#define PKI_NOW INT64_C(1800000000) /* 2027-01-15T08:00:00Z: tests have no clock */

struct pki_extension { const char *name, *value; };

struct pki_certificate {
    const char *subject;            /* CN; "" for an empty Name */
    long serial;
    EVP_PKEY *key;
    X509 *issuer;                   /* NULL: self-signed */
    EVP_PKEY *issuer_key;           /* NULL with issuer NULL: key */
    int64_t from, until;            /* 0: PKI_NOW - a day, PKI_NOW + a year */
    struct pki_extension extensions[PKI_EXTENSIONS_MAX];
    const EVP_MD *(*digest)(void);  /* NULL: SHA-256 */
};

#define PKI_CA {"basicConstraints", "critical,CA:TRUE"}, {"keyUsage", "critical,keyCertSign,cRLSign"}, {"subjectKeyIdentifier", "hash"}
#define PKI_CLIENT {"basicConstraints", "critical,CA:FALSE"}, {"keyUsage", "critical,digitalSignature"}, {"extendedKeyUsage", "clientAuth"}

static inline EVP_PKEY *pki_key(const char *type)
{
    EVP_PKEY *key = !strncmp(type, "rsa:", 4) ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)strtoul(type + 4, NULL, 10))
                    : !strncmp(type, "ec:", 3) ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", type + 3)
                                               : EVP_PKEY_Q_keygen(NULL, NULL, type);
    ck_assert_ptr_nonnull(key);
    return key;
}

static inline X509_NAME *pki_name(const char *common_name)
{
    X509_NAME *name = X509_NAME_new();
    if (*common_name)
        ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0), 1);
    return name;
}

static inline X509_EXTENSION *pki_extension(const struct pki_extension *wanted, X509 *issuer, X509 *subject)
{
    /* Sections that a value can name, for what does not fit on one line. */
    static const char sections[] = "[some_reasons]\nonlysomereasons=keyCompromise,CACompromise\n";
    X509V3_CTX context;
    long line;
    CONF *conf = NCONF_new(NULL);
    BIO *bio = BIO_new_mem_buf(sections, -1);
    ck_assert_int_eq(NCONF_load_bio(conf, bio, &line), 1);
    X509V3_set_ctx(&context, issuer ? issuer : subject, subject, NULL, NULL, 0);
    X509V3_set_nconf(&context, conf);
    X509_EXTENSION *extension = X509V3_EXT_nconf(conf, &context, wanted->name, wanted->value);
    ck_assert_msg(extension != NULL, "extension %s=%s", wanted->name, wanted->value);
    BIO_free(bio);
    NCONF_free(conf);
    return extension;
}

static inline void pki_time(ASN1_TIME *time, int64_t at)
{
    ck_assert_ptr_nonnull(ASN1_TIME_adj(time, (time_t)at, 0, 0));
}

static inline X509 *pki_certificate(const struct pki_certificate *wanted)
{
    X509 *certificate = X509_new();
    X509_NAME *name = pki_name(wanted->subject);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), wanted->serial);
    X509_set_subject_name(certificate, name);
    X509_set_issuer_name(certificate, wanted->issuer ? X509_get_subject_name(wanted->issuer) : name);
    pki_time(X509_getm_notBefore(certificate), wanted->from ? wanted->from : PKI_NOW - PKI_DAY);
    pki_time(X509_getm_notAfter(certificate), wanted->until ? wanted->until : PKI_NOW + 365 * PKI_DAY);
    X509_set_pubkey(certificate, wanted->key);
    for (size_t i = 0; i < PKI_EXTENSIONS_MAX && wanted->extensions[i].name; i++) {
        X509_EXTENSION *extension = pki_extension(&wanted->extensions[i], wanted->issuer, certificate);
        ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
        X509_EXTENSION_free(extension);
    }
    const EVP_MD *digest = EVP_PKEY_get_base_id(wanted->issuer_key ? wanted->issuer_key : wanted->key) == EVP_PKEY_ED25519 ? NULL
                           : wanted->digest ? wanted->digest() : EVP_sha256();
    ck_assert_int_gt(X509_sign(certificate, wanted->issuer_key ? wanted->issuer_key : wanted->key, digest), 0);
    X509_NAME_free(name);
    return certificate;
}

struct pki_revoked { long serial; int reason; };

struct pki_crl {
    X509 *issuer;
    EVP_PKEY *issuer_key;
    int64_t from, until;      /* 0: PKI_NOW - an hour, PKI_NOW + a week */
    long number, delta_base;  /* 0: none */
    const struct pki_revoked *revoked;
    size_t count;
    struct pki_extension extensions[PKI_EXTENSIONS_MAX];
};

static inline void pki_crl_integer(X509_CRL *crl, int nid, long value, int critical)
{
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_INTEGER_set(number, value);
    ck_assert_int_eq(X509_CRL_add1_ext_i2d(crl, nid, number, critical, 0), 1);
    ASN1_INTEGER_free(number);
}

static inline X509_CRL *pki_crl(const struct pki_crl *wanted)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *time = ASN1_TIME_new();
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(wanted->issuer));
    pki_time(time, wanted->from ? wanted->from : PKI_NOW - 3600);
    X509_CRL_set1_lastUpdate(crl, time);
    pki_time(time, wanted->until ? wanted->until : PKI_NOW + 7 * PKI_DAY);
    X509_CRL_set1_nextUpdate(crl, time);
    for (size_t i = 0; i < wanted->count; i++) {
        X509_REVOKED *entry = X509_REVOKED_new();
        ASN1_INTEGER *serial = ASN1_INTEGER_new();
        ASN1_INTEGER_set(serial, wanted->revoked[i].serial);
        X509_REVOKED_set_serialNumber(entry, serial);
        pki_time(time, PKI_NOW - 7200);
        X509_REVOKED_set_revocationDate(entry, time);
        if (wanted->revoked[i].reason) {
            ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
            ASN1_ENUMERATED_set(reason, wanted->revoked[i].reason);
            X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason, 0, 0);
            ASN1_ENUMERATED_free(reason);
        }
        ck_assert_int_eq(X509_CRL_add0_revoked(crl, entry), 1);
        ASN1_INTEGER_free(serial);
    }
    if (wanted->number)
        pki_crl_integer(crl, NID_crl_number, wanted->number, 0);
    if (wanted->delta_base)
        pki_crl_integer(crl, NID_delta_crl, wanted->delta_base, 1);
    for (size_t i = 0; i < PKI_EXTENSIONS_MAX && wanted->extensions[i].name; i++) {
        X509_EXTENSION *extension = pki_extension(&wanted->extensions[i], wanted->issuer, NULL);
        X509_CRL_add_ext(crl, extension, -1);
        X509_EXTENSION_free(extension);
    }
    X509_CRL_sort(crl);
    ck_assert_int_gt(X509_CRL_sign(crl, wanted->issuer_key, EVP_sha256()), 0);
    ASN1_TIME_free(time);
    /* As it arrives: what X509_CRL keeps about itself is found out while it is parsed. */
    unsigned char *der = NULL;
    int length = i2d_X509_CRL(crl, &der);
    const unsigned char *cursor = der;
    X509_CRL_free(crl);
    crl = d2i_X509_CRL(NULL, &cursor, length);
    OPENSSL_free(der);
    ck_assert_ptr_nonnull(crl);
    return crl;
}

static inline size_t pki_der(X509 *certificate, uint8_t **der)
{
    *der = NULL;
    int length = i2d_X509(certificate, der);
    ck_assert_int_gt(length, 0);
    return (size_t)length;
}

#endif
