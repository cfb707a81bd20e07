/*
 * grant.h - what passes between the agent and the keeper: one SEQPACKET packet a message.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Writer and reader of each message stand side by side in grant.c. All integers are little-endian; every length is
 * checked against the packet; a packet that is not exactly one well-formed message is a framing error, which ends
 * the connection (and, in the keeper, the process: only a bug or an attacker makes one).
 */
#ifndef MTLSD_PROTO_GRANT_H
#define MTLSD_PROTO_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"
#include "proto/x509/key.h"
#include "proto/x509/names.h"
#include "proto/x509/serial.h"

enum {
    GRANT_PROTOCOL = 1,
    GRANT_PACKET_MAX = 16 * 1024,  /* bytes of one packet, either way */
    GRANT_EKU_MAX = 8,
    GRANT_OID_SIZE = 64,
    GRANT_WINDOW = 64,             /* grants that may be unanswered at once */
    GRANT_BACKDATE = 300,          /* seconds by which the keeper moves not_before back, for clocks that go slow */
    CRL_ENTRIES_PER_PACKET = 400,
    CRL_SIGNATURE_MAX = 1024,
    KEEPER_WALLS_SIZE = 512,
};

enum grant_usage { /* bits of keyUsage that a grant may ask for, RFC 5280 section 4.2.1.3 */
    GRANT_DIGITAL_SIGNATURE = 1,
    GRANT_KEY_ENCIPHERMENT = 2,
};

/* Everything that the keeper needs to build a certificate. It draws the serial and fills in the issuer itself. */
struct grant {
    int64_t not_before, not_after; /* seconds since 1970; the keeper moves not_before five minutes back */
    struct names names;
    uint32_t usage;                /* enum grant_usage */
    size_t eku_count;
    char eku[GRANT_EKU_MAX][GRANT_OID_SIZE]; /* dotted decimal */
    struct public_key key;
};
void grant_clear(struct grant *grant);

/* One CRL entry (RFC 5280 section 5.1.2.6). */
struct crl_entry {
    struct serial serial;
    int64_t revoked_at;
    uint8_t reason; /* CRLReason, section 5.3.1; 0 unspecified: no extension */
};
/* The DER of one entry into out (at most CRL_ENTRY_DER_MAX bytes); returns its length. The agent writes the file with it and the
 * keeper digests with it: one function, so they cannot differ. */
enum { CRL_ENTRY_DER_MAX = 64 };
size_t crl_entry_encode(const struct crl_entry *entry, uint8_t out[static CRL_ENTRY_DER_MAX]);

/* What the keeper signs for KEEPER_HEAD: text that no DER SEQUENCE can begin with, sequence, head, time. A verifier builds the same bytes. */
enum { AUDIT_HEAD_HASH_SIZE = 32, AUDIT_HEAD_SIZE = 24 + 8 + AUDIT_HEAD_HASH_SIZE + 8 };
void audit_head_encode(uint64_t sequence, const uint8_t head[static AUDIT_HEAD_HASH_SIZE], int64_t time, uint8_t out[static AUDIT_HEAD_SIZE]);

enum keeper_message {
    /* agent to keeper */
    KEEPER_GRANT = 1,     /* id, grant */
    KEEPER_CRL_BEGIN,     /* id, number, this_update, next_update, count, length */
    KEEPER_CRL_ENTRIES,   /* id, entries */
    KEEPER_CRL_END,       /* id */
    KEEPER_CRL_ABORT,     /* id */
    KEEPER_HEAD,          /* id, sequence, head[32], time: sign the audit head */
    /* keeper to agent */
    KEEPER_STATE = 64,    /* first of all, and on every change */
    KEEPER_SIGNED,        /* id, clamped, serial, DER */
    KEEPER_REFUSED,       /* id, code, field, reason */
    KEEPER_CRL_HEAD,      /* id, DER of tbsCertList up to the first entry */
    KEEPER_CRL_SIGNED,    /* id, DER after the last entry (tbs end), signatureAlgorithm DER, signature BIT STRING DER */
    KEEPER_HEAD_SIGNED,   /* id, signature */
};

struct keeper_state {
    uint32_t protocol;
    bool open;              /* false: locked */
    int64_t pid, uid;
    int64_t signatures;     /* made since init, as the counter file has it (rounded up) */
    char walls[KEEPER_WALLS_SIZE]; /* space-separated: "seccomp landlock nodump mlock uid"; "sandbox:sanitizer" under a sanitizer */
    uint32_t crl_size_limit_mib;   /* 0 none; 64 for Ed25519 */
    uint16_t authority_length;     /* certificate of the CA, DER; known even when locked */
    uint8_t authority[8192];
};

/* One message, decoded. Only the member that `type` names is set. Free with keeper_packet_clear. */
struct keeper_packet {
    enum keeper_message type;
    uint64_t id;
    union {
        struct grant grant;
        struct { uint64_t number; int64_t this_update, next_update; uint64_t count, length; } crl_begin;
        struct { size_t count; struct crl_entry *entries; } crl_entries;
        struct { uint64_t sequence; uint8_t head[32]; int64_t time; } head;
        struct keeper_state *state;
        struct { bool clamped; struct serial serial; uint8_t *der; size_t length; } certificate; /* KEEPER_SIGNED */
        struct failure *refused;
        struct { uint8_t *data; size_t length; } bytes; /* CRL_HEAD, HEAD_SIGNED */
        struct { uint8_t *tail, *algorithm, *signature; size_t tail_length, algorithm_length, signature_length; } crl_signed;
    } u;
};

/* Encode into out (GRANT_PACKET_MAX bytes). Returns the length, or -1 where it does not fit. */
long keeper_packet_write(const struct keeper_packet *packet, uint8_t out[static GRANT_PACKET_MAX]);
/* Decode. 0, or -1 on a framing error (short, long, unknown type, a count or text out of bounds). Values are *not* judged
 * here beyond their bounds: that is the floor's work, which answers KEEPER_REFUSED. */
int keeper_packet_read(const uint8_t *data, size_t length, struct keeper_packet *out);
void keeper_packet_clear(struct keeper_packet *packet);

#endif
