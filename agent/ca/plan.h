/*
 * plan.h - from a wish (name, SANs, CSR, term) and a profile to a grant. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_CA_PLAN_H
#define MTLSD_AGENT_CA_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ca/csr.h"
#include "proto/config.h"
#include "proto/grant.h"
#include "proto/schema.h"

/* Bytes of all SANs together (8 added for each): so the grant, and the certificate made from it, fit one packet
 * of GRANT_PACKET_MAX. */
enum { PLAN_NAMES_MAX = 12 * 1024 };

struct certificate_wish {
    const char *name;                 /* the caller's NAME; NULL: the CSR's CN */
    const struct text_list *sans;     /* the caller's; where there are any, the CSR's are ignored (and listed) */
    const struct csr *csr;            /* NULL where the agent makes the key */
    const struct public_key *key;     /* the key to certify */
    const struct names *renewed;      /* Renew: exactly these names; then the other names are not looked at */
    const struct config_profile *profile;
    int64_t life;                     /* 0: the profile's */
    int64_t now, authority_not_after;
};

/* NAME becomes the CN; without NAME and without a CN in the CSR it is BAD_REQUEST("name"). SANs: the caller's,
 * else the CSR's, else the profile's san= template (one SAN; %n is NAME, percent-encoded inside a URI), else
 * email:NAME if NAME has an @, IP:NAME if it is an address, DNS:NAME if it is a host name or a single label,
 * else BAD_REQUEST("sans") with the line to type. There is always a SAN. Life over the profile's max-life is
 * BAD_REQUEST("life"). Past the CA's own end it is clamped (*clamped); a CA that has ended is CONFLICT. Usage:
 * digitalSignature; plus keyEncipherment for an RSA key with serverAuth. The key is copied as it is: whoever
 * read or made it has checked it, and where the agent has yet to make it, only its type is looked at. *out is
 * overwritten on success; free it with grant_clear. Pure. */
int certificate_plan(const struct certificate_wish *wish, struct grant *out, bool *clamped, struct failure *failure);

#endif
