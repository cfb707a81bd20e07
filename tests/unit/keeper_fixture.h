/*
 * keeper_fixture.h - a CA in memory and grants for it, for the tests of the keeper.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_TESTS_UNIT_KEEPER_FIXTURE_H
#define MTLSD_TESTS_UNIT_KEEPER_FIXTURE_H

#include <check.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/keeper/authority.h"
#include "agent/keeper/certificate.h"
#include "agent/keeper/floor.h"
#include "agent/keeper/memory.h"
#include "agent/keeper/signer.h"

#define DAY INT64_C(86400)
#define CLIENT_AUTH "1.3.6.1.5.5.7.3.2"

/* Every kind of key that a CA may have, in one order for all loops over them. */
static const char *const fixture_key_types[] = {"ec:P-256", "ec:P-384", "ed25519", "rsa:3072"};
enum { FIXTURE_KEY_TYPES = 4 };

static inline struct public_key fixture_key(const char *type)
{
    struct key_type parsed;
    struct public_key key;
    ck_assert_int_eq(key_type_parse(type, &parsed), 0);
    EVP_PKEY *pkey = parsed.kind == KEY_RSA ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)parsed.bits)
                     : parsed.kind == KEY_ED25519
                         ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                         : EVP_PKEY_Q_keygen(NULL, NULL, "EC", parsed.kind == KEY_EC_P256 ? "P-256" : "P-384");
    ck_assert_int_eq(public_key_from_evp(pkey, &key, NULL), 0);
    EVP_PKEY_free(pkey);
    return key;
}

/* An open CA under a floor, alive from `not_before` to `not_after`. */
static inline void fixture_authority_with(struct authority *authority, const char *type, const struct floor *floor,
                                          int64_t not_before, int64_t not_after)
{
    struct failure failure = {.code = FAILURE_NONE};
    struct key_type parsed;
    struct signer *signer;
    uint8_t *pkcs8;
    char *pem;
    size_t length, pem_length;
    ck_assert_int_eq(signer_prepare(&failure), 0);
    ck_assert_int_eq(key_type_parse(type, &parsed), 0);
    ck_assert_int_eq(signer_generate(parsed, &pkcs8, &length, &failure), 0);
    const struct authority_wish wish = {"Test CA", not_before, not_after, floor, pkcs8, length};
    ck_assert_msg(authority_make(&wish, &pem, &pem_length, &failure) == 0, "%s", failure.reason);
    ck_assert_msg(authority_read(pem, pem_length, authority, &failure) == 0, "%s", failure.reason);
    ck_assert_int_eq(signer_open(pkcs8, length, &signer, &failure), 0);
    ck_assert_int_eq(authority_open(authority, signer, floor, &failure), 0);
    memory_free(pkcs8);
    free(pem);
}

static inline void fixture_authority(struct authority *authority, const char *type)
{
    struct floor floor;
    int64_t now = time(NULL);
    floor_default(&floor);
    fixture_authority_with(authority, type, &floor, now - 300, now + 3650 * DAY);
}

/* A grant that no floor refuses: CN alice, one SAN of each text given, clientAuth, 90 days, an EC key. */
static inline void fixture_grant(struct grant *grant, int64_t now, const char *const *sans, size_t count)
{
    memset(grant, 0, sizeof *grant);
    grant->not_before = now;
    grant->not_after = now + 90 * DAY;
    grant->usage = GRANT_DIGITAL_SIGNATURE;
    grant->eku_count = 1;
    snprintf(grant->eku[0], sizeof grant->eku[0], "%s", CLIENT_AUTH);
    grant->key = fixture_key("ec:P-256");
    ck_assert_int_eq(names_set_common_name(&grant->names, "alice", 5, "name", NULL), 0);
    for (size_t i = 0; i < count; i++) {
        struct san san;
        struct failure failure = {.code = FAILURE_NONE};
        ck_assert_msg(san_parse(sans[i], &san, &failure) == 0, "%s: %s", sans[i], failure.reason);
        ck_assert_int_eq(names_add(&grant->names, &san, NULL), 0);
    }
}

static inline X509 *fixture_parse(const uint8_t *der, size_t length)
{
    const uint8_t *at = der;
    X509 *certificate = d2i_X509(NULL, &at, (long)length);
    ck_assert_ptr_nonnull(certificate);
    ck_assert_ptr_eq(at, der + length);
    return certificate;
}

#endif
