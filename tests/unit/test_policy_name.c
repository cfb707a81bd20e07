/*
 * test_policy_name.c - policy module `name`: which names its patterns let through.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/policy/pattern.h"
#include "tests/unit/policy_help.h"

static bool name_allows(const char *patterns, enum san_type type, const char *value)
{
    char line[1024];
    struct asked a;
    ask(&a, POLICY_ISSUE);
    ask_san(&a, type, value);
    snprintf(line, sizeof line, "name %s", patterns);
    return line_allows(line, &a);
}

START_TEST(test_name_dns_star_is_one_label_and_never_a_dot)
{
    const char *clients = "dns=*.clients.example.com";
    ck_assert(name_allows(clients, SAN_DNS, "a.clients.example.com"));
    ck_assert(name_allows(clients, SAN_DNS, "a-1.clients.example.com"));
    ck_assert(!name_allows(clients, SAN_DNS, "a.b.clients.example.com"));
    ck_assert(!name_allows(clients, SAN_DNS, "clients.example.com"));
    ck_assert(!name_allows(clients, SAN_DNS, ".clients.example.com"));
    ck_assert(!name_allows(clients, SAN_DNS, "a.clients.example.com.evil.org"));
    ck_assert(!name_allows(clients, SAN_DNS, "aXclients.example.com"));
    ck_assert(!name_allows(clients, SAN_DNS, "a.clients-example.com"));
    ck_assert(
        name_allows("dns=A.Example.COM", SAN_DNS, "a.example.com")); /* without case, RFC 5280 section 7.2 */
    ck_assert(name_allows("dns=a.*.example.com", SAN_DNS, "a.b.example.com"));
    ck_assert(name_allows("dns=*.*.example.com", SAN_DNS, "a.b.example.com"));
    ck_assert(!name_allows("dns=*.*.example.com", SAN_DNS, "a.example.com"));
    ck_assert(name_allows("dns=*", SAN_DNS, "alice"));
    ck_assert(!name_allows("dns=*", SAN_DNS, "alice.example.com"));
    ck_assert(name_allows("dns=a.org,b.org dns=c.org", SAN_DNS, "c.org"));
    ck_assert(name_allows("dns=xn--bcher-kva.example", SAN_DNS, "xn--bcher-kva.example"));
}
END_TEST

START_TEST(test_name_wildcard_certificates_only_by_a_literal_star)
{
    ck_assert(!name_allows("dns=*.example.com", SAN_DNS, "*.example.com"));
    ck_assert(name_allows("dns=\\*.example.com", SAN_DNS, "*.example.com"));
    ck_assert(!name_allows("dns=\\*.example.com", SAN_DNS, "a.example.com"));
    ck_assert(!name_allows("dns=*", SAN_DNS, "*"));
    ck_assert(name_allows("dns=\\*.example.com,*.example.com", SAN_DNS, "a.example.com"));
}
END_TEST

START_TEST(test_name_email)
{
    ck_assert(name_allows("email=*@example.com", SAN_EMAIL, "alice@example.com"));
    ck_assert(name_allows("email=*@example.com", SAN_EMAIL, "alice.smith+x@example.com"));
    ck_assert(name_allows("email=*@Example.com", SAN_EMAIL, "alice@EXAMPLE.com"));
    ck_assert(!name_allows("email=*@example.com", SAN_EMAIL, "alice@mail.example.com"));
    ck_assert(!name_allows("email=*@example.com", SAN_EMAIL, "alice@example.com.evil.org"));
    ck_assert(!name_allows("email=*@example.com", SAN_EMAIL, "a@evil.org@example.com"));
    ck_assert(!name_allows("email=*@example.com", SAN_EMAIL, "\"a b\"@example.com"));
    ck_assert(!name_allows("email=*@example.com", SAN_EMAIL, "@example.com"));
    ck_assert(name_allows("email=*@*.example.com", SAN_EMAIL, "alice@mail.example.com"));
    ck_assert(name_allows("email=Alice@example.com", SAN_EMAIL, "Alice@example.com"));
    ck_assert(!name_allows("email=Alice@example.com", SAN_EMAIL,
                           "alice@example.com")); /* local parts exactly, section 7.5 */
}
END_TEST

START_TEST(test_name_uri)
{
    ck_assert(
        name_allows("uri=spiffe://example.com/ns/*/sa/web", SAN_URI, "spiffe://example.com/ns/prod/sa/web"));
    ck_assert(
        !name_allows("uri=spiffe://example.com/ns/*/sa/web", SAN_URI, "spiffe://example.com/ns/a/b/sa/web"));
    ck_assert(!name_allows("uri=spiffe://example.com/*", SAN_URI, "spiffe://example.com/"));
    ck_assert(!name_allows("uri=spiffe://example.com/*", SAN_URI, "spiffe://example.com/.."));
    ck_assert(!name_allows("uri=spiffe://example.com/*", SAN_URI, "spiffe://example.com/a%2fb"));
    ck_assert(!name_allows("uri=spiffe://example.com/*", SAN_URI, "spiffe://example.com/a?b"));
    ck_assert(name_allows("uri=HTTPS://Example.com/A", SAN_URI, "https://example.com/A"));
    ck_assert(!name_allows("uri=https://example.com/A", SAN_URI, "https://example.com/a")); /* paths exactly */
    ck_assert(name_allows("uri=https://*.example.com/x", SAN_URI, "https://a.example.com/x"));
    ck_assert(!name_allows("uri=https://*.example.com/x", SAN_URI, "https://a.b.example.com/x"));
    ck_assert(!name_allows("uri=https://*.example.com/x", SAN_URI, "https://me@a.example.com/x"));
    ck_assert(!name_allows("uri=https://*.example.com/x", SAN_URI, "https://evil.org:1@a.example.com/x"));
    ck_assert(!name_allows("uri=https://*/x", SAN_URI, "https://a:8443/x"));
    ck_assert(name_allows("uri=https://*:8443/x", SAN_URI, "https://a:8443/x"));
    ck_assert(name_allows("uri=https://[2001:DB8::1]/x", SAN_URI, "https://[2001:db8::1]/x"));
    ck_assert(name_allows("uri=urn:example:*", SAN_URI, "urn:example:a"));
    ck_assert(!name_allows("uri=urn:example:*", SAN_URI, "urn:example:a:b"));
    ck_assert(name_allows("uri=https://example.com/a%20b", SAN_URI, "https://example.com/a%20b"));
    ck_assert(name_allows("uri=https://example.com/*-x-*", SAN_URI, "https://example.com/a-x-b-x-c"));
}
END_TEST

START_TEST(test_name_ip)
{
    ck_assert(name_allows("ip=10.0.0.0/8", SAN_IP, "10.1.2.3"));
    ck_assert(!name_allows("ip=10.0.0.0/8", SAN_IP, "11.1.2.3"));
    ck_assert(name_allows("ip=192.0.2.7", SAN_IP, "192.0.2.7"));
    ck_assert(!name_allows("ip=192.0.2.7", SAN_IP, "192.0.2.6"));
    ck_assert(name_allows("ip=192.0.2.0/25", SAN_IP, "192.0.2.127"));
    ck_assert(!name_allows("ip=192.0.2.0/25", SAN_IP, "192.0.2.128"));
    ck_assert(name_allows("ip=2001:db8::/33", SAN_IP, "2001:db8:7fff::1"));
    ck_assert(!name_allows("ip=2001:db8::/33", SAN_IP, "2001:db8:8000::1"));
    ck_assert(name_allows("ip=0.0.0.0/0", SAN_IP, "203.0.113.9"));
    ck_assert(!name_allows("ip=0.0.0.0/0", SAN_IP, "::1"));
    ck_assert(!name_allows("ip=0.0.0.0/0", SAN_IP, "::ffff:10.0.0.1")); /* in a certificate that is IPv6 */
    ck_assert(!name_allows("dns=*", SAN_IP, "10.0.0.1"));
}
END_TEST

START_TEST(test_name_each_kind_needs_a_pattern_of_its_own)
{
    ck_assert(!name_allows("dns=*.example.com", SAN_EMAIL, "a@b.example.com"));
    ck_assert(!name_allows("cn=*", SAN_DNS, "alice"));
    ck_assert(!name_allows("uri=https://a/x", SAN_DNS, "a"));
    struct asked a;
    ask(&a, POLICY_ISSUE);
    ask_san(&a, SAN_EMAIL, "a@b");
    detail_is("name dns=*", &a, "email:a@b, and no email= pattern is there");
    detail_is("name email=c@b", &a, "email:a@b fits no email= pattern");
}
END_TEST

START_TEST(test_name_every_san_and_the_cn_must_be_allowed)
{
    const char *line = "name dns=*.example.com email=*@example.com";
    struct asked a;
    ask(&a, POLICY_ISSUE);
    ask_san(&a, SAN_DNS, "a.example.com");
    ask_san(&a, SAN_EMAIL, "a@example.com");
    ck_assert(line_allows(line, &a));
    ask_cn(&a, "b.EXAMPLE.com"); /* read as a host name */
    ck_assert(line_allows(line, &a));
    ask_cn(&a, "a@example.com"); /* or as a mailbox */
    ck_assert(line_allows(line, &a));
    ask_cn(&a, "alice");
    ck_assert(!line_allows(line, &a));
    detail_is(line, &a, "the CN alice fits no pattern of the line");
    ck_assert(line_allows("name dns=*.example.com email=*@example.com cn=alice", &a));
    ask_san(&a, SAN_DNS, "evil.org");
    ck_assert(!line_allows("name dns=*.example.com email=*@example.com cn=alice", &a));
    detail_is("name dns=*.example.com email=*@example.com cn=alice", &a, "DNS:evil.org fits no dns= pattern");
}
END_TEST

static bool cn_allowed(const char *patterns, const char *cn)
{
    char line[512];
    struct asked a;
    ask(&a, POLICY_ISSUE);
    ask_cn(&a, cn);
    snprintf(line, sizeof line, "name %s", patterns);
    return line_allows(line, &a);
}

START_TEST(test_name_cn)
{
    ck_assert(cn_allowed("cn=alice", "alice"));
    ck_assert(!cn_allowed("cn=alice", "Alice")); /* exactly: stricter than RFC 5280 section 7.1 */
    ck_assert(cn_allowed("cn=*", "Karen Smith"));
    ck_assert(!cn_allowed("cn=*", "www.example.com"));
    ck_assert(!cn_allowed("cn=*", "karen@example.com"));
    ck_assert(!cn_allowed("cn=*", "*"));
    ck_assert(cn_allowed("cn=\\*", "*"));
    ck_assert(!cn_allowed("cn=\\*", "a"));
    ck_assert(cn_allowed("cn=*.*", "karen.smith"));
    ck_assert(cn_allowed("cn=Jürgen", "Jürgen"));
    ck_assert(cn_allowed("cn=web-*", "web-1"));
    ck_assert(!cn_allowed("cn=web-*", "web-"));
    ck_assert(cn_allowed("ip=10.0.0.0/8", "10.1.1.1"));
    ck_assert(!cn_allowed("ip=10.0.0.0/8", "11.1.1.1"));
    ck_assert(cn_allowed("uri=spiffe://example.com/*", "spiffe://example.com/a"));
    ck_assert(!cn_allowed("dns=*.example.com", "a b.example.com"));
    ck_assert(!cn_allowed("dns=*.example.com", "\xd0\xb0.example.com")); /* Cyrillic */
    ck_assert(!cn_allowed("dns=*.example.com", "*.example.com"));
}
END_TEST

START_TEST(test_name_without_a_name_is_refused)
{
    struct asked a;
    ask(&a, POLICY_READ);
    ck_assert(!line_allows("name dns=* email=*@* cn=*", &a));
    a.question.names = NULL;
    ck_assert(!line_allows("name dns=* email=*@* cn=*", &a));
    detail_is("name cn=*", &a, "there is no name to look at");
}
END_TEST

START_TEST(test_name_login_of_the_peer)
{
    struct asked a;
    ask(&a, POLICY_ISSUE);
    ask_san(&a, SAN_DNS, "karen");
    snprintf(a.peer.login, sizeof a.peer.login, "karen");
    ck_assert(line_allows("name dns=%u", &a));
    snprintf(a.peer.login, sizeof a.peer.login, "kare");
    ck_assert(!line_allows("name dns=%u", &a));
    snprintf(a.peer.login, sizeof a.peer.login, "karenx");
    ck_assert(!line_allows("name dns=%u", &a));

    /* Nobody without a login that may stand there, even where another pattern fits. */
    a.peer.login[0] = '\0';
    ck_assert(!line_allows("name dns=%u", &a));
    ck_assert(!line_allows("name dns=karen,%u", &a));
    ck_assert(line_allows("name dns=karen", &a));
    detail_is("name dns=%u", &a, "%u: the peer has no login that may stand in a name");
    a.question.peer = NULL;
    ck_assert(!line_allows("name dns=karen,%u", &a));

    ask(&a, POLICY_ISSUE);
    snprintf(a.peer.login, sizeof a.peer.login, "karen");
    ask_san(&a, SAN_EMAIL, "karen@example.com");
    ask_san(&a, SAN_DNS, "laptop-karen.example.com");
    ask_san(&a, SAN_URI, "spiffe://example.com/user/karen");
    ask_cn(&a, "karen");
    ck_assert(line_allows(
        "name email=%u@example.com dns=laptop-%u.example.com uri=spiffe://example.com/user/%u cn=%u", &a));
    ck_assert(line_allows("name email=%u@example.com dns=*.example.com uri=spiffe://example.com/*/%u cn=%u", &a));
    ask_cn(&a, "Karen");
    ck_assert(
        !line_allows("name email=%u@example.com dns=*.example.com uri=spiffe://example.com/*/%u cn=%u", &a));
    snprintf(a.peer.login, sizeof a.peer.login, "kare");
    ask_cn(&a, "kare");
    ck_assert(!line_allows(
        "name email=%u@example.com dns=laptop-%u.example.com uri=spiffe://example.com/user/%u cn=%u", &a));
}
END_TEST

START_TEST(test_name_bad_patterns)
{
    static const struct { const char *line, *reason;
    } bad[] = {
        {"name", "found no pattern, expected at least one of dns=, email=, uri=, ip= and cn="},
        {"name DNS=a", "found key 'DNS', expected dns, email, uri, ip or cn; did you mean 'dns'?"},
        {"name a.example.com", "expected key=value, the key being dns, email, uri, ip or cn"},
        {"name dns=web-*.example.com", "found '*' in a label of a host name: there '*' stands for the whole of "
                                       "it or for nothing"},
        {"name dns=**.example.com", "found '**' in a label of a host name"},
        {"name dns=a.\\*.example.com", "found '\\' in a label of a host name"},
        {"name dns=a..b", "found an empty label in a host name"},
        {"name dns=a.example.com.", "found an empty label"},
        {"name dns=.a", "found an empty label"},
        {"name dns=a_b", "found '_' in a label of a host name"},
        {"name dns=-a.b", "found a hyphen at the edge of the label '-a'"},
        {"name dns=bücher.example", "write international names in ASCII (a host as A-labels, xn--...)"},
        {"name dns=a%b", "found '%' in a label of a host name, expected %u (the peer's login)"},
        {"name dns=a%%b", "found '%' in a label of a host name"},
        {"name dns=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", "found a too long "
                                                                                        "label"},
        {"name email=example.com", "expected LOCAL@HOST, such as *@example.com"},
        {"name email=@example.com", "expected LOCAL@HOST"},
        {"name email=a@", "found an empty label"},
        {"name email=ops-*@example.com", "found '*' in the local part of an email pattern"},
        {"name email=a@b@example.com", "found '@' in the local part"},
        {"name uri=example.com/x", "expected SCHEME://HOST/PATH"},
        {"name uri=//example.com/x", "expected SCHEME://HOST/PATH"},
        {"name uri=https://me@example.com/x", "found '@' in a label of a host name"},
        {"name uri=https://example.com:80a/x", "expected a host and perhaps :PORT"},
        {"name uri=https://[::1]x/", "expected a host and perhaps :PORT"},
        {"name uri=https://example.com/**", "found '**' in a URI pattern"},
        {"name uri=https://example.com/%zz", "found '%' in a URI pattern, expected %u (the peer's login) or "
                                             "two hex digits"},
        {"name uri=https://example.com/a\\b", "found '\\' in a URI pattern"},
        {"name ip=10.1.2.3/8", "found '10.1.2.3/8', which has bits set beyond its prefix; did you mean "
                               "'10.0.0.0/8'?"},
        {"name ip=10.0.0.0/33", "found prefix length '33', expected 0 to 32"},
        {"name ip=10.0.0.0/", "found prefix length '', expected 0 to 32"},
        {"name ip=2001:db8::/129", "found prefix length '129', expected 0 to 128"},
        {"name ip=10.0.0", "expected an IP address or a block such as 10.0.0.0/8"},
        {"name ip=example.com", "expected an IP address or a block"},
        {"name ip=010.0.0.1", "expected an IP address or a block"},
        {"name cn=a%b", "found '%' in a CN pattern, expected %u (the peer's login) or %% (a percent sign)"},
        {"name cn=a\\b", "found '\\' in a CN pattern"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        line_refused("issue", bad[i].line, bad[i].reason);
}
END_TEST

/* A naive matcher for dns patterns, label by label, and thousands of random pairs. */
static bool naive_dns(const char *pattern, const char *name)
{
    for (;;) {
        size_t a = strcspn(pattern, "."), b = strcspn(name, ".");
        bool star = a == 1 && pattern[0] == '*';
        bool literal_star = a == 2 && !memcmp(pattern, "\\*", 2);
        bool wildcard = b == 1 && name[0] == '*';
        if (literal_star ? !wildcard : star ? b == 0 || wildcard : a != b || memcmp(pattern, name, a) != 0)
            return false;
        if (pattern[a] != name[b])
            return false;
        if (pattern[a] == '\0')
            return true;
        pattern += a + 1;
        name += b + 1;
    }
}

static void random_labels(char *out, size_t size, const char *const *labels, size_t count, const char *first)
{
    int n = 1 + rand() % 4;
    out[0] = '\0';
    for (int i = 0; i < n; i++) {
        const char *label = i == 0 && rand() % 4 == 0 ? first : labels[(size_t)rand() % count];
        snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? "." : "", label);
    }
}

START_TEST(test_name_dns_agrees_with_a_naive_matcher)
{
    static const char *const pattern_labels[] = {"*", "a", "b", "ab"}, *const name_labels[] = {"a", "b", "ab"};
    char pattern[64], name[64];
    size_t matches = 0;
    srand(5);
    for (int i = 0; i < 100000; i++) {
        struct pattern compiled;
        random_labels(pattern, sizeof pattern, pattern_labels, 4, "\\*");
        random_labels(name, sizeof name, name_labels, 3, "*");
        ck_assert_int_eq(pattern_parse(PATTERN_DNS, true, pattern, &compiled, NULL), 0);
        bool match = pattern_match(&compiled, name, NULL);
        ck_assert_msg(match == naive_dns(pattern, name), "%s and %s: %d", pattern, name, match);
        matches += match;
        pattern_clear(&compiled);
    }
    ck_assert_uint_gt(matches, 3000);
}
END_TEST

UNIT_MAIN("policy_name", test_name_dns_star_is_one_label_and_never_a_dot,
          test_name_wildcard_certificates_only_by_a_literal_star, test_name_email, test_name_uri,
          test_name_ip, test_name_each_kind_needs_a_pattern_of_its_own,
          test_name_every_san_and_the_cn_must_be_allowed, test_name_cn, test_name_without_a_name_is_refused,
          test_name_login_of_the_peer, test_name_bad_patterns, test_name_dns_agrees_with_a_naive_matcher)
