/*
 * refusals.h - audit records of refused changes: so many a minute for each uid, the rest as a sum.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Whoever may not must not be able to fill the disk by asking.
 */
#ifndef MTLSD_AGENT_REFUSALS_H
#define MTLSD_AGENT_REFUSALS_H

#include "agent/ops/operation.h"

enum { REFUSALS_PER_MINUTE = 10 };

struct refusals;

struct refusals *refusals_new(void); /* NULL when memory ran out */
void refusals_free(struct refusals *refusals);

/* Takes over `audit` (malloc; may be NULL). Returns a list of commits with the record, and before it the sum of what was left out in the
 * minute before, if any; NULL where this one is only counted. The list is for committer_submit, each to be freed with refusals_commit_free. */
struct commit *refusals_note(struct refusals *refusals, const struct request *request, int64_t now, char *audit);
void refusals_commit_free(struct commit *commit);

#endif
