/*
 * pem.h - one PEM block (RFC 7468), or base64 of DER, to DER: strict, and quick for what openssl writes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_PROTO_X509_PEM_H
#define MTLSD_PROTO_X509_PEM_H

#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"

/* What may stand in the text: `labels` ends with NULL, its first entry names the thing in errors; `max` bytes
 * of DER. */
struct pem_kind {
    const char *const *labels; /* "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST" */
    const char *thing;         /* "a CSR" */
    size_t max;
};

/* Text before the block is ignored, as is text after it; a second block of any label, or a block of another
 * label, is refused. Without a block the whole text has to be base64. The caller frees *der with free(). 0, or
 * -1 with BAD_REQUEST(field). */
int pem_decode(const char *text, const struct pem_kind *kind, const char *field, uint8_t **der, size_t *length,
               struct failure *failure);

#endif
