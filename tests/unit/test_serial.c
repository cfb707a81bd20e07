/*
 * test_serial.c - serial numbers as text and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "proto/x509/serial.h"
#include "tests/unit/unit.h"

static const char *round_trip(const char *text)
{
    static char out[SERIAL_TEXT_SIZE];
    struct serial serial;
    if (serial_parse(text, &serial))
        return "refused";
    serial_format(&serial, out);
    return out;
}

START_TEST(accepts_what_openssl_and_people_write)
{
    static const char *const cases[][2] = {
        {"01", "01"}, {"1", "01"}, {"0A0b", "0a0b"}, {"a0B", "0a0b"}, {"0a:0B", "0a0b"}, {"A:0b", "0a0b"},
        {"00:ff", "ff"}, {"0000000000ff", "ff"},
        {"00:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff", "ffffffffffffffffffffffffffffffffffffffff"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_str_eq(round_trip(cases[i][0]), cases[i][1]);
}
END_TEST

START_TEST(refuses_what_is_no_serial)
{
    static const char *const cases[] = {
        "", "0", "00", "00:00", ":", "1:", ":1", "1::2", "01:2", "01:02:3", "010:02", "0102:03", "g", "0x10", "-1", "+1", " 1", "1 ", "1\n",
        "10000000000000000000000000000000000000000",           /* 41 digits */
        "01:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00", /* 21 bytes */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(!strcmp(round_trip(cases[i]), "refused"), "accepted '%s'", cases[i]);
    struct serial serial;
    ck_assert_int_eq(serial_parse(NULL, &serial), -1);
}
END_TEST

START_TEST(a_refused_text_leaves_the_serial_alone)
{
    struct serial serial = {.length = 1, .bytes = {7}};
    ck_assert_int_eq(serial_parse("zz", &serial), -1);
    ck_assert_int_eq(serial.length, 1);
    ck_assert_int_eq(serial.bytes[0], 7);
}
END_TEST

START_TEST(equal_means_the_same_number)
{
    struct serial a, b, c, none = {.length = 0};
    ck_assert_int_eq(serial_parse("00:12:34", &a) | serial_parse("1234", &b) | serial_parse("123400", &c), 0);
    ck_assert(serial_equal(&a, &b));
    ck_assert(!serial_equal(&a, &c));
    ck_assert(!serial_equal(&a, &none));
}
END_TEST

UNIT_MAIN("serial", accepts_what_openssl_and_people_write, refuses_what_is_no_serial, a_refused_text_leaves_the_serial_alone,
          equal_means_the_same_number)
