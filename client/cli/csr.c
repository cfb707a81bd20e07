/*
 * csr.c - reads a CSR; the agent judges it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/csr.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/files.h"

enum {
    CSR_MAX = 47 * 1024 /* bytes of DER: with a third more as base64 it still fits into a call */,
    CSR_DER_SEQUENCE = 0x30
};

int csr_read(const char *path, struct csr_text *out, struct failure *failure)
{
    struct csr_text csr;
    if (file_read(path, "the CSR", 64 * 1024, &csr.data, &csr.length, failure))
        return -1;
    bool der = csr.length > 0 && (unsigned char)csr.data[0] == CSR_DER_SEQUENCE &&
               memchr(csr.data, '\0', csr.length);
    der = der || (csr.length > 1 && (unsigned char)csr.data[0] == CSR_DER_SEQUENCE &&
                  (unsigned char)csr.data[1] >= 0x80);
    int result = 0;
    if (csr.length == 0)
        result = failure_set(failure, FAILURE_BAD_REQUEST, path, "the CSR %s is empty", path);
    else if (!der && memchr(csr.data, '\0', csr.length))
        result = failure_set(failure, FAILURE_BAD_REQUEST, path, "%s is neither a CSR in PEM nor one in DER",
                             path);
    else if (der && csr.length > CSR_MAX)
        result = failure_set(failure, FAILURE_BAD_REQUEST, path, "the CSR %s is longer than %d bytes", path,
                             CSR_MAX);
    csr.text = result ? NULL : der ? malloc(csr.length / 3 * 4 + 5) : strdup(csr.data);
    if (!csr.text && result == 0)
        result = failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    if (result) {
        file_free(csr.data, csr.length);
        return -1;
    }
    if (der)
        EVP_EncodeBlock((unsigned char *)csr.text, (const unsigned char *)csr.data, (int)csr.length);
    *out = csr;
    return 0;
}

void csr_clear(struct csr_text *csr)
{
    file_free(csr->data, csr->length);
    free(csr->text);
    memset(csr, 0, sizeof *csr);
}
