/*
 * delivery.h - where the fruits of Issue, Sign and Renew go: key, certificate and PKCS#12, in place together
 * or not at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_DELIVERY_H
#define MTLSD_CLIENT_CLI_DELIVERY_H

#include <jansson.h>

#include "client/cli/cli.h"
#include "client/cli/files.h"
#include "client/cli/prompt.h"

struct delivery {
    char *key, *certificate, *p12; /* paths; NULL: not wanted. Without a certificate path, and without p12, it
                                      goes to standard output */
    struct passphrase passphrase;  /* of the PKCS#12 */
    struct outputs outputs;
    size_t key_at, certificate_at, p12_at;
};

/* --out DIR [--out-name BASE]: DIR/BASE.key and DIR/BASE.crt; --p12. `name` is the base where --out-name
 * gives none. Asks for the passphrase where one is needed. 0, or -1 with *failure; delivery_clear in any
 * case. */
int delivery_plan_pair(const struct cli *cli, struct delivery *delivery, const char *name,
                       struct failure *failure);
/* --out FILE: the certificate alone. */
int delivery_plan_certificate(const struct cli *cli, struct delivery *delivery, struct failure *failure);
/* Open all outputs, or look what is in the way. */
int delivery_open(struct delivery *delivery, bool replace, enum output_check check, struct failure *failure);
/* Write what came and put it into place. Reports, and returns the exit code. */
int delivery_finish(struct cli *cli, struct delivery *delivery, const struct mtls_issue_result *result,
                    const char *due);
/* Tell what a dry run found. Returns the exit code. */
int delivery_tell_dry(struct cli *cli, const struct delivery *delivery,
                      const struct mtls_issue_result *result);
/* Nothing was to be done. */
int delivery_tell_unchanged(struct cli *cli, const struct delivery *delivery,
                            const struct mtls_get_result *found);
void delivery_clear(struct delivery *delivery);

#endif
