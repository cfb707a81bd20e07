/*
 * local_key.c - does a private key, or a PKCS#12, in a file belong to a certificate? The one file of the
 * client that decodes keys.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/local.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include "client/cli/files.h"

/* An encrypted key is not ours: we write none. libcrypto would ask on the terminal otherwise. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

enum local_fit local_key_fits(const char *path, X509 *certificate)
{
    char *data;
    size_t length;
    if (file_read(path, "the key", FILE_MAX, &data, &length, NULL))
        return LOCAL_FOREIGN;
    BIO *bio = BIO_new_mem_buf(data, (int)length);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    enum local_fit fit = !key                                            ? LOCAL_FOREIGN
                         : X509_check_private_key(certificate, key) == 1 ? LOCAL_FITS
                                                                         : LOCAL_OTHER;
    EVP_PKEY_free(key);
    BIO_free(bio);
    file_free(data, length);
    ERR_clear_error();
    return fit;
}

/* Which key the passphrase opens. One that it does not open was made with another passphrase: of another run.
 */
static enum local_fit bundle_fits(PKCS12 *bundle, const char *passphrase, X509 *certificate)
{
    EVP_PKEY *key = NULL;
    X509 *leaf = NULL;
    enum local_fit fit = LOCAL_OTHER;
    if (PKCS12_parse(bundle, passphrase, &key, &leaf, NULL) == 1 && key && leaf &&
        X509_cmp(leaf, certificate) == 0)
        fit = X509_check_private_key(certificate, key) == 1 ? LOCAL_FITS : LOCAL_OTHER;
    EVP_PKEY_free(key);
    X509_free(leaf);
    return fit;
}

enum local_fit local_p12_fits(const char *path, const char *passphrase, X509 *certificate)
{
    char *data;
    size_t length;
    if (file_read(path, "the PKCS#12", FILE_MAX, &data, &length, NULL))
        return LOCAL_FOREIGN;
    const unsigned char *at = (const unsigned char *)data;
    PKCS12 *bundle = d2i_PKCS12(NULL, &at, (long)length);
    enum local_fit fit = bundle ? bundle_fits(bundle, passphrase, certificate) : LOCAL_FOREIGN;
    PKCS12_free(bundle);
    file_free(data, length);
    ERR_clear_error();
    return fit;
}
