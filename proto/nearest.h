/*
 * nearest.h - the known word that somebody who typed another one probably meant.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_PROTO_NEAREST_H
#define MTLSD_PROTO_NEAREST_H

#include <stddef.h>

enum { NEAREST_WORD_MAX = 64 /* bytes; longer words are near to nothing */ };

/* The candidate at the least edit distance from `word` (letters without case; a transposition counts as one
 * edit), the first of equals; NULL where none is within a third of the longer word's length. NULL entries in
 * `candidates` are passed over. Pure; nothing is allocated. */
const char *nearest_word(const char *word, const char *const *candidates, size_t count);

#endif
