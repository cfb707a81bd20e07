/*
 * serial.h - certificate serial numbers (RFC 5280 section 4.1.2.2): positive, at most 20 bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_PROTO_X509_SERIAL_H
#define MTLSD_PROTO_X509_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SERIAL_MAX = 20, SERIAL_TEXT_SIZE = 2 * SERIAL_MAX + 1 };

struct serial {
    uint8_t length; /* 1..SERIAL_MAX; 0 is "no serial" */
    uint8_t bytes[SERIAL_MAX]; /* big-endian, no leading zero byte (the DER sign byte is not part of it) */
};

/* Hex in either case, with or without colons between bytes, leading zeros allowed. 0, or -1 where it is no serial. */
int serial_parse(const char *text, struct serial *out);
/* Lower-case hex, two digits a byte, no colons. */
void serial_format(const struct serial *serial, char out[static SERIAL_TEXT_SIZE]);
bool serial_equal(const struct serial *a, const struct serial *b);

#endif
