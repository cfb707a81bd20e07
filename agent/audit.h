/*
 * audit.h - the body of an audit record: who asked for what, which line decided, what came of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Text only: sequence, time and the chain are added by the committer, in the transaction of the change. Nothing secret in it.
 */
#ifndef MTLSD_AGENT_AUDIT_H
#define MTLSD_AGENT_AUDIT_H

#include <stddef.h>

#include "agent/policy/policy.h"
#include "proto/x509/serial.h"

struct audit_record {
    const char *operation;          /* "issue" */
    const char *outcome;            /* "done", "refused", "alarm" */
    const struct peer *peer;
    const char *service, *profile, *reason;
    const struct names *names;      /* may be NULL */
    const struct serial *serials;   /* the first AUDIT_SERIALS_MAX are named, the count always */
    size_t serial_count;
    const struct policy_decision *decision; /* may be NULL */
};
enum { AUDIT_SERIALS_MAX = 100 };

/* Compact JSON with a fixed member order, in memory that the caller frees; NULL when memory ran out. */
char *audit_record_format(const struct audit_record *record);

#endif
