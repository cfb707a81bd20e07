/*
 * anchors.h - foreign trust anchors ([anchors NAME] of the configuration), read at start and on reload.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the loop and the pool's threads: immutable once loaded, counted references.
 */
#ifndef MTLSD_AGENT_ANCHORS_H
#define MTLSD_AGENT_ANCHORS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/config.h"
#include "proto/x509/path.h"

struct anchor_set {
    const char *name;          /* of the section */
    STACK_OF(X509) *certificates;
    STACK_OF(X509_CRL) *crls;  /* NULL: no revocation check */
    bool strict, names;
};

struct anchors {
    _Atomic unsigned references;
    size_t count;
    struct anchor_set sets[];
};

/* Read every file named; all or nothing. */
int anchors_load(const struct config *config, struct anchors **out, struct failure *failure);
struct anchors *anchors_ref(const struct anchors *anchors);
void anchors_unref(struct anchors *anchors);

#endif
