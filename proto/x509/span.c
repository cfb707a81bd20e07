/*
 * span.c - asn1t items that take note of where an element stands in the input instead of decoding it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/x509/span.h"

#include <openssl/asn1t.h>

/* What ASN1_get_object sets in its result: an error, and a length that is not given beforehand (X.690
 * section 8.1.3.6; not in DER). */
enum { OBJECT_ERROR = 0x80, OBJECT_INDEFINITE = 0x01 };

/* Shared shape of ASN1_ex_d2i: tagging makes no sense for an element of any type. */
static struct span *begin(ASN1_VALUE **value, long length, int tag, char optional)
{
    return tag != -1 || optional || length <= 0 ? NULL : (struct span *)*value;
}

static int read_one(ASN1_VALUE **value, const unsigned char **in, long length, const ASN1_ITEM *item, int tag,
                    int class, char optional, ASN1_TLC *cache)
{
    (void)item, (void)class, (void)cache;
    struct span *span = begin(value, length, tag, optional);
    const unsigned char *content = *in;
    long content_length;
    int content_tag, content_class;
    if (!span)
        return 0;
    int kind = ASN1_get_object(&content, &content_length, &content_tag, &content_class, length);
    if (kind & (OBJECT_ERROR | OBJECT_INDEFINITE))
        return 0;
    span->data = *in;
    span->length = content - *in + content_length;
    *in += span->length;
    return 1;
}

static int read_rest(ASN1_VALUE **value, const unsigned char **in, long length, const ASN1_ITEM *item, int tag,
                     int class, char optional, ASN1_TLC *cache)
{
    (void)item, (void)class, (void)cache;
    struct span *span = begin(value, length, tag, optional);
    if (!span)
        return 0;
    span->data = *in;
    span->length = length;
    *in += length;
    return 1;
}

static const ASN1_EXTERN_FUNCS one_functions = {.asn1_ex_d2i = read_one}, rest_functions = {.asn1_ex_d2i = read_rest};

IMPLEMENT_EXTERN_ASN1(span_one, V_ASN1_SEQUENCE, one_functions)
IMPLEMENT_EXTERN_ASN1(span_rest, V_ASN1_SEQUENCE, rest_functions)
