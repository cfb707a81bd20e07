/*
 * csr.h - a CSR from a file or standard input, in the form that the protocol carries.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_CSR_H
#define MTLSD_CLIENT_CLI_CSR_H

#include <stddef.h>

#include "proto/failure.h"

struct csr_text {
    char *data; /* as it was read: PEM or DER */
    size_t length;
    char *text; /* PEM, or base64 of DER */
};

/* 0, or -1 with BAD_REQUEST. csr_clear in the end. */
int csr_read(const char *path, struct csr_text *out, struct failure *failure);
void csr_clear(struct csr_text *csr);

#endif
