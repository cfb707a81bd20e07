/*
 * span.h - asn1t items that take note of where an element stands in the input instead of decoding it.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * For templates (openssl/asn1t.h) on the hot path: embed them with ASN1_EMBED in a struct that has a `struct
 * span` there. Nothing is allocated or copied; the span points into the DER that was given to ASN1_item_d2i and
 * lives as long as that. Decoding only.
 */
#ifndef MTLSD_PROTO_X509_SPAN_H
#define MTLSD_PROTO_X509_SPAN_H

#include <openssl/asn1.h>
#include <stdint.h>

struct span {
    const uint8_t *data;
    long length;
};

DECLARE_ASN1_ITEM(span_one)  /* one element of definite length, header included */
DECLARE_ASN1_ITEM(span_rest) /* all that is left of the SEQUENCE, at least one byte; only as its last field */

#endif
