/*
 * test_key.c - public keys as raw numbers: which we take, and libcrypto's objects there and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "proto/x509/key.h"
#include "tests/unit/unit.h"

static EVP_PKEY *generate(const char *type)
{
    EVP_PKEY *pkey = NULL;
    if (!strcmp(type, "ed25519"))
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (!strncmp(type, "rsa:", 4))
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)strtoul(type + 4, NULL, 10));
    pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", type + 3);
    return pkey;
}

static struct public_key make(const char *type)
{
    struct public_key key;
    struct failure failure;
    EVP_PKEY *pkey = generate(type);
    ck_assert_ptr_nonnull(pkey);
    ck_assert_msg(public_key_from_evp(pkey, &key, &failure) == 0, "%s", failure.reason);
    EVP_PKEY_free(pkey);
    return key;
}

static void refused(const struct public_key *key, const char *why)
{
    struct failure failure;
    ck_assert_int_eq(public_key_check(key, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_str_eq(failure.field, "key");
    ck_assert_msg(strstr(failure.reason, why) != NULL, "'%s' does not say '%s'", failure.reason, why);
}

START_TEST(key_types_are_read_and_written)
{
    static const char *const good[] = {"ec:P-256", "ec:P-384", "ed25519", "rsa:2048", "rsa:3072", "rsa:4096"};
    static const char *const bad[] = {"", "ec", "ec:P-521", "ec:p-256", "EC:P-256", "ed448", "rsa", "rsa:", "rsa:1024", "rsa:2047", "rsa:2049",
                                      "rsa:4104", "rsa:8192", "rsa:02048", "rsa:204x", "rsa:-2048", "rsa: 2048", "rsa:20480", "dsa:2048", "ed25519 "};
    char text[KEY_TYPE_TEXT_SIZE];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct key_type type;
        ck_assert_int_eq(key_type_parse(good[i], &type), 0);
        key_type_format(type, text);
        ck_assert_str_eq(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct key_type type = {KEY_NONE, 7};
        ck_assert_msg(key_type_parse(bad[i], &type) == -1, "accepted '%s'", bad[i]);
        ck_assert_int_eq(type.bits, 7);
    }
    key_type_format((struct key_type){KEY_NONE, 0}, text);
    ck_assert_str_eq(text, "none");
}
END_TEST

START_TEST(every_kind_goes_to_libcrypto_and_back)
{
    static const char *const types[] = {"ec:P-256", "ec:P-384", "ed25519", "rsa:2048"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct public_key key, again;
        struct failure failure;
        char text[KEY_TYPE_TEXT_SIZE];
        EVP_PKEY *pkey = generate(types[i]);
        ck_assert_int_eq(public_key_from_evp(pkey, &key, &failure), 0);
        key_type_format(key.type, text);
        ck_assert_str_eq(text, types[i]);
        ck_assert_msg(public_key_check(&key, &failure) == 0, "%s", failure.reason);
        EVP_PKEY *back = public_key_to_evp(&key);
        ck_assert_int_eq(EVP_PKEY_eq(pkey, back), 1);
        ck_assert_int_eq(public_key_from_evp(back, &again, &failure), 0);
        ck_assert_mem_eq(&key, &again, sizeof key);
        EVP_PKEY_free(back);
        EVP_PKEY_free(pkey);
    }
}
END_TEST

START_TEST(kinds_that_are_not_ours_are_named)
{
    static const struct { const char *type, *curve, *why; } cases[] = {
        {"ED448", NULL, "ED448"}, {"X25519", NULL, "X25519"}, {"EC", "secp256k1", "secp256k1"}, {"EC", "P-521", "secp521r1"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct public_key key;
        struct failure failure;
        EVP_PKEY *pkey = cases[i].curve ? EVP_PKEY_Q_keygen(NULL, NULL, cases[i].type, cases[i].curve)
                                        : EVP_PKEY_Q_keygen(NULL, NULL, cases[i].type);
        ck_assert_ptr_nonnull(pkey);
        ck_assert_int_eq(public_key_from_evp(pkey, &key, &failure), -1);
        ck_assert_str_eq(failure.field, "key");
        ck_assert_msg(strstr(failure.reason, cases[i].why) != NULL, "%s", failure.reason);
        EVP_PKEY_free(pkey);
    }
    struct public_key none = {.length = 0};
    refused(&none, "P-256, P-384");
    ck_assert_ptr_null(public_key_to_evp(&none));
}
END_TEST

START_TEST(a_point_must_be_on_its_curve)
{
    struct public_key key = make("ec:P-256"), other = key;
    other.material[40] ^= 1;
    refused(&other, "not on its curve");
    ck_assert_ptr_null(public_key_to_evp(&other));
    other = key;
    other.length = 33;
    other.material[0] = 2; /* compressed */
    refused(&other, "uncompressed");
    other = key;
    other.material[0] = 6; /* hybrid */
    refused(&other, "uncompressed");
    other = key;
    other.length = 1;
    other.material[0] = 0; /* infinity */
    refused(&other, "uncompressed");
    other = key;
    other.type.kind = KEY_EC_P384;
    refused(&other, "length");
    other = key;
    memset(other.material + 1, 0xff, 64); /* coordinates beyond the field */
    refused(&other, "not on its curve");
}
END_TEST

START_TEST(rsa_numbers_are_looked_at)
{
    struct public_key key = make("rsa:2048"), other = key;
    other.material[255] &= 0xfe;
    refused(&other, "even");
    other = key;
    other.exponent = 3;
    refused(&other, "exponent 3");
    other.exponent = 1;
    refused(&other, "exponent 1");
    other.exponent = 65538;
    refused(&other, "exponent 65538");
    other.exponent = UINT32_MAX;
    ck_assert_int_eq(public_key_check(&other, NULL), 0);
    other = key;
    other.type.bits = 3072;
    refused(&other, "2048 bits");
    other = make("rsa:1024");
    refused(&other, "1024 bits");
    other = key;
    other.length = 0;
    refused(&other, "empty");
    other = key;
    other.material[0] = 0;
    refused(&other, "zero byte");
    other = key;
    other.material[0] = 0x7f;
    refused(&other, "2047 bits");
}
END_TEST

START_TEST(a_modulus_with_a_small_factor_is_refused)
{
    static const unsigned primes[] = {3, 5, 251, 743, 751};
    struct public_key key = make("rsa:2048");
    for (size_t i = 0; i < sizeof primes / sizeof primes[0]; i++) {
        struct public_key other = key;
        BIGNUM *n = BN_bin2bn(key.material, key.length, NULL);
        BN_ULONG rest = BN_mod_word(n, primes[i]);
        ck_assert_int_eq(BN_sub_word(n, rest), 1);
        if (!BN_is_odd(n))
            ck_assert_int_eq(BN_sub_word(n, primes[i]), 1);
        ck_assert_int_eq(BN_bn2binpad(n, other.material, key.length), key.length);
        BN_free(n);
        refused(&other, "small factor");
    }
}
END_TEST

START_TEST(ed25519_points_of_small_order_are_refused)
{
    /* p, p + 1 and 2^255 - 1 are 0, 1 and 18 in disguise. */
    static const char *const hex[] = {
        "0000000000000000000000000000000000000000000000000000000000000000", "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    };
    for (size_t i = 0; i < sizeof hex / sizeof hex[0]; i++) {
        struct public_key key = {.type = {KEY_ED25519, 0}, .length = 32};
        ck_assert_int_eq(sodium_hex2bin(key.material, 32, hex[i], 64, NULL, NULL, NULL), 0);
        refused(&key, "Ed25519");
        ck_assert_int_eq(crypto_core_ed25519_is_valid_point(key.material), 0); /* libsodium says so too */
    }
    struct public_key key = make("ed25519");
    key.length = 31;
    refused(&key, "32 bytes");
}
END_TEST

UNIT_MAIN("key", key_types_are_read_and_written, every_kind_goes_to_libcrypto_and_back, kinds_that_are_not_ours_are_named,
          a_point_must_be_on_its_curve, rsa_numbers_are_looked_at, a_modulus_with_a_small_factor_is_refused,
          ed25519_points_of_small_order_are_refused)
