/*
 * crl.c - a CRL signed while it streams by.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/crl.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "proto/term.h"

/* tbsCertList before its entries, and after them. */
struct list_head {
    ASN1_INTEGER *version;
    ASN1_TYPE *algorithm, *issuer;
    ASN1_TIME *this_update, *next_update;
};
ASN1_SEQUENCE(list_head) = {
    ASN1_SIMPLE(struct list_head, version, ASN1_INTEGER),
    ASN1_SIMPLE(struct list_head, algorithm, ASN1_ANY),
    ASN1_SIMPLE(struct list_head, issuer, ASN1_ANY),
    ASN1_SIMPLE(struct list_head, this_update, ASN1_TIME),
    ASN1_SIMPLE(struct list_head, next_update, ASN1_TIME),
} static_ASN1_SEQUENCE_END_name(struct list_head, list_head)

struct list_tail {
    STACK_OF(X509_EXTENSION) *extensions;
};
ASN1_SEQUENCE(list_tail) = {
    ASN1_EXP_SEQUENCE_OF(struct list_tail, extensions, X509_EXTENSION, 0),
} static_ASN1_SEQUENCE_END_name(struct list_tail, list_tail)

struct crl_stream {
    struct signer_stream *signature;
    struct crl_plan left; /* entries and bytes that are still to come */
    struct crl_part tail;
};

/* Encode, and drop the header of the outer SEQUENCE, which in a CRL spans more than this part. */
static int encode_inner(const void *value, const ASN1_ITEM *item, struct crl_part *out)
{
    int length = ASN1_item_i2d(value, NULL, item), tag, class;
    if (length <= 0 || length > CRL_PART_MAX)
        return -1;
    uint8_t whole[CRL_PART_MAX], *at = whole;
    const uint8_t *inner = whole;
    long inner_length;
    ASN1_item_i2d(value, &at, item);
    if (ASN1_get_object(&inner, &inner_length, &tag, &class, length) & 0x80)
        return -1;
    memcpy(out->data, inner, (size_t)inner_length);
    out->length = (size_t)inner_length;
    return 0;
}

static int encode_head(const struct authority *authority, const struct crl_plan *plan, struct crl_part *out)
{
    uint8_t version_byte = 1; /* v2 */
    size_t algorithm_length = 0;
    const uint8_t *algorithm_der = signer_algorithm(authority->key.type.kind, &algorithm_length);
    ASN1_STRING version = {.type = V_ASN1_INTEGER, .data = &version_byte, .length = 1};
    ASN1_STRING algorithm = {.type = V_ASN1_SEQUENCE, .data = (uint8_t *)algorithm_der, .length = (int)algorithm_length};
    ASN1_STRING issuer = {.type = V_ASN1_SEQUENCE, .data = authority->subject, .length = (int)authority->subject_length};
    ASN1_TYPE any_algorithm = {.type = V_ASN1_SEQUENCE, .value.sequence = &algorithm},
              any_issuer = {.type = V_ASN1_SEQUENCE, .value.sequence = &issuer};
    struct list_head head = {&version, &any_algorithm, &any_issuer, ASN1_TIME_set(NULL, plan->this_update),
                             ASN1_TIME_set(NULL, plan->next_update)};
    int result = head.this_update && head.next_update ? encode_inner(&head, ASN1_ITEM_rptr(list_head), out) : -1;
    ASN1_TIME_free(head.this_update);
    ASN1_TIME_free(head.next_update);
    return result;
}

/* AuthorityKeyIdentifier and CRLNumber: RFC 5280 sections 5.2.1 and 5.2.3, both required of a conforming CA. */
static int encode_tail(const struct authority *authority, const struct crl_plan *plan, struct crl_part *out)
{
    ASN1_STRING key_identifier = {.type = V_ASN1_OCTET_STRING,
                                  .data = authority->key_identifier,
                                  .length = (int)authority->key_identifier_length};
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    struct list_tail tail = {.extensions = NULL};
    int result = -1;
    if (number && ASN1_INTEGER_set_uint64(number, plan->number) == 1) {
        X509_EXTENSION *first = X509_EXTENSION_create_by_NID(NULL, NID_authority_key_identifier, 0, &key_identifier);
        X509_EXTENSION *second = X509V3_EXT_i2d(NID_crl_number, 0, number);
        if (first && second && X509v3_add_ext(&tail.extensions, first, -1) && X509v3_add_ext(&tail.extensions, second, -1))
            result = encode_inner(&tail, ASN1_ITEM_rptr(list_tail), out);
        X509_EXTENSION_free(first);
        X509_EXTENSION_free(second);
    }
    sk_X509_EXTENSION_pop_free(tail.extensions, X509_EXTENSION_free);
    ASN1_INTEGER_free(number);
    return result;
}

static int refuse(struct failure *failure, const char *why)
{
    return failure_set(failure, FAILURE_BAD_REQUEST, "crl", "%s", why);
}

static int check_plan(const struct crl_plan *plan, int64_t now, struct failure *failure)
{
    if (plan->this_update < now - CRL_TIME_SLACK || plan->this_update > now + CRL_TIME_SLACK)
        return refuse(failure, "thisUpdate is more than an hour from the keeper's clock");
    if (plan->next_update <= plan->this_update || plan->next_update > INSTANT_MAX)
        return refuse(failure, "nextUpdate is not after thisUpdate, or past the year 9999");
    if (plan->length > CRL_LENGTH_MAX || plan->count > CRL_LENGTH_MAX)
        return refuse(failure, "a CRL of more than 1 GiB");
    if ((plan->count == 0) != (plan->length == 0) || plan->length > plan->count * CRL_ENTRY_DER_MAX)
        return refuse(failure, "number of entries and their length do not fit each other");
    return 0;
}

/* The headers in front: of tbsCertList, and of revokedCertificates where there are any. */
static void assemble_head(const struct crl_part *inner, const struct crl_plan *plan, size_t tail_length,
                          struct crl_part *out)
{
    int entries = plan->count ? ASN1_object_size(1, (int)plan->length, V_ASN1_SEQUENCE) : 0;
    uint8_t *at = out->data;
    ASN1_put_object(&at, 1, (int)inner->length + entries + (int)tail_length, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    memcpy(at, inner->data, inner->length);
    at += inner->length;
    if (plan->count)
        ASN1_put_object(&at, 1, (int)plan->length, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    out->length = (size_t)(at - out->data);
}

static int begin(struct authority *authority, const struct crl_plan *plan, struct crl_stream *stream,
                 struct crl_part *head, struct failure *failure)
{
    struct crl_part inner;
    if (encode_head(authority, plan, &inner) || encode_tail(authority, plan, &stream->tail) ||
        inner.length > CRL_PART_MAX - 16) {
        ERR_clear_error();
        return failure_set(failure, FAILURE_INTERNAL, NULL, "the frame of the CRL could not be built");
    }
    assemble_head(&inner, plan, stream->tail.length, head);
    if (signer_stream_begin(authority->signer, head->length + plan->length + stream->tail.length, &stream->signature,
                            failure))
        return -1;
    stream->left = *plan;
    return signer_stream_add(stream->signature, head->data, head->length)
               ? failure_set(failure, FAILURE_INTERNAL, NULL, "hashing failed")
               : 0;
}

int crl_stream_begin(struct authority *authority, const struct crl_plan *plan, int64_t now, struct crl_stream **out,
                     struct crl_part *head, struct failure *failure)
{
    if (!authority->signer)
        return failure_set(failure, FAILURE_LOCKED, NULL, "the CA key is locked; open it with: mtlsctl unlock");
    if (check_plan(plan, now, failure))
        return -1;
    struct crl_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "no memory left");
    if (begin(authority, plan, stream, head, failure)) {
        crl_stream_abort(stream);
        return -1;
    }
    *out = stream;
    return 0;
}

int crl_stream_add(struct crl_stream *stream, const struct crl_entry *entries, size_t count, struct failure *failure)
{
    uint8_t buffer[CRL_ENTRY_DER_MAX * 32];
    size_t have = 0;
    if (count > stream->left.count)
        return refuse(failure, "more entries than were announced");
    for (size_t i = 0; i < count; i++) {
        size_t length = crl_entry_encode(&entries[i], buffer + have);
        if (length > stream->left.length)
            return refuse(failure, "longer entries than were announced");
        stream->left.length -= length;
        have += length;
        if ((have > sizeof buffer - CRL_ENTRY_DER_MAX || i + 1 == count)) {
            if (signer_stream_add(stream->signature, buffer, have))
                return failure_set(failure, FAILURE_INTERNAL, NULL, "hashing failed");
            have = 0;
        }
    }
    stream->left.count -= count;
    return 0;
}

static int finish(struct crl_stream *stream, struct crl_part *tail, struct crl_part *signature, struct failure *failure)
{
    uint8_t raw[SIGNATURE_MAX];
    size_t length;
    if (stream->left.count || stream->left.length)
        return refuse(failure, "fewer or shorter entries than were announced");
    if (signer_stream_add(stream->signature, stream->tail.data, stream->tail.length))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "hashing failed");
    struct signer_stream *last = stream->signature;
    stream->signature = NULL;
    if (signer_stream_finish(last, raw, &length, failure))
        return -1;
    ASN1_STRING bits = {.type = V_ASN1_BIT_STRING, .data = raw, .length = (int)length, .flags = ASN1_STRING_FLAG_BITS_LEFT};
    uint8_t *at = signature->data;
    int size = i2d_ASN1_BIT_STRING(&bits, NULL);
    if (size <= 0 || size > CRL_SIGNATURE_MAX)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "a signature of %d bytes", size);
    signature->length = (size_t)i2d_ASN1_BIT_STRING(&bits, &at);
    *tail = stream->tail;
    return 0;
}

int crl_stream_finish(struct crl_stream *stream, struct crl_part *tail, struct crl_part *signature, struct failure *failure)
{
    int result = finish(stream, tail, signature, failure);
    crl_stream_abort(stream);
    return result;
}

void crl_stream_abort(struct crl_stream *stream)
{
    if (!stream)
        return;
    signer_stream_abort(stream->signature);
    free(stream);
}
