/*
 * test_crl_file.c - a CRL put together from slices: what OpenSSL reads, whole or not there at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/ca/crl_file.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

struct place {
    char directory[64], path[96], pem[96];
    struct failure failure;
};

static void place_make(struct place *place)
{
    memset(place, 0, sizeof *place);
    snprintf(place->directory, sizeof place->directory, "/tmp/mtlsd-crl-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(place->directory));
    snprintf(place->path, sizeof place->path, "%s/crl.der", place->directory);
    snprintf(place->pem, sizeof place->pem, "%s/crl.pem", place->directory);
}

/* How many files are left, hidden ones too. */
static int place_count(const struct place *place)
{
    int count = 0;
    DIR *directory = opendir(place->directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(directory);
    return count;
}

static void place_remove(struct place *place)
{
    unlink(place->path);
    unlink(place->pem);
    ck_assert_int_eq(rmdir(place->directory), 0);
}

static void number_serial(unsigned n, struct serial *serial)
{
    *serial = (struct serial){.length = 8, .bytes = {0x19, 1, 2, 3, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static struct crl_entry entry_of(unsigned n)
{
    struct crl_entry entry = {.revoked_at = INT64_C(1700000000) + n, .reason = (uint8_t)(n % 7)};
    number_serial(n, &entry.serial);
    return entry;
}

/* A CRL of the same entries through OpenSSL's objects: from its DER come the pieces that the keeper would send. */
struct pieces {
    EVP_PKEY *key;
    uint8_t *der, *head, *tail, *algorithm, *signature;
    size_t der_length, head_length, algorithm_length, signature_length;
};
enum { TAIL_LENGTH = 16 }; /* crlExtensions with cRLNumber 1 and nothing else */

static size_t header_length(const uint8_t *der)
{
    return der[1] < 0x80 ? 2 : 2 + (size_t)(der[1] & 0x7f);
}

static void pieces_make(struct pieces *pieces, unsigned count)
{
    memset(pieces, 0, sizeof *pieces);
    X509_CRL *crl = X509_CRL_new();
    X509_NAME *issuer = X509_NAME_new();
    ASN1_TIME *time = ASN1_TIME_set(NULL, 1800000000);
    pieces->key = EVP_EC_gen("P-256");
    X509_NAME_add_entry_by_txt(issuer, "CN", MBSTRING_UTF8, (const unsigned char *)"Example CA", -1, -1, 0);
    X509_CRL_set_version(crl, 1);
    ASN1_INTEGER *crl_number = ASN1_INTEGER_new();
    ASN1_INTEGER_set(crl_number, 1);
    X509_CRL_add1_ext_i2d(crl, NID_crl_number, crl_number, 0, 0);
    ASN1_INTEGER_free(crl_number);
    X509_CRL_set_issuer_name(crl, issuer);
    X509_CRL_set1_lastUpdate(crl, time);
    X509_CRL_set1_nextUpdate(crl, time);
    for (unsigned n = 0; n < count; n++) {
        struct crl_entry entry = entry_of(n);
        X509_REVOKED *revoked = X509_REVOKED_new();
        BIGNUM *number = BN_bin2bn(entry.serial.bytes, entry.serial.length, NULL);
        ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(number, NULL);
        ASN1_TIME *at = ASN1_TIME_set(NULL, entry.revoked_at);
        X509_REVOKED_set_serialNumber(revoked, serial);
        X509_REVOKED_set_revocationDate(revoked, at);
        if (entry.reason) {
            ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
            ASN1_ENUMERATED_set(reason, entry.reason);
            X509_REVOKED_add1_ext_i2d(revoked, NID_crl_reason, reason, 0, 0);
            ASN1_ENUMERATED_free(reason);
        }
        X509_CRL_add0_revoked(crl, revoked);
        BN_free(number);
        ASN1_INTEGER_free(serial);
        ASN1_TIME_free(at);
    }
    ck_assert_int_gt(X509_CRL_sign(crl, pieces->key, EVP_sha256()), 0);
    const ASN1_BIT_STRING *signature;
    const X509_ALGOR *algorithm;
    X509_CRL_get0_signature(crl, &signature, &algorithm);
    pieces->der_length = (size_t)i2d_X509_CRL(crl, &pieces->der);
    pieces->algorithm_length = (size_t)i2d_X509_ALGOR(algorithm, &pieces->algorithm);
    pieces->signature_length = (size_t)i2d_ASN1_BIT_STRING(signature, &pieces->signature);
    X509_CRL_free(crl);
    X509_NAME_free(issuer);
    ASN1_TIME_free(time);
}

/* The head lies between the outermost header and the first entry, the tail between the last one and the algorithm. */
static void pieces_find_head(struct pieces *pieces, unsigned count)
{
    uint8_t der[CRL_ENTRY_DER_MAX];
    size_t entries = 0, outer = header_length(pieces->der);
    for (unsigned n = 0; n < count; n++) {
        struct crl_entry entry = entry_of(n);
        entries += crl_entry_encode(&entry, der);
    }
    pieces->head = pieces->der + outer;
    pieces->tail = pieces->der + pieces->der_length - pieces->signature_length - pieces->algorithm_length - TAIL_LENGTH;
    pieces->head_length = (size_t)(pieces->tail - pieces->head) - entries;
    ck_assert_uint_eq(pieces->tail[0], 0xa0); /* [0] EXPLICIT, RFC 5280 section 5.1 */
}

static void pieces_free(struct pieces *pieces)
{
    EVP_PKEY_free(pieces->key);
    OPENSSL_free(pieces->der);
    OPENSSL_free(pieces->algorithm);
    OPENSSL_free(pieces->signature);
}

static int write_crl(struct place *place, const struct pieces *pieces, unsigned count)
{
    struct crl_file *file;
    struct crl_entry entries[100];
    if (crl_file_begin(place->path, &file, &place->failure))
        return -1;
    if (crl_file_head(file, pieces->head, pieces->head_length, &place->failure)) {
        crl_file_abort(file);
        return -1;
    }
    for (unsigned n = 0; n < count;) {
        size_t room = 0;
        while (room < 100 && n < count)
            entries[room++] = entry_of(n++);
        if (crl_file_entries(file, entries, room, &place->failure)) {
            crl_file_abort(file);
            return -1;
        }
    }
    return crl_file_finish(file, pieces->tail, TAIL_LENGTH, pieces->algorithm, pieces->algorithm_length, pieces->signature,
                           pieces->signature_length, &place->failure);
}

static void check_file(const char *path, const struct pieces *pieces)
{
    uint8_t *content = malloc(pieces->der_length + 1);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fread(content, 1, pieces->der_length + 1, file), pieces->der_length);
    ck_assert_mem_eq(content, pieces->der, pieces->der_length);
    fclose(file);
    free(content);
}

static void check_round(unsigned count)
{
    struct place place;
    struct pieces pieces;
    place_make(&place);
    pieces_make(&pieces, count);
    pieces_find_head(&pieces, count);
    ck_assert_msg(write_crl(&place, &pieces, count) == 0, "%s", place.failure.reason);
    check_file(place.path, &pieces);
    ck_assert_int_eq(place_count(&place), 1); /* nothing temporary is left */
    place_remove(&place);
    pieces_free(&pieces);
}

START_TEST(a_crl_in_slices_is_byte_for_byte_what_openssl_writes)
{
    /* around the sizes where the length of the outermost header changes, and beyond one buffer */
    static const unsigned counts[] = {1, 2, 3, 4, 5, 50, 1400, 1600, 5000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        check_round(counts[i]);
}
END_TEST

START_TEST(without_copy_file_range_it_copies_by_hand)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    ck_assert_int_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(copy_file_range), 0), 0);
    ck_assert_int_eq(seccomp_load(filter), 0);
    seccomp_release(filter);
    ck_assert(copy_file_range(0, NULL, 1, NULL, 1, 0) == -1 && errno == ENOSYS);
    check_round(5000);
}
END_TEST

START_TEST(pem_is_what_openssl_reads_and_what_nginx_may_read)
{
    static const unsigned counts[] = {1, 700};
    for (size_t i = 0; i < 2; i++) {
        struct place place;
        struct pieces pieces;
        struct stat status;
        place_make(&place);
        pieces_make(&pieces, counts[i]);
        pieces_find_head(&pieces, counts[i]);
        ck_assert_int_eq(write_crl(&place, &pieces, counts[i]), 0);
        umask(077);
        ck_assert_msg(crl_file_publish_pem(place.path, place.pem, &place.failure) == 0, "%s", place.failure.reason);
        ck_assert_int_eq(stat(place.pem, &status), 0);
        ck_assert_uint_eq(status.st_mode & 07777, 0644);
        FILE *file = fopen(place.pem, "r");
        X509_CRL *crl = PEM_read_X509_CRL(file, NULL, NULL, NULL);
        ck_assert_ptr_nonnull(crl);
        ck_assert_int_eq(X509_CRL_verify(crl, pieces.key), 1);
        ck_assert_int_eq(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)), (int)counts[i]);
        ck_assert_int_eq(fgetc(file), EOF);
        fclose(file);
        X509_CRL_free(crl);
        ck_assert_int_eq(place_count(&place), 2);
        place_remove(&place);
        pieces_free(&pieces);
    }
}
END_TEST

START_TEST(an_aborted_crl_leaves_the_old_one)
{
    struct place place;
    struct pieces pieces;
    struct crl_file *file;
    struct crl_entry entry = entry_of(1);
    place_make(&place);
    pieces_make(&pieces, 3);
    pieces_find_head(&pieces, 3);
    ck_assert_int_eq(write_crl(&place, &pieces, 3), 0);
    ck_assert_int_eq(crl_file_begin(place.path, &file, &place.failure), 0);
    ck_assert_int_eq(crl_file_entries(file, &entry, 1, &place.failure), 0);
    crl_file_abort(file);
    check_file(place.path, &pieces);
    ck_assert_int_eq(place_count(&place), 1);
    place_remove(&place);
    pieces_free(&pieces);
}
END_TEST

/* A limit on the size of files stands in for a disk that fills up in the middle. */
START_TEST(a_file_that_cannot_grow_leaves_the_old_one_and_is_named)
{
    struct place place;
    struct pieces pieces, large;
    const struct rlimit limit = {60 * 1024, 60 * 1024};
    place_make(&place);
    pieces_make(&pieces, 3);
    pieces_find_head(&pieces, 3);
    pieces_make(&large, 5000);
    pieces_find_head(&large, 5000);
    ck_assert_int_eq(write_crl(&place, &pieces, 3), 0);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(write_crl(&place, &large, 5000), -1);
    ck_assert_ptr_nonnull(strstr(place.failure.reason, place.path));
    check_file(place.path, &pieces);
    ck_assert_int_eq(place_count(&place), 1);
    place_remove(&place);
    pieces_free(&pieces);
    pieces_free(&large);
}
END_TEST

START_TEST(what_a_crash_left_behind_is_in_nobodys_way)
{
    struct place place;
    struct pieces pieces;
    char left[128];
    place_make(&place);
    pieces_make(&pieces, 3);
    pieces_find_head(&pieces, 3);
    /* a temporary file, and worse: a link to somewhere else in its place */
    snprintf(left, sizeof left, "%s/.crl.der.body", place.directory);
    ck_assert_int_eq(fclose(fopen(left, "w")), 0);
    snprintf(left, sizeof left, "%s/.crl.der.new", place.directory);
    ck_assert_int_eq(symlink("/nonexistent/elsewhere", left), 0);
    ck_assert_msg(write_crl(&place, &pieces, 3) == 0, "%s", place.failure.reason);
    check_file(place.path, &pieces);
    ck_assert_int_eq(place_count(&place), 1);
    place_remove(&place);
    pieces_free(&pieces);
}
END_TEST

START_TEST(a_directory_that_is_not_there_is_named)
{
    struct crl_file *file = NULL;
    struct failure failure = {0};
    ck_assert_int_eq(crl_file_begin("/nonexistent/crl.der", &file, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "/nonexistent/crl.der: No such file"));
    ck_assert_ptr_null(file);
    ck_assert_int_eq(crl_file_publish_pem("/nonexistent/crl.der", "/tmp/unused", &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "/nonexistent/crl.der"));
}
END_TEST

UNIT_MAIN("crl_file", a_crl_in_slices_is_byte_for_byte_what_openssl_writes, without_copy_file_range_it_copies_by_hand,
          pem_is_what_openssl_reads_and_what_nginx_may_read, an_aborted_crl_leaves_the_old_one,
          a_file_that_cannot_grow_leaves_the_old_one_and_is_named, what_a_crash_left_behind_is_in_nobodys_way,
          a_directory_that_is_not_there_is_named)
