/*
 * private_key.c - client key pairs made by the agent, and PKCS#12: the one file of the agent that decodes a
 * private key.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Slow and pure: it runs on the pool. What leaves this file lies in sodium_malloc memory; what passes through
 * libcrypto on the way lies in BIOs that wipe.
 */
#include "agent/ca/private_key.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "proto/x509/certificate.h"
#include "proto/x509/names.h"

enum {
    PRIVATE_KEY_PEM_MAX = 64 * 1024,
    PASSPHRASE_MAX = 1024,
    CHAIN_MAX = 16,
    ITERATIONS_DEFAULT = 100 * 1000,
    ITERATIONS_MAX = 10 * 1000 * 1000,
    MAC_SALT_SIZE = 8, /* as many as readers of old expect; RFC 7292 appendix B.2 repeats it to fill a block anyway */
};

static int internal(struct failure *failure, const char *what)
{
    char reason[160] = "";
    unsigned long code = ERR_peek_last_error();
    if (code)
        ERR_error_string_n(code, reason, sizeof reason);
    ERR_clear_error();
    return failure_set(failure, FAILURE_INTERNAL, NULL, "%s%s%s", what, *reason ? ": " : "", reason);
}

static int refuse(struct failure *failure, const char *field, const char *why)
{
    ERR_clear_error();
    return failure_set(failure, FAILURE_BAD_REQUEST, field, "%s", why);
}

/* PKCS#8 PEM of a key in sodium_malloc memory; NULL on failure. */
static char *key_to_pem(EVP_PKEY *pkey)
{
    char *data, *pem = NULL;
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped as it grows and when it is freed */
    if (bio && PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1) {
        long length = BIO_get_mem_data(bio, &data);
        pem = length > 0 ? sodium_malloc((size_t)length + 1) : NULL;
        if (pem) {
            memcpy(pem, data, (size_t)length);
            pem[length] = '\0';
        }
    }
    BIO_free(bio);
    return pem;
}

static EVP_PKEY *generate(struct key_type type)
{
    switch (type.kind) {
    case KEY_EC_P256:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    case KEY_EC_P384:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    case KEY_ED25519:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    case KEY_RSA:
        return type.bits >= 2048 && type.bits <= 4096 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)type.bits)
                                                      : NULL;
    default:
        return NULL;
    }
}

int private_key_make(struct key_type type, struct public_key *public_key, char **pem, struct failure *failure)
{
    struct public_key made;
    EVP_PKEY *pkey = generate(type);
    if (!pkey)
        return internal(failure, "the key pair could not be made");
    int result = public_key_from_evp(pkey, &made, failure);
    char *text = result ? NULL : key_to_pem(pkey);
    if (result == 0 && !text)
        result = internal(failure, "the private key could not be written");
    EVP_PKEY_free(pkey);
    if (result == 0) {
        *public_key = made;
        *pem = text;
    }
    return result;
}

/* --- a key that the caller holds ------------------------------------------------------------------------ */

/* Called where the PEM is encrypted: note it, and give no passphrase. */
static int no_passphrase(char *buffer, int size, int writing, void *encrypted)
{
    (void)buffer, (void)size, (void)writing;
    *(bool *)encrypted = true;
    return -1;
}

static X509 *certificate_read(const uint8_t *der, size_t length)
{
    const unsigned char *cursor = der;
    X509 *certificate = length && length <= CERTIFICATE_DER_MAX ? d2i_X509(NULL, &cursor, (long)length) : NULL;
    if (certificate && cursor == der + length)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static int key_read(const char *pem, X509 *certificate, EVP_PKEY **out, struct failure *failure)
{
    bool encrypted = false;
    size_t length = pem ? strnlen(pem, PRIVATE_KEY_PEM_MAX + 1) : 0;
    if (length == 0 || length > PRIVATE_KEY_PEM_MAX)
        return refuse(failure, "privateKey", "a private key in PEM of at most 65536 bytes is needed");
    BIO *bio = BIO_new_mem_buf(pem, (int)length); /* reads in place */
    EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &encrypted) : NULL;
    BIO_free(bio);
    if (!pkey)
        return refuse(
            failure, "privateKey",
            encrypted ? "the private key is encrypted; decrypt it first: openssl pkey -in FILE -out FILE.plain"
                      : "it is not a private key in PEM");
    if (X509_check_private_key(certificate, pkey) != 1) {
        EVP_PKEY_free(pkey);
        return refuse(failure, "privateKey", "the private key does not belong to the certificate");
    }
    *out = pkey;
    return 0;
}

int private_key_check(const char *pem, const uint8_t *certificate, size_t length, char **pkcs8,
                      struct failure *failure)
{
    EVP_PKEY *pkey = NULL;
    X509 *leaf = certificate_read(certificate, length);
    if (!leaf)
        return internal(failure, "the certificate cannot be read");
    int result = key_read(pem, leaf, &pkey, failure);
    char *text = result ? NULL : key_to_pem(pkey);
    if (result == 0 && !text)
        result = internal(failure, "the private key could not be written");
    EVP_PKEY_free(pkey);
    X509_free(leaf);
    if (result == 0)
        *pkcs8 = text;
    return result;
}

/* --- PKCS#12 -------------------------------------------------------------------------------------------- */

static STACK_OF(X509) *chain_read(const struct pkcs12_request *request)
{
    STACK_OF(X509) *chain = request->chain_count <= CHAIN_MAX ? sk_X509_new_null() : NULL;
    for (size_t i = 0; chain && i < request->chain_count; i++) {
        X509 *certificate = certificate_read(request->chain[i], request->chain_lengths[i]);
        if (!certificate || !sk_X509_push(chain, certificate)) {
            X509_free(certificate);
            sk_X509_pop_free(chain, X509_free);
            return NULL;
        }
    }
    return chain;
}

static int check_texts(const struct pkcs12_request *request, struct failure *failure)
{
    const char *passphrase = request->passphrase ? request->passphrase : "",
               *name = request->friendly_name ? request->friendly_name : "";
    size_t length = strnlen(passphrase, PASSPHRASE_MAX + 1);
    if (length == 0 || length > PASSPHRASE_MAX || !text_is_clean(passphrase, length))
        return refuse(
            failure, "passphrase",
            "a PKCS#12 file needs a passphrase of at most 1024 bytes, UTF-8 without control characters");
    if (strnlen(name, PASSPHRASE_MAX + 1) > PASSPHRASE_MAX || !text_is_clean(name, strlen(name)))
        return refuse(failure, "friendlyName",
                      "a friendly name has at most 1024 bytes, UTF-8 without control characters");
    if (request->iterations < 0 || request->iterations > ITERATIONS_MAX)
        return refuse(failure, "iterations", "at most 10,000,000 iterations");
    return 0;
}

/* Certificates and key under PBES2 with AES-256-CBC (its PRF is HMAC-SHA256 by default), then the MAC over both. */
static PKCS12 *bundle(const struct pkcs12_request *request, EVP_PKEY *pkey, X509 *leaf, STACK_OF(X509) *chain)
{
    int iterations = request->iterations ? request->iterations : ITERATIONS_DEFAULT;
    PKCS12 *p12 = PKCS12_create_ex(request->passphrase, request->friendly_name, pkey, leaf, chain,
                                   NID_aes_256_cbc, NID_aes_256_cbc, iterations, -1 /* no MAC yet */, 0, NULL,
                                   NULL);
    if (p12 && PKCS12_set_mac(p12, request->passphrase, -1, NULL, MAC_SALT_SIZE, iterations, EVP_sha256()) == 1)
        return p12;
    PKCS12_free(p12);
    return NULL;
}

static int bundle_write(const PKCS12 *p12, uint8_t **der, size_t *length, struct failure *failure)
{
    int size = i2d_PKCS12(p12, NULL);
    uint8_t *out = size > 0 ? sodium_malloc((size_t)size) : NULL;
    unsigned char *cursor = out;
    if (!out || i2d_PKCS12(p12, &cursor) != size) {
        sodium_free(out);
        return internal(failure, "the PKCS#12 file could not be written");
    }
    *der = out;
    *length = (size_t)size;
    return 0;
}

int pkcs12_make(const struct pkcs12_request *request, uint8_t **der, size_t *length, struct failure *failure)
{
    EVP_PKEY *pkey = NULL;
    PKCS12 *p12 = NULL;
    if (check_texts(request, failure))
        return -1;
    X509 *leaf = certificate_read(request->certificate, request->certificate_length);
    STACK_OF(X509) *chain = chain_read(request);
    int result = leaf && chain ? key_read(request->private_key_pem, leaf, &pkey, failure)
                               : internal(failure, "the certificate or its chain cannot be read");
    if (result == 0) {
        p12 = bundle(request, pkey, leaf, chain);
        result = p12 ? bundle_write(p12, der, length, failure)
                     : internal(failure, "the PKCS#12 file could not be made");
    }
    PKCS12_free(p12);
    EVP_PKEY_free(pkey);
    sk_X509_pop_free(chain, X509_free);
    X509_free(leaf);
    ERR_clear_error();
    return result;
}
