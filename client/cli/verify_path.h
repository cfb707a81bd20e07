/*
 * verify_path.h - mtlsctl verify --anchors: the path validation of proto/x509, on files, without an agent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_VERIFY_PATH_H
#define MTLSD_CLIENT_CLI_VERIFY_PATH_H

#include <openssl/x509.h>

#include "client/cli/cli.h"

/* certificates[0] is to be verified, the others and `chain` (may be NULL) are untrusted intermediates.
 * Reports; the exit code. */
int verify_path(const struct cli *cli, STACK_OF(X509) *certificates, STACK_OF(X509) *chain);

#endif
