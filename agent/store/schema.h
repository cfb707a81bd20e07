/*
 * schema.h - the tables of the index and the way from each older version to the newest. Inside agent/store/ only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_STORE_SCHEMA_H
#define MTLSD_AGENT_STORE_SCHEMA_H

#include "agent/store/database.h"

enum { SCHEMA_VERSION = 2 };

/* Is this file ours? 1 yes, with *version (PRAGMA user_version); 0 it is empty; -1 with *failure: another program's, newer than we
 * are, or unreadable. */
int schema_check(sqlite3 *db, const char *path, int *version, struct failure *failure);

/* Bring an empty or older file to version `target`, each step in a transaction of its own together with its number. */
int schema_migrate(sqlite3 *db, const char *path, int target, struct failure *failure);

#endif
