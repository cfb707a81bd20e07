/*
 * grant.c - the packets between agent and keeper: writer and reader of each message side by side.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every value has exactly one encoding, so that what was read and is written again is the same bytes.
 */
#include "proto/grant.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/bytes.h"
#include "proto/term.h"

static void write_serial(struct bytes_writer *sink, const struct serial *serial)
{
    sink->bad |= serial->length == 0 || serial->length > SERIAL_MAX || serial->bytes[0] == 0;
    if (sink->bad)
        return;
    write_u8(sink, serial->length);
    write_bytes(sink, serial->bytes, serial->length);
}

static void read_serial(struct bytes_reader *source, struct serial *out)
{
    uint8_t length = read_u8(source);
    if (length == 0 || length > SERIAL_MAX)
        source->bad = true;
    const uint8_t *bytes = read_bytes(source, length);
    if (!bytes || bytes[0] == 0) {
        source->bad = true;
        return;
    }
    out->length = length;
    memcpy(out->bytes, bytes, length);
}

static void write_san(struct bytes_writer *sink, const struct san *san)
{
    write_u8(sink, san->type);
    if (san->type == SAN_IP)
        write_blob(sink, san->address, san->address_length);
    else
        write_text(sink, san->value);
}

static void read_san(struct bytes_reader *source, struct san *out)
{
    uint8_t type = read_u8(source);
    size_t length = read_u16(source);
    const uint8_t *data = read_bytes(source, length);
    if (!data || type >= SAN_TYPES || length == 0 || length > SAN_VALUE_MAX) {
        source->bad = true;
        return;
    }
    out->type = (enum san_type)type;
    if (out->type != SAN_IP) {
        out->value = memchr(data, '\0', length) ? NULL : strndup((const char *)data, length);
        source->bad |= !out->value;
        return;
    }
    char text[INET6_ADDRSTRLEN];
    if ((length != 4 && length != 16) || !inet_ntop(length == 4 ? AF_INET : AF_INET6, data, text, sizeof text) ||
        !(out->value = strdup(text))) {
        source->bad = true;
        return;
    }
    memcpy(out->address, data, length);
    out->address_length = (uint8_t)length;
}

static void write_names(struct bytes_writer *sink, const struct names *names)
{
    sink->bad |= names->count > NAMES_MAX;
    write_text(sink, names->common_name);
    write_u16(sink, names->count);
    for (size_t i = 0; !sink->bad && i < names->count; i++)
        write_san(sink, &names->sans[i]);
}

static void read_names(struct bytes_reader *source, struct names *out)
{
    read_text(source, out->common_name, sizeof out->common_name);
    size_t count = read_u16(source);
    if (source->bad || count > NAMES_MAX || (count && !(out->sans = calloc(count, sizeof *out->sans)))) {
        source->bad = true;
        return;
    }
    for (; !source->bad && out->count < count; out->count++)
        read_san(source, &out->sans[out->count]);
}

static void write_key(struct bytes_writer *sink, const struct public_key *key)
{
    sink->bad |= key->length > KEY_MATERIAL_MAX;
    write_u8(sink, key->type.kind);
    write_u16(sink, key->type.bits);
    write_u32(sink, key->exponent);
    if (!sink->bad)
        write_blob(sink, key->material, key->length);
}

static void read_key(struct bytes_reader *source, struct public_key *out)
{
    uint8_t kind = read_u8(source);
    out->type.bits = read_u16(source);
    out->exponent = read_u32(source);
    out->length = read_u16(source);
    const uint8_t *material = read_bytes(source, out->length);
    if (!material || kind > KEY_RSA || out->length > KEY_MATERIAL_MAX) {
        source->bad = true;
        return;
    }
    out->type.kind = (enum key_kind)kind;
    memcpy(out->material, material, out->length);
}

static void write_grant(struct bytes_writer *sink, const struct grant *grant)
{
    write_u64(sink, (uint64_t)grant->not_before);
    write_u64(sink, (uint64_t)grant->not_after);
    write_names(sink, &grant->names);
    write_u32(sink, grant->usage);
    sink->bad |= grant->eku_count > GRANT_EKU_MAX;
    write_u8(sink, grant->eku_count);
    for (size_t i = 0; !sink->bad && i < grant->eku_count; i++)
        write_text(sink, grant->eku[i]);
    write_key(sink, &grant->key);
}

static void read_grant(struct bytes_reader *source, struct grant *out)
{
    out->not_before = read_i64(source);
    out->not_after = read_i64(source);
    read_names(source, &out->names);
    out->usage = read_u32(source);
    size_t count = read_u8(source);
    source->bad |= count > GRANT_EKU_MAX;
    for (; !source->bad && out->eku_count < count; out->eku_count++)
        read_text(source, out->eku[out->eku_count], sizeof out->eku[0]);
    read_key(source, &out->key);
}

void grant_clear(struct grant *grant)
{
    names_clear(&grant->names);
    memset(grant, 0, sizeof *grant);
}

/* CRLReason, RFC 5280 section 5.3.1: 7 is not used. */
static bool crl_entry_is_bounded(const struct crl_entry *entry)
{
    return entry->revoked_at >= 0 && entry->revoked_at <= INSTANT_MAX && entry->reason <= 10 && entry->reason != 7;
}

static void write_crl_entries(struct bytes_writer *sink, const struct crl_entry *entries, size_t count)
{
    sink->bad |= count == 0 || count > CRL_ENTRIES_PER_PACKET;
    write_u16(sink, count);
    for (size_t i = 0; !sink->bad && i < count; i++) {
        sink->bad |= !crl_entry_is_bounded(&entries[i]);
        write_serial(sink, &entries[i].serial);
        write_u64(sink, (uint64_t)entries[i].revoked_at);
        write_u8(sink, entries[i].reason);
    }
}

static void read_crl_entries(struct bytes_reader *source, struct keeper_packet *out)
{
    size_t count = read_u16(source);
    if (source->bad || count == 0 || count > CRL_ENTRIES_PER_PACKET ||
        !(out->u.crl_entries.entries = calloc(count, sizeof *out->u.crl_entries.entries))) {
        source->bad = true;
        return;
    }
    out->u.crl_entries.count = count;
    for (size_t i = 0; !source->bad && i < count; i++) {
        struct crl_entry *entry = &out->u.crl_entries.entries[i];
        read_serial(source, &entry->serial);
        entry->revoked_at = read_i64(source);
        entry->reason = read_u8(source);
        source->bad |= !crl_entry_is_bounded(entry);
    }
}

static void write_crl_begin(struct bytes_writer *sink, const struct keeper_packet *packet)
{
    write_u64(sink, packet->u.crl_begin.number);
    write_u64(sink, (uint64_t)packet->u.crl_begin.this_update);
    write_u64(sink, (uint64_t)packet->u.crl_begin.next_update);
    write_u64(sink, packet->u.crl_begin.count);
    write_u64(sink, packet->u.crl_begin.length);
}

static void read_crl_begin(struct bytes_reader *source, struct keeper_packet *out)
{
    out->u.crl_begin.number = read_u64(source);
    out->u.crl_begin.this_update = read_i64(source);
    out->u.crl_begin.next_update = read_i64(source);
    out->u.crl_begin.count = read_u64(source);
    out->u.crl_begin.length = read_u64(source);
}

static void write_crl_signed(struct bytes_writer *sink, const struct keeper_packet *packet)
{
    write_blob(sink, packet->u.crl_signed.tail, packet->u.crl_signed.tail_length);
    write_blob(sink, packet->u.crl_signed.algorithm, packet->u.crl_signed.algorithm_length);
    write_blob(sink, packet->u.crl_signed.signature, packet->u.crl_signed.signature_length);
}

static void read_crl_signed(struct bytes_reader *source, struct keeper_packet *out)
{
    out->u.crl_signed.tail = read_blob(source, &out->u.crl_signed.tail_length);
    out->u.crl_signed.algorithm = read_blob(source, &out->u.crl_signed.algorithm_length);
    out->u.crl_signed.signature = read_blob(source, &out->u.crl_signed.signature_length);
    source->bad |= out->u.crl_signed.signature_length > CRL_SIGNATURE_MAX;
}

/* UTCTime up to 2049, GeneralizedTime from 2050 (RFC 5280 section 5.1.2.6). */
static uint8_t *encode_time(uint8_t *at, int64_t seconds)
{
    time_t when = seconds < 0 ? 0 : seconds > INSTANT_MAX ? INSTANT_MAX : seconds;
    struct tm tm;
    gmtime_r(&when, &tm);
    int year = tm.tm_year + 1900;
    bool general = year >= 2050;
    const int fields[] = {year / 100, year % 100, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec};
    ASN1_put_object(&at, 0, general ? 15 : 13, general ? V_ASN1_GENERALIZEDTIME : V_ASN1_UTCTIME, V_ASN1_UNIVERSAL);
    for (size_t i = general ? 0 : 1; i < sizeof fields / sizeof fields[0]; i++) {
        *at++ = (uint8_t)('0' + fields[i] / 10);
        *at++ = (uint8_t)('0' + fields[i] % 10);
    }
    *at++ = 'Z';
    return at;
}

size_t crl_entry_encode(const struct crl_entry *entry, uint8_t out[static CRL_ENTRY_DER_MAX])
{
    /* crlEntryExtensions with one reasonCode, not critical; its last byte is the reason */
    static const uint8_t reason_code[] = {0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01};
    size_t serial_length = entry->serial.length <= SERIAL_MAX ? entry->serial.length : SERIAL_MAX;
    bool sign_byte = entry->serial.bytes[0] >= 0x80 || serial_length == 0;
    uint8_t *at = out + 2; /* the whole is under 128 bytes: one length byte, written at the end */

    ASN1_put_object(&at, 0, (int)(serial_length + sign_byte), V_ASN1_INTEGER, V_ASN1_UNIVERSAL);
    if (sign_byte)
        *at++ = 0;
    memcpy(at, entry->serial.bytes, serial_length);
    at = encode_time(at + serial_length, entry->revoked_at);
    if (entry->reason) {
        memcpy(at, reason_code, sizeof reason_code);
        at += sizeof reason_code;
        *at++ = entry->reason;
    }
    uint8_t *head = out;
    ASN1_put_object(&head, 1, (int)(at - out - 2), V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    return (size_t)(at - out);
}

void audit_head_encode(uint64_t sequence, const uint8_t head[static AUDIT_HEAD_HASH_SIZE], int64_t time, uint8_t out[static AUDIT_HEAD_SIZE])
{
    static const char label[24] = "mtlsd audit head, v1";
    struct bytes_writer sink = {.at = out, .end = out + AUDIT_HEAD_SIZE};
    write_bytes(&sink, label, sizeof label);
    write_u64(&sink, sequence);
    write_bytes(&sink, head, AUDIT_HEAD_HASH_SIZE);
    write_u64(&sink, (uint64_t)time);
}

static void write_head(struct bytes_writer *sink, const struct keeper_packet *packet)
{
    write_u64(sink, packet->u.head.sequence);
    write_bytes(sink, packet->u.head.head, sizeof packet->u.head.head);
    write_u64(sink, (uint64_t)packet->u.head.time);
}

static void read_head(struct bytes_reader *source, struct keeper_packet *out)
{
    out->u.head.sequence = read_u64(source);
    const uint8_t *head = read_bytes(source, sizeof out->u.head.head);
    if (head)
        memcpy(out->u.head.head, head, sizeof out->u.head.head);
    out->u.head.time = read_i64(source);
}

static void write_state(struct bytes_writer *sink, const struct keeper_state *state)
{
    write_u32(sink, state->protocol);
    write_u8(sink, state->open);
    write_u64(sink, (uint64_t)state->pid);
    write_u64(sink, (uint64_t)state->uid);
    write_u64(sink, (uint64_t)state->signatures);
    write_text(sink, state->walls);
    write_u32(sink, state->crl_size_limit_mib);
    sink->bad |= state->authority_length > sizeof state->authority;
    if (!sink->bad)
        write_blob(sink, state->authority, state->authority_length);
}

static void read_state(struct bytes_reader *source, struct keeper_packet *out)
{
    struct keeper_state *state = out->u.state = calloc(1, sizeof *state);
    if (!state) {
        source->bad = true;
        return;
    }
    state->protocol = read_u32(source);
    state->open = read_bool(source);
    state->pid = read_i64(source);
    state->uid = read_i64(source);
    state->signatures = read_i64(source);
    read_text(source, state->walls, sizeof state->walls);
    state->crl_size_limit_mib = read_u32(source);
    state->authority_length = read_u16(source);
    const uint8_t *authority = read_bytes(source, state->authority_length);
    if (authority && state->authority_length <= sizeof state->authority)
        memcpy(state->authority, authority, state->authority_length);
    else
        source->bad = true;
}

static void write_certificate(struct bytes_writer *sink, const struct keeper_packet *packet)
{
    write_u8(sink, packet->u.certificate.clamped);
    write_serial(sink, &packet->u.certificate.serial);
    write_blob(sink, packet->u.certificate.der, packet->u.certificate.length);
}

static void read_certificate(struct bytes_reader *source, struct keeper_packet *out)
{
    out->u.certificate.clamped = read_bool(source);
    read_serial(source, &out->u.certificate.serial);
    out->u.certificate.der = read_blob(source, &out->u.certificate.length);
}

static void write_refused(struct bytes_writer *sink, const struct failure *failure)
{
    write_u8(sink, failure->code);
    write_text(sink, failure->field);
    write_text(sink, failure->reason);
}

static void read_refused(struct bytes_reader *source, struct keeper_packet *out)
{
    struct failure *failure = out->u.refused = calloc(1, sizeof *failure);
    if (!failure) {
        source->bad = true;
        return;
    }
    uint8_t code = read_u8(source);
    source->bad |= code == FAILURE_NONE || code >= FAILURE_CODES;
    failure->code = (enum failure_code)code;
    failure->offset = -1;
    read_text(source, failure->field, sizeof failure->field);
    read_text(source, failure->reason, sizeof failure->reason);
}

static void write_body(struct bytes_writer *sink, const struct keeper_packet *packet)
{
    switch (packet->type) {
    case KEEPER_GRANT: write_grant(sink, &packet->u.grant); return;
    case KEEPER_CRL_BEGIN: write_crl_begin(sink, packet); return;
    case KEEPER_CRL_ENTRIES: write_crl_entries(sink, packet->u.crl_entries.entries, packet->u.crl_entries.count); return;
    case KEEPER_CRL_END:
    case KEEPER_CRL_ABORT: return;
    case KEEPER_HEAD: write_head(sink, packet); return;
    case KEEPER_STATE: write_state(sink, packet->u.state); return;
    case KEEPER_SIGNED: write_certificate(sink, packet); return;
    case KEEPER_REFUSED: write_refused(sink, packet->u.refused); return;
    case KEEPER_CRL_HEAD:
    case KEEPER_HEAD_SIGNED: write_blob(sink, packet->u.bytes.data, packet->u.bytes.length); return;
    case KEEPER_CRL_SIGNED: write_crl_signed(sink, packet); return;
    }
    sink->bad = true;
}

static void read_body(struct bytes_reader *source, struct keeper_packet *out)
{
    switch (out->type) {
    case KEEPER_GRANT: read_grant(source, &out->u.grant); return;
    case KEEPER_CRL_BEGIN: read_crl_begin(source, out); return;
    case KEEPER_CRL_ENTRIES: read_crl_entries(source, out); return;
    case KEEPER_CRL_END:
    case KEEPER_CRL_ABORT: return;
    case KEEPER_HEAD: read_head(source, out); return;
    case KEEPER_STATE: read_state(source, out); return;
    case KEEPER_SIGNED: read_certificate(source, out); return;
    case KEEPER_REFUSED: read_refused(source, out); return;
    case KEEPER_CRL_HEAD:
    case KEEPER_HEAD_SIGNED: out->u.bytes.data = read_blob(source, &out->u.bytes.length); return;
    case KEEPER_CRL_SIGNED: read_crl_signed(source, out); return;
    }
    source->bad = true;
}

long keeper_packet_write(const struct keeper_packet *packet, uint8_t out[static GRANT_PACKET_MAX])
{
    struct bytes_writer sink = {.at = out, .end = out + GRANT_PACKET_MAX};
    write_u8(&sink, packet->type);
    write_u64(&sink, packet->id);
    write_body(&sink, packet);
    return sink.bad ? -1 : sink.at - out;
}

int keeper_packet_read(const uint8_t *data, size_t length, struct keeper_packet *out)
{
    struct bytes_reader source = {.at = data, .end = data + length, .bad = length > GRANT_PACKET_MAX};
    struct keeper_packet packet;
    memset(&packet, 0, sizeof packet);
    packet.type = (enum keeper_message)read_u8(&source);
    packet.id = read_u64(&source);
    if (!source.bad)
        read_body(&source, &packet);
    if (source.bad || source.at != source.end) {
        keeper_packet_clear(&packet);
        return -1;
    }
    *out = packet;
    return 0;
}

void keeper_packet_clear(struct keeper_packet *packet)
{
    switch (packet->type) {
    case KEEPER_GRANT: grant_clear(&packet->u.grant); break;
    case KEEPER_CRL_ENTRIES: free(packet->u.crl_entries.entries); break;
    case KEEPER_STATE: free(packet->u.state); break;
    case KEEPER_SIGNED: free(packet->u.certificate.der); break;
    case KEEPER_REFUSED: free(packet->u.refused); break;
    case KEEPER_CRL_HEAD:
    case KEEPER_HEAD_SIGNED: free(packet->u.bytes.data); break;
    case KEEPER_CRL_SIGNED:
        free(packet->u.crl_signed.tail);
        free(packet->u.crl_signed.algorithm);
        free(packet->u.crl_signed.signature);
        break;
    case KEEPER_CRL_BEGIN:
    case KEEPER_CRL_END:
    case KEEPER_CRL_ABORT:
    case KEEPER_HEAD: break;
    }
    memset(packet, 0, sizeof *packet);
}
