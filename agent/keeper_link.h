/*
 * keeper_link.h - the agent's end of the channel to the keeper: packets out in small groups, answers in, reconnection.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Never blocks and never waits. Belongs to the loop. A framing error from the keeper ends the connection like its death would.
 */
#ifndef MTLSD_AGENT_KEEPER_LINK_H
#define MTLSD_AGENT_KEEPER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "proto/grant.h"

struct keeper_link_callbacks {
    /* The keeper said what it is (NULL: it is away; whatever was asked of it will not be answered). */
    void (*state)(void *context, const struct keeper_state *state);
    /* An answer; the packet is the callback's to take from (members it keeps are set to NULL by it). */
    void (*answer)(void *context, struct keeper_packet *packet);
    /* A keeper is wanted, and there is no socket to connect to: whoever can start one hands over its end with keeper_link_adopt. */
    void (*wanted)(void *context);
    /* The bulk queue (CRL) has room again. */
    void (*room)(void *context);
    /* A burst of answers has been told. */
    void (*rest)(void *context);
};

/* Ids with this bit are of bulk messages: they are not counted in the window. */
#define KEEPER_LINK_BULK_ID (UINT64_C(1) << 63)

struct keeper_link;

/* `path` is the keeper's socket, or NULL where a parent provides. Starts connecting at once. 0 or -1 with errno. */
int keeper_link_new(sd_event *event, const char *path, const struct keeper_link_callbacks *callbacks, void *context,
                    struct keeper_link **out);
void keeper_link_adopt(struct keeper_link *link, int fd);
void keeper_link_free(struct keeper_link *link);

/* What the keeper said last; NULL while it is away. */
const struct keeper_state *keeper_link_state(const struct keeper_link *link);
bool keeper_link_is_open(const struct keeper_link *link);

/* Queue a grant (waits for room in the window) or a packet of bulk, which goes out between grants. 0, or -1 where the keeper is away, the
 * packet does not fit GRANT_PACKET_MAX (*failure says so), or memory ran out. */
int keeper_link_send(struct keeper_link *link, const struct keeper_packet *packet, struct failure *failure);
/* Room for another packet of bulk? */
bool keeper_link_has_room(const struct keeper_link *link);
/* Send what is queued, as far as window and socket allow. */
void keeper_link_flush(struct keeper_link *link);
/* Grants queued here, or sent and not answered. */
size_t keeper_link_under_way(const struct keeper_link *link);

#endif
