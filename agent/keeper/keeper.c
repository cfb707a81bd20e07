/*
 * keeper.c - the keeper while it is up: the CA, open or locked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/keeper.h"

#include <string.h>
#include <unistd.h>

#include "agent/keeper/files.h"
#include "agent/keeper/memory.h"

static int load_certificate(struct keeper *keeper, int directory, struct failure *failure)
{
    uint8_t *pem __attribute__((cleanup(memory_cleanup))) = NULL;
    size_t length;
    if (file_read(directory, CA_CERTIFICATE_FILE, 022, &pem, &length, failure))
        return -1;
    return authority_read(pem, length, &keeper->authority, failure);
}

int keeper_load(struct keeper *keeper, int directory, struct failure *failure)
{
    if (load_certificate(keeper, directory, failure) ||
        file_read(directory, CA_KEY_FILE, 077, &keeper->sealed, &keeper->sealed_length, failure) ||
        seal_method_read(keeper->sealed, keeper->sealed_length, &keeper->method, failure))
        return -1;
    return counter_open(directory, &keeper->counter, failure);
}

bool keeper_is_open(const struct keeper *keeper)
{
    return keeper->authority.signer != NULL;
}

static int open_key(struct keeper *keeper, const struct secret *secret, struct failure *failure)
{
    struct floor floor;
    uint8_t *pkcs8 __attribute__((cleanup(memory_cleanup))) = NULL;
    size_t length;
    struct signer *signer = NULL;
    if (vault_open(keeper->sealed, keeper->sealed_length, secret, &floor, &pkcs8, &length, failure) ||
        signer_open(pkcs8, length, &signer, failure))
        return -1;
    if (authority_open(&keeper->authority, signer, &floor, failure)) {
        signer_close(signer);
        return -1;
    }
    return 0;
}

int keeper_unlock(struct keeper *keeper, const struct secret *passphrase, struct failure *failure)
{
    if (keeper_is_open(keeper))
        return 0;
    if (keeper->method != SEAL_PASSPHRASE && passphrase->length)
        return failure_set(failure, FAILURE_BAD_REQUEST, "passphrase",
                           "the key is not sealed with a passphrase (method %s)", seal_method_name(keeper->method));
    int result = open_key(keeper, keeper->method == SEAL_PASSPHRASE ? passphrase : &keeper->secret, failure);
    memory_wipe_stack();
    keeper->changes += result == 0;
    return result;
}

void keeper_lock(struct keeper *keeper)
{
    keeper->changes += keeper_is_open(keeper);
    authority_lock(&keeper->authority);
    memory_wipe_stack();
}

void keeper_describe(const struct keeper *keeper, struct keeper_state *out)
{
    memset(out, 0, sizeof *out);
    out->protocol = GRANT_PROTOCOL;
    out->open = keeper_is_open(keeper);
    out->pid = getpid();
    out->uid = geteuid();
    out->signatures = (int64_t)keeper->counter.reserved;
    memcpy(out->walls, keeper->walls, sizeof out->walls);
    out->crl_size_limit_mib = keeper->authority.key.type.kind == KEY_ED25519 ? BUFFERED_STREAM_MAX >> 20 : 0;
    out->authority_length = (uint16_t)keeper->authority.length;
    memcpy(out->authority, keeper->authority.der, keeper->authority.length);
}

void keeper_clear(struct keeper *keeper)
{
    authority_clear(&keeper->authority);
    memory_free(keeper->sealed);
    secret_clear(&keeper->secret);
    counter_close(&keeper->counter);
}
