/*
 * bare.c - the least that a program with libcrypto is: what memory and start of the agent are compared with.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    EVP_MD *digest;
    (void)argv;
    OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
    digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    EVP_MD_free(digest);
    if (argc > 1)
        pause();
    return digest ? 0 : 1;
}
