/*
 * refusals.c - audit records of refused changes, limited for each uid and summed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/refusals.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/audit.h"

enum { ACCOUNTS = 256 };

/* One uid in its current minute. Uids share a slot by their remainder: a collision only counts two as one. */
struct account {
    int64_t minute;
    uint32_t written, left_out;
};

struct refusals {
    struct account accounts[ACCOUNTS];
};

struct refusals *refusals_new(void)
{
    return calloc(1, sizeof(struct refusals));
}

void refusals_free(struct refusals *refusals)
{
    free(refusals);
}

static struct commit *commit_new(char *audit)
{
    struct commit *commit = audit ? calloc(1, sizeof *commit) : NULL;
    if (!commit) {
        free(audit);
        return NULL;
    }
    commit->audit = audit;
    return commit;
}

static struct commit *sum_of(const struct account *account, const struct request *request)
{
    char reason[80];
    snprintf(reason, sizeof reason, "%u further refusals in the minute of this uid's last record", account->left_out);
    const struct audit_record record = {.operation = "refusals", .outcome = "refused", .peer = request->peer, .reason = reason};
    return commit_new(audit_record_format(&record));
}

struct commit *refusals_note(struct refusals *refusals, const struct request *request, int64_t now, char *audit)
{
    struct account *account = &refusals->accounts[request->peer->uid % ACCOUNTS];
    struct commit *sum = NULL;
    if (account->minute != now / 60) {
        sum = account->left_out ? sum_of(account, request) : NULL;
        *account = (struct account){.minute = now / 60};
    }
    if (account->written >= REFUSALS_PER_MINUTE) {
        account->left_out++;
        free(audit);
        return sum;
    }
    account->written++;
    struct commit *commit = commit_new(audit);
    if (!sum)
        return commit;
    sum->next = commit;
    return sum;
}

void refusals_commit_free(struct commit *commit)
{
    free((char *)commit->audit);
    free(commit);
}
