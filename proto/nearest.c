/*
 * nearest.c - edit distance over short words, for "did you mean".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/nearest.h"

#include <stdint.h>
#include <string.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment distance; three rows suffice, because a transposition looks back two. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][NEAREST_WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_length; j++)
        above[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t cost = lower(a[i - 1]) != lower(b[j - 1]);
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + cost);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b_length];
}

const char *nearest_word(const char *word, const char *const *candidates, size_t count)
{
    size_t length = word ? strnlen(word, NEAREST_WORD_MAX + 1) : 0;
    if (length == 0 || length > NEAREST_WORD_MAX)
        return NULL;
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        size_t candidate_length = candidates[i] ? strnlen(candidates[i], NEAREST_WORD_MAX + 1) : 0;
        if (candidate_length == 0 || candidate_length > NEAREST_WORD_MAX)
            continue;
        size_t longer = length > candidate_length ? length : candidate_length;
        size_t d = distance(word, length, candidates[i], candidate_length);
        if (d <= longer / 3 && d < best_distance) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}
