/*
 * test_plan.c - from a wish and a profile to a grant: names, times, purposes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "agent/ca/plan.h"
#include "proto/term.h"
#include "tests/unit/unit.h"

enum { DAY = 86400 };
#define NOW INT64_C(1800000000)

static struct config_profile profile;
static struct public_key key;
static struct certificate_wish wish;
static struct grant grant;
static struct failure failure;
static bool clamped;

static void begin(const char *name)
{
    profile = (struct config_profile){.name = (char *)"client", .eku = (char *)"clientAuth", .life = 90 * DAY, .max_life = 365 * DAY};
    key = (struct public_key){.type = {KEY_EC_P256, 0}, .length = 65, .material = {4}};
    wish = (struct certificate_wish){.name = name, .key = &key, .profile = &profile, .now = NOW, .authority_not_after = NOW + 3650 * DAY};
}

static void planned(void)
{
    ck_assert_msg(certificate_plan(&wish, &grant, &clamped, &failure) == 0, "%s", failure.reason);
}

static void refused(const char *field, const char *why)
{
    struct grant before = {.not_before = 42};
    ck_assert_msg(certificate_plan(&wish, &before, &clamped, &failure) == -1, "planned, but expected: %s", why);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_str_eq(failure.field, field);
    ck_assert_msg(strstr(failure.reason, why) != NULL, "'%s' does not say '%s'", failure.reason, why);
    ck_assert_int_eq(before.not_before, 42); /* untouched */
}

/* Exactly these SANs, as "DNS:a email:b". */
static void sans_are(const char *expected)
{
    char text[4096] = "";
    for (size_t i = 0; i < grant.names.count; i++) {
        char *san = san_format(&grant.names.sans[i]);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", san);
        free(san);
    }
    ck_assert_str_eq(text, expected);
    grant_clear(&grant);
}

static struct csr csr_with(const char *common_name, const char *san_text)
{
    struct csr csr = {.ignored_count = 0};
    struct san san;
    if (*common_name)
        ck_assert_int_eq(names_set_common_name(&csr.names, common_name, strlen(common_name), "csr", NULL), 0);
    if (san_text) {
        ck_assert_int_eq(san_parse(san_text, &san, NULL), 0);
        ck_assert_int_eq(names_add(&csr.names, &san, NULL), 0);
    }
    return csr;
}

/* --- names ---------------------------------------------------------------------------------------------------- */

START_TEST(a_name_says_by_its_form_which_san_it_is)
{
    static const char *const cases[][2] = {
        {"alice", "DNS:alice"},          {"Host.Example.com", "DNS:host.example.com"}, {"alice@Example.com", "email:alice@example.com"},
        {"192.0.2.1", "IP:192.0.2.1"},   {"2001:DB8::1", "IP:2001:db8::1"},            {"xn--bcher-kva.example", "DNS:xn--bcher-kva.example"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(cases[i][0]);
        planned();
        ck_assert_str_eq(grant.names.common_name, cases[i][0]); /* NAME is the CN as it was typed */
        sans_are(cases[i][1]);
    }
}
END_TEST

START_TEST(a_name_that_says_nothing_is_refused_with_the_line_to_type)
{
    static const char *const cases[] = {"Alice Smith", "alice_1", "\xc3\x89lise", "alice.", "10.0.0.0/8", "alice@", "a b@example.com", "*.example.com",
                                        "-x"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(cases[i]);
        refused("sans", "--san ");
    }
    begin("*.example.com");
    refused("sans", "--san 'DNS:*.example.com'");
}
END_TEST

START_TEST(a_name_that_is_no_name_is_refused)
{
    static const char *const cases[] = {"", " alice", "a\nb", "\xff", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(cases[i]);
        refused("name", "name");
    }
    begin(NULL);
    refused("name", "name");
}
END_TEST

START_TEST(the_callers_sans_come_first_then_the_csrs_then_the_template)
{
    const char *items[] = {"DNS:caller.example", "IP:192.0.2.1", "dns:CALLER.example"};
    struct text_list list = {items, 3}, none = {NULL, 0};
    struct csr csr = csr_with("bob", "DNS:csr.example");
    begin("alice");
    profile.san = (char *)"DNS:%n.template.example";
    wish.sans = &list;
    wish.csr = &csr;
    planned();
    ck_assert_str_eq(grant.names.common_name, "alice");
    sans_are("DNS:caller.example IP:192.0.2.1");
    wish.sans = &none;
    planned();
    ck_assert_str_eq(grant.names.common_name, "alice");
    sans_are("DNS:csr.example");
    wish.sans = NULL;
    planned();
    sans_are("DNS:csr.example");
    wish.name = NULL;
    planned();
    ck_assert_str_eq(grant.names.common_name, "bob");
    sans_are("DNS:csr.example");
    csr_clear(&csr);
    csr = csr_with("bob", NULL); /* what easyrsa gen-req writes */
    planned();
    sans_are("DNS:bob.template.example");
    profile.san = NULL;
    planned();
    sans_are("DNS:bob");
    csr_clear(&csr);
}
END_TEST

START_TEST(a_csr_without_a_name_needs_one)
{
    struct csr csr = csr_with("", "DNS:csr.example");
    begin(NULL);
    wish.csr = &csr;
    refused("name", "--name");
    wish.name = "alice";
    planned();
    sans_are("DNS:csr.example");
    csr_clear(&csr);
}
END_TEST

START_TEST(a_bad_san_of_the_caller_is_named)
{
    const char *items[] = {"DNS:good.example", "DNS:bad_one"};
    struct text_list list = {items, 2};
    begin("alice");
    wish.sans = &list;
    refused("sans", "bad_one");
}
END_TEST

START_TEST(a_template_takes_the_name)
{
    static const char *const cases[][3] = {
        {"DNS:%n.clients.example.com", "alice", "DNS:alice.clients.example.com"},
        {"email:%n@example.com", "alice", "email:alice@example.com"},
        {"URI:spiffe://example.org/user/%n", "alice smith", "URI:spiffe://example.org/user/alice%20smith"},
        {"URI:spiffe://example.org/user/%n", "a/../b?c#d", "URI:spiffe://example.org/user/a%2F..%2Fb%3Fc%23d"},
        {"uri:urn:%n:%n", "\xc3\xa9", "URI:urn:%C3%A9:%C3%A9"},
        {"DNS:fixed.example", "Alice Smith", "DNS:fixed.example"},
        {"IP:%n", "192.0.2.7", "IP:192.0.2.7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(cases[i][1]);
        profile.san = (char *)(uintptr_t)cases[i][0];
        planned();
        sans_are(cases[i][2]);
    }
}
END_TEST

START_TEST(a_template_cannot_be_broken_out_of)
{
    static const char *const cases[][2] = {
        {"email:%n@example.com", "mallory@evil.example"}, {"DNS:%n.clients.example.com", "a b"}, {"DNS:%n.clients.example.com", "*x"},
        {"URI:https://%n.example.com/", "evil.example/"}, {"URI:https://%n.example.com/", "evil.example:1"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(cases[i][1]);
        profile.san = (char *)(uintptr_t)cases[i][0];
        refused("sans", "--san TYPE:VALUE");
    }
}
END_TEST

START_TEST(renewal_takes_exactly_the_names_there_were)
{
    struct csr old = csr_with("Alice Smith", "email:alice@example.com"), other = csr_with("mallory", "DNS:evil.example");
    const char *items[] = {"DNS:other.example"};
    struct text_list list = {items, 1};
    begin("mallory");
    wish.renewed = &old.names;
    wish.csr = &other;
    wish.sans = &list;
    planned();
    ck_assert_str_eq(grant.names.common_name, "Alice Smith");
    sans_are("email:alice@example.com");
    csr_clear(&old);
    csr_clear(&other);
    struct names bare = {.common_name = "alice"};
    wish.renewed = &bare;
    refused("sans", "no SAN"); /* a SAN always */
}
END_TEST

START_TEST(names_fit_one_packet_to_the_keeper)
{
    static char texts[40][SAN_VALUE_MAX + 1];
    const char *items[40];
    for (int i = 0; i < 40; i++) {
        memset(texts[i], 'a', 500);
        memcpy(texts[i], "URI:urn:x", 9);
        snprintf(texts[i] + 490, 10, "%d", i);
        items[i] = texts[i];
    }
    struct text_list list = {items, 40};
    begin("alice");
    wish.sans = &list;
    refused("sans", "at most 12288");
    list.count = 24;
    planned();
    struct keeper_packet packet = {.type = KEEPER_GRANT, .id = 1, .u.grant = grant};
    static uint8_t out[GRANT_PACKET_MAX];
    ck_assert_int_gt(keeper_packet_write(&packet, out), 0);
    grant_clear(&grant);
    const char *many[NAMES_MAX + 1];
    static char dns[NAMES_MAX + 1][32];
    for (int i = 0; i <= NAMES_MAX; i++) {
        snprintf(dns[i], sizeof dns[i], "DNS:h%d.example", i);
        many[i] = dns[i];
    }
    list = (struct text_list){many, NAMES_MAX + 1};
    refused("sans", "at most 100");
    list.count = NAMES_MAX;
    planned();
    ck_assert_uint_eq(grant.names.count, NAMES_MAX);
    grant_clear(&grant);
}
END_TEST

/* --- times ------------------------------------------------------------------------------------------------------ */

START_TEST(life_is_the_callers_else_the_profiles)
{
    begin("alice");
    planned();
    ck_assert_int_eq(grant.not_before, NOW);
    ck_assert_int_eq(grant.not_after, NOW + 90 * DAY);
    ck_assert(!clamped);
    grant_clear(&grant);
    wish.life = 12 * 3600;
    planned();
    ck_assert_int_eq(grant.not_after, NOW + 12 * 3600);
    grant_clear(&grant);
}
END_TEST

START_TEST(life_has_a_limit)
{
    begin("alice");
    wish.life = 365 * DAY;
    planned();
    grant_clear(&grant);
    wish.life = 365 * DAY + 1;
    refused("life", "at most 365d");
    profile.max_life = 0; /* the keeper's floor alone */
    planned();
    grant_clear(&grant);
    wish.life = -1;
    refused("life", "at least one second");
    wish.life = INT64_MAX;
    refused("life", "36600d");
    wish.life = INT64_MIN;
    refused("life", "at least one second");
    profile.life = wish.life = 0;
    refused("life", "at least one second");
}
END_TEST

START_TEST(past_the_end_of_the_ca_it_is_clamped_and_said)
{
    begin("alice");
    wish.authority_not_after = NOW + 10 * DAY;
    planned();
    ck_assert(clamped);
    ck_assert_int_eq(grant.not_after, NOW + 10 * DAY);
    grant_clear(&grant);
    wish.authority_not_after = NOW + 90 * DAY;
    planned();
    ck_assert(!clamped);
    grant_clear(&grant);
    wish.authority_not_after = NOW;
    ck_assert_int_eq(certificate_plan(&wish, &grant, &clamped, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_CONFLICT);
}
END_TEST

START_TEST(dates_beyond_2049_and_up_to_9999)
{
    begin("alice");
    profile.max_life = 0;
    wish.now = INT64_C(2524607999); /* the last second of 2049 */
    wish.authority_not_after = INSTANT_MAX;
    planned();
    ck_assert_int_eq(grant.not_after, wish.now + 90 * DAY);
    grant_clear(&grant);
    wish.now = INSTANT_MAX - DAY;
    planned();
    ck_assert_int_eq(grant.not_after, INSTANT_MAX);
    ck_assert(clamped);
    grant_clear(&grant);
    wish.now = -1;
    ck_assert_int_eq(certificate_plan(&wish, &grant, &clamped, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_INTERNAL);
}
END_TEST

/* --- purposes ----------------------------------------------------------------------------------------------------- */

START_TEST(purposes_become_oids)
{
    begin("alice");
    profile.eku = (char *)"clientAuth, serverAuth,emailProtection 1.3.6.1.4.1.311.20.2.2";
    planned();
    static const char *const oids[] = {"1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.4", "1.3.6.1.4.1.311.20.2.2"};
    ck_assert_uint_eq(grant.eku_count, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(grant.eku[i], oids[i]);
    grant_clear(&grant);
    static const char *const bad[] = {"", " , ", "clientauth", "clientAuth;serverAuth", "codeSigning", "1.2.x",
                                      "1.1,1.2,1.3,1.4,1.5,1.6,1.7,1.8,1.9",
                                      "1.2.3333333333333333333333333333333333333333333333333333333333333333333333333"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        profile.eku = (char *)(uintptr_t)bad[i];
        refused("profile", "profile client");
    }
    profile.eku = NULL;
    refused("profile", "no purpose");
}
END_TEST

START_TEST(key_encipherment_only_for_an_rsa_server)
{
    static const struct { enum key_kind kind; const char *eku; uint32_t usage; } cases[] = {
        {KEY_EC_P256, "clientAuth", GRANT_DIGITAL_SIGNATURE}, {KEY_EC_P256, "serverAuth", GRANT_DIGITAL_SIGNATURE},
        {KEY_RSA, "clientAuth", GRANT_DIGITAL_SIGNATURE},     {KEY_RSA, "clientAuth,serverAuth", GRANT_DIGITAL_SIGNATURE | GRANT_KEY_ENCIPHERMENT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin("alice");
        key.type.kind = cases[i].kind;
        profile.eku = (char *)(uintptr_t)cases[i].eku;
        planned();
        ck_assert_uint_eq(grant.usage, cases[i].usage);
        ck_assert_mem_eq(&grant.key, &key, sizeof key);
        grant_clear(&grant);
    }
}
END_TEST

UNIT_MAIN("plan", a_name_says_by_its_form_which_san_it_is, a_name_that_says_nothing_is_refused_with_the_line_to_type,
          a_name_that_is_no_name_is_refused, the_callers_sans_come_first_then_the_csrs_then_the_template, a_csr_without_a_name_needs_one,
          a_bad_san_of_the_caller_is_named, a_template_takes_the_name, a_template_cannot_be_broken_out_of,
          renewal_takes_exactly_the_names_there_were, names_fit_one_packet_to_the_keeper, life_is_the_callers_else_the_profiles,
          life_has_a_limit, past_the_end_of_the_ca_it_is_clamped_and_said, dates_beyond_2049_and_up_to_9999, purposes_become_oids,
          key_encipherment_only_for_an_rsa_server)
