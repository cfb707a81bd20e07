/*
 * test_grant.c - the packets between agent and keeper: what is written is read, and nothing else is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/grant.h"

#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/term.h"
#include "tests/unit/keeper_fixture.h"
#include "tests/unit/unit.h"

static uint8_t wire[GRANT_PACKET_MAX];

/* One example of each message, with members that the packet owns. */
enum { EXAMPLES = 12 };

static uint8_t *bytes_of(const char *text)
{
    return (uint8_t *)strdup(text);
}

static void make_example(int which, struct keeper_packet *packet)
{
    static const char *const sans[] = {"DNS:a.example.com", "email:alice@example.com",
                                       "URI:spiffe://example.com/alice", "IP:192.0.2.1", "IP:2001:db8::1"};
    memset(packet, 0, sizeof *packet);
    packet->id = UINT64_C(0x0123456789abcdef) + (uint64_t)which;
    const struct serial serial = {3, {0x80, 1, 2}};
    switch (which) {
    case 0:
        packet->type = KEEPER_GRANT;
        fixture_grant(&packet->u.grant, 1700000000, sans, 5);
        break;
    case 1:
        packet->type = KEEPER_CRL_BEGIN;
        packet->u.crl_begin.number = 7;
        packet->u.crl_begin.this_update = 1700000000;
        packet->u.crl_begin.next_update = 1700600000;
        packet->u.crl_begin.count = 2;
        packet->u.crl_begin.length = 80;
        break;
    case 2:
        packet->type = KEEPER_CRL_ENTRIES;
        packet->u.crl_entries.count = 2;
        packet->u.crl_entries.entries = calloc(2, sizeof(struct crl_entry));
        packet->u.crl_entries.entries[0] = (struct crl_entry){serial, 1700000000, 1};
        packet->u.crl_entries.entries[1] = (struct crl_entry){{20, {0x7f}}, INSTANT_MAX, 0};
        break;
    case 3: packet->type = KEEPER_CRL_END; break;
    case 4: packet->type = KEEPER_CRL_ABORT; break;
    case 5:
        packet->type = KEEPER_HEAD;
        packet->u.head.sequence = 42;
        memset(packet->u.head.head, 0xaa, 32);
        packet->u.head.time = 1700000000;
        break;
    case 6:
        packet->type = KEEPER_STATE;
        packet->u.state = calloc(1, sizeof *packet->u.state);
        *packet->u.state = (struct keeper_state){.protocol = GRANT_PROTOCOL,
                                                 .open = true,
                                                 .pid = 12,
                                                 .uid = 990,
                                                 .signatures = 3000,
                                                 .walls = "seccomp mlock",
                                                 .crl_size_limit_mib = 64,
                                                 .authority_length = 3,
                                                 .authority = {1, 2, 3}};
        break;
    case 7:
        packet->type = KEEPER_SIGNED;
        packet->u.certificate.clamped = true;
        packet->u.certificate.serial = serial;
        packet->u.certificate.der = bytes_of("certificate");
        packet->u.certificate.length = 11;
        break;
    case 8:
        packet->type = KEEPER_REFUSED;
        packet->u.refused = calloc(1, sizeof *packet->u.refused);
        failure_set(packet->u.refused, FAILURE_BAD_REQUEST, "life", "too long");
        break;
    case 9:
    case 10:
        packet->type = which == 9 ? KEEPER_CRL_HEAD : KEEPER_HEAD_SIGNED;
        packet->u.bytes.data = bytes_of("head");
        packet->u.bytes.length = 4;
        break;
    default:
        packet->type = KEEPER_CRL_SIGNED;
        packet->u.crl_signed.tail = bytes_of("tail");
        packet->u.crl_signed.algorithm = bytes_of("alg");
        packet->u.crl_signed.signature = bytes_of("sign");
        packet->u.crl_signed.tail_length = 4;
        packet->u.crl_signed.algorithm_length = 3;
        packet->u.crl_signed.signature_length = 4;
    }
}

static size_t write_example(int which)
{
    struct keeper_packet packet;
    make_example(which, &packet);
    long length = keeper_packet_write(&packet, wire);
    ck_assert_int_gt(length, 0);
    keeper_packet_clear(&packet);
    return (size_t)length;
}

/* A packet in memory of exactly its size, so that a sanitizer sees each byte too many. */
static int read_exact(const uint8_t *data, size_t length, struct keeper_packet *out)
{
    uint8_t *copy = malloc(length ? length : 1);
    memcpy(copy, data, length);
    int result = keeper_packet_read(copy, length, out);
    free(copy);
    return result;
}

/* Each value has one encoding, so written, read and written again is the same bytes. */
START_TEST(each_message_survives_the_way)
{
    for (int i = 0; i < EXAMPLES; i++) {
        static uint8_t again[GRANT_PACKET_MAX];
        struct keeper_packet packet;
        size_t length = write_example(i);
        ck_assert_int_eq(read_exact(wire, length, &packet), 0);
        ck_assert_uint_eq(packet.id, UINT64_C(0x0123456789abcdef) + (uint64_t)i);
        ck_assert_int_eq(keeper_packet_write(&packet, again), (long)length);
        ck_assert_mem_eq(again, wire, length);
        keeper_packet_clear(&packet);
    }
}
END_TEST

START_TEST(a_grant_is_read_member_by_member)
{
    struct keeper_packet before, after;
    make_example(0, &before);
    size_t length = write_example(0);
    ck_assert_int_eq(read_exact(wire, length, &after), 0);
    const struct grant *a = &before.u.grant, *b = &after.u.grant;
    ck_assert_int_eq(b->not_before, a->not_before);
    ck_assert_int_eq(b->not_after, a->not_after);
    ck_assert_str_eq(b->names.common_name, "alice");
    ck_assert_uint_eq(b->names.count, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert(san_equal(&a->names.sans[i], &b->names.sans[i]));
    ck_assert_str_eq(b->names.sans[4].value, "2001:db8::1");
    ck_assert_uint_eq(b->usage, GRANT_DIGITAL_SIGNATURE);
    ck_assert_str_eq(b->eku[0], CLIENT_AUTH);
    ck_assert_int_eq(b->key.type.kind, KEY_EC_P256);
    ck_assert_uint_eq(b->key.length, 65);
    keeper_packet_clear(&before);
    keeper_packet_clear(&after);
}
END_TEST

START_TEST(every_truncation_and_every_addition_is_refused)
{
    for (int i = 0; i < EXAMPLES; i++) {
        struct keeper_packet packet;
        size_t length = write_example(i);
        for (size_t cut = 0; cut < length; cut++)
            ck_assert_msg(read_exact(wire, cut, &packet) == -1, "message %d cut to %zu of %zu bytes was read", i, cut,
                          length);
        wire[length] = 0;
        ck_assert_int_eq(read_exact(wire, length + 1, &packet), -1);
    }
}
END_TEST

/* A flipped bit gives another message or none; what is read can be written again as it was. */
START_TEST(no_flipped_bit_does_harm)
{
    for (int i = 0; i < EXAMPLES; i++) {
        static uint8_t again[GRANT_PACKET_MAX];
        size_t length = write_example(i);
        for (size_t bit = 0; bit < 8 * length; bit++) {
            struct keeper_packet packet;
            wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (!read_exact(wire, length, &packet)) {
                ck_assert_int_eq(keeper_packet_write(&packet, again), (long)length);
                ck_assert_mem_eq(again, wire, length);
                keeper_packet_clear(&packet);
            }
            wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}
END_TEST

START_TEST(what_is_out_of_bounds_is_not_written)
{
    struct keeper_packet packet;
    make_example(0, &packet);
    packet.u.grant.eku_count = GRANT_EKU_MAX + 1;
    ck_assert_int_eq(keeper_packet_write(&packet, wire), -1);
    keeper_packet_clear(&packet);

    make_example(2, &packet);
    packet.u.crl_entries.entries[0].reason = 7; /* unused, RFC 5280 section 5.3.1 */
    ck_assert_int_eq(keeper_packet_write(&packet, wire), -1);
    packet.u.crl_entries.entries[0].reason = 1;
    packet.u.crl_entries.entries[0].serial.bytes[0] = 0;
    ck_assert_int_eq(keeper_packet_write(&packet, wire), -1);
    packet.u.crl_entries.count = 0;
    ck_assert_int_eq(keeper_packet_write(&packet, wire), -1);
    keeper_packet_clear(&packet);

    struct keeper_packet unknown = {.type = (enum keeper_message)99};
    ck_assert_int_eq(keeper_packet_write(&unknown, wire), -1);
}
END_TEST

START_TEST(names_that_do_not_fit_a_packet_are_not_written)
{
    struct keeper_packet packet = {.type = KEEPER_GRANT};
    char text[SAN_VALUE_MAX];
    memset(text, 'a', sizeof text);
    memcpy(text, "URI:https://h/", 14);
    for (int i = 0; i < 20; i++) {
        struct san san;
        snprintf(text + 1000, 8, "%d", i);
        ck_assert_int_eq(san_parse(text, &san, NULL), 0);
        ck_assert_int_eq(names_add(&packet.u.grant.names, &san, NULL), 0);
    }
    ck_assert_int_eq(keeper_packet_write(&packet, wire), -1);
    keeper_packet_clear(&packet);
}
END_TEST

START_TEST(a_nul_in_a_name_is_no_name)
{
    struct keeper_packet packet;
    size_t length = write_example(0);
    uint8_t *alice = memmem(wire, length, "alice", 5);
    ck_assert_ptr_nonnull(alice);
    alice[2] = '\0';
    ck_assert_int_eq(read_exact(wire, length, &packet), -1);
}
END_TEST

/* The entry that both sides encode is what libcrypto reads, for every shape of serial, time and reason. */
START_TEST(crl_entries_are_what_libcrypto_reads)
{
    static const int64_t times[] = {0, 1700000000, 2524607999 /* the last second of 2049 */, 2524608000, INSTANT_MAX};
    static const struct serial serials[] = {{1, {1}}, {1, {0x80}}, {20, {0xff, 1}}, {20, {0x01}}};
    for (size_t i = 0; i < 5 * 4 * 2; i++) {
        uint8_t der[CRL_ENTRY_DER_MAX];
        const struct crl_entry entry = {serials[i / 5 % 4], times[i % 5], i / 20 ? 10 : 0};
        size_t length = crl_entry_encode(&entry, der);
        ck_assert_uint_le(length, sizeof der);
        const uint8_t *at = der;
        X509_REVOKED *revoked = d2i_X509_REVOKED(NULL, &at, (long)length);
        ck_assert_ptr_nonnull(revoked);
        ck_assert_ptr_eq(at, der + length);

        BIGNUM *number = ASN1_INTEGER_to_BN(X509_REVOKED_get0_serialNumber(revoked), NULL);
        uint8_t bytes[SERIAL_MAX];
        ck_assert_int_eq(BN_is_negative(number), 0);
        ck_assert_int_eq(BN_bn2bin(number, bytes), entry.serial.length);
        ck_assert_mem_eq(bytes, entry.serial.bytes, entry.serial.length);
        BN_free(number);

        const ASN1_TIME *when = X509_REVOKED_get0_revocationDate(revoked);
        ck_assert_int_eq(ASN1_STRING_type(when), entry.revoked_at < 2524608000 ? V_ASN1_UTCTIME : V_ASN1_GENERALIZEDTIME);
        ck_assert_int_eq(ASN1_TIME_cmp_time_t(when, entry.revoked_at), 0);
        ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(revoked, NID_crl_reason, NULL, NULL);
        ck_assert_int_eq(reason ? ASN1_ENUMERATED_get(reason) : 0, entry.reason);
        ASN1_ENUMERATED_free(reason);
        X509_REVOKED_free(revoked);
    }
}
END_TEST

/* It cannot be taken for a certificate or a CRL, which begin with a SEQUENCE. */
START_TEST(the_audit_head_is_no_der)
{
    uint8_t head[AUDIT_HEAD_HASH_SIZE] = {1}, one[AUDIT_HEAD_SIZE], other[AUDIT_HEAD_SIZE];
    audit_head_encode(1, head, 2, one);
    ck_assert_uint_ne(one[0], 0x30);
    audit_head_encode(2, head, 2, other);
    ck_assert_mem_ne(one, other, sizeof one);
    audit_head_encode(1, head, 3, other);
    ck_assert_mem_ne(one, other, sizeof one);
}
END_TEST

UNIT_MAIN("grant", each_message_survives_the_way, a_grant_is_read_member_by_member,
          every_truncation_and_every_addition_is_refused, no_flipped_bit_does_harm,
          what_is_out_of_bounds_is_not_written, names_that_do_not_fit_a_packet_are_not_written,
          a_nul_in_a_name_is_no_name, crl_entries_are_what_libcrypto_reads, the_audit_head_is_no_der)
