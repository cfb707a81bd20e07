/*
 * crl_file.h - a CRL (RFC 5280 section 5) written to a file in slices, never as a whole in memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The keeper gives the bytes before the first entry and after the last, and the signature; the entries are encoded here with
 * crl_entry_encode. The file appears under its name only when it is whole (temporary file, fsync, rename, fsync of the directory).
 */
#ifndef MTLSD_AGENT_CA_CRL_FILE_H
#define MTLSD_AGENT_CA_CRL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"
#include "proto/grant.h"

struct crl_file;

/* Begin beside `path` (same directory). */
int crl_file_begin(const char *path, struct crl_file **out, struct failure *failure);
int crl_file_head(struct crl_file *file, const uint8_t *data, size_t length, struct failure *failure);
int crl_file_entries(struct crl_file *file, const struct crl_entry *entries, size_t count, struct failure *failure);
/* Finish: tail of the tbsCertList, algorithm, signature (all DER as the keeper sent them); the outer SEQUENCE is written here. */
int crl_file_finish(struct crl_file *file, const uint8_t *tail, size_t tail_length, const uint8_t *algorithm, size_t algorithm_length,
                    const uint8_t *signature, size_t signature_length, struct failure *failure);
/* Drop an unfinished file. After crl_file_finish (which frees on success and on failure) not to be called. */
void crl_file_abort(struct crl_file *file);
/* Copy the DER file to `path` as PEM, atomically, mode 0644 (for nginx). */
int crl_file_publish_pem(const char *der_path, const char *path, struct failure *failure);

#endif
