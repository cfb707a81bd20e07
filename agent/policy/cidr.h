/*
 * cidr.h - blocks of IP addresses, "10.0.0.0/8" or one address.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_POLICY_CIDR_H
#define MTLSD_AGENT_POLICY_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"

struct cidr {
    uint8_t address[16];
    uint8_t length; /* 4 or 16 */
    uint8_t prefix; /* bits */
};

/* RFC 4632 / RFC 4291 section 2.3. Bits set beyond the prefix are refused with the block that was probably meant. */
int cidr_parse(const char *text, struct cidr *out, struct failure *failure);
/* IPv4 and IPv6 never match each other. */
bool cidr_match(const struct cidr *cidr, const uint8_t *address, size_t length);
/* An address in text form; returns its length (4 or 16), 0 where it is none. Thread-safe. */
size_t cidr_read_address(const char *text, uint8_t out[static 16]);

#endif
