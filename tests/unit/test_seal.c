/*
 * test_seal.c - the sealed file: opened by its secret alone, and by no other; altered nowhere.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/seal.h"

#include <sodium.h>
#include <string.h>

#include "agent/keeper/memory.h"
#include "agent/keeper/vault.h"
#include "tests/unit/unit.h"

static const uint8_t contents[] = "the key and its floor";
static const uint8_t secret[SEAL_SECRET_SIZE] = {1, 2, 3};

static uint8_t *sealed;
static size_t sealed_length;

static void seal(enum seal_method method, const void *with, size_t length)
{
    struct failure failure = {.code = FAILURE_NONE};
    ck_assert_int_ge(sodium_init(), 0);
    ck_assert_msg(seal_close(method, with, length, contents, sizeof contents, &sealed, &sealed_length, &failure) == 0,
                  "%s", failure.reason);
}

static int open_with(const void *with, size_t length, struct failure *failure)
{
    uint8_t *opened;
    size_t size;
    if (seal_open(sealed, sealed_length, with, length, &opened, &size, failure))
        return -1;
    ck_assert_uint_eq(size, sizeof contents);
    ck_assert_mem_eq(opened, contents, size);
    memory_free(opened);
    return 0;
}

START_TEST(a_passphrase_opens_what_it_sealed)
{
    struct failure failure;
    enum seal_method method;
    seal(SEAL_PASSPHRASE, "correct horse", 13);
    ck_assert_int_eq(seal_method_read(sealed, sealed_length, &method, &failure), 0);
    ck_assert_int_eq(method, SEAL_PASSPHRASE);
    ck_assert_int_eq(open_with("correct horse", 13, &failure), 0);
    ck_assert_int_eq(open_with("correct horsf", 13, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_NOT_PERMITTED);
    ck_assert_int_eq(open_with("", 0, &failure), -1);
}
END_TEST

START_TEST(a_secret_opens_what_it_sealed)
{
    struct failure failure;
    uint8_t other[SEAL_SECRET_SIZE] = {1, 2, 4};
    seal(SEAL_SECRET, secret, sizeof secret);
    ck_assert_int_eq(open_with(secret, sizeof secret, &failure), 0);
    ck_assert_int_eq(open_with(other, sizeof other, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_NOT_PERMITTED);
    ck_assert_int_eq(open_with(secret, 31, &failure), -1);
    ck_assert_int_eq(open_with(NULL, 0, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "--secret-file"));
}
END_TEST

START_TEST(without_a_secret_the_file_is_still_checked)
{
    struct failure failure;
    seal(SEAL_NONE, NULL, 0);
    ck_assert_int_eq(open_with(NULL, 0, &failure), 0);
    ck_assert_int_eq(open_with(secret, sizeof secret, &failure), -1);
    sealed[sealed_length - 1] ^= 1;
    ck_assert_int_eq(open_with(NULL, 0, &failure), -1);
}
END_TEST

/* Header, contents and tag: one flipped bit anywhere and nothing opens. */
START_TEST(no_bit_can_be_altered)
{
    struct failure failure;
    seal(SEAL_SECRET, secret, sizeof secret);
    for (size_t bit = 0; bit < 8 * sealed_length; bit++) {
        if (bit / 8 == 9 && (sealed[9] ^ 1 << bit % 8) == SEAL_PASSPHRASE)
            continue; /* would run Argon2 with the parameters of a file that has none: refused below */
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_msg(open_with(secret, sizeof secret, &failure) == -1, "bit %zu", bit);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    sealed[9] = SEAL_PASSPHRASE;
    ck_assert_int_eq(open_with("x", 1, &failure), -1);
}
END_TEST

START_TEST(a_truncated_file_is_refused)
{
    struct failure failure;
    seal(SEAL_SECRET, secret, sizeof secret);
    size_t whole = sealed_length;
    for (sealed_length = 0; sealed_length < whole; sealed_length++)
        ck_assert_int_eq(open_with(secret, sizeof secret, &failure), -1);
}
END_TEST

/* Argon2id is run with what the header says, before the header can be authenticated. */
START_TEST(hostile_parameters_are_not_run)
{
    struct failure failure;
    seal(SEAL_PASSPHRASE, "x", 1);
    memset(sealed + 16, 0xff, 8); /* memory */
    ck_assert_int_eq(open_with("x", 1, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "Argon2id"));
    memset(sealed + 12, 0xff, 4); /* operations */
    ck_assert_int_eq(open_with("x", 1, &failure), -1);
}
END_TEST

START_TEST(two_files_of_one_secret_share_nothing)
{
    seal(SEAL_SECRET, secret, sizeof secret);
    uint8_t *first = sealed;
    seal(SEAL_SECRET, secret, sizeof secret);
    ck_assert_mem_ne(first + 24, sealed + 24, 16);                                 /* salt */
    ck_assert_mem_ne(first + SEAL_HEADER_SIZE, sealed + SEAL_HEADER_SIZE, sizeof contents);
    memory_free(first);
}
END_TEST

START_TEST(the_vault_gives_back_floor_and_key)
{
    struct failure failure;
    struct floor floor, found;
    struct secret none = {NULL, 0};
    const uint8_t pkcs8[] = {0x30, 1, 2, 3};
    uint8_t *file, *key;
    size_t length, key_length;
    floor_default(&floor);
    ck_assert_int_eq(floor_permit_dns(&floor, "Example.COM", &failure), 0);
    ck_assert_int_eq(floor_allow_eku(&floor, "1.3.6.1.4.1.311.20.2.2", &failure), 0);
    floor.refuse_past_end = true;
    ck_assert_int_ge(sodium_init(), 0);
    ck_assert_int_eq(vault_write(SEAL_NONE, &none, &floor, pkcs8, sizeof pkcs8, &file, &length, &failure), 0);
    ck_assert_int_eq(vault_open(file, length, &none, &found, &key, &key_length, &failure), 0);
    ck_assert_uint_eq(key_length, sizeof pkcs8);
    ck_assert_mem_eq(key, pkcs8, sizeof pkcs8);
    ck_assert_int_eq(found.max_life, floor.max_life);
    ck_assert(found.refuse_past_end);
    ck_assert_uint_eq(found.eku_count, 4);
    ck_assert_str_eq(found.eku[3], "1.3.6.1.4.1.311.20.2.2");
    ck_assert_uint_eq(found.permit_count, 1);
    ck_assert_str_eq(found.permit_dns[0], "example.com");
    memory_free(file);
    memory_free(key);
}
END_TEST

UNIT_MAIN("seal", a_passphrase_opens_what_it_sealed, a_secret_opens_what_it_sealed,
          without_a_secret_the_file_is_still_checked, no_bit_can_be_altered, a_truncated_file_is_refused,
          hostile_parameters_are_not_run, two_files_of_one_secret_share_nothing, the_vault_gives_back_floor_and_key)
