/*
 * test_certificate.c - a certificate's key, facts and fingerprint, and its text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "proto/x509/certificate.h"
#include "tests/unit/pki.h"
#include "tests/unit/unit.h"

struct sample {
    X509 *certificate;
    EVP_PKEY *key;
    uint8_t *der;
    size_t length;
};

static struct sample sample_make(const char *subject, const char *san)
{
    struct sample sample = {.key = pki_key("ec:P-256")};
    struct pki_certificate wanted = {.subject = subject, .serial = 0x1234, .key = sample.key,
                                     .extensions = {PKI_CLIENT, {san ? "subjectAltName" : NULL, san}}};
    sample.certificate = pki_certificate(&wanted);
    sample.length = pki_der(sample.certificate, &sample.der);
    return sample;
}

static void sample_free(struct sample *sample)
{
    X509_free(sample->certificate);
    EVP_PKEY_free(sample->key);
    OPENSSL_free(sample->der);
}

START_TEST(the_key_of_a_certificate_is_serial_issuer_and_fingerprint)
{
    struct sample sample = sample_make("alice", "DNS:alice.example");
    struct certificate_key key;
    struct failure failure;
    ck_assert_msg(certificate_key_read(sample.der, sample.length, "certificate", &key, &failure) == 0, "%s", failure.reason);
    char text[SERIAL_TEXT_SIZE];
    serial_format(&key.serial, text);
    ck_assert_str_eq(text, "1234");
    uint8_t *issuer = NULL, digest[32];
    int length = i2d_X509_NAME(X509_get_issuer_name(sample.certificate), &issuer);
    ck_assert_uint_eq(key.issuer_length, (size_t)length);
    ck_assert_mem_eq(key.issuer, issuer, (size_t)length);
    ck_assert(key.issuer > sample.der && key.issuer < sample.der + sample.length); /* points into the input */
    ck_assert_mem_eq(key.fingerprint, SHA256(sample.der, sample.length, digest), 32);
    OPENSSL_free(issuer);
    sample_free(&sample);
}
END_TEST

START_TEST(a_version_1_certificate_has_a_key_too)
{
    struct sample sample = sample_make("old", NULL);
    while (X509_get_ext_count(sample.certificate))
        X509_EXTENSION_free(X509_delete_ext(sample.certificate, 0));
    X509_set_version(sample.certificate, 0);
    X509_sign(sample.certificate, sample.key, EVP_sha256());
    OPENSSL_free(sample.der);
    sample.length = pki_der(sample.certificate, &sample.der);
    struct certificate_key key;
    struct certificate_facts facts;
    ck_assert_int_eq(certificate_key_read(sample.der, sample.length, "certificate", &key, NULL), 0);
    ck_assert_int_eq(key.serial.bytes[0], 0x12);
    ck_assert_int_eq(certificate_facts_read(sample.der, sample.length, "certificate", &facts, NULL), 0);
    certificate_facts_clear(&facts);
    sample_free(&sample);
}
END_TEST

static void both_refuse(const uint8_t *der, size_t length, const char *why)
{
    struct certificate_key key;
    struct certificate_facts facts;
    struct failure failure;
    ck_assert_int_eq(certificate_key_read(der, length, "chain", &key, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_str_eq(failure.field, "chain");
    ck_assert_msg(strstr(failure.reason, why) != NULL, "%s", failure.reason);
    ck_assert_int_eq(certificate_facts_read(der, length, "chain", &facts, &failure), -1);
    ck_assert_str_eq(failure.field, "chain");
}

START_TEST(trailing_bytes_truncation_and_garbage_are_refused)
{
    struct sample sample = sample_make("alice", NULL);
    uint8_t *longer = calloc(CERTIFICATE_DER_MAX + 2, 1), digest[32];
    memcpy(longer, sample.der, sample.length);
    both_refuse(longer, sample.length + 1, "not one X.509 certificate");
    both_refuse(longer, CERTIFICATE_DER_MAX + 1, "at most 65536");
    for (size_t cut = 0; cut < sample.length; cut++)
        both_refuse(sample.der, cut, "not one X.509 certificate");
    memset(longer, 0x30, 1000);
    both_refuse(longer, 1000, "not one X.509 certificate");
    ck_assert_int_eq(certificate_tbs_digest(longer, 1000, digest), -1);
    free(longer);
    sample_free(&sample);
}
END_TEST

/* A certificate whose serial has these bytes as they stand in the DER. */
static size_t with_serial(const char *decimal, uint8_t **der)
{
    struct sample sample = sample_make("serial", NULL);
    BIGNUM *number = NULL;
    BN_dec2bn(&number, decimal);
    ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(number, NULL);
    X509_set_serialNumber(sample.certificate, serial);
    X509_sign(sample.certificate, sample.key, EVP_sha256());
    size_t length = pki_der(sample.certificate, der);
    ASN1_INTEGER_free(serial);
    BN_free(number);
    sample_free(&sample);
    return length;
}

START_TEST(odd_serials)
{
    uint8_t *der;
    struct certificate_key key;
    size_t length = with_serial("-5", &der);
    both_refuse(der, length, "negative");
    OPENSSL_free(der);
    length = with_serial("1461501637330902918203684832716283019655932542976", &der); /* 2^160 */
    both_refuse(der, length, "20 bytes");
    OPENSSL_free(der);
    length = with_serial("1461501637330902918203684832716283019655932542975", &der); /* 20 bytes of ff, with a sign byte */
    ck_assert_int_eq(certificate_key_read(der, length, "x", &key, NULL), 0);
    ck_assert_int_eq(key.serial.length, SERIAL_MAX);
    ck_assert_int_eq(key.serial.bytes[0], 0xff);
    OPENSSL_free(der);
    length = with_serial("0", &der);
    ck_assert_int_eq(certificate_key_read(der, length, "x", &key, NULL), 0);
    ck_assert_int_eq(key.serial.length, 1);
    ck_assert_int_eq(key.serial.bytes[0], 0);
    OPENSSL_free(der);
}
END_TEST

START_TEST(facts_are_names_times_and_fingerprint)
{
    struct sample sample = sample_make("\xc3\x89lise", "DNS:Elise.Example,email:elise@Example.com,URI:https://Example.com/e,IP:2001:db8::1");
    struct certificate_facts facts;
    struct failure failure;
    ck_assert_msg(certificate_facts_read(sample.der, sample.length, "certificate", &facts, &failure) == 0, "%s", failure.reason);
    ck_assert_str_eq(facts.subject, "CN=\xc3\x89lise");
    ck_assert_str_eq(facts.issuer, facts.subject);
    ck_assert_str_eq(facts.names.common_name, "\xc3\x89lise");
    static const char *const values[] = {"elise.example", "elise@example.com", "https://example.com/e", "2001:db8::1"};
    ck_assert_uint_eq(facts.names.count, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(facts.names.sans[i].value, values[i]);
    ck_assert_uint_eq(facts.other_names, 0);
    ck_assert_int_eq(facts.not_before, PKI_NOW - PKI_DAY);
    ck_assert_int_eq(facts.not_after, PKI_NOW + 365 * PKI_DAY);
    char text[FINGERPRINT_TEXT_SIZE], digest[32];
    fingerprint_format(facts.fingerprint, text);
    ck_assert_uint_eq(strlen(text), 64);
    ck_assert_mem_eq(facts.fingerprint, SHA256(sample.der, sample.length, (uint8_t *)digest), 32);
    certificate_facts_clear(&facts);
    certificate_facts_clear(&facts);
    sample_free(&sample);
}
END_TEST

START_TEST(names_that_we_do_not_take_are_counted_and_do_not_stand_in_for_others)
{
    struct sample sample = sample_make("a\nb", "DNS:under_score.example,otherName:1.2.3.4;UTF8:x,RID:1.2.3,DNS:good.example");
    struct certificate_facts facts;
    ck_assert_int_eq(certificate_facts_read(sample.der, sample.length, "certificate", &facts, NULL), 0);
    ck_assert_str_eq(facts.names.common_name, "");
    ck_assert_str_eq(facts.subject, "CN=a\\0Ab");
    ck_assert_uint_eq(facts.names.count, 1);
    ck_assert_str_eq(facts.names.sans[0].value, "good.example");
    ck_assert_uint_eq(facts.other_names, 4);
    certificate_facts_clear(&facts);
    sample_free(&sample);
}
END_TEST

START_TEST(the_last_of_several_common_names_counts)
{
    struct sample sample = sample_make("first", NULL);
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"first", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"Example, Inc", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"last", -1, -1, 0);
    X509_set_subject_name(sample.certificate, name);
    X509_sign(sample.certificate, sample.key, EVP_sha256());
    OPENSSL_free(sample.der);
    sample.length = pki_der(sample.certificate, &sample.der);
    struct certificate_facts facts;
    ck_assert_int_eq(certificate_facts_read(sample.der, sample.length, "certificate", &facts, NULL), 0);
    ck_assert_str_eq(facts.names.common_name, "last");
    ck_assert_str_eq(facts.subject, "CN=last,O=Example\\, Inc,CN=first");
    ck_assert_uint_eq(facts.other_names, 1);
    certificate_facts_clear(&facts);
    X509_NAME_free(name);
    sample_free(&sample);
}
END_TEST

START_TEST(a_name_that_hides_a_control_character_is_written_with_escapes)
{
    struct sample sample = sample_make("x", NULL);
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING, (const unsigned char *)"\xc3\xa9\xc2\x85", 4, -1, 0); /* e acute, next line */
    ck_assert_int_eq(X509_set_subject_name(sample.certificate, name), 1);
    X509_sign(sample.certificate, sample.key, EVP_sha256());
    OPENSSL_free(sample.der);
    sample.length = pki_der(sample.certificate, &sample.der);
    struct certificate_facts facts;
    ck_assert_int_eq(certificate_facts_read(sample.der, sample.length, "certificate", &facts, NULL), 0);
    ck_assert_str_eq(facts.subject, "CN=\\C3\\A9\\C2\\85");
    ck_assert_str_eq(facts.names.common_name, "");
    certificate_facts_clear(&facts);
    X509_NAME_free(name);
    sample_free(&sample);
}
END_TEST

START_TEST(times_beyond_2049_are_read)
{
    EVP_PKEY *key = pki_key("ec:P-256");
    struct pki_certificate wanted = {.subject = "x", .serial = 1, .key = key, .from = 1, .until = INT64_C(253402300799)};
    X509 *certificate = pki_certificate(&wanted);
    uint8_t *der;
    size_t length = pki_der(certificate, &der);
    struct certificate_facts facts;
    ck_assert_int_eq(certificate_facts_read(der, length, "certificate", &facts, NULL), 0);
    ck_assert_int_eq(facts.not_before, 1);
    ck_assert_int_eq(facts.not_after, INT64_C(253402300799));
    certificate_facts_clear(&facts);
    OPENSSL_free(der);
    X509_free(certificate);
    EVP_PKEY_free(key);
}
END_TEST

/* --- text ---------------------------------------------------------------------------------------------------- */

static void decodes(const char *text, const struct sample *sample)
{
    uint8_t *der;
    size_t length;
    struct failure failure;
    ck_assert_msg(certificate_decode_text(text, "certificate", &der, &length, &failure) == 0, "%s", failure.reason);
    ck_assert_uint_eq(length, sample->length);
    ck_assert_mem_eq(der, sample->der, length);
    free(der);
}

static void does_not_decode(const char *text, const char *why)
{
    uint8_t *der;
    size_t length;
    struct failure failure;
    ck_assert_msg(certificate_decode_text(text, "chain", &der, &length, &failure) == -1, "accepted %s", text);
    ck_assert_str_eq(failure.field, "chain");
    ck_assert_msg(strstr(failure.reason, why) != NULL, "'%s' does not say '%s'", failure.reason, why);
}

START_TEST(pem_is_what_openssl_writes_and_reads)
{
    /* Three subjects, so that the base64 ends with none, one and two '='. */
    static const char *const subjects[] = {"a", "ab", "abc"};
    for (size_t i = 0; i < 3; i++) {
        struct sample sample = sample_make(subjects[i], NULL);
        char *pem = certificate_to_pem(sample.der, sample.length), *data, text[8192];
        BIO *bio = BIO_new(BIO_s_mem());
        PEM_write_bio_X509(bio, sample.certificate);
        long length = BIO_get_mem_data(bio, &data);
        ck_assert_uint_eq(strlen(pem), (size_t)length);
        ck_assert_mem_eq(pem, data, (size_t)length);
        decodes(pem, &sample);
        snprintf(text, sizeof text, "Certificate:\n    Data: as openssl x509 -text writes it\n%sand after it\n", pem);
        decodes(text, &sample);
        size_t out = 0;
        for (const char *p = pem; *p; p++) { /* CRLF */
            if (*p == '\n')
                text[out++] = '\r';
            text[out++] = *p;
        }
        text[out] = '\0';
        decodes(text, &sample);
        EVP_EncodeBlock((unsigned char *)text, sample.der, (int)sample.length); /* bare base64 */
        decodes(text, &sample);
        BIO_free(bio);
        free(pem);
        sample_free(&sample);
    }
}
END_TEST

START_TEST(what_is_not_one_certificate_in_pem_is_refused)
{
    struct sample sample = sample_make("alice", NULL);
    char *pem = certificate_to_pem(sample.der, sample.length), text[8192];
    snprintf(text, sizeof text, "%s%s", pem, pem);
    does_not_decode(text, "second PEM block");
    snprintf(text, sizeof text, "%s-----BEGIN PRIVATE KEY-----\n", pem);
    does_not_decode(text, "second PEM block");
    does_not_decode("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "PRIVATE KEY");
    does_not_decode("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "CERTIFICATE REQUEST");
    does_not_decode("-----BEGIN CERTIFICATE-----\nAAAA\n", "no -----END");
    does_not_decode("-----BEGIN CERTIFICATE-----\nAAAA\n-----END X-----\n", "no -----END");
    does_not_decode("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "neither");
    does_not_decode("-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END CERTIFICATE-----\n", "neither");
    does_not_decode("", "neither");
    does_not_decode("hello", "neither");
    does_not_decode("AAA", "neither");
    does_not_decode("AA=A", "neither");
    does_not_decode("A===", "neither");
    does_not_decode("AA==AAAA", "neither");
    does_not_decode("AAA-", "neither");
    does_not_decode("-AAA", "neither");
    does_not_decode("AAAA\xc3\xa9" "AA", "neither");
    does_not_decode("====", "neither");
    char *huge = malloc(400000);
    memset(huge, 'A', 399999);
    huge[399999] = '\0';
    does_not_decode(huge, "65536");
    free(huge);
    free(pem);
    sample_free(&sample);
}
END_TEST

/* --- whose signature ------------------------------------------------------------------------------------------- */

START_TEST(signed_by_says_whose_key_it_was)
{
    struct sample ours = sample_make("CA", NULL), other = sample_make("CA", NULL);
    EVP_PKEY *key = pki_key("ec:P-256");
    struct pki_certificate wanted = {.subject = "leaf", .serial = 2, .key = key, .issuer = ours.certificate, .issuer_key = ours.key};
    X509 *leaf = pki_certificate(&wanted);
    uint8_t *der;
    size_t length = pki_der(leaf, &der);
    ck_assert_int_eq(certificate_signed_by(der, length, ours.der, ours.length), 1);
    ck_assert_int_eq(certificate_signed_by(der, length, other.der, other.length), 0);
    ck_assert_int_eq(certificate_signed_by(der, length - 1, ours.der, ours.length), -1);
    ck_assert_int_eq(certificate_signed_by(der, length, ours.der, 10), -1);

    uint8_t before[32], after[32];
    ck_assert_int_eq(certificate_tbs_digest(der, length, before), 0);
    der[length - 1] ^= 1; /* in the signature: the same tbsCertificate, another fingerprint */
    ck_assert_int_eq(certificate_signed_by(der, length, ours.der, ours.length), 0);
    ck_assert_int_eq(certificate_tbs_digest(der, length, after), 0);
    ck_assert_mem_eq(before, after, 32);
    der[30] ^= 1;
    ck_assert_int_eq(certificate_tbs_digest(der, length, after), 0);
    ck_assert_mem_ne(before, after, 32);
    OPENSSL_free(der);
    X509_free(leaf);
    EVP_PKEY_free(key);
    sample_free(&ours);
    sample_free(&other);
}
END_TEST

UNIT_MAIN("certificate", the_key_of_a_certificate_is_serial_issuer_and_fingerprint, a_version_1_certificate_has_a_key_too,
          trailing_bytes_truncation_and_garbage_are_refused, odd_serials, facts_are_names_times_and_fingerprint,
          names_that_we_do_not_take_are_counted_and_do_not_stand_in_for_others, the_last_of_several_common_names_counts,
          a_name_that_hides_a_control_character_is_written_with_escapes, times_beyond_2049_are_read, pem_is_what_openssl_writes_and_reads,
          what_is_not_one_certificate_in_pem_is_refused, signed_by_says_whose_key_it_was)
