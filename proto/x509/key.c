/*
 * key.c - public keys: what somebody asks for, which we are willing to sign, and the way to libcrypto's objects
 * and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/x509/key.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 4096, RSA_EXPONENT_MIN = 65537, ED25519_SIZE = 32, SMALL_PRIME_MAX = 751 };

/* The two curves: one row each, everything else derived. */
static struct curve {
    enum key_kind kind;
    int nid;
    size_t field;      /* bytes of a coordinate */
    const char *text;  /* what a user writes */
    const char *group; /* what libcrypto says */
    EC_GROUP *made;    /* kept: making one costs five times what looking at a point costs */
} curves[] = {
    {KEY_EC_P256, NID_X9_62_prime256v1, 32, "ec:P-256", "prime256v1", NULL},
    {KEY_EC_P384, NID_secp384r1, 48, "ec:P-384", "secp384r1", NULL},
};

static pthread_once_t curves_once = PTHREAD_ONCE_INIT;

static void curves_make(void)
{
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++)
        curves[i].made = EC_GROUP_new_by_curve_name(curves[i].nid);
}

static const struct curve *curve_find(enum key_kind kind)
{
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++)
        if (curves[i].kind == kind)
            return &curves[i];
    return NULL;
}

int key_type_parse(const char *text, struct key_type *out)
{
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++)
        if (!strcmp(text, curves[i].text)) {
            *out = (struct key_type){curves[i].kind, 0};
            return 0;
        }
    if (!strcmp(text, "ed25519")) {
        *out = (struct key_type){KEY_ED25519, 0};
        return 0;
    }
    if (strncmp(text, "rsa:", 4) || strlen(text) != 8)
        return -1;
    unsigned bits = 0;
    for (const char *p = text + 4; *p; p++) {
        if (*p < '0' || *p > '9')
            return -1;
        bits = bits * 10 + (unsigned)(*p - '0');
    }
    /* Whole bytes only: other sizes are legal but nobody means them. */
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX || bits % 8)
        return -1;
    *out = (struct key_type){KEY_RSA, (uint16_t)bits};
    return 0;
}

void key_type_format(struct key_type type, char out[static KEY_TYPE_TEXT_SIZE])
{
    const struct curve *curve = curve_find(type.kind);
    if (curve)
        snprintf(out, KEY_TYPE_TEXT_SIZE, "%s", curve->text);
    else if (type.kind == KEY_RSA)
        snprintf(out, KEY_TYPE_TEXT_SIZE, "rsa:%u", type.bits);
    else
        snprintf(out, KEY_TYPE_TEXT_SIZE, "%s", type.kind == KEY_ED25519 ? "ed25519" : "none");
}

static int refuse(struct failure *failure, const char *why)
{
    ERR_clear_error();
    return failure_set(failure, FAILURE_BAD_REQUEST, "key", "%s", why);
}

/* libcrypto checks the curve equation while it reads the point; both curves have cofactor 1, so that is all
 * there is to check. */
static int ec_check(const struct public_key *key, const struct curve *curve, struct failure *failure)
{
    if (key->length != 1 + 2 * curve->field || key->material[0] != POINT_CONVERSION_UNCOMPRESSED)
        return refuse(failure, "the EC point is not in uncompressed form or has the wrong length for its curve");
    pthread_once(&curves_once, curves_make);
    const EC_GROUP *group = curve->made; /* read by many threads, changed by none */
    EC_POINT *point = group ? EC_POINT_new(group) : NULL;
    bool good = point && EC_POINT_oct2point(group, point, key->material, key->length, NULL) == 1 &&
                !EC_POINT_is_at_infinity(group, point);
    EC_POINT_free(point);
    return good ? 0 : refuse(failure, "the EC point is not on its curve");
}

/* The residue of a big-endian number modulo m. */
static uint32_t residue(const uint8_t *number, size_t length, uint32_t m)
{
    uint64_t rest = 0;
    size_t i = 0;
    for (; (length - i) % 4; i++)
        rest = (rest << 8 | number[i]) % m;
    for (; i < length; i += 4) {
        uint32_t word = (uint32_t)number[i] << 24 | (uint32_t)number[i + 1] << 16 |
                        (uint32_t)number[i + 2] << 8 | number[i + 3];
        rest = (rest << 32 | word) % m;
    }
    return (uint32_t)rest;
}

static bool is_prime(uint32_t n)
{
    for (uint32_t d = 3; d * d <= n; d += 2)
        if (n % d == 0)
            return false;
    return n > 2 && n % 2;
}

/* A factor up to 751 (NIST SP 800-89, section 5.3.3): primes are taken together as long as their product fits
 * 32 bits, which makes one pass over the modulus for each such product instead of one for each prime. */
static bool has_small_factor(const uint8_t *modulus, size_t length)
{
    for (uint32_t prime = 3; prime <= SMALL_PRIME_MAX;) {
        uint32_t first = prime, product = 1;
        for (; prime <= SMALL_PRIME_MAX && product <= UINT32_MAX / prime; prime += 2)
            if (is_prime(prime))
                product *= prime;
        uint32_t rest = residue(modulus, length, product);
        for (uint32_t p = first; p < prime; p += 2)
            if (is_prime(p) && rest % p == 0)
                return true;
    }
    return false;
}

static int rsa_check(const struct public_key *key, struct failure *failure)
{
    if (key->length == 0 || key->length > KEY_MATERIAL_MAX || key->material[0] == 0)
        return refuse(failure, "the RSA modulus is empty or begins with a zero byte");
    unsigned bits = 8u * key->length -
                    (unsigned)(__builtin_clz(key->material[0]) - (int)(CHAR_BIT * (sizeof(int) - 1)));
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX || bits != key->type.bits)
        return failure_set(failure, FAILURE_BAD_REQUEST, "key",
                           "an RSA key of %u bits is not accepted; use %d to %d, or ec:P-256", bits,
                           RSA_BITS_MIN, RSA_BITS_MAX);
    if (key->exponent < RSA_EXPONENT_MIN || key->exponent % 2 == 0)
        return failure_set(failure, FAILURE_BAD_REQUEST, "key",
                           "the RSA exponent %u is not accepted; use 65537", key->exponent);
    if (key->material[key->length - 1] % 2 == 0)
        return refuse(failure, "the RSA modulus is even");
    if (has_small_factor(key->material, key->length))
        return refuse(failure, "the RSA modulus has a small factor");
    return 0;
}

/* The y of the points of order 1, 2, 4 and 8 (RFC 8032 section 5.1; RFC 7748 section 6 says why they are of no
 * use), little-endian. */
static const uint8_t small_order[][ED25519_SIZE] = {
    {0}, /* 0, order 4 */
    {1}, /* 1, order 1 */
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, /* order 2 */
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
     0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05}, /* order 8 */
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
     0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}, /* order 8 */
};

static int ed25519_check(const struct public_key *key, struct failure *failure)
{
    if (key->length != ED25519_SIZE)
        return refuse(failure, "an Ed25519 key has 32 bytes");
    uint8_t y[ED25519_SIZE];
    memcpy(y, key->material, sizeof y);
    y[31] &= 0x7f; /* without the sign of x */
    for (size_t i = 0; i < sizeof small_order / sizeof small_order[0]; i++)
        if (!memcmp(y, small_order[i], sizeof y))
            return refuse(failure, "the Ed25519 key is a point of small order");
    bool full = y[31] == 0x7f;
    for (size_t i = 1; i < 31; i++)
        full = full && y[i] == 0xff;
    if (full && y[0] >= 0xed) /* 2^255 - 19 and beyond: RFC 8032 section 5.1.3, step 1 */
        return refuse(failure, "the Ed25519 key is not in canonical form");
    return 0;
}

int public_key_check(const struct public_key *key, struct failure *failure)
{
    const struct curve *curve = curve_find(key->type.kind);
    if (curve)
        return ec_check(key, curve, failure);
    if (key->type.kind == KEY_ED25519)
        return ed25519_check(key, failure);
    if (key->type.kind == KEY_RSA)
        return rsa_check(key, failure);
    return refuse(failure, "a key is P-256, P-384, Ed25519 or RSA");
}

static int ec_from_evp(const EVP_PKEY *pkey, struct public_key *out, struct failure *failure)
{
    char group[64] = "";
    size_t length = 0;
    EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, &length);
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++) {
        if (strcmp(group, curves[i].group))
            continue;
        BIGNUM *x = NULL, *y = NULL;
        int field = (int)curves[i].field;
        out->type.kind = curves[i].kind;
        out->length = (uint16_t)(1 + 2 * field);
        out->material[0] = POINT_CONVERSION_UNCOMPRESSED;
        bool good = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
                    EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
                    BN_bn2binpad(x, out->material + 1, field) == field &&
                    BN_bn2binpad(y, out->material + 1 + field, field) == field;
        BN_free(x);
        BN_free(y);
        return good ? 0 : refuse(failure, "the EC key holds no point");
    }
    ERR_clear_error();
    return failure_set(failure, FAILURE_BAD_REQUEST, "key", "curve %s is not accepted; use P-256 or P-384",
                       *group ? group : "without a name");
}

static int rsa_from_evp(const EVP_PKEY *pkey, struct public_key *out, struct failure *failure)
{
    BIGNUM *n = NULL, *e = NULL;
    bool fits = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
                EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
                BN_num_bytes(n) <= KEY_MATERIAL_MAX && BN_num_bits(e) <= 32;
    if (fits) {
        out->type = (struct key_type){KEY_RSA, (uint16_t)BN_num_bits(n)};
        out->length = (uint16_t)BN_bn2bin(n, out->material);
        out->exponent = (uint32_t)BN_get_word(e);
    }
    BN_free(n);
    BN_free(e);
    return fits ? 0 : refuse(failure, "the RSA modulus has more than 4096 bits or the exponent more than 32");
}

int public_key_from_evp(const EVP_PKEY *pkey, struct public_key *out, struct failure *failure)
{
    struct public_key key = {.length = 0};
    int result;
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_EC:
        result = ec_from_evp(pkey, &key, failure);
        break;
    case EVP_PKEY_RSA:
        result = rsa_from_evp(pkey, &key, failure);
        break;
    case EVP_PKEY_ED25519: {
        size_t length = ED25519_SIZE;
        key.type.kind = KEY_ED25519;
        key.length = ED25519_SIZE;
        result = EVP_PKEY_get_raw_public_key(pkey, key.material, &length) == 1
                     ? 0
                     : refuse(failure, "the Ed25519 key cannot be read");
        break;
    }
    default:
        result = failure_set(failure, FAILURE_BAD_REQUEST, "key",
                             "a %s key is not accepted; use P-256, P-384, Ed25519 or RSA",
                             EVP_PKEY_get0_type_name(pkey) ? EVP_PKEY_get0_type_name(pkey) : "nameless");
    }
    if (result == 0)
        *out = key;
    return result;
}

/* Fill in libcrypto's parameters of a key; the pointers live as long as `key` and `n`. */
static bool push_parameters(OSSL_PARAM_BLD *build, const struct public_key *key, const BIGNUM *n)
{
    const struct curve *curve = curve_find(key->type.kind);
    if (curve)
        return OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) &&
               OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, key->material, key->length);
    return n && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
           OSSL_PARAM_BLD_push_uint32(build, OSSL_PKEY_PARAM_RSA_E, key->exponent);
}

EVP_PKEY *public_key_to_evp(const struct public_key *key)
{
    if (key->length > KEY_MATERIAL_MAX ||
        (!curve_find(key->type.kind) && key->type.kind != KEY_ED25519 && key->type.kind != KEY_RSA))
        return NULL;
    if (key->type.kind == KEY_ED25519)
        return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->material, key->length);
    EVP_PKEY *pkey = NULL;
    BIGNUM *n = key->type.kind == KEY_RSA ? BN_bin2bn(key->material, key->length, NULL) : NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM *parameters = build && push_parameters(build, key, n) ? OSSL_PARAM_BLD_to_param(build) : NULL;
    EVP_PKEY_CTX *context =
        parameters ? EVP_PKEY_CTX_new_from_name(NULL, key->type.kind == KEY_RSA ? "RSA" : "EC", NULL) : NULL;
    if (!context || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
        pkey = NULL;
        ERR_clear_error();
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    return pkey;
}
