/*
 * authority.c - the CA's own certificate, read and made.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Making one happens once in the life of a CA, so it goes the ordinary way, through X509 objects.
 */
#include "agent/keeper/authority.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/keeper/certificate.h"

int key_identifier(const EVP_MD *sha1, const uint8_t *bits, size_t length, uint8_t out[static KEY_ID_SIZE])
{
    unsigned size = 0;
    return EVP_Digest(bits, length, out, &size, sha1, NULL) == 1 && size == KEY_ID_SIZE ? 0 : -1;
}

/* --- reading ---------------------------------------------------------------------------------------------- */

static int time_read(const ASN1_TIME *from, int64_t *out)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(from, &tm) != 1)
        return -1;
    *out = timegm(&tm);
    return 0;
}

/* keyid alone: issuer and serial would tie every certificate to this one certificate of the CA (RFC 5280 section
 * 4.2.1.1). */
static int key_identifier_read(X509 *certificate, struct authority *out)
{
    const ASN1_OCTET_STRING *own = X509_get0_subject_key_id(certificate);
    AUTHORITY_KEYID value = {.keyid = (ASN1_OCTET_STRING *)own};
    int length = own ? i2d_AUTHORITY_KEYID(&value, NULL) : -1;
    uint8_t *at = length > 0 ? malloc((size_t)length) : NULL;
    if (!at)
        return -1;
    out->key_identifier = at;
    out->key_identifier_length = (size_t)length;
    return i2d_AUTHORITY_KEYID(&value, &at) == length ? 0 : -1;
}

static int subject_read(X509 *certificate, struct authority *out)
{
    const uint8_t *der;
    size_t length;
    if (X509_NAME_get0_der(X509_get_subject_name(certificate), &der, &length) != 1 || !(out->subject = malloc(length)))
        return -1;
    memcpy(out->subject, der, length);
    out->subject_length = length;
    return 0;
}

static int facts_read(X509 *certificate, struct authority *out, struct failure *failure)
{
    int length = i2d_X509(certificate, NULL);
    uint8_t *at = out->der;
    if (length <= 0 || length > AUTHORITY_DER_MAX)
        return failure_set(failure, FAILURE_BAD_REQUEST, NULL, "ca.crt: over %d bytes of DER", AUTHORITY_DER_MAX);
    out->length = (size_t)i2d_X509(certificate, &at);
    out->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    if (X509_check_ca(certificate) != 1 || !out->sha1 || key_identifier_read(certificate, out) ||
        subject_read(certificate, out) || time_read(X509_get0_notBefore(certificate), &out->not_before) ||
        time_read(X509_get0_notAfter(certificate), &out->not_after)) {
        ERR_clear_error();
        return failure_set(failure, FAILURE_BAD_REQUEST, NULL,
                           "ca.crt: not the certificate of a CA as mtlsd-keeper makes them");
    }
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    return key ? public_key_from_evp(key, &out->key, failure)
               : failure_set(failure, FAILURE_BAD_REQUEST, NULL, "ca.crt: its key cannot be read");
}

int authority_read(const void *pem, size_t length, struct authority *out, struct failure *failure)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)length);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    memset(out, 0, sizeof *out);
    int result = certificate ? facts_read(certificate, out, failure)
                             : failure_set(failure, FAILURE_BAD_REQUEST, NULL, "ca.crt: no certificate in PEM");
    X509_free(certificate);
    ERR_clear_error();
    if (result)
        authority_clear(out);
    return result;
}

int authority_open(struct authority *authority, struct signer *signer, const struct floor *floor, struct failure *failure)
{
    const struct public_key *key = signer_public_key(signer);
    if (key->type.kind != authority->key.type.kind || key->length != authority->key.length ||
        key->exponent != authority->key.exponent || memcmp(key->material, authority->key.material, key->length))
        return failure_set(failure, FAILURE_CONFLICT, NULL, "ca.key is not the key of ca.crt: one of the two was replaced");
    authority_lock(authority);
    authority->signer = signer;
    authority->floor = *floor;
    return 0;
}

void authority_lock(struct authority *authority)
{
    signer_close(authority->signer);
    authority->signer = NULL;
}

void authority_clear(struct authority *authority)
{
    authority_lock(authority);
    free(authority->subject);
    free(authority->key_identifier);
    EVP_MD_free(authority->sha1);
    memset(authority, 0, sizeof *authority);
}

/* --- making ----------------------------------------------------------------------------------------------- */

static bool add_constraints(X509 *certificate, const struct floor *floor)
{
    NAME_CONSTRAINTS *constraints = NAME_CONSTRAINTS_new();
    bool good = constraints && (constraints->permittedSubtrees = (STACK_OF(GENERAL_SUBTREE) *)OPENSSL_sk_new_null());
    for (size_t i = 0; good && i < floor->permit_count; i++) {
        GENERAL_SUBTREE *subtree = GENERAL_SUBTREE_new();
        ASN1_IA5STRING *domain = ASN1_IA5STRING_new();
        good = subtree && domain && ASN1_STRING_set(domain, floor->permit_dns[i], -1) == 1;
        if (good) {
            GENERAL_NAME_set0_value(subtree->base, GEN_DNS, domain);
            good = sk_GENERAL_SUBTREE_push(constraints->permittedSubtrees, subtree) > 0;
        } else {
            ASN1_IA5STRING_free(domain);
            GENERAL_SUBTREE_free(subtree);
        }
    }
    good = good && X509_add1_ext_i2d(certificate, NID_name_constraints, constraints, 1, X509V3_ADD_DEFAULT) == 1;
    NAME_CONSTRAINTS_free(constraints);
    return good;
}

static bool add_usage(X509 *certificate)
{
    BASIC_CONSTRAINTS *basic = BASIC_CONSTRAINTS_new();
    ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
    bool good = basic && usage && (basic->pathlen = ASN1_INTEGER_new()) && ASN1_INTEGER_set(basic->pathlen, 0) == 1;
    if (good) {
        basic->ca = 0xff;
        good = X509_add1_ext_i2d(certificate, NID_basic_constraints, basic, 1, X509V3_ADD_DEFAULT) == 1 &&
               ASN1_BIT_STRING_set_bit(usage, 5, 1) == 1 && /* keyCertSign */
               ASN1_BIT_STRING_set_bit(usage, 6, 1) == 1 && /* cRLSign */
               X509_add1_ext_i2d(certificate, NID_key_usage, usage, 1, X509V3_ADD_DEFAULT) == 1;
    }
    BASIC_CONSTRAINTS_free(basic);
    ASN1_BIT_STRING_free(usage);
    return good;
}

static bool add_key_identifier(X509 *certificate)
{
    uint8_t id[KEY_ID_SIZE];
    unsigned size = 0;
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    bool good = value && X509_pubkey_digest(certificate, EVP_sha1(), id, &size) == 1 &&
                ASN1_OCTET_STRING_set(value, id, (int)size) == 1 &&
                X509_add1_ext_i2d(certificate, NID_subject_key_identifier, value, 0, X509V3_ADD_DEFAULT) == 1;
    ASN1_OCTET_STRING_free(value);
    return good;
}

static bool fill(X509 *certificate, const struct authority_wish *wish, EVP_PKEY *key)
{
    struct serial serial;
    serial_draw(&serial);
    ASN1_STRING number = {.type = V_ASN1_INTEGER, .data = serial.bytes, .length = serial.length};
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_set_version(certificate, X509_VERSION_3) == 1 && X509_set_serialNumber(certificate, &number) == 1 &&
           X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const uint8_t *)wish->name, -1, -1, 0) ==
               1 &&
           X509_set_issuer_name(certificate, name) == 1 &&
           ASN1_TIME_set(X509_getm_notBefore(certificate), wish->not_before) &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), wish->not_after) &&
           X509_set_pubkey(certificate, key) == 1 && add_usage(certificate) && add_key_identifier(certificate) &&
           (wish->floor->permit_count == 0 || add_constraints(certificate, wish->floor));
}

static int certificate_to_text(X509 *certificate, char **pem, size_t *length)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *copy = NULL;
    long size = bio && PEM_write_bio_X509(bio, certificate) == 1 ? BIO_get_mem_data(bio, &data) : -1;
    if (size > 0 && (copy = malloc((size_t)size))) {
        memcpy(copy, data, (size_t)size);
        *pem = copy;
        *length = (size_t)size;
    }
    BIO_free(bio);
    return copy ? 0 : -1;
}

int authority_make(const struct authority_wish *wish, char **pem, size_t *length, struct failure *failure)
{
    struct signer *signer = NULL;
    if (signer_open(wish->pkcs8, wish->pkcs8_length, &signer, failure))
        return -1;
    enum key_kind kind = signer_public_key(signer)->type.kind;
    const EVP_MD *digest = kind == KEY_ED25519 ? NULL : kind == KEY_EC_P384 ? EVP_sha384() : EVP_sha256();
    X509 *certificate = X509_new();
    bool good = certificate && fill(certificate, wish, signer_key(signer)) &&
                X509_sign(certificate, signer_key(signer), digest) > 0 &&
                !certificate_to_text(certificate, pem, length);
    X509_free(certificate);
    signer_close(signer);
    ERR_clear_error();
    return good ? 0
                : failure_set(failure, FAILURE_INTERNAL, NULL,
                              "the CA's certificate could not be made (is the name at most 64 characters of UTF-8?)");
}
