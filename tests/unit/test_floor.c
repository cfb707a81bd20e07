/*
 * test_floor.c - what no policy and no agent can lift: each rule in a test in which it alone is broken.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/floor.h"

#include "proto/term.h"
#include "tests/unit/keeper_fixture.h"
#include "tests/unit/unit.h"

static const int64_t now = 1800000000;
static struct floor the_floor;
static struct grant the_grant;
static struct public_key authority_key;
static struct floor_authority authority;
static struct floor_times times;
static struct failure failure;

static void begin(void)
{
    static const char *const sans[] = {"DNS:alice.example.com", "email:alice@example.com"};
    floor_default(&the_floor);
    authority_key = fixture_key("ec:P-256");
    authority = (struct floor_authority){now - 10 * DAY, now + 3650 * DAY, &authority_key};
    fixture_grant(&the_grant, now, sans, 2);
}

static int judge(void)
{
    memset(&failure, 0, sizeof failure);
    return floor_judge(&the_floor, &authority, &the_grant, now, &times, &failure);
}

static void refused(const char *field, const char *word)
{
    ck_assert_msg(judge() == -1, "not refused: %s %s", field, word);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_str_eq(failure.field, field);
    ck_assert_msg(strstr(failure.reason, word) != NULL, "'%s' says nothing of '%s'", failure.reason, word);
}

START_TEST(an_ordinary_grant_passes_five_minutes_back)
{
    begin();
    ck_assert_msg(judge() == 0, "%s: %s", failure.field, failure.reason);
    ck_assert_int_eq(times.not_before, now - GRANT_BACKDATE);
    ck_assert_int_eq(times.not_after, now + 90 * DAY);
    ck_assert(!times.clamped);
}
END_TEST

START_TEST(a_fresh_ca_signs_nothing_older_than_itself)
{
    begin();
    authority.not_before = now - 10;
    ck_assert_int_eq(judge(), 0);
    ck_assert_int_eq(times.not_before, now - 10);
}
END_TEST

START_TEST(life_has_a_floor)
{
    begin();
    the_grant.not_after = now + 825 * DAY;
    ck_assert_int_eq(judge(), 0);
    the_grant.not_after++;
    refused("life", "825d");
    the_floor.max_life = 90 * DAY;
    the_grant.not_after = now + 91 * DAY;
    refused("life", "91d");
}
END_TEST

/* Else an agent that was taken could take certificates for years to come, each short in itself. */
START_TEST(life_counts_from_now_too)
{
    begin();
    the_grant.not_before = now + 800 * DAY;
    the_grant.not_after = now + 890 * DAY;
    refused("life", "so far from now");
}
END_TEST

START_TEST(times_are_of_this_hour_and_of_this_world)
{
    begin();
    the_grant.not_before = now - FLOOR_PAST_MAX;
    ck_assert_int_eq(judge(), 0);
    the_grant.not_before--;
    refused("notBefore", "an hour before");
    the_grant.not_before = now;
    the_grant.not_after = now;
    refused("notAfter", "past already");
    the_grant.not_after = -1;
    refused("life", "1970");
    the_grant.not_after = INSTANT_MAX + 1;
    refused("life", "9999");
    the_grant.not_after = INT64_MIN;
    refused("life", "9999");
    the_grant.not_after = now + DAY;
    the_grant.not_before = INT64_MAX;
    refused("life", "9999");
}
END_TEST

START_TEST(past_the_end_of_the_ca_is_clamped_and_reported)
{
    begin();
    authority.not_after = now + 30 * DAY;
    ck_assert_int_eq(judge(), 0);
    ck_assert(times.clamped);
    ck_assert_int_eq(times.not_after, now + 30 * DAY);
}
END_TEST

START_TEST(or_refused_where_init_said_so)
{
    begin();
    authority.not_after = now + 30 * DAY;
    the_floor.refuse_past_end = true;
    refused("notAfter", "past the end of the CA");
}
END_TEST

START_TEST(a_ca_that_has_ended_or_not_begun_signs_nothing)
{
    begin();
    authority.not_after = now;
    refused("notAfter", "ends at");
    authority.not_after = now + 3650 * DAY;
    authority.not_before = now + 91 * DAY;
    refused("notBefore", "begins at");
}
END_TEST

START_TEST(eku_is_within_what_init_allowed)
{
    begin();
    snprintf(the_grant.eku[0], GRANT_OID_SIZE, "1.3.6.1.5.5.7.3.9"); /* OCSPSigning */
    refused("eku", "1.3.6.1.5.5.7.3.9");
    ck_assert_int_eq(floor_allow_eku(&the_floor, "1.3.6.1.5.5.7.3.9", NULL), 0);
    ck_assert_int_eq(judge(), 0);
    snprintf(the_grant.eku[0], GRANT_OID_SIZE, "2.5.29.37.0");
    refused("eku", "2.5.29.37.0");
    snprintf(the_grant.eku[0], GRANT_OID_SIZE, "1.3.6.1.5.5.7.3.2 ");
    refused("eku", "not allowed");
    the_grant.eku_count = 0;
    refused("eku", "every purpose");
    the_grant.eku_count = 2;
    snprintf(the_grant.eku[0], GRANT_OID_SIZE, "%s", CLIENT_AUTH);
    snprintf(the_grant.eku[1], GRANT_OID_SIZE, "%s", CLIENT_AUTH);
    refused("eku", "twice");
}
END_TEST

START_TEST(init_allows_no_nonsense)
{
    static const char *const bad[] = {"",       "1",           "1.2",    "1..2.3", "3.1.2",
                                      "1.40.1", "1.2.3.",      ".1.2.3", "1.2.03", "1.2.3456789012",
                                      "x",      "2.5.29.37.0", "1.2.3 "};
    floor_default(&the_floor);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(floor_allow_eku(&the_floor, bad[i], &failure) == -1, "%s", bad[i]);
        ck_assert_str_eq(failure.field, "allow-eku");
    }
    ck_assert_int_eq(floor_allow_eku(&the_floor, "clientauth", &failure), 0);
    ck_assert_uint_eq(the_floor.eku_count, 3);
    ck_assert_int_eq(floor_permit_dns(&the_floor, "*.example.com", &failure), -1);
    ck_assert_int_eq(floor_permit_dns(&the_floor, "exa mple", &failure), -1);
    ck_assert_str_eq(failure.field, "permit-dns");
}
END_TEST

START_TEST(usage_is_for_leaves)
{
    begin();
    the_grant.usage = 0;
    refused("usage", "digitalSignature");
    for (uint32_t bit = 4; bit; bit <<= 1) { /* no bit but the two: keyCertSign cannot even be said */
        the_grant.usage = GRANT_DIGITAL_SIGNATURE | bit;
        refused("usage", "digitalSignature");
    }
    the_grant.usage = GRANT_DIGITAL_SIGNATURE | GRANT_KEY_ENCIPHERMENT;
    refused("usage", "RSA");
    the_grant.key = fixture_key("rsa:2048");
    ck_assert_int_eq(judge(), 0);
}
END_TEST

START_TEST(no_weak_key_and_not_the_cas_own)
{
    begin();
    the_grant.key.material[10] ^= 1;
    refused("key", "curve");
    the_grant.key = authority_key;
    refused("key", "CA's own");
    the_grant.key = fixture_key("rsa:2048");
    the_grant.key.material[the_grant.key.length - 1] &= 0xfe;
    refused("key", "even");
    the_grant.key = fixture_key("rsa:2048");
    the_grant.key.exponent = 3;
    refused("key", "exponent");
    memset(&the_grant.key, 0, sizeof the_grant.key);
    refused("key", "key is");
    the_grant.key.type.kind = KEY_ED25519;
    the_grant.key.length = 32;
    refused("key", "small order");
}
END_TEST

/* Instead of the first SAN. */
static void rename_san(const char *value)
{
    free(the_grant.names.sans[0].value);
    the_grant.names.sans[0].value = strdup(value);
}

/* Whatever the agent says it parsed is parsed again. */
START_TEST(names_are_parsed_again)
{
    begin();
    rename_san("exa mple.com");
    refused("sans", "exa mple");
    rename_san("ALICE.example.com");
    refused("sans", "canonical");
    rename_san("a_b.example.com");
    refused("sans", "a_b");
    rename_san("alice.example.com");
    snprintf(the_grant.names.common_name, COMMON_NAME_SIZE, "ali\nce");
    refused("name", "control");
    snprintf(the_grant.names.common_name, COMMON_NAME_SIZE, "\xff\xfe");
    refused("name", "UTF-8");
    the_grant.names.common_name[0] = '\0';
    ck_assert_int_eq(judge(), 0);
    the_grant.names.count = 0;
    refused("name", "neither");
}
END_TEST

START_TEST(names_stay_within_the_cas_constraints)
{
    begin();
    ck_assert_int_eq(floor_permit_dns(&the_floor, "example.com", NULL), 0);
    ck_assert_int_eq(judge(), 0);
    static const struct { const char *name; bool inside;
    } names[] = {
        {"example.com", true},
        {"a.b.example.com", true},
        {"*.example.com", true},
        {"notexample.com", false},
        {"example.com.evil.org", false},
        {"example.org", false},
        {"com", false},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        rename_san(names[i].name);
        if (names[i].inside)
            ck_assert_msg(judge() == 0, "%s", names[i].name);
        else
            refused("sans", "name constraints");
    }
    /* without a DNS SAN, a CN that looks like a host is taken for one by verifiers */
    rename_san("alice@example.com");
    the_grant.names.sans[0].type = SAN_EMAIL;
    ck_assert_int_eq(judge(), 0);
    snprintf(the_grant.names.common_name, COMMON_NAME_SIZE, "www.evil.org");
    refused("name", "name constraints");
}
END_TEST

START_TEST(a_damaged_floor_is_no_floor)
{
    uint8_t bytes[FLOOR_ENCODED_MAX];
    struct floor out;
    floor_default(&the_floor);
    long length = floor_write(&the_floor, bytes);
    ck_assert_int_gt(length, 0);
    ck_assert_int_eq(floor_read(bytes, (size_t)length, &out), 0);
    for (long cut = 0; cut < length; cut++)
        ck_assert_int_eq(floor_read(bytes, (size_t)cut, &out), -1);
    memset(bytes, 0, 8); /* no life at all */
    ck_assert_int_eq(floor_read(bytes, (size_t)length, &out), -1);
}
END_TEST

UNIT_MAIN("floor", an_ordinary_grant_passes_five_minutes_back, a_fresh_ca_signs_nothing_older_than_itself,
          life_has_a_floor, life_counts_from_now_too, times_are_of_this_hour_and_of_this_world,
          past_the_end_of_the_ca_is_clamped_and_reported, or_refused_where_init_said_so,
          a_ca_that_has_ended_or_not_begun_signs_nothing, eku_is_within_what_init_allowed, init_allows_no_nonsense,
          usage_is_for_leaves, no_weak_key_and_not_the_cas_own, names_are_parsed_again,
          names_stay_within_the_cas_constraints, a_damaged_floor_is_no_floor)
