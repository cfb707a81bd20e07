/*
 * path_read.c - bundles of certificates and CRLs, PEM or DER, from memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>

#include "proto/x509/path.h"

/* What the two readers differ in: the item, the PEM labels that hold it, its name in errors. */
struct bundle_kind {
    const ASN1_ITEM *(*item)(void);
    const char *label, *other_label;
    const char *thing;
};

static int refuse(const char *field, const struct bundle_kind *kind, const char *why, struct failure *failure)
{
    ERR_clear_error();
    return failure_set(failure, FAILURE_BAD_REQUEST, field, "%s %s", kind->thing, why);
}

/* Decode one item at *cursor and add it. */
static int add_one(OPENSSL_STACK *stack, const struct bundle_kind *kind, const unsigned char **cursor,
                   const unsigned char *end, const char *field, struct failure *failure)
{
    const ASN1_ITEM *item = kind->item();
    ASN1_VALUE *value = ASN1_item_d2i(NULL, cursor, end - *cursor, item);
    if (!value)
        return failure_set(failure, FAILURE_BAD_REQUEST, field, "%s number %d cannot be read", kind->thing,
                           OPENSSL_sk_num(stack) + 1);
    if (OPENSSL_sk_num(stack) < PATH_BUNDLE_MAX && OPENSSL_sk_push(stack, value))
        return 0;
    ASN1_item_free(value, item);
    return refuse(field, kind, "would be more than 10000 in one bundle", failure);
}

static int add_block(OPENSSL_STACK *stack, const struct bundle_kind *kind, const char *label,
                     const unsigned char *data, long length, const char *field, struct failure *failure)
{
    if (strcmp(label, kind->label) && strcmp(label, kind->other_label))
        return 0;
    const unsigned char *cursor = data;
    if (add_one(stack, kind, &cursor, data + length, field, failure))
        return -1;
    return cursor == data + length ? 0 : refuse(field, kind, "has bytes after it in its PEM block", failure);
}

static int read_pem(OPENSSL_STACK *stack, const struct bundle_kind *kind, BIO *bio, const char *field,
                    struct failure *failure)
{
    int result = 0;
    while (result == 0) {
        char *label = NULL, *header = NULL;
        unsigned char *data = NULL;
        long length;
        if (PEM_read_bio(bio, &label, &header, &data, &length) != 1) {
            unsigned long error = ERR_peek_last_error();
            ERR_clear_error();
            return ERR_GET_REASON(error) == PEM_R_NO_START_LINE
                       ? 0
                       : refuse(field, kind, "bundle holds a damaged PEM block", failure);
        }
        result = add_block(stack, kind, label, data, length, field, failure);
        OPENSSL_free(label);
        OPENSSL_free(header);
        OPENSSL_clear_free(data, (size_t)length); /* a private key may stand beside the certificates */
    }
    return result;
}

static int read_der(OPENSSL_STACK *stack, const struct bundle_kind *kind, const unsigned char *data,
                    size_t length, const char *field, struct failure *failure)
{
    const unsigned char *end = data + length;
    while (data < end)
        if (add_one(stack, kind, &data, end, field, failure))
            return -1;
    return 0;
}

/* PEM where a BEGIN line is found, even after a comment; else DER. */
static OPENSSL_STACK *read_bundle(const struct bundle_kind *kind, const void *data, size_t length,
                                  const char *field, struct failure *failure)
{
    static const char mark[] = "-----BEGIN ";
    if (length == 0 || length > INT_MAX) {
        refuse(field, kind, length ? "bundle is too large" : "is expected, but there is nothing", failure);
        return NULL;
    }
    OPENSSL_STACK *stack = OPENSSL_sk_new_null();
    BIO *bio = BIO_new_mem_buf(data, (int)length);
    int result;
    if (!stack || !bio)
        result = failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    else if (*(const unsigned char *)data != (V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED) &&
             memmem(data, length, mark, sizeof mark - 1))
        result = read_pem(stack, kind, bio, field, failure);
    else
        result = read_der(stack, kind, data, length, field, failure);
    BIO_free(bio);
    if (result == 0 && OPENSSL_sk_num(stack) == 0)
        result = refuse(field, kind, "is expected, but there is none in it", failure);
    ERR_clear_error();
    if (result == 0)
        return stack;
    while (stack && OPENSSL_sk_num(stack))
        ASN1_item_free(OPENSSL_sk_pop(stack), kind->item());
    OPENSSL_sk_free(stack);
    return NULL;
}

STACK_OF(X509) *path_read_certificates(const void *data, size_t length, const char *field, struct failure *failure)
{
    static const struct bundle_kind kind = {ASN1_ITEM_ref(X509), PEM_STRING_X509, PEM_STRING_X509_OLD,
                                            "a certificate"};
    return (STACK_OF(X509) *)read_bundle(&kind, data, length, field, failure);
}

STACK_OF(X509_CRL) *path_read_crls(const void *data, size_t length, const char *field, struct failure *failure)
{
    static const struct bundle_kind kind = {ASN1_ITEM_ref(X509_CRL), PEM_STRING_X509_CRL, PEM_STRING_X509_CRL,
                                            "a CRL"};
    return (STACK_OF(X509_CRL) *)read_bundle(&kind, data, length, field, failure);
}
