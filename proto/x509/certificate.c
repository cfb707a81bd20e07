/*
 * certificate.c - a certificate's key for the index, its facts for people, its fingerprint.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two ways to read one: certificate_key_read for the hot path, with a template of ours that steps over
 * everything but serial and issuer, and certificate_facts_read through the X509 object. Whoever only reads the
 * key compares the fingerprint, which covers every byte.
 */
#include "proto/x509/certificate.h"

#include <limits.h>
#include <openssl/asn1t.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/x509/pem.h"
#include "proto/x509/span.h"

/* --- the key: RFC 5280 section 4.1, as far as the issuer ------------------------------------------------ */

struct key_tbs {
    ASN1_INTEGER *version;
    ASN1_INTEGER *serial;
    struct span signature;
    struct span issuer;
    struct span rest;
};

struct key_certificate {
    struct key_tbs *tbs;
    struct span rest;
};

struct outer_certificate {
    struct span tbs;
    struct span rest;
};

ASN1_SEQUENCE(key_tbs) = {
    ASN1_EXP_OPT(struct key_tbs, version, ASN1_INTEGER, 0),
    ASN1_SIMPLE(struct key_tbs, serial, ASN1_INTEGER),
    ASN1_EMBED(struct key_tbs, signature, span_one),
    ASN1_EMBED(struct key_tbs, issuer, span_one),
    ASN1_EMBED(struct key_tbs, rest, span_rest),
} static_ASN1_SEQUENCE_END_name(struct key_tbs, key_tbs)

ASN1_SEQUENCE(key_certificate) = {
    ASN1_SIMPLE(struct key_certificate, tbs, key_tbs),
    ASN1_EMBED(struct key_certificate, rest, span_rest),
} static_ASN1_SEQUENCE_END_name(struct key_certificate, key_certificate)

ASN1_SEQUENCE(outer_certificate) = {
    ASN1_EMBED(struct outer_certificate, tbs, span_one),
    ASN1_EMBED(struct outer_certificate, rest, span_rest),
} static_ASN1_SEQUENCE_END_name(struct outer_certificate, outer_certificate)

static int refuse(const char *field, const char *why, struct failure *failure)
{
    ERR_clear_error();
    return failure_set(failure, FAILURE_BAD_REQUEST, field, "%s", why);
}

/* Decode all of the input with a template; NULL where it is something else or bytes follow. */
static void *decode_whole(const uint8_t *der, size_t length, const ASN1_ITEM *item)
{
    const unsigned char *cursor = der;
    void *value = length && length <= CERTIFICATE_DER_MAX ? ASN1_item_d2i(NULL, &cursor, (long)length, item) : NULL;
    if (value && cursor == der + length)
        return value;
    ASN1_item_free(value, item);
    ERR_clear_error();
    return NULL;
}

/* RFC 5280 section 4.1.2.2, for readers: zero is let through, a negative number or more than 20 bytes is not. */
static int serial_from_integer(const ASN1_INTEGER *integer, const char *field, struct serial *out,
                               struct failure *failure)
{
    int length = ASN1_STRING_length(integer);
    if (ASN1_STRING_type(integer) != V_ASN1_INTEGER || length < 1 || length > SERIAL_MAX)
        return refuse(field, "its serial number is negative or longer than 20 bytes", failure);
    memset(out, 0, sizeof *out);
    out->length = (uint8_t)length;
    memcpy(out->bytes, ASN1_STRING_get0_data(integer), (size_t)length);
    return 0;
}

int certificate_key_read(const uint8_t *der, size_t length, const char *field, struct certificate_key *out,
                         struct failure *failure)
{
    struct key_certificate *certificate = decode_whole(der, length, ASN1_ITEM_rptr(key_certificate));
    if (!certificate)
        return refuse(field, "it is not one X.509 certificate in DER of at most 65536 bytes", failure);
    struct certificate_key key = {.issuer = certificate->tbs->issuer.data,
                                  .issuer_length = (size_t)certificate->tbs->issuer.length};
    int result = serial_from_integer(certificate->tbs->serial, field, &key.serial, failure);
    ASN1_item_free((ASN1_VALUE *)certificate, ASN1_ITEM_rptr(key_certificate));
    if (result == 0 && !SHA256(der, length, key.fingerprint))
        result = failure_set(failure, FAILURE_INTERNAL, NULL, "SHA-256 is not to be had");
    if (result == 0)
        *out = key;
    return result;
}

int certificate_tbs_digest(const uint8_t *der, size_t length, uint8_t out[static FINGERPRINT_SIZE])
{
    struct outer_certificate *certificate = decode_whole(der, length, ASN1_ITEM_rptr(outer_certificate));
    if (!certificate)
        return -1;
    bool good = SHA256(certificate->tbs.data, (size_t)certificate->tbs.length, out) != NULL;
    ASN1_item_free((ASN1_VALUE *)certificate, ASN1_ITEM_rptr(outer_certificate));
    return good ? 0 : -1;
}

/* --- text ----------------------------------------------------------------------------------------------- */

int certificate_decode_text(const char *text, const char *field, uint8_t **der, size_t *length,
                            struct failure *failure)
{
    static const char *const labels[] = {"CERTIFICATE", NULL};
    static const struct pem_kind kind = {labels, "a certificate", CERTIFICATE_DER_MAX};
    return pem_decode(text, &kind, field, der, length, failure);
}

char *certificate_to_pem(const uint8_t *der, size_t length)
{
    static const char head[] = "-----BEGIN CERTIFICATE-----\n", tail[] = "-----END CERTIFICATE-----\n";
    enum { LINE = 48 }; /* bytes that make the 64 characters of a line, RFC 7468 section 2 */
    if (length > INT_MAX / 2)
        return NULL;
    char *pem = malloc(sizeof head + sizeof tail + length / 3 * 4 + length / LINE + 8);
    if (!pem)
        return NULL;
    char *out = pem + sizeof head - 1;
    memcpy(pem, head, sizeof head - 1);
    for (size_t at = 0; at < length; at += LINE) {
        out += EVP_EncodeBlock((unsigned char *)out, der + at, length - at < LINE ? (int)(length - at) : LINE);
        *out++ = '\n';
    }
    memcpy(out, tail, sizeof tail);
    return pem;
}

int certificate_fingerprint(const uint8_t *der, size_t length, uint8_t out[static FINGERPRINT_SIZE])
{
    return SHA256(der, length, out) ? 0 : -1;
}

void fingerprint_format(const uint8_t fingerprint[static FINGERPRINT_SIZE], char out[static FINGERPRINT_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < FINGERPRINT_SIZE; i++) {
        out[2 * i] = digits[fingerprint[i] >> 4];
        out[2 * i + 1] = digits[fingerprint[i] & 15];
    }
    out[2 * FINGERPRINT_SIZE] = '\0';
}

static char *name_print(const X509_NAME *name, unsigned long flags)
{
    char *text = NULL, *data;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio && X509_NAME_print_ex(bio, name, 0, flags) >= 0) {
        long length = BIO_get_mem_data(bio, &data);
        if (text_is_clean(data, (size_t)length))
            text = strndup(data, (size_t)length);
    }
    BIO_free(bio);
    return text;
}

char *certificate_name_text(const X509_NAME *name)
{
    char *text = name_print(name, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    if (!text) /* a control character above ASCII, or what changes how the text beside it is shown: all but
                  ASCII escaped */
        text = name_print(name, XN_FLAG_RFC2253);
    if (!text) /* cannot be converted: as it stands, escaped */
        text = name_print(name, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_UTF8_CONVERT);
    ERR_clear_error();
    return text;
}

/* --- facts ---------------------------------------------------------------------------------------------- */

static int time_read(const ASN1_TIME *time, int64_t *out)
{
    struct tm tm;
    if (!time || !ASN1_TIME_to_tm(time, &tm))
        return -1;
    *out = timegm(&tm);
    return 0;
}

/* The last CN is the most specific; any other is counted. */
static void read_common_name(const X509_NAME *subject, struct certificate_facts *facts)
{
    int last = -1;
    for (int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1); at >= 0;
         at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) {
        facts->other_names += last >= 0;
        last = at;
    }
    if (last < 0)
        return;
    unsigned char *text = NULL;
    int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
    if (length < 0 || names_set_common_name(&facts->names, (const char *)text, (size_t)length, "subject", NULL))
        facts->other_names++;
    OPENSSL_free(text);
}

static int san_from_general_name(const GENERAL_NAME *general, struct san *out)
{
    static const struct {
        int type;
        enum san_type san;
    } texts[] = {{GEN_DNS, SAN_DNS}, {GEN_EMAIL, SAN_EMAIL}, {GEN_URI, SAN_URI}};
    const ASN1_STRING *value = general->d.ia5;
    if (general->type == GEN_IPADD)
        return san_from_address(ASN1_STRING_get0_data(general->d.iPAddress),
                                (size_t)ASN1_STRING_length(general->d.iPAddress), out, NULL);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (general->type == texts[i].type)
            return san_from_value(texts[i].san, (const char *)ASN1_STRING_get0_data(value),
                                  (size_t)ASN1_STRING_length(value), out, NULL);
    return -1;
}

/* -1 only where the extension itself is broken or stands there twice. */
static int read_sans(const X509 *certificate, struct certificate_facts *facts)
{
    int critical;
    GENERAL_NAMES *generals = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    if (!generals)
        return critical == -1 ? 0 : -1;
    for (int i = 0; i < sk_GENERAL_NAME_num(generals); i++) {
        struct san san;
        if (san_from_general_name(sk_GENERAL_NAME_value(generals, i), &san) || names_add(&facts->names, &san, NULL))
            facts->other_names++;
    }
    GENERAL_NAMES_free(generals);
    return 0;
}

static int facts_fill(const X509 *certificate, const char *field, struct certificate_facts *facts,
                      struct failure *failure)
{
    facts->issuer = certificate_name_text(X509_get_issuer_name(certificate));
    facts->subject = certificate_name_text(X509_get_subject_name(certificate));
    if (!facts->issuer || !facts->subject)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    if (serial_from_integer(X509_get0_serialNumber(certificate), field, &facts->serial, failure))
        return -1;
    if (time_read(X509_get0_notBefore(certificate), &facts->not_before) ||
        time_read(X509_get0_notAfter(certificate), &facts->not_after))
        return refuse(field, "its validity is not a pair of valid times", failure);
    read_common_name(X509_get_subject_name(certificate), facts);
    if (read_sans(certificate, facts))
        return refuse(field, "its subjectAltName extension is broken or stands there twice", failure);
    return 0;
}

int certificate_facts_read(const uint8_t *der, size_t length, const char *field, struct certificate_facts *out,
                           struct failure *failure)
{
    X509 *certificate = decode_whole(der, length, ASN1_ITEM_rptr(X509));
    if (!certificate)
        return refuse(field, "it is not one X.509 certificate in DER of at most 65536 bytes", failure);
    struct certificate_facts facts = {.issuer = NULL};
    int result = facts_fill(certificate, field, &facts, failure);
    X509_free(certificate);
    ERR_clear_error();
    if (result == 0 && !SHA256(der, length, facts.fingerprint))
        result = failure_set(failure, FAILURE_INTERNAL, NULL, "SHA-256 is not to be had");
    if (result)
        certificate_facts_clear(&facts);
    else
        *out = facts;
    return result;
}

void certificate_facts_clear(struct certificate_facts *facts)
{
    free(facts->issuer);
    free(facts->subject);
    names_clear(&facts->names);
    memset(facts, 0, sizeof *facts);
}

int certificate_signed_by(const uint8_t *der, size_t length, const uint8_t *authority, size_t authority_length)
{
    int result = -1;
    X509 *certificate = decode_whole(der, length, ASN1_ITEM_rptr(X509));
    X509 *signer = decode_whole(authority, authority_length, ASN1_ITEM_rptr(X509));
    EVP_PKEY *key = signer ? X509_get0_pubkey(signer) : NULL;
    if (certificate && key)
        result = X509_verify(certificate, key) == 1;
    X509_free(certificate);
    X509_free(signer);
    ERR_clear_error();
    return result;
}
