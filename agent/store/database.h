/*
 * database.h - the SQLite file behind the index: opening it safely, and what its errors mean. Inside agent/store/ only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_STORE_DATABASE_H
#define MTLSD_AGENT_STORE_DATABASE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/failure.h"
#include "proto/x509/certificate.h"
#include "proto/x509/serial.h"

enum { DATABASE_APPLICATION_ID = 0x6d746c73 /* "mtls", PRAGMA application_id */ };

enum database_use {
    DATABASE_WRITE,  /* create where there is none (mode 0600), migrate, WAL, synchronous=FULL */
    DATABASE_READ,   /* must be there and of our schema version */
    DATABASE_CHECKPOINT, /* beside a DATABASE_WRITE of this process: to move its log into the database, nothing else */
    DATABASE_STREAM, /* as DATABASE_READ, for one long pass: a small page cache, because nothing is read twice */
};

/* The connection has no mutex: one thread at a time. 0, or -1 with *failure naming the file and the way out. */
int database_open(const char *path, enum database_use use, sqlite3 **out, struct failure *failure);

/* The row id of an authority; `create` adds it where it is missing. */
int database_authority(sqlite3 *db, const char *path, const uint8_t fingerprint[static FINGERPRINT_SIZE], bool create,
                       int64_t *id, struct failure *failure);

/* INTERNAL with what was tried, the file and SQLite's words. Returns -1. */
int database_failure(sqlite3 *db, const char *path, const char *what, struct failure *failure);

/* The SQLite code of the first failing statement, SQLITE_OK otherwise. */
int database_execute(sqlite3 *db, const char *sql);
/* Prepare statements that live as long as the connection. */
int database_prepare(sqlite3 *db, const char *path, const char *const *sql, size_t count, sqlite3_stmt **out,
                     struct failure *failure);
void database_finalize(sqlite3_stmt **statements, size_t count);

/* Serials travel as BLOBs: without leading zeros, so memcmp order is numeric order among serials of one length. */
int database_bind_serial(sqlite3_stmt *statement, int index, const struct serial *serial);
/* Out of bounds (a damaged file) reads as "no serial", length 0. */
void database_column_serial(sqlite3_stmt *statement, int column, struct serial *out);
/* The order in which SQLite keeps them: -1, 0, 1. */
int database_compare_serials(const struct serial *a, const struct serial *b);

#endif
