/*
 * init.c - making a CA, and sealing it anew.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/init.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/keeper/authority.h"
#include "agent/keeper/counter.h"
#include "agent/keeper/files.h"
#include "agent/keeper/memory.h"
#include "agent/keeper/secret.h"
#include "agent/keeper/signer.h"
#include "proto/term.h"

static const char *const warnings[] = {
    [SEAL_NONE] = "warning: sealed with nothing: whoever reads ca.key, a backup or a stolen disk holds the CA",
    [SEAL_PASSPHRASE] = "note: the CA starts locked, and waits for `mtlsctl unlock` after each start; the passphrase "
                        "cannot be recovered",
    [SEAL_SECRET] = "note: whoever has both ca.key and the secret holds the CA: keep the secret off the disk and out "
                    "of the backups that hold ca.key",
};

/* The directory, made where only its last part is missing; then the user that it is for. */
static int enter_state(const struct options *options, bool make, int *directory, struct failure *failure)
{
    struct account account;
    uid_t owner;
    if (options->user && account_find(options->user, &account, failure))
        return -1;
    bool made = make && !mkdir(options->state, 0700);
    if (make && !made && errno != EEXIST)
        return failure_set(failure, FAILURE_BAD_REQUEST, "state", "cannot make %s: %s", options->state, strerror(errno));
    if (made && options->user && lchown(options->state, account.uid, account.gid))
        return failure_set(failure, FAILURE_BAD_REQUEST, "state", "cannot give %s to %s: %s", options->state,
                           options->user, strerror(errno));
    return state_open(options->state, directory, &owner, failure);
}

static int become_user(const struct options *options, struct failure *failure)
{
    struct account account;
    if (!options->user)
        return 0;
    return account_find(options->user, &account, failure) || account_become(&account, failure) ? -1 : 0;
}

static int refuse_existing(int directory, const char *path, struct failure *failure)
{
    static const char *const names[] = {CA_KEY_FILE, CA_CERTIFICATE_FILE, COUNTER_FILE};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (file_exists(directory, names[i]))
            return failure_set(failure, FAILURE_CONFLICT, "state",
                               "%s/%s is there: a CA is never overwritten; choose another directory", path, names[i]);
    return 0;
}

static int apply_floor(const struct options *options, struct floor *floor, struct failure *failure)
{
    if (options->max_life)
        floor->max_life = options->max_life;
    if (options->has_clamp)
        floor->refuse_past_end = options->refuse_past_end;
    for (size_t i = 0; i < options->eku_count; i++)
        if (floor_allow_eku(floor, options->allow_eku[i], failure))
            return -1;
    for (size_t i = 0; i < options->permit_count; i++)
        if (floor_permit_dns(floor, options->permit_dns[i], failure))
            return -1;
    return 0;
}

/* What the seal wants: a file, or the terminal. */
static int read_secret(enum seal_method method, const char *passphrase_file, const char *secret_file,
                       const char *prompt, bool confirm, struct secret *out, struct failure *failure)
{
    switch (method) {
    case SEAL_NONE: *out = (struct secret){NULL, 0}; return 0;
    case SEAL_PASSPHRASE:
        return passphrase_file ? secret_from_passphrase_file(passphrase_file, out, failure)
                               : secret_from_terminal(prompt, confirm, out, failure);
    case SEAL_SECRET:
        if (secret_file)
            return secret_from_file(secret_file, out, failure);
    }
    return failure_set(failure, FAILURE_BAD_REQUEST, "secret-file",
                       "a file with 32 bytes is wanted; `openssl rand -hex 32 > FILE` makes one");
}

/* A CN of 1 to 64 characters: asked before any work, with the field's name. */
static int check_name(const char *name, struct failure *failure)
{
    struct names names = {.count = 0};
    return names_set_common_name(&names, name, strlen(name), "name", failure);
}

static int make_certificate(const struct options *options, const struct floor *floor, const uint8_t *pkcs8,
                            size_t pkcs8_length, char **pem, size_t *length, struct failure *failure)
{
    int64_t now = time(NULL);
    const struct authority_wish wish = {options->name, now - GRANT_BACKDATE, now + options->days * 86400, floor,
                                        pkcs8,         pkcs8_length};
    return authority_make(&wish, pem, length, failure);
}

/* The certificate last: where it is, the rest is. */
static int write_all(int directory, const uint8_t *sealed, size_t sealed_length, const char *pem, size_t pem_length,
                     struct failure *failure)
{
    return file_write(directory, CA_KEY_FILE, 0600, false, sealed, sealed_length, failure) ||
                   counter_create(directory, failure) ||
                   file_write(directory, CA_CERTIFICATE_FILE, 0644, false, pem, pem_length, failure)
               ? -1
               : 0;
}

static int make_authority(const struct options *options, int directory, const struct secret *secret,
                          struct failure *failure)
{
    struct floor floor;
    uint8_t *pkcs8 __attribute__((cleanup(memory_cleanup))) = NULL, *sealed __attribute__((cleanup(memory_cleanup))) = NULL;
    size_t pkcs8_length, sealed_length, pem_length;
    char *pem = NULL;
    floor_default(&floor);
    if (apply_floor(options, &floor, failure) || signer_generate(options->key_type, &pkcs8, &pkcs8_length, failure) ||
        make_certificate(options, &floor, pkcs8, pkcs8_length, &pem, &pem_length, failure))
        return -1;
    int result = vault_write(options->seal, secret, &floor, pkcs8, pkcs8_length, &sealed, &sealed_length, failure) ||
                         write_all(directory, sealed, sealed_length, pem, pem_length, failure)
                     ? -1 : 0;
    free(pem);
    return result;
}

int init_run(const struct options *options, struct failure *failure)
{
    int directory;
    struct secret secret = {NULL, 0};
    struct key_type type = options->key_type;
    char key[KEY_TYPE_TEXT_SIZE];
    if (check_name(options->name, failure) || enter_state(options, true, &directory, failure))
        return -1;
    memory_begin_secret();
    int result = refuse_existing(directory, options->state, failure) ||
                         read_secret(options->seal, options->passphrase_file, options->secret_file,
                                     "Passphrase for the CA key", true, &secret, failure) ||
                         become_user(options, failure) || make_authority(options, directory, &secret, failure)
                     ? -1
                     : 0;
    secret_clear(&secret);
    close(directory);
    if (result)
        return -1;
    key_type_format(type, key);
    printf("CA '%s' made in %s: %s key, %lld days, sealed with %s\n", options->name, options->state, key,
           (long long)options->days, seal_method_name(options->seal));
    fprintf(stderr, "mtlsd-keeper: %s\n", warnings[options->seal]);
    return 0;
}

/* --- reseal ----------------------------------------------------------------------------------------------- */

/* The new secret: a new one where the seal changes or one is named, else the old one again. */
static int read_new_secret(const struct options *options, enum seal_method old, enum seal_method method,
                           const struct secret *old_secret, struct secret *out, struct failure *failure)
{
    if (method == old && !options->new_passphrase_file && !options->new_secret_file && !options->has_seal) {
        uint8_t *copy = old_secret->length ? memory_allocate(old_secret->length) : NULL;
        if (old_secret->length && !copy)
            return failure_set(failure, FAILURE_INTERNAL, NULL, "no locked memory left");
        if (copy)
            memcpy(copy, old_secret->data, old_secret->length);
        *out = (struct secret){copy, old_secret->length};
        return 0;
    }
    return read_secret(method, options->new_passphrase_file, options->new_secret_file,
                       "New passphrase for the CA key", true, out, failure);
}

static int reseal(const struct options *options, int directory, const uint8_t *file, size_t file_length,
                  struct failure *failure)
{
    struct floor floor;
    struct secret secret = {NULL, 0}, next = {NULL, 0};
    uint8_t *pkcs8 __attribute__((cleanup(memory_cleanup))) = NULL, *sealed __attribute__((cleanup(memory_cleanup))) = NULL;
    size_t length, sealed_length;
    enum seal_method old;
    if (seal_method_read(file, file_length, &old, failure))
        return -1;
    enum seal_method method = options->has_seal ? options->seal : old;
    int result = read_secret(old, options->passphrase_file, options->secret_file, "Passphrase of the CA key", false,
                             &secret, failure) ||
                         vault_open(file, file_length, &secret, &floor, &pkcs8, &length, failure) ||
                         apply_floor(options, &floor, failure) ||
                         read_new_secret(options, old, method, &secret, &next, failure) ||
                         become_user(options, failure) ||
                         vault_write(method, &next, &floor, pkcs8, length, &sealed, &sealed_length, failure) ||
                         file_write(directory, CA_KEY_FILE, 0600, true, sealed, sealed_length, failure)
                     ? -1
                     : 0;
    secret_clear(&secret);
    secret_clear(&next);
    if (result)
        return -1;
    printf("%s/%s sealed anew with %s; a keeper that runs has the old seal and floor until it is started again\n",
           options->state, CA_KEY_FILE, seal_method_name(method));
    fprintf(stderr, "mtlsd-keeper: %s\n", warnings[method]);
    return 0;
}

int reseal_run(const struct options *options, struct failure *failure)
{
    int directory;
    uint8_t *file __attribute__((cleanup(memory_cleanup))) = NULL;
    size_t length;
    if (enter_state(options, false, &directory, failure))
        return -1;
    memory_begin_secret();
    int result = file_read(directory, CA_KEY_FILE, 077, &file, &length, failure) ||
                         reseal(options, directory, file, length, failure)
                     ? -1
                     : 0;
    close(directory);
    return result;
}
