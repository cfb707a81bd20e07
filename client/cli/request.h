/*
 * request.h - the parts of requests that several commands fill in the same way.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_REQUEST_H
#define MTLSD_CLIENT_CLI_REQUEST_H

#include "client/cli/cli.h"

/* A random requestId, by which the outcome of a call whose answer was lost can be asked for. */
struct request_id {
    char text[33];
    char note[96];
};
void request_id_make(struct request_id *id);
/* What to add to the error: how to find out, where the outcome is unknown; else NULL. */
const char *request_id_note(const struct cli *cli, struct request_id *id);

struct mtls_text_list request_sans(const struct options *options);

#endif
