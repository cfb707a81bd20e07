/*
 * crl_publisher.h - keeps the CRL built: one build at a time, in slices, shared by all who wait for it.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A build is due when a revocation status has changed (at most every crl-interval=) or a third of the CRL's life is over. The number is
 * durable before it is used. Belongs to the loop.
 */
#ifndef MTLSD_AGENT_CRL_PUBLISHER_H
#define MTLSD_AGENT_CRL_PUBLISHER_H

#include <systemd/sd-event.h>

#include "agent/keeper_link.h"
#include "agent/ops/operation.h"

struct crl_publisher_callbacks {
    /* Make these settings durable; crl_publisher_stored is called when they are (or are not). */
    void (*store)(void *context, struct change *settings, size_t count);
    /* A build has ended, well or not: whoever waited may look again. */
    void (*built)(void *context);
    /* The PEM file has been written anew: time for the hook. */
    void (*published)(void *context);
};

struct crl_publisher;

int crl_publisher_new(sd_event *event, const struct config *config, struct keeper_link *link, const char *database,
                      const struct authority *authority, struct store *store, const struct crl_publisher_callbacks *callbacks,
                      void *context, struct crl_publisher **out, struct failure *failure);
void crl_publisher_free(struct crl_publisher *publisher);

/* Something may have changed, or the keeper is there again: begin a build if one is due. */
void crl_publisher_poke(struct crl_publisher *publisher);
void crl_publisher_stored(struct crl_publisher *publisher, bool durable);
/* Answers of the keeper with KEEPER_LINK_BULK_ID in their id. */
void crl_publisher_answer(struct crl_publisher *publisher, struct keeper_packet *packet);
void crl_publisher_room(struct crl_publisher *publisher);
void crl_publisher_keeper_lost(struct crl_publisher *publisher);

const struct crl_status *crl_publisher_status(const struct crl_publisher *publisher);
/* Does the file show every revocation that is committed, and is it within its life? */
bool crl_publisher_is_current(const struct crl_publisher *publisher, int64_t now);

#endif
