/*
 * base64.c - RFC 4648 base64 to bytes: what the protocol carries binary in.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <mtls.h>

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes into `out`, which has room. False where the text is no base64, padding and unused bits (RFC 4648
 * section 3.5) included. */
static bool decode(const char *text, unsigned char *out, size_t *length)
{
    unsigned value = 0, bits = 0;
    size_t digits = 0, padding = 0, used = 0;
    for (; *text; text++) {
        if (*text == '\n' || *text == '\r')
            continue;
        if (*text == '=') {
            padding++;
            continue;
        }
        int next = digit(*text);
        if (next < 0 || padding)
            return false;
        value = (value << 6 | (unsigned)next) & 0xffff;
        bits += 6;
        digits++;
        if (bits >= 8) {
            bits -= 8;
            out[used++] = (unsigned char)(value >> bits);
        }
    }
    *length = used;
    return (digits + padding) % 4 == 0 && padding <= 2 && bits < 6 && (value & ((1u << bits) - 1)) == 0;
}

unsigned char *mtls_base64_decode(const char *text, size_t *length)
{
    size_t room = strlen(text) / 4 * 3 + 3, used = 0;
    unsigned char *bytes = calloc(1, room);
    if (bytes && !decode(text, bytes, &used)) {
        mtls_bytes_free(bytes, room);
        return NULL;
    }
    if (bytes)
        *length = used;
    return bytes;
}

void mtls_bytes_free(unsigned char *bytes, size_t length)
{
    if (bytes)
        explicit_bzero(bytes, length);
    free(bytes);
}
