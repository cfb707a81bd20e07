/*
 * cidr.c - blocks of IP addresses, "10.0.0.0/8" or one address.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/policy/cidr.h"

#include <arpa/inet.h>
#include <string.h>

#include "agent/policy/arguments.h"

size_t cidr_read_address(const char *text, uint8_t out[static 16])
{
    if (inet_pton(AF_INET, text, out) == 1)
        return 4;
    return inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

/* Zero what lies beyond the prefix; tells whether anything was there. */
static bool clear_host_bits(struct cidr *cidr)
{
    bool found = false;
    for (unsigned bit = cidr->prefix; bit < 8u * cidr->length; bit++) {
        uint8_t mask = (uint8_t)(0x80 >> (bit % 8));
        if (cidr->address[bit / 8] & mask)
            found = true;
        cidr->address[bit / 8] &= (uint8_t)~mask;
    }
    return found;
}

int cidr_parse(const char *text, struct cidr *out, struct failure *failure)
{
    char address[INET6_ADDRSTRLEN] = "";
    struct cidr cidr = {.length = 0};
    size_t length = strcspn(text, "/");
    if (length < sizeof address) {
        memcpy(address, text, length);
        address[length] = '\0';
        cidr.length = (uint8_t)cidr_read_address(address, cidr.address);
    }
    if (cidr.length == 0)
        return argument_refuse(
            failure, "found '%.60s', expected an IP address or a block such as 10.0.0.0/8 or 2001:db8::/32",
            text);
    uint64_t prefix = 8u * cidr.length;
    if (text[length] == '/' && argument_number(text + length + 1, prefix, &prefix) < 0)
        return argument_refuse(failure, "found prefix length '%.20s', expected 0 to %u", text + length + 1,
                               8u * cidr.length);
    cidr.prefix = (uint8_t)prefix;
    if (clear_host_bits(&cidr)) {
        inet_ntop(cidr.length == 4 ? AF_INET : AF_INET6, cidr.address, address, sizeof address);
        return argument_refuse(failure,
                               "found '%.60s', which has bits set beyond its prefix; did you mean '%s/%u'?",
                               text, address, cidr.prefix);
    }
    *out = cidr;
    return 0;
}

bool cidr_match(const struct cidr *cidr, const uint8_t *address, size_t length)
{
    if (length != cidr->length)
        return false;
    size_t whole = cidr->prefix / 8;
    if (memcmp(cidr->address, address, whole) != 0)
        return false;
    unsigned rest = cidr->prefix % 8;
    return rest == 0 || ((cidr->address[whole] ^ address[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}
