/*
 * signer.c - the CA's private key: made, decoded, used.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * PKCS#8 is taken apart with templates of our own and the numbers handed to EVP_PKEY_fromdata: libcrypto's decoder
 * framework would bring 60 KiB of tables into locked memory. One EVP_PKEY_CTX is kept for all signatures.
 */
#include "agent/keeper/signer.h"

#include <openssl/asn1t.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "agent/keeper/memory.h"

/* One row a kind of key: what libcrypto calls it, what digest it signs, the AlgorithmIdentifier that says so. */
static const struct scheme {
    enum key_kind kind;
    int id;              /* EVP_PKEY_* */
    const char *name, *group, *signature, *digest;
    uint8_t algorithm[ALGORITHM_MAX];
    uint8_t algorithm_length;
} schemes[] = {
    /* ecdsa-with-SHA256 and -SHA384, RFC 5758 section 3.2 */
    {KEY_EC_P256, EVP_PKEY_EC, "EC", "P-256", "ECDSA", "SHA256",
     {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}, 12},
    {KEY_EC_P384, EVP_PKEY_EC, "EC", "P-384", "ECDSA", "SHA384",
     {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03}, 12},
    /* id-Ed25519, RFC 8410 section 3 */
    {KEY_ED25519, EVP_PKEY_ED25519, "ED25519", NULL, "ED25519", NULL, {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70}, 7},
    /* sha256WithRSAEncryption, RFC 4055 section 5: parameters are NULL */
    {KEY_RSA, EVP_PKEY_RSA, "RSA", NULL, "RSA", "SHA256",
     {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00}, 15},
};

struct signer {
    const struct scheme *scheme;
    EVP_PKEY *key;
    EVP_PKEY_CTX *context; /* ready for EVP_PKEY_sign; NULL for Ed25519 */
    EVP_MD *digest;        /* likewise */
    EVP_MD_CTX *hash;
    struct public_key public_key;
};

struct signer_stream {
    struct signer *signer;
    EVP_MD_CTX *hash;  /* of ECDSA and RSA */
    uint8_t *buffer;   /* of Ed25519: public data, in ordinary memory */
    size_t have, size;
};

/* ECPrivateKey, RFC 5915 section 3 */
struct ec_private_key {
    int32_t version;
    ASN1_OCTET_STRING *private_key;
    ASN1_TYPE *parameters;
    ASN1_BIT_STRING *public_key;
};
ASN1_SEQUENCE(ec_private_key) = {
    ASN1_EMBED(struct ec_private_key, version, INT32),
    ASN1_SIMPLE(struct ec_private_key, private_key, ASN1_OCTET_STRING),
    ASN1_EXP_OPT(struct ec_private_key, parameters, ASN1_ANY, 0),
    ASN1_EXP_OPT(struct ec_private_key, public_key, ASN1_BIT_STRING, 1),
} static_ASN1_SEQUENCE_END_name(struct ec_private_key, ec_private_key)

/* RSAPrivateKey, RFC 8017 appendix A.1.2; of two primes */
enum { RSA_NUMBERS = 8 };
struct rsa_private_key {
    int32_t version;
    ASN1_INTEGER *n, *e, *d, *p, *q, *dp, *dq, *qinv;
};
ASN1_SEQUENCE(rsa_private_key) = {
    ASN1_EMBED(struct rsa_private_key, version, INT32),
    ASN1_SIMPLE(struct rsa_private_key, n, ASN1_INTEGER),
    ASN1_SIMPLE(struct rsa_private_key, e, ASN1_INTEGER),
    ASN1_SIMPLE(struct rsa_private_key, d, ASN1_INTEGER),
    ASN1_SIMPLE(struct rsa_private_key, p, ASN1_INTEGER),
    ASN1_SIMPLE(struct rsa_private_key, q, ASN1_INTEGER),
    ASN1_SIMPLE(struct rsa_private_key, dp, ASN1_INTEGER),
    ASN1_SIMPLE(struct rsa_private_key, dq, ASN1_INTEGER),
    ASN1_SIMPLE(struct rsa_private_key, qinv, ASN1_INTEGER),
} static_ASN1_SEQUENCE_END_name(struct rsa_private_key, rsa_private_key)

static const struct scheme *scheme_find(enum key_kind kind)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (schemes[i].kind == kind)
            return &schemes[i];
    return NULL;
}

const uint8_t *signer_algorithm(enum key_kind kind, size_t *length)
{
    const struct scheme *scheme = scheme_find(kind);
    if (!scheme)
        return NULL;
    *length = scheme->algorithm_length;
    return scheme->algorithm;
}

/* What libcrypto says, as a sentence of ours; its queue is emptied. */
static int crypto_failure(struct failure *failure, const char *what)
{
    unsigned long error = ERR_get_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    ERR_clear_error();
    return failure_set(failure, FAILURE_INTERNAL, NULL, "%s: libcrypto says %s", what,
                       reason ? reason : "no more than that");
}

int signer_start(struct failure *failure)
{
    /* The default generator would load every cipher of libcrypto to find AES-CTR; this one (NIST SP 800-90A,
     * 10.1.1) needs a digest. */
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
                                OPENSSL_INIT_NO_ADD_ALL_DIGESTS | OPENSSL_INIT_NO_LOAD_CONFIG |
                                OPENSSL_INIT_NO_ATEXIT,
                            NULL) != 1 ||
        RAND_set_DRBG_type(NULL, "HASH-DRBG", NULL, NULL, "SHA256") != 1)
        return crypto_failure(failure, "libcrypto does not start");
    return signer_prepare(failure);
}

int signer_prepare(struct failure *failure)
{
    static const char *const digests[] = {"SHA1", "SHA256", "SHA384", "SHA512"};
    bool good = true;
    /* Each is let go of at once: libcrypto's store keeps its own reference. */
    for (size_t i = 0; good && i < sizeof digests / sizeof digests[0]; i++) {
        EVP_MD *digest = EVP_MD_fetch(NULL, digests[i], NULL);
        good = digest != NULL;
        EVP_MD_free(digest);
    }
    for (size_t i = 0; good && i < sizeof schemes / sizeof schemes[0]; i++) {
        EVP_KEYMGMT *management = EVP_KEYMGMT_fetch(NULL, schemes[i].name, NULL);
        EVP_SIGNATURE *signature = EVP_SIGNATURE_fetch(NULL, schemes[i].signature, NULL);
        good = management && signature;
        EVP_KEYMGMT_free(management);
        EVP_SIGNATURE_free(signature);
    }
    EVP_RAND *random = good ? EVP_RAND_fetch(NULL, "HASH-DRBG", NULL) : NULL;
    good = good && random;
    EVP_RAND_free(random);
    return good ? 0 : crypto_failure(failure, "libcrypto lacks an algorithm of the default provider");
}

int signer_generate(struct key_type type, uint8_t **pkcs8, size_t *length, struct failure *failure)
{
    const struct scheme *scheme = scheme_find(type.kind);
    EVP_PKEY *key = !scheme                ? NULL
                    : type.kind == KEY_RSA ? EVP_PKEY_Q_keygen(NULL, NULL, scheme->name, (size_t)type.bits)
                    : scheme->group        ? EVP_PKEY_Q_keygen(NULL, NULL, scheme->name, scheme->group)
                                           : EVP_PKEY_Q_keygen(NULL, NULL, scheme->name);
    PKCS8_PRIV_KEY_INFO *info = key ? EVP_PKEY2PKCS8(key) : NULL;
    uint8_t *der = NULL;
    int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
    uint8_t *copy = size > 0 && size <= PRIVATE_KEY_MAX ? memory_allocate((size_t)size) : NULL;
    if (copy) {
        memcpy(copy, der, (size_t)size);
        *pkcs8 = copy;
        *length = (size_t)size;
    }
    OPENSSL_clear_free(der, size > 0 ? (size_t)size : 0);
    PKCS8_PRIV_KEY_INFO_free(info);
    EVP_PKEY_free(key);
    return copy ? 0 : crypto_failure(failure, "the key pair could not be made");
}

/* --- from PKCS#8 to an open key --------------------------------------------------------------------------- */

static EVP_PKEY *key_from_parameters(const struct scheme *scheme, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = parameters ? EVP_PKEY_CTX_new_from_name(NULL, scheme->name, NULL) : NULL;
    if (!context || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    if (parameters)
        OSSL_PARAM_free(parameters);
    return key;
}

static EVP_PKEY *ec_open(const struct scheme *scheme, const uint8_t *data, int length)
{
    EVP_PKEY *key = NULL;
    struct ec_private_key *inner = (void *)ASN1_item_d2i(NULL, &data, length, ASN1_ITEM_rptr(ec_private_key));
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *number = inner && inner->public_key
                         ? BN_bin2bn(inner->private_key->data, inner->private_key->length, BN_secure_new())
                         : NULL;
    if (number) {
        BN_set_flags(number, BN_FLG_CONSTTIME);
        if (build && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, scheme->group, 0) &&
            OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, number) &&
            OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, inner->public_key->data,
                                             (size_t)inner->public_key->length))
            key = key_from_parameters(scheme, build);
    }
    OSSL_PARAM_BLD_free(build);
    BN_clear_free(number);
    ASN1_item_free((void *)inner, ASN1_ITEM_rptr(ec_private_key));
    return key;
}

static EVP_PKEY *rsa_open(const struct scheme *scheme, const uint8_t *data, int length)
{
    static const char *const names[RSA_NUMBERS] = {OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
                                                   OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
                                                   OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
                                                   OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
    EVP_PKEY *key = NULL;
    struct rsa_private_key *inner = (void *)ASN1_item_d2i(NULL, &data, length, ASN1_ITEM_rptr(rsa_private_key));
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *numbers[RSA_NUMBERS] = {NULL};
    bool good = inner && build;
    if (good) {
        const ASN1_INTEGER *const from[RSA_NUMBERS] = {inner->n, inner->e,  inner->d,  inner->p,
                                                       inner->q, inner->dp, inner->dq, inner->qinv};
        for (int i = 0; good && i < RSA_NUMBERS; i++)
            good = (numbers[i] = ASN1_INTEGER_to_BN(from[i], NULL)) && OSSL_PARAM_BLD_push_BN(build, names[i], numbers[i]);
    }
    if (good)
        key = key_from_parameters(scheme, build);
    OSSL_PARAM_BLD_free(build);
    for (int i = 0; i < RSA_NUMBERS; i++)
        BN_clear_free(numbers[i]);
    ASN1_item_free((void *)inner, ASN1_ITEM_rptr(rsa_private_key));
    return key;
}

/* CurvePrivateKey ::= OCTET STRING, RFC 8410 section 7 */
static EVP_PKEY *ed25519_open(const uint8_t *data, int length)
{
    ASN1_OCTET_STRING *inner = d2i_ASN1_OCTET_STRING(NULL, &data, length);
    EVP_PKEY *key = inner ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, inner->data, (size_t)inner->length) : NULL;
    ASN1_OCTET_STRING_free(inner);
    return key;
}

static const struct scheme *scheme_of(const X509_ALGOR *algorithm)
{
    const ASN1_OBJECT *object, *curve;
    int type;
    const void *parameter;
    X509_ALGOR_get0(&object, &type, &parameter, algorithm);
    switch (OBJ_obj2nid(object)) {
    case NID_rsaEncryption: return scheme_find(KEY_RSA);
    case NID_ED25519: return scheme_find(KEY_ED25519);
    case NID_X9_62_id_ecPublicKey:
        curve = type == V_ASN1_OBJECT ? parameter : NULL;
        return !curve                                           ? NULL
               : OBJ_obj2nid(curve) == NID_X9_62_prime256v1 ? scheme_find(KEY_EC_P256)
               : OBJ_obj2nid(curve) == NID_secp384r1        ? scheme_find(KEY_EC_P384)
                                                            : NULL;
    default: return NULL;
    }
}

static EVP_PKEY *pkcs8_open(const uint8_t *pkcs8, size_t length, const struct scheme **scheme)
{
    const uint8_t *at = pkcs8, *inner = NULL;
    int inner_length = 0;
    const X509_ALGOR *algorithm = NULL;
    EVP_PKEY *key = NULL;
    PKCS8_PRIV_KEY_INFO *info = length <= PRIVATE_KEY_MAX ? d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)length) : NULL;
    if (info && at == pkcs8 + length && PKCS8_pkey_get0(NULL, &inner, &inner_length, &algorithm, info) == 1 &&
        (*scheme = scheme_of(algorithm))) {
        if ((*scheme)->kind == KEY_RSA)
            key = rsa_open(*scheme, inner, inner_length);
        else if ((*scheme)->kind == KEY_ED25519)
            key = ed25519_open(inner, inner_length);
        else
            key = ec_open(*scheme, inner, inner_length);
    }
    PKCS8_PRIV_KEY_INFO_free(info);
    return key;
}

/* What is the same for every signature is set up once. */
static bool make_ready(struct signer *signer)
{
    signer->hash = EVP_MD_CTX_new();
    if (!signer->hash || !signer->scheme->digest)
        return signer->hash != NULL;
    signer->digest = EVP_MD_fetch(NULL, signer->scheme->digest, NULL);
    signer->context = EVP_PKEY_CTX_new_from_pkey(NULL, signer->key, NULL);
    return signer->digest && signer->context && EVP_PKEY_sign_init(signer->context) == 1 &&
           (signer->scheme->kind != KEY_RSA || EVP_PKEY_CTX_set_rsa_padding(signer->context, RSA_PKCS1_PADDING) == 1) &&
           EVP_PKEY_CTX_set_signature_md(signer->context, signer->digest) == 1;
}

int signer_open(const uint8_t *pkcs8, size_t length, struct signer **out, struct failure *failure)
{
    struct signer *signer = memory_allocate(sizeof *signer);
    if (!signer)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "no locked memory left");
    signer->key = pkcs8_open(pkcs8, length, &signer->scheme);
    if (!signer->key || !make_ready(signer)) {
        signer_close(signer);
        return crypto_failure(failure, "the CA's private key cannot be opened");
    }
    if (public_key_from_evp(signer->key, &signer->public_key, failure)) {
        signer_close(signer);
        return -1;
    }
    *out = signer;
    return 0;
}

void signer_close(struct signer *signer)
{
    if (!signer)
        return;
    EVP_PKEY_CTX_free(signer->context);
    EVP_MD_CTX_free(signer->hash);
    EVP_MD_free(signer->digest);
    EVP_PKEY_free(signer->key);
    memory_free(signer);
}

EVP_PKEY *signer_key(const struct signer *signer)
{
    return signer->key;
}

const struct public_key *signer_public_key(const struct signer *signer)
{
    return &signer->public_key;
}

/* --- signing ---------------------------------------------------------------------------------------------- */

static int sign_digest(struct signer *signer, const uint8_t *digest, size_t size, uint8_t *signature, size_t *length,
                       struct failure *failure)
{
    size_t room = SIGNATURE_MAX;
    if (EVP_PKEY_sign(signer->context, signature, &room, digest, size) != 1)
        return crypto_failure(failure, "signing failed");
    *length = room;
    return 0;
}

int signer_sign(struct signer *signer, const void *data, size_t size, uint8_t signature[static SIGNATURE_MAX],
                size_t *length, struct failure *failure)
{
    if (!signer->context) {
        size_t room = SIGNATURE_MAX;
        if (EVP_DigestSignInit(signer->hash, NULL, NULL, NULL, signer->key) != 1 ||
            EVP_DigestSign(signer->hash, signature, &room, data, size) != 1)
            return crypto_failure(failure, "signing failed");
        *length = room;
        return 0;
    }
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_size;
    if (EVP_DigestInit_ex(signer->hash, signer->digest, NULL) != 1 || EVP_DigestUpdate(signer->hash, data, size) != 1 ||
        EVP_DigestFinal_ex(signer->hash, digest, &digest_size) != 1)
        return crypto_failure(failure, "hashing failed");
    return sign_digest(signer, digest, digest_size, signature, length, failure);
}

int signer_stream_begin(struct signer *signer, uint64_t size, struct signer_stream **out, struct failure *failure)
{
    if (!signer->context && size > BUFFERED_STREAM_MAX)
        return failure_set(failure, FAILURE_BAD_REQUEST, "crl",
                           "an Ed25519 CA cannot sign a stream: a CRL of %llu bytes is over the %d MiB that it "
                           "buffers (an EC or RSA CA has no such limit)",
                           (unsigned long long)size, BUFFERED_STREAM_MAX >> 20);
    struct signer_stream *stream = calloc(1, sizeof *stream);
    bool good = stream;
    if (good && signer->context) {
        stream->hash = EVP_MD_CTX_new();
        good = stream->hash && EVP_DigestInit_ex(stream->hash, signer->digest, NULL) == 1;
    } else if (good) {
        stream->size = (size_t)size;
        stream->buffer = malloc(stream->size ? stream->size : 1);
        good = stream->buffer;
    }
    if (!good) {
        signer_stream_abort(stream);
        return crypto_failure(failure, "a signature over a stream cannot begin");
    }
    stream->signer = signer;
    *out = stream;
    return 0;
}

int signer_stream_add(struct signer_stream *stream, const void *data, size_t size)
{
    if (stream->hash)
        return EVP_DigestUpdate(stream->hash, data, size) == 1 ? 0 : -1;
    if (size > stream->size - stream->have)
        return -1;
    memcpy(stream->buffer + stream->have, data, size);
    stream->have += size;
    return 0;
}

int signer_stream_finish(struct signer_stream *stream, uint8_t signature[static SIGNATURE_MAX], size_t *length,
                         struct failure *failure)
{
    int result;
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size;
    if (!stream->hash)
        result = signer_sign(stream->signer, stream->buffer, stream->have, signature, length, failure);
    else if (EVP_DigestFinal_ex(stream->hash, digest, &size) != 1)
        result = crypto_failure(failure, "hashing failed");
    else
        result = sign_digest(stream->signer, digest, size, signature, length, failure);
    signer_stream_abort(stream);
    return result;
}

void signer_stream_abort(struct signer_stream *stream)
{
    if (!stream)
        return;
    EVP_MD_CTX_free(stream->hash);
    free(stream->buffer);
    free(stream);
}
