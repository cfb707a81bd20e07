/*
 * issuing.h - what Issue, Sign and Renew share: wish to grant and row, and their reply.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_OPS_ISSUING_H
#define MTLSD_AGENT_OPS_ISSUING_H

#include "agent/ca/csr.h"
#include "agent/ops/operation.h"

/* State of the three operations, in the arena. */
struct issuing {
    /* what was asked */
    const char *name, *profile, *service, *label, *life, *request_id;
    struct text_list sans;
    bool renewing;          /* then exactly these names: */
    struct names names;
    bool dry_run;
    /* the key: from a CSR, or made here */
    bool have_csr;
    struct csr csr;
    uint8_t *csr_der;       /* malloc */
    size_t csr_length;
    struct key_type key_type;
    struct public_key key;
    char *private_key;      /* sodium_malloc; PKCS#8 PEM */
    /* where nothing is to be done because this call was answered before (request id) */
    struct certificate_row before;
    bool answered_before;
};

/* The state of a request that has none yet; released with it. */
struct issuing *issuing_begin(struct request *request);
void issuing_release(struct request *request);
/* Fill in plan and subjects. PLAN_WORK where a key has to be made first. */
enum plan_step issuing_plan(const struct world *world, struct request *request, struct issuing *issuing, struct failure *failure);
/* Key type as a call names it, or the profile's. */
int issuing_key_type(const struct world *world, const char *text, const char *profile, struct key_type *out, struct failure *failure);
/* Read a CSR of a call. */
int issuing_csr(struct request *request, struct issuing *issuing, const char *text, struct failure *failure);
json_t *issuing_reply(const struct world *world, struct request *request, struct failure *failure);

#endif
