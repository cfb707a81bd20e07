/*
 * names.h - the names in a certificate: the CN and the SANs (RFC 5280 sections 4.1.2.6 and 4.2.1.6), parsed once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_PROTO_X509_NAMES_H
#define MTLSD_PROTO_X509_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"

enum {
    NAMES_MAX = 100,           /* SANs of one certificate */
    COMMON_NAME_MAX = 64,      /* characters: ub-common-name, RFC 5280 appendix A.1 */
    COMMON_NAME_SIZE = 4 * COMMON_NAME_MAX + 1,
    SAN_VALUE_MAX = 1024,      /* bytes; DNS at most 253 */
};

enum san_type { SAN_DNS, SAN_EMAIL, SAN_URI, SAN_IP, SAN_TYPES };

struct san {
    enum san_type type;
    char *value;         /* canonical text: DNS, and the host of email and URI, in lower-case A-labels; IP as inet_ntop writes it */
    uint8_t address[16]; /* SAN_IP */
    uint8_t address_length; /* 4 or 16; 0 for other types */
};

struct names {
    char common_name[COMMON_NAME_SIZE]; /* UTF-8, no control characters; may be empty */
    struct san *sans;
    size_t count;
};

/* "DNS:x", "email:y", "URI:z", "IP:a" or "IP Address:a" (the type in any case). DNS: LDH labels (RFC 1123; `_` refused),
 * a leading "*." wildcard allowed, at most 253 bytes, U-labels refused with the A-label way out named. email: RFC 5321 ASCII mailbox,
 * no quoted local part and no address literal. URI: absolute, RFC 3986 characters, a host where it has an authority, no userinfo; scheme
 * in lower case too. IP: one address, no prefix. Returns 0, or -1 with BAD_REQUEST("sans", ...). Free with san_clear. */
int san_parse(const char *text, struct san *out, struct failure *failure);
/* The same from type and value (value need not be NUL-terminated): what a CSR or a certificate holds. */
int san_from_value(enum san_type type, const char *value, size_t length, struct san *out, struct failure *failure);
int san_from_address(const uint8_t *address, size_t length, struct san *out, struct failure *failure);
/* "DNS:x" in memory to be freed by the caller; NULL when memory ran out. */
char *san_format(const struct san *san);
const char *san_type_name(enum san_type type); /* "DNS", "email", "URI", "IP" */
bool san_equal(const struct san *a, const struct san *b); /* RFC 5280 section 7: DNS and email host without case */
void san_clear(struct san *san);

/* Append (taking over *san, which is emptied, also on failure); a duplicate is dropped silently. -1 past NAMES_MAX. */
int names_add(struct names *names, struct san *san, struct failure *failure);
/* Set the CN: 1 to 64 characters of valid UTF-8 without control characters or leading/trailing blanks, else BAD_REQUEST(field). */
int names_set_common_name(struct names *names, const char *text, size_t length, const char *field, struct failure *failure);
/* *to is overwritten; -1 when memory ran out. */
int names_copy(const struct names *from, struct names *to);
bool names_have(const struct names *names, const struct san *san);
void names_clear(struct names *names);

/* Valid UTF-8 without control characters, line separators or bidirectional overrides? */
bool text_is_clean(const char *text, size_t length);

#endif
