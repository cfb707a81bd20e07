/*
 * subject.h - the subject of what we issue as text, and purposes as bits. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_CA_SUBJECT_H
#define MTLSD_AGENT_CA_SUBJECT_H

#include <stdint.h>

#include "agent/arena.h"
#include "proto/x509/names.h"

/* What an extended key usage permits, as the index keeps it. */
enum purpose { PURPOSE_CLIENT = 1, PURPOSE_SERVER = 2, PURPOSE_EMAIL = 4, PURPOSE_OTHER = 8 };

/* RFC 4514 text of the subject that a grant with these names gets ("CN=alice"), as certificate_name_text writes it. */
const char *subject_text(struct arena *arena, const struct names *names);
/* The bit of a dotted OID, RFC 5280 section 4.2.1.12. */
uint32_t purpose_of_eku(const char *oid);

#endif
