/*
 * link.h - the keeper's end of the channel to the agent: packets in, answers out, never blocking, with a bounded
 * window.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_LINK_H
#define MTLSD_KEEPER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/keeper/certificate.h"
#include "agent/keeper/crl.h"
#include "agent/keeper/keeper.h"

enum {
    LINK_QUEUE = GRANT_WINDOW + 16, /* answers that wait for the agent to read */
    LINK_BURST = 64,                /* packets taken in before the other sockets are looked at */
};

struct link_answer {
    uint8_t *data;
    size_t length;
};

struct link {
    int fd;                         /* -1: nobody is connected */
    struct link_answer queue[LINK_QUEUE];
    size_t first, count;
    uint64_t told;                  /* keeper->changes as the agent knows it */
    uint64_t told_signatures;
    struct crl_stream *crl;
    uint64_t crl_id;
    bool crl_refused;               /* crl_id was refused: what still comes of it is dropped */
    /* Room for one message at a time; not on the stack, whose lower part is locked and wiped for what libcrypto
     * leaves there. */
    uint8_t incoming[GRANT_PACKET_MAX], outgoing[GRANT_PACKET_MAX];
    struct signed_certificate made;
};

enum link_result {
    LINK_FINE,
    LINK_CLOSED,   /* the agent is gone */
    LINK_BROKEN,   /* a framing error: the keeper must end */
};

void link_init(struct link *link);
/* Take over a connected, non-blocking socket; the state is the first thing it hears. */
void link_open(struct link *link, struct keeper *keeper, int fd);
void link_close(struct link *link);
/* What to poll for. */
short link_events(const struct link *link);
/* Send, read, answer. */
enum link_result link_run(struct link *link, struct keeper *keeper, short events);
/* Tell the agent what changed, if something did. */
void link_tell(struct link *link, struct keeper *keeper);

/* One packet of the agent, answered by packets queued on the link: -1 where it is no message for a keeper. For the
 * fuzzer too. */
int link_handle(struct link *link, struct keeper *keeper, const uint8_t *data, size_t length, int64_t now);

#endif
