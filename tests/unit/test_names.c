/*
 * test_names.c - the CN and the SANs: every odd kind that somebody has ever put into a certificate.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "proto/x509/names.h"
#include "tests/unit/unit.h"

static void accepts(const char *text, const char *canonical)
{
    struct failure failure;
    struct san san;
    ck_assert_msg(san_parse(text, &san, &failure) == 0, "%s", failure.reason);
    char *formatted = san_format(&san);
    ck_assert_str_eq(formatted, canonical);
    free(formatted);
    san_clear(&san);
}

/* Refused, with `why` in the sentence. */
static void refuses(const char *text, const char *why)
{
    struct failure failure;
    struct san san = {.value = NULL};
    ck_assert_msg(san_parse(text, &san, &failure) == -1, "accepted %s", text);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_str_eq(failure.field, "sans");
    ck_assert_msg(strstr(failure.reason, why) != NULL, "'%s' does not say '%s'", failure.reason, why);
    ck_assert_ptr_null(san.value);
}

static char *repeat(const char *part, size_t times, const char *end)
{
    char *text = calloc(strlen(part) * times + strlen(end) + 1, 1), *out = text;
    for (size_t i = 0; i < times; i++)
        out = stpcpy(out, part);
    memcpy(out, end, strlen(end));
    return text;
}

START_TEST(dns_names_are_ldh_labels_in_lower_case)
{
    accepts("DNS:host.example.com", "DNS:host.example.com");
    accepts("dns:HOST.Example.COM", "DNS:host.example.com");
    accepts("DNS:alice", "DNS:alice");
    accepts("DNS:1host.2example", "DNS:1host.2example");
    accepts("DNS:xn--bcher-kva.example", "DNS:xn--bcher-kva.example");
    accepts("DNS:*.clients.example.com", "DNS:*.clients.example.com");
    refuses("DNS:", "empty");
    refuses("DNS:host_1.example.com", "'_'");
    refuses("DNS:host..example.com", "empty label");
    refuses("DNS:.example.com", "empty label");
    refuses("DNS:example.com.", "dot at the end");
    refuses("DNS:.", "empty label");
    refuses("DNS:-a.example", "hyphen");
    refuses("DNS:a-.example", "hyphen");
    refuses("DNS:a b.example", "not allowed in a host name");
    refuses("DNS:host:80", "not allowed in a host name");
    refuses("DNS:192.0.2.1", "IP:");
    refuses("DNS:::1", "IP:");
}
END_TEST

START_TEST(an_internationalised_name_is_refused_with_the_way_out)
{
    refuses("DNS:b\xc3\xbc" "cher.example", "xn--");
    refuses("email:alice@b\xc3\xbc" "cher.example", "xn--");
    refuses("URI:https://b\xc3\xbc" "cher.example/", "xn--");
    refuses("DNS:b\xfc" "cher.example", "not UTF-8");
}
END_TEST

START_TEST(a_wildcard_is_the_whole_first_label_or_nothing)
{
    static const char *const cases[] = {"DNS:*", "DNS:*a.example.com", "DNS:a*.example.com", "DNS:a.*.example.com", "DNS:**.example.com",
                                        "DNS:*.*.example.com", "DNS:example.*", "email:alice@*.example.com", "URI:https://*.example.com/"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refuses(cases[i], "wildcard");
    refuses("DNS:*.", "dot at the end");
    refuses("IP:*", "IPv4 or IPv6");
}
END_TEST

START_TEST(dns_names_and_labels_have_a_length)
{
    char *label = repeat("a", 63, ""), *too_long = repeat("a", 64, ""), text[1200];
    snprintf(text, sizeof text, "DNS:%s.example", label);
    accepts(text, text);
    snprintf(text, sizeof text, "DNS:%s.example", too_long);
    refuses(text, "63");
    char *most = repeat("a.", 126, "a"), *more = repeat("a.", 127, "a"), *huge = repeat("a", 5000, "");
    ck_assert_uint_eq(strlen(most), 253);
    snprintf(text, sizeof text, "DNS:%s", most);
    accepts(text, text);
    snprintf(text, sizeof text, "DNS:%s", more);
    refuses(text, "253");
    snprintf(text, sizeof text, "DNS:*.%s", most);
    refuses(text, "253");
    struct failure failure;
    struct san san;
    ck_assert_int_eq(san_from_value(SAN_DNS, huge, strlen(huge), &san, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "1024"));
    free(label), free(too_long), free(most), free(more), free(huge);
}
END_TEST

START_TEST(nul_and_newline_are_refused_by_name)
{
    static const struct { const char *value; size_t length; const char *why; } cases[] = {
        {"a.example\0.evil.example", 22, "NUL"}, {"a.example\n", 10, "line break"}, {"a\r.example", 10, "line break"},
        {"a.example\x7f", 10, "control"}, {"a\x1b[31m.example", 14, "control"}, {"\0", 1, "NUL"},
    };
    for (enum san_type type = 0; type < SAN_TYPES; type++)
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            struct failure failure;
            struct san san;
            ck_assert_int_eq(san_from_value(type, cases[i].value, cases[i].length, &san, &failure), -1);
            ck_assert_msg(strstr(failure.reason, cases[i].why) != NULL, "%s", failure.reason);
        }
}
END_TEST

START_TEST(mailboxes_are_ascii_without_quoting)
{
    accepts("email:Alice.O'Neil+vpn@Example.COM", "email:Alice.O'Neil+vpn@example.com");
    accepts("EMAIL:a@b", "email:a@b");
    refuses("email:alice", "'@'");
    refuses("email:@example.com", "1 to 64");
    refuses("email:alice@", "empty");
    refuses("email:alice@@example.com", "not allowed in a host name");
    refuses("email:\"alice@evil.example\"@example.com", "quoted");
    refuses("email:\"alice\"@example.com", "quoted");
    refuses("email:alice..b@example.com", "dot");
    refuses("email:.alice@example.com", "dot");
    refuses("email:alice.@example.com", "dot");
    refuses("email:alice b@example.com", "not allowed there");
    refuses("email:<alice@example.com>", "not allowed there");
    refuses("email:alice@[192.0.2.1]", "brackets");
    refuses("email:alice@example.com.", "dot at the end");
    refuses("email:\xc3\xa9lise@example.com", "ASCII");
    char *local = repeat("a", 65, "@example.com"), text[200];
    snprintf(text, sizeof text, "email:%s", local);
    refuses(text, "64");
    free(local);
}
END_TEST

START_TEST(uris_are_absolute_with_scheme_and_host_in_lower_case)
{
    accepts("URI:HTTPS://Host.Example.COM:8443/Path?q=%41#f", "URI:https://host.example.com:8443/Path?q=%41#f");
    accepts("uri:spiffe://example.org/ns/a/sa/b", "URI:spiffe://example.org/ns/a/sa/b");
    accepts("URI:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "URI:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    accepts("URI:https://192.0.2.1/", "URI:https://192.0.2.1/");
    accepts("URI:https://[2001:DB8::1]:443/", "URI:https://[2001:db8::1]:443/");
    refuses("URI:/path", "absolute");
    refuses("URI:host.example.com", "absolute");
    refuses("URI:1x:y", "absolute");
    refuses("URI:a_b:y", "scheme");
    refuses("URI:https:", "nothing follows");
    refuses("URI:https:///path", "empty");
    refuses("URI:https://alice@example.com/", "user name");
    refuses("URI:https://host.example.com:80a/", "port");
    refuses("URI:https://[::1/", "brackets");
    refuses("URI:https://[::1]x/", "port");
    refuses("URI:https://[192.0.2.1]/", "brackets");
    refuses("URI:https://example.com/a b", "percent-encode");
    refuses("URI:https://example.com/\"", "percent-encode");
    refuses("URI:https://example.com/%4", "hexadecimal");
    refuses("URI:https://example.com/%zz", "hexadecimal");
    refuses("URI:https://example.com/#a#b", "percent-encode");
    refuses("URI:https://example.com/\xc3\xa9", "percent-encode");
}
END_TEST

START_TEST(addresses_are_one_address)
{
    struct failure failure;
    struct san san;
    accepts("IP:192.0.2.1", "IP:192.0.2.1");
    accepts("IP Address:192.0.2.1", "IP:192.0.2.1");
    accepts("ip:2001:0DB8:0:0:0:0:0:1", "IP:2001:db8::1");
    accepts("IP:::ffff:192.0.2.1", "IP:::ffff:192.0.2.1");
    refuses("IP:192.0.2.0/24", "prefix");
    refuses("IP:192.0.2", "IPv4 or IPv6");
    refuses("IP:192.0.2.256", "IPv4 or IPv6");
    refuses("IP:fe80::1%eth0", "IPv4 or IPv6");
    refuses("IP:[::1]", "IPv4 or IPv6");
    refuses("IP:host.example.com", "IPv4 or IPv6");
    ck_assert_int_eq(san_from_address((const uint8_t *)"\x7f\0\0\1", 4, &san, &failure), 0);
    ck_assert_str_eq(san.value, "127.0.0.1");
    san_clear(&san);
    ck_assert_int_eq(san_from_address((const uint8_t *)"\x7f\0\0\1\xff\0\0\0", 8, &san, &failure), -1); /* a constraint, no name */
    ck_assert_int_eq(san_from_address((const uint8_t *)"", 0, &san, &failure), -1);
}
END_TEST

START_TEST(a_san_without_a_known_type_is_refused_with_the_forms)
{
    refuses("host.example.com", "DNS:");
    refuses("", "DNS:");
    refuses(":x", "DNS:");
    refuses("otherName:1.2.3;UTF8:x", "DNS:");
    refuses("dirName:x", "DNS:");
    refuses("D:x", "DNS:");
    refuses(" DNS:x", "DNS:");
    struct failure failure;
    struct san san;
    ck_assert_int_eq(san_from_value((enum san_type)99, "x", 1, &san, &failure), -1);
}
END_TEST

START_TEST(equality_follows_rfc_5280_section_7)
{
    /* Values as they might stand, not yet made canonical. */
    static const struct { enum san_type type_a; const char *a; enum san_type type_b; const char *b; bool equal; } cases[] = {
        {SAN_DNS, "a.example", SAN_DNS, "A.EXAMPLE", true},     {SAN_DNS, "a.example", SAN_URI, "a.example", false},
        {SAN_EMAIL, "Al@Example", SAN_EMAIL, "Al@example", true}, {SAN_EMAIL, "Al@example", SAN_EMAIL, "al@example", false},
        {SAN_EMAIL, "a@b.example", SAN_EMAIL, "aa@b.example", false}, {SAN_EMAIL, "a@b.example", SAN_EMAIL, "b@b.example", false},
        {SAN_URI, "https://h/A", SAN_URI, "https://h/a", false}, {SAN_URI, "https://h/a", SAN_URI, "https://h/a", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct san a = {.type = cases[i].type_a, .value = strdup(cases[i].a)}, b = {.type = cases[i].type_b, .value = strdup(cases[i].b)};
        ck_assert_int_eq(san_equal(&a, &b), cases[i].equal);
        san_clear(&a);
        san_clear(&b);
    }
    struct san four = {.type = SAN_IP, .address = {1, 2, 3, 4}, .address_length = 4}, sixteen = four, other = four;
    sixteen.address_length = 16;
    other.address[3] = 5;
    ck_assert(san_equal(&four, &four));
    ck_assert(!san_equal(&four, &sixteen));
    ck_assert(!san_equal(&four, &other));
}
END_TEST

START_TEST(a_set_takes_a_hundred_names_and_drops_duplicates)
{
    struct names names = {.count = 0};
    struct failure failure;
    struct san san;
    char text[64];
    for (int i = 0; i < 2 * NAMES_MAX; i++) {
        snprintf(text, sizeof text, "DNS:%s%d.example", i % 2 ? "H" : "h", i / 2);
        ck_assert_int_eq(san_parse(text, &san, &failure), 0);
        ck_assert_int_eq(names_add(&names, &san, &failure), 0);
        ck_assert_ptr_null(san.value);
    }
    ck_assert_uint_eq(names.count, NAMES_MAX);
    ck_assert_int_eq(san_parse("DNS:one-more.example", &san, &failure), 0);
    ck_assert_int_eq(names_add(&names, &san, &failure), -1);
    ck_assert_ptr_null(san.value);
    ck_assert_ptr_nonnull(strstr(failure.reason, "100"));
    ck_assert_str_eq(failure.field, "sans");
    struct names copy;
    ck_assert_int_eq(names_copy(&names, &copy), 0);
    names_clear(&names);
    ck_assert_uint_eq(copy.count, NAMES_MAX);
    ck_assert_str_eq(copy.sans[NAMES_MAX - 1].value, "h99.example");
    ck_assert_int_eq(san_parse("DNS:h7.example", &san, &failure), 0);
    ck_assert(names_have(&copy, &san));
    san_clear(&san);
    names_clear(&copy);
    names_clear(&copy); /* twice does no harm */
    ck_assert_uint_eq(copy.count, 0);
}
END_TEST

static void common_name(const char *text, size_t length, const char *why)
{
    struct names names = {.common_name = "before"};
    struct failure failure;
    int result = names_set_common_name(&names, text, length, "name", &failure);
    if (!why) {
        ck_assert_msg(result == 0, "%s", failure.reason);
        ck_assert_str_eq(names.common_name, text);
        return;
    }
    ck_assert_msg(result == -1, "accepted '%s'", text);
    ck_assert_msg(strstr(failure.reason, why) != NULL, "'%s' does not say '%s'", failure.reason, why);
    ck_assert_str_eq(failure.field, "name");
    ck_assert_str_eq(names.common_name, "before");
}

START_TEST(a_common_name_has_1_to_64_characters)
{
    char *most = repeat("\xf0\x9f\x94\x91", COMMON_NAME_MAX, ""), *more = repeat("a", COMMON_NAME_MAX + 1, "");
    common_name("Alice Smith", 11, NULL);
    common_name("\xc3\x89lise", 6, NULL);
    common_name(most, strlen(most), NULL); /* 256 bytes */
    common_name(more, strlen(more), "64 characters");
    common_name("", 0, "empty");
    free(most), free(more);
}
END_TEST

START_TEST(a_common_name_shows_all_that_it_is)
{
    common_name("a\0b", 3, "control");
    common_name("a\nb", 3, "control");
    common_name("a\x7f", 2, "control");
    common_name("a\xc2\x85", 3, "control");          /* next line, C1 */
    common_name("a\xe2\x80\xae" "b", 5, "control");  /* right-to-left override */
    common_name("a\xe2\x80\xa8" "b", 5, "control");  /* line separator */
    common_name("\xef\xbb\xbf" "a", 4, "control");   /* byte order mark */
    common_name(" a", 2, "blank");
    common_name("a ", 2, "blank");
    common_name("a\xc2\xa0", 3, "blank");            /* no-break space */
}
END_TEST

START_TEST(a_common_name_is_strict_utf8)
{
    static const char *const cases[] = {"\xff", "\x80", "a\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\xaf",
                                        "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xe2\x28\xa1"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        common_name(cases[i], strlen(cases[i]), "UTF-8");
        ck_assert(!text_is_clean(cases[i], strlen(cases[i])));
    }
    ck_assert(text_is_clean("\xc3\xa9 \xf0\x9f\x94\x91", 7));
    ck_assert(!text_is_clean("a\tb", 3));
}
END_TEST

UNIT_MAIN("names", dns_names_are_ldh_labels_in_lower_case, an_internationalised_name_is_refused_with_the_way_out,
          a_wildcard_is_the_whole_first_label_or_nothing, dns_names_and_labels_have_a_length, nul_and_newline_are_refused_by_name,
          mailboxes_are_ascii_without_quoting, uris_are_absolute_with_scheme_and_host_in_lower_case, addresses_are_one_address,
          a_san_without_a_known_type_is_refused_with_the_forms, equality_follows_rfc_5280_section_7,
          a_set_takes_a_hundred_names_and_drops_duplicates, a_common_name_has_1_to_64_characters, a_common_name_shows_all_that_it_is,
          a_common_name_is_strict_utf8)
