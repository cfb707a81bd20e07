/*
 * test_private_key.c - key pairs made here, keys that callers hold, and PKCS#12 as others read it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <sodium.h>
#include <stdio.h>

#include "agent/ca/private_key.h"
#include "tests/unit/pki.h"
#include "tests/unit/unit.h"

static EVP_PKEY *pem_to_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return key;
}

/* A PEM that a caller might send; `cipher` encrypts it, `traditional` is the form of before PKCS#8. */
static char *key_to_text(EVP_PKEY *key, const EVP_CIPHER *cipher, bool traditional)
{
    char *data;
    BIO *bio = BIO_new(BIO_s_mem());
    if (traditional)
        PEM_write_bio_PrivateKey_traditional(bio, key, cipher, NULL, 0, NULL, cipher ? (void *)(uintptr_t) "secret" : NULL);
    else
        PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, NULL, 0, NULL, cipher ? (void *)(uintptr_t) "secret" : NULL);
    long length = BIO_get_mem_data(bio, &data);
    char *text = strndup(data, (size_t)length);
    BIO_free(bio);
    return text;
}

struct holder {
    EVP_PKEY *key, *ca_key;
    X509 *certificate, *ca;
    uint8_t *der, *ca_der;
    size_t length, ca_length;
    char *pem;
};

static struct holder holder_make(const char *type)
{
    struct holder holder = {.key = pki_key(type), .ca_key = pki_key("ec:P-256")};
    struct pki_certificate ca = {.subject = "CA", .serial = 1, .key = holder.ca_key, .extensions = {PKI_CA}};
    holder.ca = pki_certificate(&ca);
    struct pki_certificate leaf = {.subject = "alice", .serial = 2, .key = holder.key, .issuer = holder.ca, .issuer_key = holder.ca_key,
                                   .extensions = {PKI_CLIENT}};
    holder.certificate = pki_certificate(&leaf);
    holder.length = pki_der(holder.certificate, &holder.der);
    holder.ca_length = pki_der(holder.ca, &holder.ca_der);
    holder.pem = key_to_text(holder.key, NULL, false);
    ck_assert_int_ge(sodium_init(), 0);
    return holder;
}

static void holder_free(struct holder *holder)
{
    X509_free(holder->certificate);
    X509_free(holder->ca);
    EVP_PKEY_free(holder->key);
    EVP_PKEY_free(holder->ca_key);
    OPENSSL_free(holder->der);
    OPENSSL_free(holder->ca_der);
    free(holder->pem);
}

/* --- making ---------------------------------------------------------------------------------------------------- */

START_TEST(a_new_pair_is_pkcs8_and_fits_its_public_half)
{
    static const char *const types[] = {"ec:P-256", "ec:P-384", "ed25519", "rsa:2048"};
    ck_assert_int_ge(sodium_init(), 0);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct key_type type;
        struct public_key public_key, from_pem;
        struct failure failure;
        char *pem, text[KEY_TYPE_TEXT_SIZE];
        ck_assert_int_eq(key_type_parse(types[i], &type), 0);
        ck_assert_msg(private_key_make(type, &public_key, &pem, &failure) == 0, "%s", failure.reason);
        ck_assert_int_eq(strncmp(pem, "-----BEGIN PRIVATE KEY-----\n", 28), 0);
        ck_assert_int_eq(public_key_check(&public_key, &failure), 0);
        key_type_format(public_key.type, text);
        ck_assert_str_eq(text, types[i]);
        EVP_PKEY *key = pem_to_key(pem);
        ck_assert_ptr_nonnull(key);
        ck_assert_int_eq(public_key_from_evp(key, &from_pem, &failure), 0);
        ck_assert_mem_eq(&public_key, &from_pem, sizeof from_pem);
        EVP_PKEY_free(key);
        sodium_free(pem);
    }
}
END_TEST

START_TEST(no_two_pairs_are_the_same)
{
    struct public_key a, b;
    char *pem_a, *pem_b;
    ck_assert_int_ge(sodium_init(), 0);
    ck_assert_int_eq(private_key_make((struct key_type){KEY_EC_P256, 0}, &a, &pem_a, NULL), 0);
    ck_assert_int_eq(private_key_make((struct key_type){KEY_EC_P256, 0}, &b, &pem_b, NULL), 0);
    ck_assert_mem_ne(a.material, b.material, 65);
    ck_assert_str_ne(pem_a, pem_b);
    sodium_free(pem_a);
    sodium_free(pem_b);
}
END_TEST

START_TEST(a_type_that_is_none_makes_nothing)
{
    static const struct key_type types[] = {{KEY_NONE, 0}, {KEY_RSA, 1024}, {KEY_RSA, 0}, {KEY_RSA, 8192}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct public_key public_key;
        struct failure failure;
        char *pem = (char *)1;
        ck_assert_int_eq(private_key_make(types[i], &public_key, &pem, &failure), -1);
        ck_assert_ptr_eq(pem, (char *)1);
        ck_assert_int_eq(failure.code, FAILURE_INTERNAL);
    }
}
END_TEST

/* --- keys that callers hold -------------------------------------------------------------------------------------- */

START_TEST(a_key_in_either_form_comes_back_as_pkcs8)
{
    static const char *const types[] = {"ec:P-256", "ED25519", "rsa:2048"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (int traditional = 0; traditional < 2; traditional++) {
            struct holder holder = holder_make(types[i]);
            struct failure failure;
            char *pkcs8, *text = key_to_text(holder.key, NULL, traditional && strcmp(types[i], "ED25519"));
            ck_assert_msg(private_key_check(text, holder.der, holder.length, &pkcs8, &failure) == 0, "%s", failure.reason);
            ck_assert_str_eq(pkcs8, holder.pem);
            sodium_free(pkcs8);
            free(text);
            holder_free(&holder);
        }
}
END_TEST

static void key_refused(const struct holder *holder, const char *pem, const char *why)
{
    struct failure failure;
    char *pkcs8 = NULL;
    uint8_t *der = NULL;
    size_t length;
    struct pkcs12_request wanted = {.certificate = holder->der, .certificate_length = holder->length, .private_key_pem = pem,
                                    .passphrase = "secret", .iterations = 1};
    for (int p12 = 0; p12 < 2; p12++) {
        ck_assert_int_eq(p12 ? pkcs12_make(&wanted, &der, &length, &failure)
                             : private_key_check(pem, holder->der, holder->length, &pkcs8, &failure), -1);
        ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
        ck_assert_str_eq(failure.field, "privateKey");
        ck_assert_msg(strstr(failure.reason, why) != NULL, "%s", failure.reason);
        ck_assert_ptr_null(pkcs8);
        ck_assert_ptr_null(der);
        ck_assert_uint_eq(ERR_peek_error(), 0);
    }
}

START_TEST(a_key_of_another_certificate_is_refused)
{
    struct holder holder = holder_make("ec:P-256"), other = holder_make("ec:P-256"), kind = holder_make("ED25519");
    key_refused(&holder, other.pem, "does not belong");
    key_refused(&holder, kind.pem, "does not belong");
    holder_free(&holder);
    holder_free(&other);
    holder_free(&kind);
}
END_TEST

START_TEST(encrypted_and_broken_keys_are_refused)
{
    struct holder holder = holder_make("ec:P-256");
    char *pkcs8 = key_to_text(holder.key, EVP_aes_256_cbc(), false), *old = key_to_text(holder.key, EVP_aes_256_cbc(), true);
    ERR_clear_error();
    key_refused(&holder, pkcs8, "encrypted");
    key_refused(&holder, old, "encrypted");
    key_refused(&holder, NULL, "needed");
    key_refused(&holder, "", "needed");
    key_refused(&holder, "hello", "not a private key");
    key_refused(&holder, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a private key");
    key_refused(&holder, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not a private key");
    char *huge = malloc(70000);
    memset(huge, 'A', 69999);
    huge[69999] = '\0';
    key_refused(&holder, huge, "65536");
    free(huge);
    free(pkcs8);
    free(old);
    holder_free(&holder);
}
END_TEST

/* --- PKCS#12 --------------------------------------------------------------------------------------------------------- */

static struct pkcs12_request wanted_of(const struct holder *holder, const uint8_t *const *chain, const size_t *lengths)
{
    return (struct pkcs12_request){.certificate = holder->der, .certificate_length = holder->length, .chain = chain, .chain_lengths = lengths,
                                   .chain_count = 1, .private_key_pem = holder->pem, .passphrase = "p\xc3\xa4ss w\xc3\xb6rd",
                                   .friendly_name = "\xc3\x89lise's phone", .iterations = 2000};
}

static PKCS12 *read_back(const uint8_t *der, size_t length)
{
    const unsigned char *cursor = der;
    PKCS12 *p12 = d2i_PKCS12(NULL, &cursor, (long)length);
    ck_assert_ptr_nonnull(p12);
    ck_assert_ptr_eq(cursor, der + length);
    return p12;
}

START_TEST(a_pkcs12_file_reads_back)
{
    static const char *const types[] = {"ec:P-256", "ED25519", "rsa:2048"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct holder holder = holder_make(types[i]);
        struct pkcs12_request wanted = wanted_of(&holder, (const uint8_t *const[]){holder.ca_der}, (const size_t[]){holder.ca_length});
        struct failure failure;
        uint8_t *der;
        size_t length;
        ck_assert_msg(pkcs12_make(&wanted, &der, &length, &failure) == 0, "%s", failure.reason);
        PKCS12 *p12 = read_back(der, length);
        EVP_PKEY *key;
        X509 *certificate;
        STACK_OF(X509) *others = NULL;
        ck_assert_int_eq(PKCS12_verify_mac(p12, "wrong", -1), 0);
        ck_assert_int_eq(PKCS12_parse(p12, wanted.passphrase, &key, &certificate, &others), 1);
        ck_assert_int_eq(EVP_PKEY_eq(key, holder.key), 1);
        ck_assert_int_eq(X509_cmp(certificate, holder.certificate), 0);
        ck_assert_int_eq(sk_X509_num(others), 1);
        ck_assert_int_eq(X509_cmp(sk_X509_value(others, 0), holder.ca), 0);
        int name_length;
        const unsigned char *name = X509_alias_get0(certificate, &name_length);
        ck_assert_int_eq(name_length, (int)strlen(wanted.friendly_name));
        ck_assert_mem_eq(name, wanted.friendly_name, (size_t)name_length);
        EVP_PKEY_free(key);
        X509_free(certificate);
        sk_X509_pop_free(others, X509_free);
        PKCS12_free(p12);
        sodium_free(der);
        holder_free(&holder);
    }
}
END_TEST

/* The OIDs that make it modern: PBES2, PBKDF2, hmacWithSHA256, aes256-CBC, and none of the old ones. */
static size_t count_oid(const uint8_t *der, size_t length, int nid)
{
    unsigned char *oid = NULL;
    int size = i2d_ASN1_OBJECT(OBJ_nid2obj(nid), &oid);
    size_t count = 0;
    for (const uint8_t *at = der; (at = memmem(at, length - (size_t)(at - der), oid, (size_t)size)); at++)
        count++;
    OPENSSL_free(oid);
    return count;
}

START_TEST(a_pkcs12_file_uses_todays_algorithms)
{
    struct holder holder = holder_make("ec:P-256");
    struct pkcs12_request wanted = wanted_of(&holder, (const uint8_t *const[]){holder.ca_der}, (const size_t[]){holder.ca_length});
    uint8_t *der;
    size_t length;
    wanted.iterations = 0;
    ck_assert_int_eq(pkcs12_make(&wanted, &der, &length, NULL), 0);
    PKCS12 *p12 = read_back(der, length);
    const ASN1_INTEGER *iterations;
    const ASN1_OCTET_STRING *salt;
    const X509_ALGOR *algorithm;
    const ASN1_OBJECT *digest;
    PKCS12_get0_mac(NULL, &algorithm, &salt, &iterations, p12);
    X509_ALGOR_get0(&digest, NULL, NULL, algorithm);
    ck_assert_int_eq(OBJ_obj2nid(digest), NID_sha256);
    ck_assert_int_eq(ASN1_INTEGER_get(iterations), 100000);
    ck_assert_int_eq(ASN1_STRING_length(salt), 8);
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
    ck_assert_int_eq(sk_PKCS7_num(safes), 2);
    for (int i = 0; i < 2; i++) { /* certificates encrypted as a whole, the key in its own bag */
        uint8_t *safe = NULL;
        int size = i2d_PKCS7(sk_PKCS7_value(safes, i), &safe);
        ck_assert_uint_eq(count_oid(safe, (size_t)size, NID_pbes2), 1);
        ck_assert_uint_eq(count_oid(safe, (size_t)size, NID_id_pbkdf2), 1);
        ck_assert_uint_eq(count_oid(safe, (size_t)size, NID_hmacWithSHA256), 1);
        ck_assert_uint_eq(count_oid(safe, (size_t)size, NID_aes_256_cbc), 1);
        OPENSSL_free(safe);
    }
    ck_assert_uint_eq(count_oid(der, length, NID_pbe_WithSHA1And3_Key_TripleDES_CBC), 0);
    ck_assert_uint_eq(count_oid(der, length, NID_pbe_WithSHA1And40BitRC2_CBC), 0);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    PKCS12_free(p12);
    sodium_free(der);
    holder_free(&holder);
}
END_TEST

START_TEST(what_a_pkcs12_file_needs)
{
    struct holder holder = holder_make("ec:P-256");
    const struct pkcs12_request good = wanted_of(&holder, (const uint8_t *const[]){holder.ca_der}, (const size_t[]){holder.ca_length});
    static const struct { const char *passphrase, *name; int iterations; const char *field; } cases[] = {
        {"", "x", 1, "passphrase"}, {NULL, "x", 1, "passphrase"}, {"\xff", "x", 1, "passphrase"}, {"a\nb", "x", 1, "passphrase"},
        {"p", "a\nb", 1, "friendlyName"}, {"p", "\xff", 1, "friendlyName"}, {"p", "x", -1, "iterations"}, {"p", "x", INT32_MAX, "iterations"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pkcs12_request wanted = good;
        struct failure failure;
        uint8_t *der = NULL;
        size_t length;
        wanted.passphrase = cases[i].passphrase;
        wanted.friendly_name = cases[i].name;
        wanted.iterations = cases[i].iterations;
        ck_assert_int_eq(pkcs12_make(&wanted, &der, &length, &failure), -1);
        ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
        ck_assert_str_eq(failure.field, cases[i].field);
        ck_assert_ptr_null(der);
    }
    struct pkcs12_request bare = good; /* no chain, no friendly name */
    uint8_t *der;
    size_t length;
    bare.chain_count = 0;
    bare.friendly_name = NULL;
    bare.iterations = 1;
    ck_assert_int_eq(pkcs12_make(&bare, &der, &length, NULL), 0);
    sodium_free(der);
    holder_free(&holder);
}
END_TEST

START_TEST(a_chain_that_cannot_be_read_is_our_fault)
{
    struct holder holder = holder_make("ec:P-256");
    struct pkcs12_request wanted = wanted_of(&holder, (const uint8_t *const[]){holder.ca_der}, (const size_t[]){holder.ca_length - 1});
    struct failure failure;
    uint8_t *der;
    size_t length;
    ck_assert_int_eq(pkcs12_make(&wanted, &der, &length, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_INTERNAL);
    wanted = wanted_of(&holder, NULL, NULL);
    wanted.chain_count = 1000;
    ck_assert_int_eq(pkcs12_make(&wanted, &der, &length, &failure), -1);
    holder_free(&holder);
}
END_TEST

UNIT_MAIN("private_key", a_new_pair_is_pkcs8_and_fits_its_public_half, no_two_pairs_are_the_same, a_type_that_is_none_makes_nothing,
          a_key_in_either_form_comes_back_as_pkcs8, a_key_of_another_certificate_is_refused, encrypted_and_broken_keys_are_refused,
          a_pkcs12_file_reads_back, a_pkcs12_file_uses_todays_algorithms, what_a_pkcs12_file_needs, a_chain_that_cannot_be_read_is_our_fault)
