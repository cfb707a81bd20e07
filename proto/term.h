/*
 * term.h - terms ("90d") and instants (RFC 3339, UTC), both ways.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_PROTO_TERM_H
#define MTLSD_PROTO_TERM_H

#include <stdint.h>

enum { INSTANT_TEXT_SIZE = 32 };
#define TERM_MAX (INT64_C(100) * 366 * 86400) /* seconds */
#define INSTANT_MAX INT64_C(253402300799)      /* 9999-12-31T23:59:59Z, RFC 5280 section 4.1.2.5 */

/* N with s, m, h or d; N > 0, at most TERM_MAX seconds in all. 0, or -1 also where text is NULL. */
int term_parse(const char *text, int64_t *seconds);
/* The shortest form: 7776000 -> "90d". */
void term_format(int64_t seconds, char out[static INSTANT_TEXT_SIZE]);
/* RFC 3339 with Z or a numeric offset, seconds required, fraction ignored; 1970..9999 in UTC. A leap second is refused. 0 or -1. */
int instant_parse(const char *text, int64_t *seconds);
/* "2026-11-23T20:12:57Z". What lies outside the years 0000..9999 is written as the nearer end of them; a certificate of another
 * CA may be older than 1970. */
void instant_format(int64_t seconds, char out[static INSTANT_TEXT_SIZE]);

#endif
