/*
 * authority.h - the CA as the agent knows it: its certificate and what follows from it. No key.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The keeper tells it (even when locked); a copy in the state directory (ca.der) serves while the keeper is away, and makes sure that
 * an index is never used with another CA's key.
 */
#ifndef MTLSD_AGENT_AUTHORITY_H
#define MTLSD_AGENT_AUTHORITY_H

#include "proto/x509/certificate.h"

struct authority {
    uint8_t *der;
    size_t length;
    char *pem;
    char *name;                /* CN */
    char *key_type;            /* "ec:P-256" */
    uint8_t *subject;          /* DER of the Name: what our certificates have as issuer */
    size_t subject_length;
    struct certificate_facts facts;
    char fingerprint[FINGERPRINT_TEXT_SIZE];
};

int authority_parse(const uint8_t *der, size_t length, struct authority **out, struct failure *failure);
void authority_free(struct authority *authority);
/* The copy in the state directory: 1 read, 0 there is none, -1 with *failure. */
int authority_load(const char *state, struct authority **out, struct failure *failure);
int authority_save(const char *state, const struct authority *authority, struct failure *failure);

#endif
