/*
 * test_crl_sign.c - a CRL signed while it streams by is the CRL that libcrypto reads and verifies.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/crl.h"

#include <openssl/x509v3.h>

#include "tests/unit/keeper_fixture.h"
#include "tests/unit/unit.h"

static struct authority authority;
static struct failure failure;

static struct crl_entry entry_of(size_t i)
{
    struct crl_entry entry = {.revoked_at = 1700000000 + (int64_t)i, .reason = (uint8_t)(i % 2)};
    entry.serial.length = 16;
    for (size_t j = 0; j < 16; j++)
        entry.serial.bytes[j] = (uint8_t)(i >> 8 * (j % 4)) | 0x40;
    entry.serial.bytes[15] = (uint8_t)i;
    entry.serial.bytes[14] = (uint8_t)(i >> 8);
    return entry;
}

/* As the agent does it: all entries encoded once for their length, then the same function again for the file. */
static size_t encode_all(size_t count, uint8_t *out)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        struct crl_entry entry = entry_of(i);
        length += crl_entry_encode(&entry, out + length);
    }
    return length;
}

static struct crl_plan plan_of(size_t count, size_t length)
{
    int64_t now = time(NULL);
    return (struct crl_plan){
        .number = UINT64_MAX, .this_update = now, .next_update = now + 7 * DAY, .count = count, .length = length};
}

static int stream(struct crl_stream *crl, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct crl_entry entry = entry_of(i);
        if (crl_stream_add(crl, &entry, 1, &failure))
            return -1;
    }
    return 0;
}

/* The file: outer SEQUENCE of (head, entries, tail), algorithm, signature. */
static X509_CRL *assemble(size_t count)
{
    uint8_t *entries = malloc(count * CRL_ENTRY_DER_MAX + 1), *whole, *at;
    size_t length = encode_all(count, entries), algorithm_length;
    struct crl_plan plan = plan_of(count, length);
    struct crl_stream *crl;
    struct crl_part head, tail, signature;
    const uint8_t *algorithm = signer_algorithm(authority.key.type.kind, &algorithm_length);
    ck_assert_msg(crl_stream_begin(&authority, &plan, time(NULL), &crl, &head, &failure) == 0, "%s", failure.reason);
    ck_assert_msg(stream(crl, count) == 0, "%s", failure.reason);
    ck_assert_msg(crl_stream_finish(crl, &tail, &signature, &failure) == 0, "%s", failure.reason);

    size_t inner = head.length + length + tail.length + algorithm_length + signature.length;
    whole = at = malloc(inner + 16);
    ASN1_put_object(&at, 1, (int)inner, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    const struct { const uint8_t *data; size_t length;
    } parts[] = {{head.data, head.length},
                 {entries, length},
                 {tail.data, tail.length},
                 {algorithm, algorithm_length},
                 {signature.data, signature.length}};
    for (size_t i = 0; i < 5; i++) {
        memcpy(at, parts[i].data, parts[i].length);
        at += parts[i].length;
    }
    const uint8_t *from = whole;
    X509_CRL *parsed = d2i_X509_CRL(NULL, &from, at - whole);
    ck_assert_ptr_nonnull(parsed);
    ck_assert_ptr_eq(from, at);
    free(whole);
    free(entries);
    return parsed;
}

static void check(X509_CRL *crl, size_t count)
{
    X509 *ca = fixture_parse(authority.der, authority.length);
    ck_assert_int_eq(X509_CRL_verify(crl, X509_get0_pubkey(ca)), 1);
    ck_assert_int_eq(X509_CRL_get_version(crl), X509_CRL_VERSION_2);
    ck_assert_int_eq(X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(ca)), 0);
    ck_assert_int_eq(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)),
                     count ? (int)count : -1); /* left out where empty, RFC 5280 section 5.1.2.6 */

    AUTHORITY_KEYID *key = X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, NULL, NULL);
    ck_assert_int_eq(ASN1_OCTET_STRING_cmp(key->keyid, X509_get0_subject_key_id(ca)), 0);
    AUTHORITY_KEYID_free(key);
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    uint64_t value;
    ck_assert_int_eq(ASN1_INTEGER_get_uint64(&value, number), 1);
    ck_assert_uint_eq(value, UINT64_MAX);
    ASN1_INTEGER_free(number);

    for (size_t i = 0; i < count; i++) {
        struct crl_entry entry = entry_of(i);
        ASN1_INTEGER serial = {.type = V_ASN1_INTEGER, .data = entry.serial.bytes, .length = entry.serial.length};
        X509_REVOKED *revoked;
        ck_assert_int_eq(X509_CRL_get0_by_serial(crl, &revoked, &serial), 1);
        ck_assert_int_eq(ASN1_TIME_cmp_time_t(X509_REVOKED_get0_revocationDate(revoked), entry.revoked_at), 0);
    }
    X509_free(ca);
}

START_TEST(none_one_and_a_thousand_under_every_key)
{
    static const size_t counts[] = {0, 1, 1000};
    for (int i = 0; i < FIXTURE_KEY_TYPES; i++) {
        fixture_authority(&authority, fixture_key_types[i]);
        for (size_t j = 0; j < 3; j++) {
            X509_CRL *crl = assemble(counts[j]);
            check(crl, counts[j]);
            X509_CRL_free(crl);
        }
        authority_clear(&authority);
    }
}
END_TEST

static struct crl_stream *begin(size_t count, size_t length)
{
    struct crl_plan plan = plan_of(count, length);
    struct crl_stream *crl;
    struct crl_part head;
    ck_assert_msg(crl_stream_begin(&authority, &plan, time(NULL), &crl, &head, &failure) == 0, "%s", failure.reason);
    return crl;
}

START_TEST(any_difference_ends_it)
{
    static uint8_t entries[10 * CRL_ENTRY_DER_MAX];
    struct crl_part tail, signature;
    size_t length = encode_all(3, entries);
    fixture_authority(&authority, "ec:P-256");

    struct crl_stream *crl = begin(3, length);
    ck_assert_int_eq(stream(crl, 4), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "more entries"));
    crl_stream_abort(crl);

    crl = begin(3, length - 1);
    ck_assert_int_eq(stream(crl, 3), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "longer"));
    crl_stream_abort(crl);

    crl = begin(3, length);
    ck_assert_int_eq(stream(crl, 2), 0);
    ck_assert_int_eq(crl_stream_finish(crl, &tail, &signature, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "fewer"));

    crl = begin(3, length + 1);
    ck_assert_int_eq(stream(crl, 3), 0);
    ck_assert_int_eq(crl_stream_finish(crl, &tail, &signature, &failure), -1);
    ck_assert_str_eq(failure.field, "crl");
}
END_TEST

static void refused(struct crl_plan plan, const char *word)
{
    struct crl_stream *crl;
    struct crl_part head;
    ck_assert_int_eq(crl_stream_begin(&authority, &plan, time(NULL), &crl, &head, &failure), -1);
    ck_assert_msg(strstr(failure.reason, word) != NULL, "'%s' says nothing of '%s'", failure.reason, word);
}

START_TEST(plans_that_cannot_be_are_refused_by_name)
{
    fixture_authority(&authority, "ec:P-256");
    struct crl_plan plan = plan_of(1, 0);
    refused(plan, "do not fit");
    plan = plan_of(0, 10);
    refused(plan, "do not fit");
    plan = plan_of(1, CRL_ENTRY_DER_MAX + 1);
    refused(plan, "do not fit");
    plan = plan_of(UINT64_MAX, UINT64_MAX);
    refused(plan, "1 GiB");
    plan = plan_of(0, 0);
    plan.next_update = plan.this_update;
    refused(plan, "nextUpdate");
    plan = plan_of(0, 0);
    plan.next_update = INT64_MAX;
    refused(plan, "nextUpdate");
    plan = plan_of(0, 0);
    plan.this_update -= 2 * CRL_TIME_SLACK;
    refused(plan, "thisUpdate");
    authority_lock(&authority);
    plan = plan_of(0, 0);
    refused(plan, "locked");
    ck_assert_int_eq(failure.code, FAILURE_LOCKED);
}
END_TEST

START_TEST(ed25519_buffers_up_to_its_limit_and_says_so)
{
    fixture_authority(&authority, "ed25519");
    refused(plan_of(2000000, BUFFERED_STREAM_MAX), "Ed25519");
    ck_assert_str_eq(failure.field, "crl");
}
END_TEST

UNIT_MAIN("crl_sign", none_one_and_a_thousand_under_every_key, any_difference_ends_it,
          plans_that_cannot_be_are_refused_by_name, ed25519_buffers_up_to_its_limit_and_says_so)
