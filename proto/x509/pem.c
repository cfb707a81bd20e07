/*
 * pem.c - one PEM block, or base64 of DER, to DER.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The base64 itself is libcrypto's. What it is too generous about is checked here: padding in the middle, and
 * whatever it trims.
 */
#include "proto/x509/pem.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char begin_mark[] = "-----BEGIN ", end_mark[] = "-----END ", dashes[] = "-----";

/* The next BEGIN that starts a line; NULL where there is none. */
static const char *find_begin(const char *text, const char *from)
{
    for (const char *mark = strstr(from, begin_mark); mark; mark = strstr(mark + 1, begin_mark))
        if (mark == text || mark[-1] == '\n' || mark[-1] == '\r')
            return mark;
    return NULL;
}

/* Is `label` followed by five dashes at p? */
static bool label_is(const char *p, const char *label)
{
    size_t length = strlen(label);
    return !strncmp(p, label, length) && !strncmp(p + length, dashes, sizeof dashes - 1);
}

static bool is_space(char c)
{
    return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

/* Base64 without its white space into a new buffer; NULL when memory ran out. */
static char *without_space(const char *text, size_t length, size_t *out_length)
{
    char *packed = malloc(length + 1), *out = packed;
    const char *end = text + length;
    while (packed && text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        const char *next = line_end ? line_end + 1 : end;
        const char *last = line_end ? line_end : end;
        while (last > text && is_space(last[-1]))
            last--;
        while (text < last && is_space(*text))
            text++;
        memcpy(out, text, (size_t)(last - text));
        out += last - text;
        text = next;
    }
    if (packed) {
        *out = '\0';
        *out_length = (size_t)(out - packed);
    }
    return packed;
}

/* RFC 4648 section 4, padding required. The DER's length, or 0 where the text is not base64. */
static size_t decode(char *packed, size_t length, uint8_t *out)
{
    size_t padding = 0;
    while (padding < 2 && padding < length && packed[length - padding - 1] == '=')
        padding++;
    /* libcrypto reads '=' anywhere as zero bits, and a leading or trailing blank or dash as nothing. */
    if (length == 0 || length % 4 || memchr(packed, '=', length - padding) || packed[0] == '-' ||
        packed[length - padding - 1] == '-')
        return 0;
    int decoded = EVP_DecodeBlock(out, (const unsigned char *)packed, (int)length);
    return decoded == (int)(length / 4 * 3) ? (size_t)decoded - padding : 0;
}

static int decode_base64(const char *text, size_t length, const struct pem_kind *kind, const char *field,
                         uint8_t **der, size_t *der_length, struct failure *failure)
{
    if (length > kind->max / 3 * 4 + kind->max / 8 + 128)
        return failure_set(failure, FAILURE_BAD_REQUEST, field, "%s of more than %zu bytes is not accepted",
                           kind->thing, kind->max);
    size_t packed_length = 0, size = 0;
    char *packed = without_space(text, length, &packed_length);
    uint8_t *out = packed ? malloc(packed_length / 4 * 3 + 3) : NULL;
    if (out)
        size = decode(packed, packed_length, out);
    free(packed);
    if (size && size <= kind->max) {
        *der = out;
        *der_length = size;
        return 0;
    }
    bool memory = !out;
    free(out);
    if (memory)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    if (size)
        return failure_set(failure, FAILURE_BAD_REQUEST, field, "%s of more than %zu bytes is not accepted",
                           kind->thing, kind->max);
    return failure_set(failure, FAILURE_BAD_REQUEST, field,
                       "%s is expected in PEM (-----BEGIN %s-----) or as base64 of its DER; this is neither",
                       kind->thing, kind->labels[0]);
}

int pem_decode(const char *text, const struct pem_kind *kind, const char *field, uint8_t **der, size_t *length,
               struct failure *failure)
{
    const char *begin = find_begin(text, text);
    if (!begin)
        return decode_base64(text, strlen(text), kind, field, der, length, failure);
    const char *label = begin + sizeof begin_mark - 1, *known = NULL;
    for (size_t i = 0; !known && kind->labels[i]; i++)
        if (label_is(label, kind->labels[i]))
            known = kind->labels[i];
    if (!known) {
        int found = (int)strcspn(label, "-\r\n");
        return failure_set(failure, FAILURE_BAD_REQUEST, field,
                           "%s is expected (-----BEGIN %s-----), but this is a block of %.*s", kind->thing,
                           kind->labels[0], found < 40 ? found : 40, label);
    }
    const char *body = label + strlen(known) + sizeof dashes - 1;
    const char *end = strstr(body, end_mark);
    if (!end || !label_is(end + sizeof end_mark - 1, known))
        return failure_set(failure, FAILURE_BAD_REQUEST, field, "the PEM block has no -----END %s----- line", known);
    if (find_begin(text, end))
        return failure_set(failure, FAILURE_BAD_REQUEST, field,
                           "%s is expected, but a second PEM block follows it", kind->thing);
    return decode_base64(body, (size_t)(end - body), kind, field, der, length, failure);
}
