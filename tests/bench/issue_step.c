/*
 * issue_step.c - what issuing costs in process.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/bench/issue_step.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/ca/csr.h"
#include "agent/ca/plan.h"
#include "agent/keeper/authority.h"
#include "agent/keeper/certificate.h"
#include "agent/keeper/memory.h"
#include "tests/bench/load.h"

static struct authority authority;
static X509 *issuer;
static EVP_PKEY *issuer_key;

static void die(const char *what, const struct failure *failure)
{
    fprintf(stderr, "bench: %s: %s\n", what, failure ? failure->reason : "failed");
    ERR_print_errors_fp(stderr);
    exit(1);
}

void issue_step_prepare(void)
{
    struct failure failure = {0};
    struct floor floor;
    const struct key_type type = {.kind = KEY_EC_P256};
    uint8_t *pkcs8;
    size_t length, pem_length;
    struct signer *signer;
    char *pem;
    /* The keeper does without the tables that the X509 API looks its digests up in. */
    OPENSSL_init_crypto(OPENSSL_INIT_ADD_ALL_CIPHERS | OPENSSL_INIT_ADD_ALL_DIGESTS, NULL);
    floor_default(&floor);
    if (signer_prepare(&failure) || signer_generate(type, &pkcs8, &length, &failure))
        die("key", &failure);
    const struct authority_wish wish = {.name = "Bench CA", .not_before = time(NULL) - 60, .not_after = time(NULL) + 3650 * 86400,
                                        .floor = &floor, .pkcs8 = pkcs8, .pkcs8_length = length};
    if (authority_make(&wish, &pem, &pem_length, &failure) || authority_read(pem, pem_length, &authority, &failure) ||
        signer_open(pkcs8, length, &signer, &failure) || authority_open(&authority, signer, &floor, &failure))
        die("authority", &failure);
    BIO *bio = BIO_new_mem_buf(pem, (int)pem_length);
    issuer = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    const uint8_t *cursor = pkcs8;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &cursor, (long)length);
    issuer_key = info ? EVP_PKCS82PKEY(info) : NULL;
    PKCS8_PRIV_KEY_INFO_free(info);
    if (!issuer || !issuer_key)
        die("issuer", NULL);
}

static void one_ours(const uint8_t *der, size_t length)
{
    struct failure failure = {0};
    static const struct config_profile profile = {.name = (char *)"client", .eku = (char *)"clientAuth", .life = 90 * 86400};
    struct csr csr;
    struct grant grant;
    bool clamped;
    static struct signed_certificate made;
    if (csr_read(der, length, &csr, &failure))
        die("csr_read", &failure);
    const struct certificate_wish wish = {.csr = &csr, .key = &csr.key, .profile = &profile, .now = time(NULL),
                                          .authority_not_after = authority.not_after};
    if (certificate_plan(&wish, &grant, &clamped, &failure) ||
        keeper_sign_grant(&authority, &grant, wish.now, &made, &failure))
        die("issue", &failure);
    names_clear(&grant.names);
    csr_clear(&csr);
}

static void add_extension(X509 *certificate, X509V3_CTX *context, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, nid, value);
    if (!extension || !X509_add_ext(certificate, extension, -1))
        die("extension", NULL);
    X509_EXTENSION_free(extension);
}

static void one_x509(const uint8_t *der, size_t length)
{
    const uint8_t *cursor = der;
    X509_REQ *request = d2i_X509_REQ(NULL, &cursor, (long)length);
    EVP_PKEY *key = request ? X509_REQ_get0_pubkey(request) : NULL;
    X509 *certificate = X509_new();
    X509V3_CTX context;
    unsigned char serial[16], *out = NULL;
    char name[80] = "", san[96];
    if (!key || X509_REQ_verify(request, key) != 1 || RAND_bytes(serial, sizeof serial) != 1)
        die("X509_REQ_verify", NULL);
    serial[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    X509_set_version(certificate, X509_VERSION_3);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    X509_set_subject_name(certificate, X509_REQ_get_subject_name(request));
    X509_gmtime_adj(X509_getm_notBefore(certificate), -300);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 90 * 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(request), NID_commonName, name, sizeof name);
    snprintf(san, sizeof san, "DNS:%s", name);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    add_extension(certificate, &context, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate, &context, NID_key_usage, "critical,digitalSignature");
    add_extension(certificate, &context, NID_ext_key_usage, "clientAuth");
    add_extension(certificate, &context, NID_subject_key_identifier, "hash");
    add_extension(certificate, &context, NID_authority_key_identifier, "keyid");
    add_extension(certificate, &context, NID_subject_alt_name, san);
    if (!X509_sign(certificate, issuer_key, EVP_sha256()) || i2d_X509(certificate, &out) <= 0)
        die("X509_sign", NULL);
    OPENSSL_free(out);
    X509_free(certificate);
    X509_REQ_free(request);
}

static double measure(char *const *csr, size_t count, double seconds, void (*one)(const uint8_t *, size_t))
{
    uint8_t *der[64];
    size_t length[64], n = count < 64 ? count : 64, done = 0;
    struct failure failure;
    for (size_t i = 0; i < n; i++)
        if (csr_decode_text(csr[i], &der[i], &length[i], &failure))
            die("csr", &failure);
    double start = clock_now(), now;
    do {
        one(der[done % n], length[done % n]);
        done++;
        now = clock_now();
    } while (now - start < seconds);
    for (size_t i = 0; i < n; i++)
        free(der[i]);
    return (now - start) / (double)done;
}

double issue_step_ours(char *const *csr, size_t count, double seconds)
{
    return measure(csr, count, seconds, one_ours);
}

double issue_step_x509(char *const *csr, size_t count, double seconds)
{
    return measure(csr, count, seconds, one_x509);
}
