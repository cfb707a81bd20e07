/*
 * test_policy_modules.c - each policy module by itself: what it lets through, and which arguments it refuses.
 * (`name` has test_policy_name.c.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <grp.h>
#include <pwd.h>
#include <time.h>

#include "tests/unit/policy_help.h"

START_TEST(test_permit_and_deny)
{
    struct asked a;
    ask(&a, POLICY_ADMIN);
    ck_assert(line_allows("permit", &a));
    ck_assert(!line_allows("deny", &a));
    line_refused("admin", "permit uid=0",
                 "policy.d/default:1:23: found 'uid=0', expected the end of the line: permit takes no "
                 "arguments");
    line_refused("admin", "deny all", "deny takes no arguments");
}
END_TEST

/* --- peer --- */

START_TEST(test_peer_by_numbers)
{
    gid_t groups[] = {50, 60};
    struct asked a;
    ask(&a, POLICY_USE);
    a.peer.groups = groups;
    a.peer.group_count = 2;
    ck_assert(line_allows("peer uid=1001", &a));
    ck_assert(!line_allows("peer uid=1000", &a));
    ck_assert(line_allows("peer uid=0,1001", &a));       /* values are alternatives, with a comma */
    ck_assert(line_allows("peer uid=0 uid=1001", &a));   /* or repeated */
    ck_assert(line_allows("peer user=1001", &a));
    ck_assert(line_allows("peer gid=1001", &a));
    ck_assert(!line_allows("peer gid=50", &a));          /* the primary group alone */
    ck_assert(line_allows("peer group=1001", &a));
    ck_assert(line_allows("peer group=7,60", &a));       /* a supplementary one */
    ck_assert(!line_allows("peer group=7", &a));
    ck_assert(line_allows("peer uid=1001 group=60 gid=1001", &a)); /* keys must all hold */
    ck_assert(!line_allows("peer uid=1001 group=61", &a));
    ck_assert(!line_allows("peer uid=1002 group=60", &a));
    detail_is("peer uid=1001 group=61", &a, "the peer, uid 1001, is in no group that group= names");
    a.question.peer = NULL;
    ck_assert(!line_allows("peer uid=0", &a));
    detail_is("peer uid=0", &a, "the peer is unknown");
}
END_TEST

START_TEST(test_peer_by_names_resolved_at_load)
{
    const struct passwd *user = getpwuid(0);
    const struct group *group = getgrgid(0);
    ck_assert_ptr_nonnull(user);
    ck_assert_ptr_nonnull(group);
    char line[256];
    struct asked a;
    ask(&a, POLICY_ISSUE);
    a.peer.uid = 0;
    snprintf(line, sizeof line, "peer user=%s", user->pw_name);
    ck_assert(line_allows(line, &a));
    a.peer.uid = 1;
    ck_assert(!line_allows(line, &a));
    snprintf(line, sizeof line, "peer group=%s", group->gr_name);
    ck_assert(!line_allows(line, &a));
    a.peer.gid = 0;
    ck_assert(line_allows(line, &a));
    line_refused("issue", "peer user=rooot",
                 "policy.d/default:1:21: found user 'rooot', which this host does not know, expected an "
                 "existing user or its number; did you mean 'root'?");
    line_refused("issue", "peer group=no-such-group-anywhere",
                 "found group 'no-such-group-anywhere', which this host does not know");
}
END_TEST

START_TEST(test_peer_by_unit)
{
    struct asked a;
    ask(&a, POLICY_ISSUE);
    ck_assert(!line_allows("peer unit=backup.service", &a)); /* unknown fits nothing */
    detail_is("peer unit=backup.service", &a, "the peer's unit is not known");
    snprintf(a.peer.unit, sizeof a.peer.unit, "backup.service");
    ck_assert(line_allows("peer unit=backup.service", &a));
    ck_assert(line_allows("peer unit=a.service,backup.service uid=1001", &a));
    ck_assert(!line_allows("peer unit=Backup.service", &a));
    detail_is("peer unit=a@b.service", &a, "the peer's unit is backup.service");
    line_refused("issue", "peer unit=backup", "expected the full name of a unit, such as backup.service");
    line_refused("issue", "peer unit=*.service", "expected the full name of a unit");
    line_refused("issue", "peer unit=.service", "expected the full name of a unit");
}
END_TEST

START_TEST(test_peer_bad_arguments)
{
    line_refused("issue", "peer uid=root", "found 'root', expected a number after uid= (names go with user=)");
    line_refused("issue", "peer gid=-1", "expected a number after gid= (names go with group=)");
    line_refused("issue", "peer uid=4294967295", "expected a number"); /* (uid_t)-1 is nobody */
    line_refused("issue", "peer uid=18446744073709551617", "expected a number");
    line_refused("issue", "peer uid=0x0", "expected a number");
    line_refused("issue", "peer uid=0 user=12",
                 "policy.d/default:1:21: found uid= and user= that name different people");
    char many[600] = "peer uid=0";
    for (int i = 1; i < 80; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), ",%d", i);
    line_refused("issue", many, "more than 64 values of uid=");
}
END_TEST

/* --- profile, life, key --- */

START_TEST(test_profile)
{
    struct asked a;
    ask(&a, POLICY_ISSUE);
    ck_assert(line_allows("profile client", &a));
    ck_assert(line_allows("profile server,client", &a));
    ck_assert(line_allows("profile server client", &a));
    ck_assert(!line_allows("profile server person", &a));
    detail_is("profile server", &a, "the profile is client");
    a.question.profile = NULL;
    ck_assert(!line_allows("profile client", &a));
    a.question.profile = "";
    ck_assert(!line_allows("profile client", &a));
    line_refused("issue", "profile", "found no profile, expected one or several, such as client,person");
    line_refused("issue", "profile a/b", "expected the name of a profile");
    line_refused("issue", "profile client,", "found an empty value");
}
END_TEST

START_TEST(test_life)
{
    struct asked a;
    ask(&a, POLICY_ISSUE); /* 90 days */
    ck_assert(line_allows("life max=90d", &a));
    ck_assert(line_allows("life max=7776000s", &a));
    ck_assert(!line_allows("life max=7775999s", &a));
    ck_assert(line_allows("life min=90d", &a));
    ck_assert(!line_allows("life min=91d", &a));
    ck_assert(line_allows("life min=1h max=1000d", &a));
    detail_is("life max=30d", &a, "a life of 90d is longer than 30d");
    detail_is("life min=91d", &a, "a life of 90d is shorter than 91d");
    a.question.life = 0;
    ck_assert(!line_allows("life max=90d", &a));
    a.question.life = -1;
    ck_assert(!line_allows("life max=90d", &a));
    line_refused("issue", "life", "found no term, expected max=, min= or both, such as max=90d");
    line_refused("issue", "life 90d", "expected key=value, the key being max or min");
    line_refused("issue", "life max=90", "expected a term: a number with s, m, h or d, such as 90d");
    line_refused("issue", "life max=0d", "expected a term");
    line_refused("issue", "life max=1d max=2d", "found a second max=, expected one");
    line_refused("issue", "life max=1d,2d", "found a second max=, expected one");
    line_refused("issue", "life max=1d min=2d", "found a min= longer than max=");
}
END_TEST

START_TEST(test_key)
{
    struct asked a;
    ask(&a, POLICY_ISSUE);
    ck_assert(line_allows("key type=ec:P-256", &a));
    ck_assert(!line_allows("key type=ec:P-384,ed25519", &a));
    a.question.key = (struct key_type){KEY_RSA, 3072};
    ck_assert(line_allows("key type=rsa:3072", &a));
    ck_assert(!line_allows("key type=rsa:4096", &a));
    ck_assert(line_allows("key type=ed25519 min-rsa=3072", &a));
    ck_assert(!line_allows("key type=ed25519 min-rsa=3073", &a));
    ck_assert(!line_allows("key type=ed25519", &a));
    detail_is("key type=ed25519", &a, "the key is rsa:3072");
    a.question.key = (struct key_type){KEY_NONE, 0};
    ck_assert(!line_allows("key type=ec:P-256 min-rsa=2048", &a));
    line_refused("issue", "key", "found no argument, expected type=");
    line_refused("issue", "key type=ec:p256", "found key type 'ec:p256', expected ec:P-256");
    line_refused("issue", "key type=ed2551", "did you mean 'ed25519'?");
    line_refused("issue", "key min-rsa=3072",
                 "found min-rsa= alone, which would refuse every key that is not RSA");
    line_refused("issue", "key type=ed25519 min-rsa=1024", "expected a number of bits, 2048 or more");
    line_refused("issue", "key type=ed25519 min-rsa=2048,3072", "found a second min-rsa=");
}
END_TEST

/* --- hours --- */

static bool open_at(const char *line, const char *when)
{
    struct tm clock = {0};
    struct asked a;
    ck_assert_ptr_nonnull(strptime(when, "%Y-%m-%d %H:%M:%S", &clock));
    ask(&a, POLICY_VERIFY);
    a.question.now = timegm(&clock);
    return line_allows(line, &a);
}

START_TEST(test_hours)
{
    const char *office = "hours mon-fri 08:00-18:00 utc"; /* 2026-01-01 is a Thursday */
    ck_assert(!open_at(office, "2026-01-01 07:59:59"));
    ck_assert(open_at(office, "2026-01-01 08:00:00"));
    ck_assert(open_at(office, "2026-01-01 17:59:59"));
    ck_assert(!open_at(office, "2026-01-01 18:00:00"));
    ck_assert(open_at(office, "2026-01-02 12:00:00"));
    ck_assert(!open_at(office, "2026-01-03 12:00:00"));
    ck_assert(!open_at(office, "2026-01-04 12:00:00"));
    ck_assert(open_at(office, "2026-01-05 12:00:00"));
    ck_assert(open_at("hours sat-mon utc", "2026-01-04 23:00:00")); /* over the end of the week */
    ck_assert(!open_at("hours sat-mon utc", "2026-01-06 00:00:00"));
    ck_assert(open_at("hours thu,sat utc", "2026-01-03 12:00:00"));
    ck_assert(!open_at("hours thu,sat utc", "2026-01-02 12:00:00"));
    ck_assert(open_at("hours 08:00-12:00,13:00-24:00 utc", "2026-01-04 23:59:59"));
    ck_assert(!open_at("hours 08:00-12:00,13:00-24:00 utc", "2026-01-04 12:30:00"));
}
END_TEST

START_TEST(test_hours_past_midnight_belong_to_the_day_they_began_on)
{
    const char *night = "hours fri 22:00-06:00 utc";
    ck_assert(!open_at(night, "2026-01-02 05:00:00")); /* began on Thursday */
    ck_assert(open_at(night, "2026-01-02 22:00:00"));
    ck_assert(open_at(night, "2026-01-03 05:59:59"));
    ck_assert(!open_at(night, "2026-01-03 06:00:00"));
    ck_assert(!open_at(night, "2026-01-03 22:00:00"));
}
END_TEST

START_TEST(test_hours_are_local_unless_said_otherwise)
{
    setenv("TZ", "XYZ-5", 1); /* five hours east of Greenwich */
    tzset();
    ck_assert(open_at("hours thu 08:00-09:00", "2026-01-01 03:30:00"));
    ck_assert(!open_at("hours thu 08:00-09:00", "2026-01-01 08:30:00"));
    ck_assert(open_at("hours thu 08:00-09:00 utc", "2026-01-01 08:30:00"));
}
END_TEST

START_TEST(test_hours_edges_bound_how_long_an_answer_holds)
{
    struct policy *policy = must_load("use required permit\nverify required hours 08:00-18:00 utc\nissue "
                                      "required hours 08:30-09:00 utc\n");
    int64_t midnight = 1767225600, eight = midnight + 8 * 3600;
    ck_assert_int_eq(policy_settled_until(policy, "default", eight - 30, eight + 30), eight);
    ck_assert_int_eq(policy_settled_until(policy, NULL, eight - 300, eight + 30), eight);
    ck_assert_int_eq(policy_settled_until(policy, NULL, eight, eight + 60), eight + 60);
    ck_assert_int_eq(policy_settled_until(policy, NULL, eight - 60, eight - 30), eight - 30);
    ck_assert_int_eq(policy_settled_until(policy, NULL, eight, eight + 36000),
                     eight + 3600); /* an hour is looked ahead */
    ck_assert_int_eq(policy_settled_until(policy, "elsewhere", eight - 30, eight + 30), eight + 30);
    policy_free(policy);
}
END_TEST

START_TEST(test_hours_bad_arguments)
{
    line_refused("verify", "hours", "found no days and no times, expected some, such as mon-fri 08:00-18:00");
    line_refused("verify", "hours utc", "found no days and no times");
    line_refused("verify", "hours mn-fri", "found day 'mn', expected sun, mon, tue");
    line_refused("verify", "hours mon-fry", "did you mean 'fri'?");
    line_refused("verify", "hours mon-", "found day ''");
    line_refused("verify", "hours monday", "found day 'monday'");
    line_refused("verify", "hours 8:00-18:00", "found '8:00-18:00', expected a time of day such as 08:00-18:00");
    line_refused("verify", "hours 08:00", "expected a time of day");
    line_refused("verify", "hours 08:00-25:00", "expected a time of day");
    line_refused("verify", "hours 08:60-18:00", "expected a time of day");
    line_refused("verify", "hours 24:00-06:00", "expected a time of day");
    line_refused("verify", "hours 08:00-08:00", "expected a time of day");
}
END_TEST

/* --- fact, chain --- */

START_TEST(test_fact_method_host_address)
{
    struct asked a;
    ask(&a, POLICY_VERIFY);
    a.question.method = "GET";
    a.question.host = "Wiki.Example.com";
    a.question.address = "10.1.2.3";
    ck_assert(line_allows("fact method=GET,HEAD", &a));
    ck_assert(!line_allows("fact method=POST", &a));
    ck_assert(line_allows("fact host=*.example.com", &a));
    ck_assert(!line_allows("fact host=example.com", &a));
    ck_assert(line_allows("fact address=10.0.0.0/8", &a));
    ck_assert(!line_allows("fact address=10.2.0.0/16", &a));
    ck_assert(line_allows("fact method=GET host=wiki.example.com address=192.0.2.1,10.0.0.0/8", &a));
    ck_assert(!line_allows("fact method=POST host=wiki.example.com", &a));
    a.question.method = "get"; /* methods have case, RFC 9110 section 9.1 */
    ck_assert(!line_allows("fact method=GET", &a));
    a.question.address = "::ffff:10.1.2.3";
    ck_assert(line_allows("fact address=10.0.0.0/8", &a));
    a.question.address = "2001:db8::1";
    ck_assert(line_allows("fact address=2001:db8::/32", &a));
    a.question.address = "10.1.2.3 ";
    ck_assert(!line_allows("fact address=0.0.0.0/0", &a));
    a.question.method = NULL;
    detail_is("fact method=GET", &a, "the caller says nothing of the method");
    ck_assert(!line_allows("fact method=GET", &a));
}
END_TEST

static bool uri_fits(const char *pattern, const char *uri)
{
    char line[256];
    struct asked a;
    ask(&a, POLICY_VERIFY);
    a.question.uri = uri;
    snprintf(line, sizeof line, "fact uri=%s", pattern);
    return line_allows(line, &a);
}

START_TEST(test_fact_uri_is_the_plain_path)
{
    ck_assert(uri_fits("/status", "/status"));
    ck_assert(uri_fits("/status", "/status?x=/../y"));
    ck_assert(!uri_fits("/status", "/status/"));
    ck_assert(!uri_fits("/status", "/Status"));
    ck_assert(uri_fits("/api/*/status", "/api/v1.2/status"));
    ck_assert(!uri_fits("/api/*/status", "/api/v1/x/status"));
    ck_assert(!uri_fits("/api/*", "/api/"));
    ck_assert(uri_fits("/files/*", "/files/a%20b"));
    ck_assert(uri_fits("/admin/**", "/admin/"));
    ck_assert(uri_fits("/admin/**", "/admin/a/b/c"));
    ck_assert(!uri_fits("/admin/**", "/admin"));
    ck_assert(!uri_fits("/admin/**", "/administrator"));
    ck_assert(uri_fits("/**", "/"));
    ck_assert(!uri_fits("/api/*", "/api/.hidden"));
    static const char *const odd[] = {"/public/../admin", "/public/..",
                                      "/public/./x",      "/public/.",
                                      "/public//x",       "/public/%2e%2e/x",
                                      "/public/a%2Fb",    "/public/a%5cb",
                                      "/public/a\\b",     "/public/%00",
                                      "public/x",         "",
                                      "/public/x#y",      "https://example.com/public/x",
                                      "/public/..;/x"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        ck_assert_msg(!uri_fits("/public/**", odd[i]), "%s", odd[i]);
    ck_assert(uri_fits("/public/**", "/public/..x"));
    static char lengthy[6000];
    memset(lengthy, 'a', sizeof lengthy - 1);
    lengthy[0] = '/';
    ck_assert(!uri_fits("/**", lengthy));
    struct asked a;
    ask(&a, POLICY_VERIFY);
    a.question.uri = "/a/../b";
    detail_is("fact uri=/**", &a, "the uri is not a plain path: /a/../b");
}
END_TEST

START_TEST(test_fact_bad_arguments)
{
    line_refused("verify", "fact",
                 "found no argument, expected at least one of method=, uri=, host= and address=");
    line_refused("verify", "fact path=/x", "found key 'path', expected method, uri, host or address");
    line_refused("verify", "fact method=get", "expected a method in capitals, such as GET");
    line_refused("verify", "fact uri=status", "expected a path that begins with '/'");
    line_refused("verify", "fact uri=/a?b", "only the path is looked at, not the query");
    line_refused("verify", "fact uri=/a/**/b", "found '**' in a path pattern");
    line_refused("verify", "fact uri=/user/%u", "found %u, which has no meaning here");
    line_refused("verify", "fact host=%u.example.com", "found %u, which has no meaning here");
    line_refused("verify", "fact host=a..b", "found an empty label");
    line_refused("verify", "fact address=10.0.0.1/8", "did you mean '10.0.0.0/8'?");
}
END_TEST

START_TEST(test_chain)
{
    struct asked a;
    ask(&a, POLICY_VERIFY); /* "": our own */
    ck_assert(line_allows("chain anchors=ours", &a));
    ck_assert(line_allows("chain anchors=partner,ours", &a));
    ck_assert(!line_allows("chain anchors=partner", &a));
    detail_is("chain anchors=partner", &a, "the authority is ours");
    a.question.authority = "partner";
    ck_assert(line_allows("chain anchors=ours,partner", &a));
    ck_assert(!line_allows("chain anchors=ours", &a));
    a.question.authority = "ours"; /* somebody named their anchors so */
    ck_assert(!line_allows("chain anchors=ours", &a));
    a.question.authority = NULL;
    ck_assert(!line_allows("chain anchors=ours", &a));
    line_refused("verify", "chain", "found no argument, expected anchors=, such as anchors=ours");
    line_refused("verify", "chain anchor=ours", "did you mean 'anchors'?");
    line_refused("verify", "chain anchors=a/b", "expected ours or the NAME of an [anchors NAME] section");
    line_refused("issue", "chain anchors=ours", "found module chain in a line of type issue");
}
END_TEST

UNIT_MAIN("policy_modules", test_permit_and_deny, test_peer_by_numbers, test_peer_by_names_resolved_at_load,
          test_peer_by_unit, test_peer_bad_arguments, test_profile, test_life, test_key, test_hours,
          test_hours_past_midnight_belong_to_the_day_they_began_on,
          test_hours_are_local_unless_said_otherwise, test_hours_edges_bound_how_long_an_answer_holds,
          test_hours_bad_arguments, test_fact_method_host_address, test_fact_uri_is_the_plain_path,
          test_fact_bad_arguments, test_chain)
