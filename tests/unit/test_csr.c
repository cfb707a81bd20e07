/*
 * test_csr.c - a stranger's CSR: what is taken, what is ignored, and everything that is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdio.h>

#include "agent/ca/csr.h"
#include "tests/unit/pki.h"
#include "tests/unit/unit.h"

/* A CSR in the making; build it with the X509_REQ API, spoil it, sign it. */
static X509_REQ *request;
static EVP_PKEY *key;

static void begin(const char *key_type, const char *common_name)
{
    request = X509_REQ_new();
    key = pki_key(key_type);
    X509_NAME *name = pki_name(common_name);
    ck_assert_int_eq(X509_REQ_set_version(request, 0) & X509_REQ_set_subject_name(request, name) & X509_REQ_set_pubkey(request, key), 1);
    X509_NAME_free(name);
}

static void ask(const struct pki_extension *wanted, size_t count)
{
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
    for (size_t i = 0; i < count; i++)
        sk_X509_EXTENSION_push(list, pki_extension(&wanted[i], NULL, NULL));
    ck_assert_int_eq(X509_REQ_add_extensions(request, list), 1);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}
#define ASK(...) ask((const struct pki_extension[]){__VA_ARGS__}, sizeof((const struct pki_extension[]){__VA_ARGS__}) / sizeof(struct pki_extension))

/* Signed DER; the request and the key are gone afterwards. */
static size_t finish(const EVP_MD *digest, uint8_t **der)
{
    ck_assert_int_gt(X509_REQ_sign(request, key, EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : digest), 0);
    *der = NULL;
    int length = i2d_X509_REQ(request, der);
    ck_assert_int_gt(length, 0);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return (size_t)length;
}

static void bytes_refused(const uint8_t *der, size_t length, const char *why)
{
    struct csr csr = {.ignored_count = 77};
    struct failure failure = {.code = FAILURE_NONE};
    ERR_clear_error(); /* what the test itself left behind */
    ck_assert_msg(csr_read(der, length, &csr, &failure) == -1, "accepted, but expected: %s", why);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_str_eq(failure.field, "csr");
    ck_assert_msg(strstr(failure.reason, why) != NULL, "'%s' does not say '%s'", failure.reason, why);
    ck_assert_uint_eq(csr.ignored_count, 77); /* untouched */
    ck_assert_uint_eq(ERR_peek_error(), 0);   /* nothing is left in the queue for somebody else to find */
}

static void refused_with(const EVP_MD *digest, const char *why)
{
    uint8_t *der;
    size_t length = finish(digest, &der);
    bytes_refused(der, length, why);
    OPENSSL_free(der);
}

static void refused(const char *why)
{
    refused_with(EVP_sha256(), why);
}

static struct csr accepted_with(const EVP_MD *digest)
{
    uint8_t *der;
    struct csr csr;
    struct failure failure;
    size_t length = finish(digest, &der);
    ck_assert_msg(csr_read(der, length, &csr, &failure) == 0, "%s", failure.reason);
    OPENSSL_free(der);
    return csr;
}

static struct csr accepted(void)
{
    return accepted_with(EVP_sha256());
}

static bool ignores(const struct csr *csr, const char *what)
{
    for (size_t i = 0; i < csr->ignored_count; i++)
        if (!strcmp(csr->ignored[i], what))
            return true;
    return false;
}

/* --- what is taken --------------------------------------------------------------------------------------------- */

START_TEST(cn_and_sans_are_taken)
{
    begin("ec:P-256", "\xc3\x89lise");
    ASK({"subjectAltName", "DNS:Elise.Example,email:elise@Example.com,URI:https://Example.com/e,IP:192.0.2.1,DNS:elise.example"});
    struct csr csr = accepted();
    static const char *const values[] = {"elise.example", "elise@example.com", "https://example.com/e", "192.0.2.1"};
    ck_assert_str_eq(csr.names.common_name, "\xc3\x89lise");
    ck_assert_uint_eq(csr.names.count, 4); /* the duplicate is dropped */
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(csr.names.sans[i].value, values[i]);
    ck_assert_uint_eq(csr.ignored_count, 0);
    csr_clear(&csr);
    csr_clear(&csr);
}
END_TEST

START_TEST(every_kind_of_key_and_digest_that_we_take)
{
    static const struct { const char *type; const EVP_MD *(*digest)(void); } cases[] = {
        {"ec:P-256", EVP_sha256}, {"ec:P-256", EVP_sha384}, {"ec:P-256", EVP_sha512}, {"ec:P-384", EVP_sha256}, {"ec:P-384", EVP_sha384},
        {"ec:P-384", EVP_sha512}, {"ED25519", EVP_sha256},  {"rsa:2048", EVP_sha256}, {"rsa:2048", EVP_sha384}, {"rsa:3072", EVP_sha512}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(cases[i].type, "alice");
        struct public_key expected;
        ck_assert_int_eq(public_key_from_evp(key, &expected, NULL), 0);
        struct csr csr = accepted_with(cases[i].digest());
        ck_assert_mem_eq(&csr.key, &expected, sizeof expected);
        csr_clear(&csr);
    }
}
END_TEST

static void sign_pss(const EVP_MD *digest, const EVP_MD *mask, int salt_length)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options;
    ck_assert_int_eq(EVP_DigestSignInit(context, &options, digest, NULL, key), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_mgf1_md(options, mask), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, salt_length), 1);
    ck_assert_int_gt(X509_REQ_sign_ctx(request, context), 0);
    EVP_MD_CTX_free(context);
}

static size_t signed_der(uint8_t **der)
{
    *der = NULL;
    int length = i2d_X509_REQ(request, der);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return (size_t)length;
}

START_TEST(rsa_pss_signatures)
{
    static const struct { const EVP_MD *(*digest)(void), *(*mask)(void); int salt; bool good; } cases[] = {
        {EVP_sha256, EVP_sha256, 32, true}, {EVP_sha512, EVP_sha512, 64, true}, {EVP_sha384, EVP_sha384, 20, true},
        {EVP_sha256, EVP_sha1, 32, false},  {EVP_sha1, EVP_sha1, 20, false},    {EVP_sha256, EVP_sha512, 32, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *der;
        struct csr csr;
        begin("rsa:2048", "alice");
        sign_pss(cases[i].digest(), cases[i].mask(), cases[i].salt);
        size_t length = signed_der(&der);
        if (cases[i].good) {
            ck_assert_int_eq(csr_read(der, length, &csr, NULL), 0);
            csr_clear(&csr);
            der[length - 1] ^= 1;
            bytes_refused(der, length, "does not verify");
        } else {
            bytes_refused(der, length, "RSASSA-PSS parameters");
        }
        OPENSSL_free(der);
    }
}
END_TEST

START_TEST(pem_of_either_label_and_bare_base64)
{
    static const char *const labels[] = {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"};
    uint8_t *der, *decoded;
    size_t decoded_length;
    char text[4096], base64[2048];
    begin("ec:P-256", "alice");
    size_t length = finish(EVP_sha256(), &der);
    EVP_EncodeBlock((unsigned char *)base64, der, (int)length);
    for (size_t i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "-----BEGIN %s-----\n%s\n-----END %s-----\n", labels[i], base64, labels[i]);
        ck_assert_int_eq(csr_decode_text(text, &decoded, &decoded_length, NULL), 0);
        ck_assert_uint_eq(decoded_length, length);
        ck_assert_mem_eq(decoded, der, length);
        free(decoded);
    }
    ck_assert_int_eq(csr_decode_text(base64, &decoded, &decoded_length, NULL), 0);
    ck_assert_mem_eq(decoded, der, length);
    free(decoded);
    struct failure failure;
    ck_assert_int_eq(csr_decode_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &decoded, &decoded_length, &failure), -1);
    ck_assert_str_eq(failure.field, "csr");
    snprintf(text, sizeof text, "-----BEGIN %s-----\n%s\n-----END %s-----\n", labels[0], base64, labels[1]);
    ck_assert_int_eq(csr_decode_text(text, &decoded, &decoded_length, &failure), -1);
    OPENSSL_free(der);
}
END_TEST

/* --- what is ignored --------------------------------------------------------------------------------------------- */

START_TEST(a_wish_for_ca_rights_is_ignored_and_listed)
{
    begin("ec:P-256", "alice");
    ASK({"basicConstraints", "critical,CA:TRUE,pathlen:3"}, {"keyUsage", "critical,keyCertSign,cRLSign,digitalSignature"},
        {"extendedKeyUsage", "anyExtendedKeyUsage"}, {"nameConstraints", "permitted;DNS:example"}, {"1.2.3.4", "DER:0500"},
        {"subjectAltName", "DNS:alice.example"});
    struct csr csr = accepted();
    ck_assert_uint_eq(csr.ignored_count, 5);
    ck_assert(ignores(&csr, "basicConstraints CA:TRUE"));
    ck_assert(ignores(&csr, "keyUsage keyCertSign"));
    ck_assert(ignores(&csr, "extendedKeyUsage"));
    ck_assert(ignores(&csr, "nameConstraints"));
    ck_assert(ignores(&csr, "1.2.3.4"));
    ck_assert_uint_eq(csr.names.count, 1);
    csr_clear(&csr);
}
END_TEST

START_TEST(unreadable_wishes_that_are_ignored_anyway_do_no_harm)
{
    begin("ec:P-256", "alice");
    ASK({"basicConstraints", "DER:0500"}, {"keyUsage", "DER:ff"});
    struct csr csr = accepted();
    ck_assert(ignores(&csr, "basicConstraints unreadable"));
    ck_assert(ignores(&csr, "keyUsage unreadable"));
    csr_clear(&csr);
}
END_TEST

START_TEST(the_rest_of_the_subject_other_sans_and_attributes_are_listed)
{
    begin("ec:P-256", "");
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"first", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"Example", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"last", -1, -1, 0);
    X509_REQ_set_subject_name(request, name);
    X509_NAME_free(name);
    ASK({"subjectAltName", "otherName:1.2.3;UTF8:x,otherName:1.2.3;UTF8:y,RID:1.2.3,DNS:a.example"});
    X509_REQ_add1_attr_by_NID(request, NID_pkcs9_challengePassword, MBSTRING_ASC, (const unsigned char *)"secret", -1);
    struct csr csr = accepted();
    ck_assert_str_eq(csr.names.common_name, "last");
    ck_assert_uint_eq(csr.names.count, 1);
    ck_assert(ignores(&csr, "subject CN"));
    ck_assert(ignores(&csr, "subject O"));
    ck_assert(ignores(&csr, "san otherName"));
    ck_assert(ignores(&csr, "san registeredID"));
    ck_assert(ignores(&csr, "attribute challengePassword"));
    ck_assert_uint_eq(csr.ignored_count, 5); /* each once */
    csr_clear(&csr);
}
END_TEST

START_TEST(the_list_of_what_is_ignored_has_an_end)
{
    begin("ec:P-256", "");
    X509_NAME *name = X509_NAME_new();
    char oid[32];
    for (int i = 0; i < 50; i++) {
        snprintf(oid, sizeof oid, "1.2.3.%d", i);
        ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, oid, MBSTRING_ASC, (const unsigned char *)"x", -1, -1, 0), 1);
    }
    X509_REQ_set_subject_name(request, name);
    X509_NAME_free(name);
    struct csr csr = accepted();
    ck_assert_uint_eq(csr.ignored_count, CSR_IGNORED_MAX);
    ck_assert_str_eq(csr.ignored[0], "subject 1.2.3.0");
    ck_assert_str_eq(csr.ignored[CSR_IGNORED_MAX - 1], "and more");
    csr_clear(&csr);
}
END_TEST

START_TEST(without_subject_and_extensions_there_is_just_a_key)
{
    begin("ec:P-256", "");
    struct csr csr = accepted();
    ck_assert_str_eq(csr.names.common_name, "");
    ck_assert_uint_eq(csr.names.count, 0);
    csr_clear(&csr);
}
END_TEST

/* --- proof of possession ------------------------------------------------------------------------------------------- */

START_TEST(a_bad_signature_is_refused_and_spoils_nothing_for_the_next)
{
    static const char *const types[] = {"ec:P-256", "ec:P-384", "ED25519", "rsa:2048"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (int round = 0; round < 3; round++) { /* the kept key object is used again */
            uint8_t *der;
            struct csr csr;
            begin(types[i], "alice");
            ASK({"subjectAltName", "DNS:alice.example"});
            size_t length = finish(EVP_sha256(), &der);
            ck_assert_int_eq(csr_read(der, length, &csr, NULL), 0);
            csr_clear(&csr);
            der[length - 3] ^= 1;
            bytes_refused(der, length, "does not verify");
            der[length - 3] ^= 1;
            uint8_t *at = memmem(der, length, "alice.example", 13);
            at[0] = 'b'; /* what was signed */
            bytes_refused(der, length, "does not verify");
            at[0] = 'a';
            ck_assert_int_eq(csr_read(der, length, &csr, NULL), 0);
            csr_clear(&csr);
            OPENSSL_free(der);
        }
}
END_TEST

START_TEST(parsing_and_proving_are_two_steps)
{
    uint8_t *der;
    struct csr csr;
    struct failure failure;
    begin("ec:P-256", "alice");
    size_t length = finish(EVP_sha256(), &der);
    ERR_clear_error(); /* what the test itself left behind */
    der[length - 1] ^= 1;
    ck_assert_int_eq(csr_parse(der, length, &csr, &failure), 0); /* says nothing about who made it */
    ck_assert_str_eq(csr.names.common_name, "alice");
    ck_assert_int_eq(csr_prove(der, length, &csr.key, &failure), -1);
    ck_assert_str_eq(failure.field, "csr");
    der[length - 1] ^= 1;
    ck_assert_int_eq(csr_prove(der, length, &csr.key, &failure), 0);
    EVP_PKEY *other = pki_key("ec:P-256");
    struct public_key somebody_else;
    ck_assert_int_eq(public_key_from_evp(other, &somebody_else, NULL), 0);
    ERR_clear_error();
    ck_assert_int_eq(csr_prove(der, length, &somebody_else, &failure), -1);
    ck_assert_int_eq(csr_prove(der, length - 1, &csr.key, &failure), -1);
    ck_assert_int_eq(csr_prove(der, 0, &csr.key, &failure), -1);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    EVP_PKEY_free(other);
    csr_clear(&csr);
    OPENSSL_free(der);
}
END_TEST

START_TEST(somebody_elses_key_is_refused)
{
    begin("ec:P-256", "alice");
    EVP_PKEY *other = pki_key("ec:P-256");
    X509_REQ_set_pubkey(request, other);
    EVP_PKEY_free(other);
    refused("does not verify");
}
END_TEST

START_TEST(a_signature_of_another_kind_than_the_key_is_refused)
{
    static const char *const kinds[][2] = {{"ec:P-256", "ED25519"}, {"rsa:2048", "ec:P-256"}, {"ED25519", "rsa:2048"}};
    for (size_t i = 0; i < 3; i++) {
        begin(kinds[i][0], "alice");
        EVP_PKEY *other = pki_key(kinds[i][1]);
        X509_REQ_set_pubkey(request, other);
        EVP_PKEY_free(other);
        refused("does not fit its key");
    }
}
END_TEST

START_TEST(weak_digests_are_refused_by_name)
{
    begin("rsa:2048", "alice");
    refused_with(EVP_sha1(), "SHA1");
    begin("rsa:2048", "alice");
    refused_with(EVP_md5(), "MD5");
    begin("ec:P-256", "alice");
    refused_with(EVP_sha1(), "SHA1");
    begin("ec:P-256", "alice");
    refused_with(EVP_sha224(), "SHA224");
    begin("rsa:2048", "alice");
    refused_with(EVP_sha3_256(), "SHA3-256");
}
END_TEST

/* --- keys ------------------------------------------------------------------------------------------------------------- */

START_TEST(curves_and_kinds_that_we_do_not_take_are_named)
{
    static const char *const cases[][2] = {
        {"ec:secp256k1", "curve secp256k1 is not accepted; use P-256 or P-384"}, {"ec:P-521", "curve secp521r1 is not accepted"},
        {"ec:brainpoolP256r1", "curve brainpoolP256r1"}, {"ED448", "kind ED448"}, {"X25519", "kind X25519"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin("ec:P-256", "alice");
        EVP_PKEY *other = pki_key(cases[i][0]);
        ck_assert_int_eq(X509_REQ_set_pubkey(request, other), 1);
        EVP_PKEY_free(other);
        refused(cases[i][1]);
    }
    EVP_PKEY *restricted = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    ck_assert_int_eq(EVP_PKEY_keygen_init(context) & EVP_PKEY_keygen(context, &restricted), 1);
    begin("ec:P-256", "alice");
    X509_REQ_set_pubkey(request, restricted);
    EVP_PKEY_free(restricted);
    EVP_PKEY_CTX_free(context);
    refused("restricted to RSASSA-PSS");
}
END_TEST

START_TEST(rsa_sizes_and_exponents)
{
    begin("rsa:1024", "alice");
    refused("1024 bits");
    begin("ec:P-256", "alice");
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *other = NULL;
    BIGNUM *three = BN_new();
    BN_set_word(three, 3);
    EVP_PKEY_keygen_init(context);
    EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048);
    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, three);
    ck_assert_int_eq(EVP_PKEY_keygen(context, &other), 1);
    X509_REQ_set_pubkey(request, other);
    EVP_PKEY_free(other);
    EVP_PKEY_CTX_free(context);
    BN_free(three);
    refused("exponent 3");
}
END_TEST

/* Put these bytes where the key stands, as a key of this kind. */
static void raw_key(int nid, int parameter_type, const uint8_t *bytes, size_t length)
{
    uint8_t *copy = OPENSSL_memdup(bytes, length ? length : 1);
    void *parameter = parameter_type == V_ASN1_OBJECT ? OBJ_nid2obj(NID_X9_62_prime256v1) : NULL;
    X509_PUBKEY *spki = X509_REQ_get_X509_PUBKEY(request);
    ck_assert_int_eq(X509_PUBKEY_set0_param(spki, OBJ_nid2obj(nid), parameter_type, parameter, copy, (int)length), 1);
}

/* RSAPublicKey of these numbers. */
static void raw_rsa(const BIGNUM *n, const BIGNUM *e, bool negative)
{
    uint8_t der[4096], *cursor = der + 4;
    ASN1_INTEGER *modulus = BN_to_ASN1_INTEGER(n, NULL), *exponent = BN_to_ASN1_INTEGER(e, NULL);
    if (negative)
        modulus->type = V_ASN1_NEG_INTEGER;
    i2d_ASN1_INTEGER(modulus, &cursor);
    i2d_ASN1_INTEGER(exponent, &cursor);
    size_t content = (size_t)(cursor - der - 4);
    memcpy(der, (uint8_t[]){0x30, 0x82, (uint8_t)(content >> 8), (uint8_t)content}, 4);
    raw_key(NID_rsaEncryption, V_ASN1_NULL, der, content + 4);
    ASN1_INTEGER_free(modulus);
    ASN1_INTEGER_free(exponent);
}

START_TEST(rsa_numbers_that_no_honest_key_has)
{
    EVP_PKEY *rsa = pki_key("rsa:2048");
    BIGNUM *n = NULL, *e = BN_new(), *other = BN_new();
    EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_N, &n);
    BN_set_word(e, 65537);
    static const char *const why[] = {"even", "exponent 1 ", "more than 32 bits", "small factor", "negative", "zero byte", "exponent 0 ",
                                      "bits is not accepted"};
    for (int i = 0; i < 8; i++) {
        begin("ec:P-256", "alice");
        BN_copy(other, n);
        BN_set_word(e, i == 1 ? 1 : i == 6 ? 0 : 65537);
        if (i == 0)
            BN_clear_bit(other, 0);
        if (i == 2)
            BN_lshift(e, e, 20);
        if (i == 3) {
            BN_sub_word(other, BN_mod_word(other, 3));
            if (!BN_is_odd(other))
                BN_sub_word(other, 3);
        }
        if (i == 5)
            BN_zero(other);
        if (i == 7) { /* as large as it may be in 64 KiB */
            BN_zero(other);
            BN_set_bit(other, 16000);
            BN_set_bit(other, 0);
        }
        raw_rsa(other, e, i == 4);
        refused(why[i]);
    }
    BN_free(n);
    BN_free(e);
    BN_free(other);
    EVP_PKEY_free(rsa);
}
END_TEST

START_TEST(rsa_encodings_that_are_none)
{
    begin("ec:P-256", "alice");
    raw_key(NID_rsaEncryption, V_ASN1_UNDEF, (const uint8_t *)"\x30\x06\x02\x01\x03\x02\x01\x03", 8);
    refused("not NULL");
    begin("ec:P-256", "alice");
    raw_key(NID_rsaEncryption, V_ASN1_NULL, (const uint8_t *)"\x30\x06\x02\x01\x03\x02\x01\x03\x00", 9);
    refused("modulus and an exponent");
    begin("ec:P-256", "alice");
    raw_key(NID_rsaEncryption, V_ASN1_NULL, (const uint8_t *)"\x04\x01\x03", 3);
    refused("modulus and an exponent");
    begin("ec:P-256", "alice");
    raw_key(NID_rsaEncryption, V_ASN1_NULL, (const uint8_t *)"", 0);
    refused("empty");
}
END_TEST

START_TEST(ec_parameters_and_points)
{
    begin("ec:P-256", "alice");
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "explicit");
    X509_REQ_set_pubkey(request, key);
    refused("explicit EC parameters");
    begin("ec:P-256", "alice");
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed");
    X509_REQ_set_pubkey(request, key);
    refused("uncompressed");
    begin("ec:P-256", "alice");
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "hybrid");
    X509_REQ_set_pubkey(request, key);
    refused("uncompressed");
    uint8_t point[2000] = {4, 1, 2, 3};
    begin("ec:P-256", "alice");
    raw_key(NID_X9_62_id_ecPublicKey, V_ASN1_OBJECT, point, 65);
    refused("not on its curve");
    begin("ec:P-256", "alice");
    raw_key(NID_X9_62_id_ecPublicKey, V_ASN1_OBJECT, point, 64);
    refused("wrong length");
    begin("ec:P-256", "alice");
    raw_key(NID_X9_62_id_ecPublicKey, V_ASN1_OBJECT, point, sizeof point);
    refused("uncompressed");
    begin("ec:P-256", "alice");
    raw_key(NID_X9_62_id_ecPublicKey, V_ASN1_OBJECT, (const uint8_t *)"\0", 1); /* infinity */
    refused("uncompressed");
    begin("ec:P-256", "alice");
    raw_key(NID_X9_62_id_ecPublicKey, V_ASN1_UNDEF, point, 65);
    refused("names no curve");
    begin("ec:P-256", "alice");
    raw_key(NID_ED25519, V_ASN1_UNDEF, point, 31);
    refused("32 bytes");
    begin("ec:P-256", "alice");
    raw_key(NID_ED25519, V_ASN1_NULL, point, 32);
    refused("parameters");
    memset(point, 0, 32);
    begin("ec:P-256", "alice");
    raw_key(NID_ED25519, V_ASN1_UNDEF, point, 32);
    refused("small order");
}
END_TEST

/* --- names -------------------------------------------------------------------------------------------------------------- */

static void subject_of_type(int type, const char *value, int length)
{
    X509_NAME *name = X509_NAME_new();
    X509_NAME_ENTRY *entry = X509_NAME_ENTRY_new();
    X509_NAME_ENTRY_set_object(entry, OBJ_nid2obj(NID_commonName));
    ASN1_STRING *string = X509_NAME_ENTRY_get_data(entry);
    ASN1_STRING_set(string, value, length);
    string->type = type;
    ck_assert_int_eq(X509_NAME_add_entry(name, entry, -1, 0), 1);
    /* X509_NAME would refuse some of these itself, so they go in as they are. */
    X509_REQ_set_subject_name(request, name);
    X509_NAME_ENTRY_free(entry);
    X509_NAME_free(name);
}

START_TEST(string_types_of_the_cn_become_utf8)
{
    static const struct { int type; const char *value; int length; const char *text; } cases[] = {
        {V_ASN1_PRINTABLESTRING, "alice", 5, "alice"},
        {V_ASN1_IA5STRING, "alice", 5, "alice"},
        {V_ASN1_T61STRING, "\xc9lise", 5, "\xc3\x89lise"},
        {V_ASN1_BMPSTRING, "\0\xc9\0l\0i\0s\0e", 10, "\xc3\x89lise"},
        {V_ASN1_UNIVERSALSTRING, "\0\1\xf5\x11", 4, "\xf0\x9f\x94\x91"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin("ec:P-256", "");
        subject_of_type(cases[i].type, cases[i].value, cases[i].length);
        struct csr csr = accepted();
        ck_assert_str_eq(csr.names.common_name, cases[i].text);
        csr_clear(&csr);
    }
}
END_TEST

START_TEST(common_names_that_hide_something_are_refused)
{
    static const struct { int type; const char *value; int length; const char *why; } cases[] = {
        {V_ASN1_UTF8STRING, "a\0b", 3, "control"},   {V_ASN1_UTF8STRING, "a\nb", 3, "control"}, {V_ASN1_BMPSTRING, "\0a\0\0", 4, "control"},
        {V_ASN1_BMPSTRING, "\x20\x2e\0a", 4, "control"}, {V_ASN1_UTF8STRING, " a", 2, "blank"}, {V_ASN1_UTF8STRING, "", 0, "empty"},
        {V_ASN1_T61STRING, "a\x85", 2, "control"},
        {V_ASN1_UTF8STRING, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 65, "64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin("ec:P-256", "");
        subject_of_type(cases[i].type, cases[i].value, cases[i].length);
        refused(cases[i].why);
    }
}
END_TEST

/* Change bytes of the signed DER in place: the parser sees them before the signature is looked at. */
static void patched(const char *find, const char *replace, size_t length, const char *why)
{
    uint8_t *der;
    begin("ec:P-256", "patchable-name");
    ASK({"subjectAltName", "DNS:patchable.example,email:alice@patch.example,IP:192.0.2.1"});
    size_t size = finish(EVP_sha256(), &der);
    uint8_t *at = memmem(der, size, find, length);
    ck_assert_ptr_nonnull(at);
    memcpy(at, replace, length);
    bytes_refused(der, size, why);
    OPENSSL_free(der);
}

START_TEST(invalid_utf8_and_types_that_are_no_text_are_refused)
{
    patched("patchable-name", "patchable-\xff" "ame", 14, "CN");
    patched("\x0c\x0epatchable", "\x04\x0epatchable", 11, "not a text"); /* OCTET STRING */
    patched("\x0c\x0epatchable", "\x02\x0epatchable", 11, "not a text"); /* INTEGER */
}
END_TEST

START_TEST(sans_that_names_do_not_take_are_refused)
{
    patched("patchable.example", "patch\0ble.example", 17, "NUL");
    patched("patchable.example", "patch\nble.example", 17, "line break");
    patched("patchable.example", "patch_ble.example", 17, "'_'");
    patched("patchable.example", "patchable.exampl.", 17, "dot at the end");
    patched("patchable.example", "patch*ble.example", 17, "wildcard");
    patched("patchable.example", "patch\xc3\xa9" "le.example", 17, "xn--");
    patched("alice@patch.example", "alice.patch.example", 19, "'@'");
    patched("alice@patch.example", "\"lic\"@patch.example", 19, "quoted");
    patched("\x87\x04\xc0\0\2\1", "\x87\x03\xc0\0\2\1", 6, "subjectAltName");
}
END_TEST

START_TEST(hundreds_of_sans_are_refused)
{
    static char text[300 * 16];
    char *out = text;
    for (int i = 0; i < 300; i++)
        out += snprintf(out, (size_t)(text + sizeof text - out), "%sDNS:h%d.x", i ? "," : "", i);
    begin("ec:P-256", "alice");
    ASK({"subjectAltName", text});
    refused("at most 100");
}
END_TEST

/* --- shape ---------------------------------------------------------------------------------------------------------------- */

START_TEST(an_extension_or_an_attribute_twice_is_refused)
{
    begin("ec:P-256", "alice");
    ASK({"subjectAltName", "DNS:a.example"}, {"subjectAltName", "DNS:b.example"});
    refused("subjectAltName twice");
    begin("ec:P-256", "alice");
    ASK({"extendedKeyUsage", "clientAuth"}, {"extendedKeyUsage", "serverAuth"});
    refused("extendedKeyUsage twice");
    begin("ec:P-256", "alice");
    ASK({"subjectAltName", "DNS:a.example"});
    X509_ATTRIBUTE *again = X509_ATTRIBUTE_dup(X509_REQ_get_attr(request, 0));
    X509_REQ_add1_attr(request, again);
    X509_ATTRIBUTE_free(again);
    if (X509_REQ_get_attr_count(request) == 2)
        refused("attribute extReq stands in it twice");
}
END_TEST

/* The extensionRequest with these values. */
static void extension_request(int type, const char *const *values, const int *lengths, int count)
{
    X509_ATTRIBUTE *attribute = X509_ATTRIBUTE_new();
    X509_ATTRIBUTE_set1_object(attribute, OBJ_nid2obj(NID_ext_req));
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(X509_ATTRIBUTE_set1_data(attribute, type, values[i], lengths[i]), 1);
    X509_REQ_add1_attr(request, attribute);
    X509_ATTRIBUTE_free(attribute);
}

START_TEST(an_extension_request_is_one_list)
{
    static const char *const values[] = {"\x30\0", "\x30\2\5\0"};
    static const int lengths[] = {2, 4};
    begin("ec:P-256", "alice");
    extension_request(V_ASN1_SEQUENCE, values, lengths, 2);
    refused("exactly one list");
    begin("ec:P-256", "alice");
    extension_request(V_ASN1_UTF8STRING, values, lengths, 1);
    refused("exactly one list");
    begin("ec:P-256", "alice");
    extension_request(V_ASN1_SEQUENCE, values + 1, lengths + 1, 1);
    refused("cannot be read");
}
END_TEST

START_TEST(huge_counts_are_refused)
{
    begin("ec:P-256", "alice");
    struct pki_extension many[40];
    static char oids[40][32];
    for (int i = 0; i < 40; i++) {
        snprintf(oids[i], sizeof oids[i], "1.2.3.%d", i);
        many[i] = (struct pki_extension){oids[i], "DER:0500"};
    }
    ask(many, 40);
    refused("more than 32 extensions");
    begin("ec:P-256", "alice");
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(X509_REQ_add1_attr_by_txt(request, oids[i], V_ASN1_UTF8STRING, (const unsigned char *)"x", 1), 1);
    refused("more than 16 attributes");
    begin("ec:P-256", "");
    X509_NAME *name = X509_NAME_new();
    for (int i = 0; i < 70; i++)
        X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_ASC, (const unsigned char *)"x", -1, -1, 0);
    X509_REQ_set_subject_name(request, name);
    X509_NAME_free(name);
    refused("more than 64 parts");
}
END_TEST

START_TEST(a_san_extension_that_is_none_is_refused)
{
    begin("ec:P-256", "alice");
    ASK({"subjectAltName", "DER:0500"});
    refused("subjectAltName cannot be read");
    begin("ec:P-256", "alice");
    ASK({"subjectAltName", "DER:300000"}); /* a byte after it */
    refused("subjectAltName cannot be read");
}
END_TEST

START_TEST(another_version_is_refused)
{
    begin("ec:P-256", "alice");
    X509_REQ_set_version(request, 2);
    refused("version");
}
END_TEST

START_TEST(truncation_trailing_bytes_and_garbage_are_refused)
{
    uint8_t *der, *longer = calloc(1, CSR_DER_MAX + 1);
    begin("ec:P-256", "alice");
    ASK({"subjectAltName", "DNS:alice.example"});
    size_t length = finish(EVP_sha256(), &der);
    for (size_t cut = 0; cut < length; cut++)
        bytes_refused(der, cut, "");
    memcpy(longer, der, length);
    bytes_refused(longer, length + 1, "not one PKCS#10 request");
    bytes_refused(longer, CSR_DER_MAX + 1, "65536");
    memset(longer, 0x30, CSR_DER_MAX);
    bytes_refused(longer, CSR_DER_MAX, "not one PKCS#10 request");
    memset(longer, 0x80, CSR_DER_MAX);
    longer[0] = 0x30;
    bytes_refused(longer, CSR_DER_MAX, "not one PKCS#10 request");
    /* Every single bit: never accepted, never a crash. */
    for (size_t bit = 0; bit < 8 * length; bit++) {
        der[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bytes_refused(der, length, "");
        der[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    OPENSSL_free(der);
    free(longer);
}
END_TEST

/* --- threads ------------------------------------------------------------------------------------------------------------------ */

static void *read_often(void *argument)
{
    uint8_t *der = argument;
    size_t length = (size_t)der[0] << 8 | der[1];
    long good = 0;
    for (int i = 0; i < 50; i++) {
        struct csr csr;
        if (csr_read(der + 2, length, &csr, NULL) == 0) {
            good++;
            csr_clear(&csr);
        }
    }
    return (void *)good;
}

START_TEST(threads_do_not_see_each_others_keys)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    uint8_t *buffers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        uint8_t *der;
        begin("ec:P-256", "alice");
        size_t length = finish(EVP_sha256(), &der);
        if (i % 2)
            der[length - 1] ^= 1;
        buffers[i] = malloc(length + 2);
        buffers[i][0] = (uint8_t)(length >> 8);
        buffers[i][1] = (uint8_t)length;
        memcpy(buffers[i] + 2, der, length);
        OPENSSL_free(der);
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_often, buffers[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        void *good;
        pthread_join(threads[i], &good);
        ck_assert_int_eq((long)good, i % 2 ? 0 : 50);
        free(buffers[i]);
    }
}
END_TEST

UNIT_MAIN("csr", cn_and_sans_are_taken, every_kind_of_key_and_digest_that_we_take, rsa_pss_signatures, pem_of_either_label_and_bare_base64,
          a_wish_for_ca_rights_is_ignored_and_listed, unreadable_wishes_that_are_ignored_anyway_do_no_harm,
          the_rest_of_the_subject_other_sans_and_attributes_are_listed, the_list_of_what_is_ignored_has_an_end,
          without_subject_and_extensions_there_is_just_a_key, a_bad_signature_is_refused_and_spoils_nothing_for_the_next,
          parsing_and_proving_are_two_steps, somebody_elses_key_is_refused, a_signature_of_another_kind_than_the_key_is_refused, weak_digests_are_refused_by_name,
          curves_and_kinds_that_we_do_not_take_are_named, rsa_sizes_and_exponents, rsa_numbers_that_no_honest_key_has,
          rsa_encodings_that_are_none, ec_parameters_and_points, string_types_of_the_cn_become_utf8,
          common_names_that_hide_something_are_refused, invalid_utf8_and_types_that_are_no_text_are_refused,
          sans_that_names_do_not_take_are_refused, hundreds_of_sans_are_refused, an_extension_or_an_attribute_twice_is_refused,
          an_extension_request_is_one_list, huge_counts_are_refused, a_san_extension_that_is_none_is_refused, another_version_is_refused,
          truncation_trailing_bytes_and_garbage_are_refused, threads_do_not_see_each_others_keys)
