/*
 * store.h - the index: every certificate that this CA issued, revocations, the audit chain. Reading.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * SQLite in WAL mode; all SQL is in agent/store/. Writing goes through committer.h alone. A store handle belongs to one
 * thread. No statement stays open across a return from a function here.
 */
#ifndef MTLSD_AGENT_STORE_STORE_H
#define MTLSD_AGENT_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"
#include "proto/x509/certificate.h"
#include "proto/x509/serial.h"

enum certificate_status { STATUS_LIVE = 0, STATUS_REVOKED = 1, STATUS_HELD = 2 };

/* One row. Texts are "" where unset, never NULL. On reading, everything points into `memory`; certificate_row_clear frees it. On
 * writing, pointers are borrowed until the commit is taken back, and `memory` is NULL. */
struct certificate_row {
    struct serial serial;
    uint8_t fingerprint[FINGERPRINT_SIZE];
    const uint8_t *der;
    size_t der_length;
    const char *name;     /* CN */
    const char *subject;
    const char *sans;     /* "DNS:a\nIP:b", one a line, as san_format writes them */
    const char *label, *profile, *service, *request_id;
    int64_t not_before, not_after, issued_at;
    int64_t requester_uid;
    uint32_t purposes;    /* what its EKU permits, enum purpose of agent/ca/subject.h */
    enum certificate_status status;
    int reason;           /* CRLReason; -1 while live */
    int64_t revoked_at;   /* 0 while live */
    int64_t last_seen;    /* 0: never */
    const char *last_service, *last_address;
    void *memory;
};
void certificate_row_clear(struct certificate_row *row);

/* Which certificates are meant. Members that are NULL, 0 or -1 do not restrict. All that are set must hold. */
struct certificate_filter {
    const struct serial *serial;
    const char *name, *label, *profile, *service;
    int64_t requester_uid;  /* -1: any */
    int64_t issued_before, issued_after; /* strictly; 0: any */
    int64_t expiring_before; /* not_after < this; 0: any */
    int64_t now;             /* for the two below */
    enum { WHICH_ANY, WHICH_LIVE /* live, within its times */, WHICH_REVOKED, WHICH_HELD, WHICH_EXPIRED /* not revoked, past not_after */,
           WHICH_REVOCABLE /* live or held, not past not_after */ } which;
};

struct store;

/* Open for reading after the committer has created and migrated the database. `authority` identifies the CA whose
 * certificates are meant (SHA-256 of its DER certificate); one database may hold those of several. */
int store_open(const char *path, const uint8_t authority[static FINGERPRINT_SIZE], struct store **out, struct failure *failure);
void store_close(struct store *store);

/* Hold one snapshot over several reads (of one batch). Nestable no, cheap yes. Between them, each read is its own. */
int store_snapshot_begin(struct store *store, struct failure *failure);
void store_snapshot_end(struct store *store);
/* True where no transaction is open: asserted before each wait. */
bool store_is_idle(const struct store *store);

/* 1 found, 0 none, -1 with *failure (INTERNAL). */
int store_find(struct store *store, const struct serial *serial, struct certificate_row *row, struct failure *failure);
int store_find_request(struct store *store, int64_t uid, const char *request_id, struct certificate_row *row, struct failure *failure);

/* Rows in ascending order of serial (that is, of time), after `after` (NULL: from the start), at most `limit`. visit gets a
 * row that lives for the call only, without DER unless with_der; a non-zero answer stops. Returns the number visited, or -1. */
typedef int certificate_visit(const struct certificate_row *row, void *context);
int64_t store_select(struct store *store, const struct certificate_filter *filter, const struct serial *after, int64_t limit,
                     bool with_der, certificate_visit *visit, void *context, struct failure *failure);

/* Every certificate is in exactly one of the first four: revoked and held by status, whatever their times; of the others expired where
 * not_after < now, live the rest (which counts those that are not yet valid). A few microseconds with a million rows. */
struct store_counts { int64_t live, revoked, held, expired, alarms; };
int store_count(struct store *store, int64_t now, struct store_counts *out, struct failure *failure);

/* For the CRL: number and total DER length (crl_entry_encode) of its entries: all that are revoked or held but those past their
 * not_after by more than STORE_CRL_GRACE (RFC 5280 section 3.3: an entry stays until it has been on one CRL issued after its end; the mark
 * moves once a day, so some stay a day longer); then the entries in order of serial, in slices, inside one read snapshot of a
 * connection of its own so that a slow reader pins nothing else. Number and length come from counters that the committer keeps, so opening
 * takes no longer with a million entries. One thread at a time, any thread. */
enum { STORE_CRL_GRACE = 8 * 86400 };
struct store_crl;
int store_crl_open(const char *path, const uint8_t authority[static FINGERPRINT_SIZE], int64_t now, struct store_crl **out,
                   uint64_t *count, uint64_t *length, struct failure *failure);
struct crl_entry;
/* Up to `room` entries; returns how many (0 at the end), -1 on failure. Where the entries prove not to be those that were
 * announced, that is a failure, and the next store_crl_open counts them one by one. */
int store_crl_next(struct store_crl *crl, struct crl_entry *entries, size_t room, struct failure *failure);
void store_crl_close(struct store_crl *crl);

/* A number that grows with every change to a revocation status (to know whether the CRL is stale); kept in the database. -1
 * where the index cannot be read. */
int64_t store_revision(struct store *store);
/* Small named integers that must survive: the last CRL number. Written by CHANGE_SETTING. `fallback` where there is none. */
int64_t store_setting(struct store *store, const char *name, int64_t fallback);

#endif
