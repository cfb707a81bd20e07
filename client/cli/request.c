/*
 * request.c - request ids and lists from the options.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/request.h"

#include <stdio.h>
#include <sys/random.h>

void request_id_make(struct request_id *id)
{
    unsigned char random[16] = {0};
    while (getrandom(random, sizeof random, 0) != sizeof random)
        ;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(id->text + 2 * i, 3, "%02x", random[i]);
}

const char *request_id_note(const struct cli *cli, struct request_id *id)
{
    enum mtls_code code = mtls_error_code(cli->mtls);
    if (code != MTLS_DISCONNECTED && code != MTLS_TIMEOUT && code != MTLS_PROTOCOL)
        return NULL;
    snprintf(id->note, sizeof id->note, "mtlsctl show --request-id %s tells", id->text);
    return id->note;
}

struct mtls_text_list request_sans(const struct options *options)
{
    return (struct mtls_text_list){(const char *const *)options->sans.items, options->sans.count};
}
