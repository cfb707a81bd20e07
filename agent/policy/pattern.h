/*
 * pattern.h - patterns for names and URIs, compiled at load, matched without allocation.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * `*` stands for one or more characters. In the pattern of a name it never covers a dot, a slash or an `@`, but
 * for one place: before the `@` of an email pattern it is the whole local part. What it covers depends on where
 * it stands:
 *   dns    one whole label of letters, digits and hyphens: *.example.com fits a.example.com, but neither
 *          a.b.example.com nor example.com. The label `*` of a wildcard certificate is only fitted by a first label
 *          written `\*`.
 *   email  the local part, if it is a dot-atom (RFC 5321 section 4.1.2), or one label of the host
 *   uri    one label of the host, or (part of) one path segment without percent-encoding; no `:` in a URI without
 *          `//`
 *   cn     anything but `.`, `@`, `/` and `*`
 *   path   (part of) one path segment, dots and percent-encoding allowed, but no leading dot; a last segment `**`
 *          fits whatever follows (this is no pattern of names but of the URI that a web client asked for)
 * `%u` stands for the peer's login, `%%` for a percent sign; in uri and path `%` with two hex digits stands for
 * itself. DNS names, schemes and hosts compare without case (RFC 5280 section 7), local parts, paths and CNs
 * exactly: for CNs that is stricter than section 7.1, because a program that compares logins exactly must not be
 * handed "ALICE" for "alice".
 */
#ifndef MTLSD_AGENT_POLICY_PATTERN_H
#define MTLSD_AGENT_POLICY_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/failure.h"

enum pattern_kind { PATTERN_DNS, PATTERN_EMAIL, PATTERN_URI, PATTERN_CN, PATTERN_PATH };

struct pattern {
    enum pattern_kind kind;
    bool login;             /* %u is in it */
    size_t fold_from, fold_to; /* bytes of `code` that compare without case, and are in lower case */
    char *code;             /* literal bytes and, below 0x20, what pattern.c makes of `*` and %u */
};

int pattern_parse(enum pattern_kind kind, bool login_allowed, const char *text, struct pattern *out,
                  struct failure *failure);
/* `login` is only looked at where pattern->login; an empty or absent one fits nothing. */
bool pattern_match(const struct pattern *pattern, const char *text, const char *login);
void pattern_clear(struct pattern *pattern);

#endif
