/*
 * due.h - --if-due: are the files of an earlier run still good, or is there something to do?
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_DUE_H
#define MTLSD_CLIENT_CLI_DUE_H

#include "client/cli/cli.h"
#include "client/cli/delivery.h"
#include "proto/x509/names.h"

enum { DUE_REASON_SIZE = 320 };

struct due_question {
    const struct delivery *delivery; /* the files */
    const char *name;                /* what the certificate has to be for; NULL: whatever it is */
    const char *csr;                 /* text of a CSR whose key it has to carry; NULL: none */
    size_t csr_length;
    /* Ask the agent what a call would make now (a dry run). NULL where the names are those of the certificate
     * itself. */
    int (*plan)(struct cli *cli, const void *request, struct mtls_issue_result **out);
    const void *request;
};

struct due_answer {
    bool due;
    bool replaceable; /* what is there is ours to replace: files of a certificate for the same name */
    char reason[DUE_REASON_SIZE]; /* when due: "expires in 3d" */
    struct mtls_get_result
        *found; /* when not due, and the policy lets us read: the index's record; freed by due_answer_clear */
};

/* 0 with *out, or -1 having reported, with the exit code in *exit_code. */
int due_ask(struct cli *cli, const struct due_question *question, struct due_answer *out, int *exit_code);
void due_answer_clear(struct due_answer *answer);

/* Are these SANs, as texts, the same set as those held? 1 yes, 0 no, -1 with *failure where one of them is no
 * SAN. */
int due_sans_match(const char *const *asked, size_t count, const struct names *held, struct failure *failure);

#endif
