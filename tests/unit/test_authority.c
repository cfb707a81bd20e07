/*
 * test_authority.c - the CA as the agent knows it: read from its certificate, kept in the state directory, read again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/authority.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/pki.h"
#include "tests/unit/unit.h"

static char directory[] = "/tmp/mtlsd-authority-XXXXXX", path[64];

static void begin(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/ca.der", directory);
}

static void end(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(directory), 0);
}

static size_t make_der(const char *name, const char *key_type, uint8_t **der)
{
    EVP_PKEY *key = pki_key(key_type);
    const struct pki_certificate wanted = {.subject = name, .serial = 0x1234, .key = key, .extensions = {PKI_CA}};
    X509 *certificate = pki_certificate(&wanted);
    size_t length = pki_der(certificate, der);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return length;
}

static struct authority *make_authority(const char *name, const char *key_type)
{
    uint8_t *der;
    struct authority *authority;
    struct failure failure = {0};
    size_t length = make_der(name, key_type, &der);
    ck_assert_msg(authority_parse(der, length, &authority, &failure) == 0, "%s", failure.reason);
    OPENSSL_free(der);
    return authority;
}

START_TEST(what_it_says_is_what_the_certificate_says)
{
    struct authority *authority = make_authority("Example CA", "ec:P-256");
    ck_assert_str_eq(authority->name, "Example CA");
    ck_assert_str_eq(authority->key_type, "ec:P-256");
    ck_assert_int_eq(authority->facts.not_before, PKI_NOW - PKI_DAY);
    ck_assert_int_eq(authority->facts.not_after, PKI_NOW + 365 * PKI_DAY);
    ck_assert_int_eq(strncmp(authority->pem, "-----BEGIN CERTIFICATE-----\n", 28), 0);
    ck_assert_uint_eq(strlen(authority->fingerprint), 64);
    authority_free(authority);
}
END_TEST

/* What our certificates name as their issuer is these bytes exactly. */
START_TEST(the_subject_is_what_its_certificates_name_as_issuer)
{
    struct authority *authority = make_authority("Example CA", "ec:P-256");
    struct certificate_key key;
    ck_assert_int_eq(certificate_key_read(authority->der, authority->length, "certificate", &key, NULL), 0);
    ck_assert_uint_eq(key.issuer_length, authority->subject_length);
    ck_assert_int_eq(memcmp(key.issuer, authority->subject, key.issuer_length), 0);
    authority_free(authority);
}
END_TEST

START_TEST(each_type_of_key_is_named)
{
    static const char *const types[][2] = {{"ec:P-384", "ec:P-384"}, {"ED25519", "ed25519"}, {"rsa:3072", "rsa:3072"}};
    for (size_t i = 0; i < 3; i++) {
        struct authority *authority = make_authority("Example CA", types[i][0]);
        ck_assert_str_eq(authority->key_type, types[i][1]);
        authority_free(authority);
    }
}
END_TEST

START_TEST(a_fresh_state_directory_has_none)
{
    struct authority *authority = (struct authority *)(uintptr_t)1;
    struct failure failure = {0};
    begin();
    ck_assert_int_eq(authority_load(directory, &authority, &failure), 0);
    ck_assert_ptr_eq(authority, (struct authority *)(uintptr_t)1);
    end();
}
END_TEST

START_TEST(what_was_saved_is_read_again)
{
    struct authority *authority = make_authority("Example CA", "ec:P-256"), *again;
    struct failure failure = {0};
    begin();
    ck_assert_int_eq(authority_save(directory, authority, &failure), 0);
    ck_assert_int_eq(authority_save(directory, authority, &failure), 0); /* over itself */
    ck_assert_int_eq(authority_load(directory, &again, &failure), 1);
    ck_assert_uint_eq(again->length, authority->length);
    ck_assert_int_eq(memcmp(again->der, authority->der, again->length), 0);
    ck_assert_str_eq(again->fingerprint, authority->fingerprint);
    authority_free(again);
    authority_free(authority);
    end();
}
END_TEST

static void must_not_load(const char *what)
{
    struct authority *untouched = (struct authority *)(uintptr_t)1;
    struct failure failure = {0};
    ck_assert_msg(authority_load(directory, &untouched, &failure) == -1, "%s was taken", what);
    ck_assert_ptr_eq(untouched, (struct authority *)(uintptr_t)1);
    ck_assert_msg(failure.reason[0] != '\0', "%s: no reason", what);
}

static void write_file(const uint8_t *data, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, data, length), (ssize_t)length);
    close(fd);
}

START_TEST(a_damaged_copy_is_refused)
{
    uint8_t *der, large[9000] = {0x30, 0x82};
    size_t length = make_der("Example CA", "ec:P-256", &der);
    begin();
    write_file(der, 0);
    must_not_load("an empty file");
    write_file(der, length - 1);
    must_not_load("a file cut short");
    write_file((const uint8_t *)"-----BEGIN CERTIFICATE-----\n", 28);
    must_not_load("PEM");
    write_file(large, sizeof large);
    must_not_load("a file that is too large");
    unlink(path);
    ck_assert_int_eq(symlink("/etc/passwd", path), 0);
    must_not_load("a symbolic link");
    OPENSSL_free(der);
    end();
}
END_TEST

/* Bytes behind the certificate are not part of it: nothing may hide there. */
START_TEST(bytes_after_the_certificate_are_refused)
{
    uint8_t *der;
    size_t length = make_der("Example CA", "ec:P-256", &der);
    uint8_t *longer = calloc(1, length + 1);
    struct authority *authority;
    struct failure failure = {0};
    memcpy(longer, der, length);
    ck_assert_int_eq(authority_parse(longer, length + 1, &authority, &failure), -1);
    free(longer);
    OPENSSL_free(der);
}
END_TEST

START_TEST(a_directory_that_cannot_be_written_is_named)
{
    struct authority *authority = make_authority("Example CA", "ec:P-256");
    struct failure failure = {0};
    ck_assert_int_eq(authority_save("/nonexistent", authority, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "/nonexistent/ca.der"));
    authority_free(authority);
    authority_free(NULL);
}
END_TEST

UNIT_MAIN("authority", what_it_says_is_what_the_certificate_says, the_subject_is_what_its_certificates_name_as_issuer,
          each_type_of_key_is_named, a_fresh_state_directory_has_none, what_was_saved_is_read_again, a_damaged_copy_is_refused,
          bytes_after_the_certificate_are_refused, a_directory_that_cannot_be_written_is_named)
