/*
 * csr_key.c - the key and the signature of a CSR: SubjectPublicKeyInfo to a typed key, and proof of possession.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The decoder framework of libcrypto would take longer over the key than the whole signature check does, so the
 * key is read with a template and given to libcrypto as numbers.
 */
#include "agent/ca/csr_key.h"

#include <openssl/asn1t.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static int refuse(struct failure *failure, const char *why)
{
    ERR_clear_error();
    return failure_set(failure, FAILURE_BAD_REQUEST, "csr", "%s", why);
}

/* The name that people know an OID by, or its numbers. */
static const char *object_name(const ASN1_OBJECT *object, char buffer[static 80])
{
    int nid = OBJ_obj2nid(object);
    if (nid != NID_undef)
        return OBJ_nid2sn(nid);
    OBJ_obj2txt(buffer, 80, object, 1);
    return buffer;
}

static int parameter_type(const X509_ALGOR *algorithm)
{
    return algorithm->parameter ? ASN1_TYPE_get(algorithm->parameter) : V_ASN1_UNDEF;
}

/* A BIT STRING whose bits are not whole bytes is no key and no signature. */
static bool whole_bytes(const ASN1_BIT_STRING *bits)
{
    return ASN1_STRING_length(bits) > 0 && (bits->flags & 7) == 0;
}

/* --- the key -------------------------------------------------------------------------------------------- */

struct rsa_numbers { /* RFC 8017 appendix A.1.1 */
    ASN1_INTEGER *modulus;
    ASN1_INTEGER *exponent;
};
ASN1_SEQUENCE(rsa_numbers) = {
    ASN1_SIMPLE(struct rsa_numbers, modulus, ASN1_INTEGER),
    ASN1_SIMPLE(struct rsa_numbers, exponent, ASN1_INTEGER),
} static_ASN1_SEQUENCE_END_name(struct rsa_numbers, rsa_numbers)

static int rsa_fill(const struct rsa_numbers *numbers, struct public_key *out, struct failure *failure)
{
    int size = ASN1_STRING_length(numbers->modulus), exponent_size = ASN1_STRING_length(numbers->exponent);
    const uint8_t *exponent = ASN1_STRING_get0_data(numbers->exponent);
    if (ASN1_STRING_type(numbers->modulus) != V_ASN1_INTEGER || ASN1_STRING_type(numbers->exponent) != V_ASN1_INTEGER)
        return refuse(failure, "a number of its RSA key is negative");
    if (size > KEY_MATERIAL_MAX)
        return failure_set(failure, FAILURE_BAD_REQUEST, "csr",
                           "an RSA key of %d bits is not accepted; use 2048 to 4096, or ec:P-256", size * 8);
    if (exponent_size > 4)
        return refuse(failure, "an RSA exponent of more than 32 bits is not accepted; use 65537");
    out->length = (uint16_t)size;
    memcpy(out->material, ASN1_STRING_get0_data(numbers->modulus), (size_t)size);
    for (int i = 0; i < exponent_size; i++)
        out->exponent = out->exponent << 8 | exponent[i];
    unsigned top = out->material[0], unused = 0;
    while (unused < 8 && !(top & 0x80u >> unused))
        unused++;
    out->type = (struct key_type){KEY_RSA, (uint16_t)(8 * size - (int)unused)};
    return 0;
}

static int rsa_read(const X509_ALGOR *algorithm, const ASN1_BIT_STRING *bits, struct public_key *out,
                    struct failure *failure)
{
    if (parameter_type(algorithm) != V_ASN1_NULL) /* RFC 3279 section 2.3.1: MUST be NULL */
        return refuse(failure, "the parameters of its RSA key are not NULL");
    const unsigned char *cursor = ASN1_STRING_get0_data(bits), *end = cursor + ASN1_STRING_length(bits);
    struct rsa_numbers *numbers = (struct rsa_numbers *)ASN1_item_d2i(NULL, &cursor, end - cursor,
                                                                      ASN1_ITEM_rptr(rsa_numbers));
    int result = numbers && cursor == end ? rsa_fill(numbers, out, failure)
                                          : refuse(failure, "its RSA key is not a modulus and an exponent");
    ASN1_item_free((ASN1_VALUE *)numbers, ASN1_ITEM_rptr(rsa_numbers));
    return result;
}

static int ec_read(const X509_ALGOR *algorithm, const ASN1_BIT_STRING *bits, struct public_key *out,
                   struct failure *failure)
{
    char buffer[80];
    /* RFC 5480 section 2.1.1: specifiedCurve MUST NOT be used; CVE-2020-0601 is what comes of it. */
    if (parameter_type(algorithm) == V_ASN1_SEQUENCE)
        return refuse(failure, "explicit EC parameters are not accepted; name the curve: P-256 or P-384");
    if (parameter_type(algorithm) != V_ASN1_OBJECT)
        return refuse(failure, "its EC key names no curve; use P-256 or P-384");
    int curve = OBJ_obj2nid(algorithm->parameter->value.object);
    if (curve != NID_X9_62_prime256v1 && curve != NID_secp384r1)
        return failure_set(failure, FAILURE_BAD_REQUEST, "csr", "curve %s is not accepted; use P-256 or P-384",
                           object_name(algorithm->parameter->value.object, buffer));
    int size = ASN1_STRING_length(bits);
    const uint8_t *point = ASN1_STRING_get0_data(bits);
    /* RFC 5480 section 2.2: the uncompressed form MUST be supported, the others MAY. */
    if (point[0] != POINT_CONVERSION_UNCOMPRESSED || size > KEY_MATERIAL_MAX)
        return refuse(failure, "its EC point is not in uncompressed form; openssl writes it with "
                               "-conv_form uncompressed");
    out->type.kind = curve == NID_secp384r1 ? KEY_EC_P384 : KEY_EC_P256;
    out->length = (uint16_t)size;
    memcpy(out->material, point, (size_t)size);
    return 0;
}

static int ed25519_read(const X509_ALGOR *algorithm, const ASN1_BIT_STRING *bits, struct public_key *out,
                        struct failure *failure)
{
    int size = ASN1_STRING_length(bits);
    if (parameter_type(algorithm) != V_ASN1_UNDEF || size > KEY_MATERIAL_MAX) /* RFC 8410 section 3: MUST be absent */
        return refuse(failure, "its Ed25519 key has parameters or is too long");
    out->type.kind = KEY_ED25519;
    out->length = (uint16_t)size;
    memcpy(out->material, ASN1_STRING_get0_data(bits), (size_t)size);
    return 0;
}

int csr_key_read(const X509_ALGOR *algorithm, const ASN1_BIT_STRING *bits, struct public_key *out,
                 struct failure *failure)
{
    static const struct {
        int nid;
        int (*read)(const X509_ALGOR *, const ASN1_BIT_STRING *, struct public_key *, struct failure *);
    } kinds[] = {{NID_X9_62_id_ecPublicKey, ec_read}, {NID_rsaEncryption, rsa_read}, {NID_ED25519, ed25519_read}};
    struct public_key key = {.length = 0};
    struct failure why;
    char buffer[80];
    if (!whole_bytes(bits))
        return refuse(failure, "its public key is empty or not a whole number of bytes");
    int nid = OBJ_obj2nid(algorithm->algorithm);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (nid != kinds[i].nid)
            continue;
        if (kinds[i].read(algorithm, bits, &key, failure))
            return -1;
        if (public_key_check(&key, &why))
            return failure_set(failure, FAILURE_BAD_REQUEST, "csr", "%s", why.reason);
        *out = key;
        return 0;
    }
    if (nid == NID_rsassaPss) /* the key's restriction to PSS would be lost in the certificate */
        return refuse(failure, "a key restricted to RSASSA-PSS is not accepted; use a plain RSA key (its "
                               "signature may be RSASSA-PSS)");
    return failure_set(failure, FAILURE_BAD_REQUEST, "csr",
                       "a key of kind %s is not accepted; use P-256, P-384, Ed25519 or RSA",
                       object_name(algorithm->algorithm, buffer));
}

/* --- the signature -------------------------------------------------------------------------------------- */

static const struct scheme {
    int nid;
    enum { FAMILY_EC, FAMILY_RSA, FAMILY_PSS, FAMILY_ED25519 } family;
    const EVP_MD *(*digest)(void);
} schemes[] = {
    {NID_ecdsa_with_SHA256, FAMILY_EC, EVP_sha256},        {NID_ecdsa_with_SHA384, FAMILY_EC, EVP_sha384},
    {NID_ecdsa_with_SHA512, FAMILY_EC, EVP_sha512},        {NID_sha256WithRSAEncryption, FAMILY_RSA, EVP_sha256},
    {NID_sha384WithRSAEncryption, FAMILY_RSA, EVP_sha384}, {NID_sha512WithRSAEncryption, FAMILY_RSA, EVP_sha512},
    {NID_rsassaPss, FAMILY_PSS, NULL},                     {NID_ED25519, FAMILY_ED25519, NULL},
};

static const struct scheme *scheme_find(const X509_ALGOR *algorithm, struct failure *failure)
{
    int nid = OBJ_obj2nid(algorithm->algorithm), digest = NID_undef, kind;
    char buffer[80];
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (schemes[i].nid == nid)
            return &schemes[i];
    if (OBJ_find_sigid_algs(nid, &digest, &kind) && digest != NID_undef)
        failure_set(failure, FAILURE_BAD_REQUEST, "csr",
                    "a signature with %s is not accepted; use SHA-256, SHA-384 or SHA-512 (%s)",
                    OBJ_nid2sn(digest), object_name(algorithm->algorithm, buffer));
    else
        failure_set(failure, FAILURE_BAD_REQUEST, "csr",
                    "signature algorithm %s is not known here; use ECDSA, RSA or Ed25519",
                    object_name(algorithm->algorithm, buffer));
    return NULL;
}

/* One EC key object for each curve and thread, given each point in turn: making it anew costs more than a
 * signature check is worth. */
struct kept_keys {
    EVP_PKEY *keys[2];
};
static pthread_key_t kept_key;
static pthread_once_t kept_once = PTHREAD_ONCE_INIT;
static bool kept_works;

static void kept_free(void *value)
{
    struct kept_keys *kept = value;
    for (size_t i = 0; i < sizeof kept->keys / sizeof kept->keys[0]; i++)
        EVP_PKEY_free(kept->keys[i]);
    OPENSSL_free(kept);
}

static void kept_make(void)
{
    kept_works = pthread_key_create(&kept_key, kept_free) == 0;
}

static EVP_PKEY **kept_slot(enum key_kind kind)
{
    pthread_once(&kept_once, kept_make);
    struct kept_keys *kept = kept_works ? pthread_getspecific(kept_key) : NULL;
    if (!kept && kept_works) {
        kept = OPENSSL_zalloc(sizeof *kept);
        if (kept && pthread_setspecific(kept_key, kept)) {
            OPENSSL_free(kept);
            kept = NULL;
        }
    }
    return kept ? &kept->keys[kind == KEY_EC_P384] : NULL;
}

/* libcrypto's object for the key; a reference of the caller's own. */
static EVP_PKEY *key_object(const struct public_key *key)
{
    EVP_PKEY **slot = key->type.kind == KEY_EC_P256 || key->type.kind == KEY_EC_P384 ? kept_slot(key->type.kind)
                                                                                     : NULL;
    if (!slot)
        return public_key_to_evp(key);
    if (*slot && EVP_PKEY_set1_encoded_public_key(*slot, key->material, key->length) != 1) {
        EVP_PKEY_free(*slot); /* which point it holds now is not known */
        *slot = NULL;
        return NULL;
    }
    if (!*slot)
        *slot = public_key_to_evp(key);
    if (*slot)
        EVP_PKEY_up_ref(*slot);
    return *slot;
}

/* RFC 4055 section 3.1: hash and mask hash the same, one that we accept, the usual trailer. */
static const EVP_MD *pss_parameters(const X509_ALGOR *algorithm, int *salt_length)
{
    static const struct { int nid; const EVP_MD *(*digest)(void); } digests[] = {
        {NID_sha256, EVP_sha256}, {NID_sha384, EVP_sha384}, {NID_sha512, EVP_sha512}};
    const EVP_MD *found = NULL;
    RSA_PSS_PARAMS *pss = algorithm->parameter
                              ? ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm->parameter)
                              : NULL;
    X509_ALGOR *mask = NULL;
    if (pss && pss->hashAlgorithm && pss->maskGenAlgorithm &&
        OBJ_obj2nid(pss->maskGenAlgorithm->algorithm) == NID_mgf1)
        mask = pss->maskGenAlgorithm->parameter
                   ? ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR), pss->maskGenAlgorithm->parameter)
                   : NULL;
    long salt = pss && pss->saltLength ? ASN1_INTEGER_get(pss->saltLength) : 20;
    bool trailer = pss && (!pss->trailerField || ASN1_INTEGER_get(pss->trailerField) == 1);
    if (mask && trailer && salt >= 0 && salt <= 512 && OBJ_cmp(mask->algorithm, pss->hashAlgorithm->algorithm) == 0)
        for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++)
            if (OBJ_obj2nid(pss->hashAlgorithm->algorithm) == digests[i].nid)
                found = digests[i].digest();
    *salt_length = (int)salt;
    X509_ALGOR_free(mask);
    RSA_PSS_PARAMS_free(pss);
    return found;
}

static bool pkey_verify(EVP_PKEY *pkey, const struct scheme *scheme, const EVP_MD *digest, int salt_length,
                        const ASN1_BIT_STRING *signature, const struct span *info)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned hash_length;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool good = context && EVP_Digest(info->data, (size_t)info->length, hash, &hash_length, digest, NULL) == 1 &&
                EVP_PKEY_verify_init(context) == 1;
    if (scheme->family != FAMILY_EC) /* an ECDSA context takes the hash as it comes */
        good = good &&
               EVP_PKEY_CTX_set_rsa_padding(context, scheme->family == FAMILY_PSS ? RSA_PKCS1_PSS_PADDING
                                                                                  : RSA_PKCS1_PADDING) == 1 &&
               EVP_PKEY_CTX_set_signature_md(context, digest) == 1;
    if (scheme->family == FAMILY_PSS)
        good = good && EVP_PKEY_CTX_set_rsa_mgf1_md(context, digest) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt_length) == 1;
    good = good && EVP_PKEY_verify(context, ASN1_STRING_get0_data(signature),
                                   (size_t)ASN1_STRING_length(signature), hash, hash_length) == 1;
    EVP_PKEY_CTX_free(context);
    return good;
}

static bool ed25519_verify(EVP_PKEY *pkey, const ASN1_BIT_STRING *signature, const struct span *info)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestVerifyInit_ex(context, NULL, NULL, NULL, NULL, pkey, NULL) == 1 &&
                EVP_DigestVerify(context, ASN1_STRING_get0_data(signature),
                                 (size_t)ASN1_STRING_length(signature), info->data, (size_t)info->length) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

/* Does the scheme belong to the kind of key, with the parameters that its RFC wants (5758, 4055, 8410)? */
static bool scheme_fits(const struct scheme *scheme, const struct public_key *key, int parameter)
{
    switch (scheme->family) {
    case FAMILY_EC:
        return (key->type.kind == KEY_EC_P256 || key->type.kind == KEY_EC_P384) && parameter == V_ASN1_UNDEF;
    case FAMILY_RSA:
        return key->type.kind == KEY_RSA && (parameter == V_ASN1_NULL || parameter == V_ASN1_UNDEF);
    case FAMILY_PSS:
        return key->type.kind == KEY_RSA && parameter == V_ASN1_SEQUENCE;
    default:
        return key->type.kind == KEY_ED25519 && parameter == V_ASN1_UNDEF;
    }
}

int csr_key_verify(const struct public_key *key, const X509_ALGOR *algorithm, const ASN1_BIT_STRING *signature,
                   const struct span *info, struct failure *failure)
{
    int salt_length = 0;
    const struct scheme *scheme = scheme_find(algorithm, failure);
    if (!scheme)
        return -1;
    if (!scheme_fits(scheme, key, parameter_type(algorithm)) || !whole_bytes(signature))
        return refuse(failure, "its signature algorithm does not fit its key");
    const EVP_MD *digest = scheme->family == FAMILY_PSS ? pss_parameters(algorithm, &salt_length)
                           : scheme->digest             ? scheme->digest()
                                                        : NULL;
    if (!digest && scheme->family != FAMILY_ED25519)
        return refuse(failure, "these RSASSA-PSS parameters are not accepted; use SHA-256, SHA-384 or SHA-512 "
                               "for both hash and mask");
    EVP_PKEY *pkey = key_object(key);
    if (!pkey)
        return refuse(failure, "its public key is not usable");
    bool good = scheme->family == FAMILY_ED25519 ? ed25519_verify(pkey, signature, info)
                                                 : pkey_verify(pkey, scheme, digest, salt_length, signature, info);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return good ? 0
                : refuse(failure, "its signature does not verify with the key in it: whoever made it does not "
                                  "hold the key, or it was changed");
}
