/*
 * serial.c - serial numbers as text and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/x509/serial.h"

#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Shift one hex digit in from the right; false where the number would need more than SERIAL_MAX bytes. */
static bool shift_in(uint8_t bytes[static SERIAL_MAX], int digit)
{
    if (bytes[0] >> 4)
        return false;
    for (size_t i = 0; i + 1 < SERIAL_MAX; i++)
        bytes[i] = (uint8_t)(bytes[i] << 4 | bytes[i + 1] >> 4);
    bytes[SERIAL_MAX - 1] = (uint8_t)(bytes[SERIAL_MAX - 1] << 4 | digit);
    return true;
}

int serial_parse(const char *text, struct serial *out)
{
    if (!text)
        return -1;
    uint8_t bytes[SERIAL_MAX] = {0};
    bool colons = strchr(text, ':') != NULL;
    size_t group = 0, groups = 0; /* digits since the last colon; colons seen */
    for (; *text; text++) {
        if (*text == ':') {
            /* A colon stands between bytes: only the first group may be short ("1:02"). */
            if (group == 0 || (groups && group != 2))
                return -1;
            groups++;
            group = 0;
            continue;
        }
        int digit = hex_value(*text);
        if (digit < 0 || (colons && group == 2) || !shift_in(bytes, digit))
            return -1;
        group++;
    }
    if (group == 0 || (groups && group != 2))
        return -1;
    size_t zeros = 0;
    while (zeros < SERIAL_MAX && bytes[zeros] == 0)
        zeros++;
    if (zeros == SERIAL_MAX)
        return -1; /* RFC 5280 section 4.1.2.2: positive */
    memset(out, 0, sizeof *out);
    out->length = (uint8_t)(SERIAL_MAX - zeros);
    memcpy(out->bytes, bytes + zeros, out->length);
    return 0;
}

void serial_format(const struct serial *serial, char out[static SERIAL_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    size_t length = serial->length <= SERIAL_MAX ? serial->length : SERIAL_MAX;
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[serial->bytes[i] >> 4];
        out[2 * i + 1] = digits[serial->bytes[i] & 15];
    }
    out[2 * length] = '\0';
}

bool serial_equal(const struct serial *a, const struct serial *b)
{
    return a->length == b->length && a->length <= SERIAL_MAX && !memcmp(a->bytes, b->bytes, a->length);
}
