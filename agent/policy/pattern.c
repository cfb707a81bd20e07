/*
 * pattern.c - patterns for names and URIs, compiled at load, matched without allocation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/policy/pattern.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/policy/arguments.h"

/* What stands in `code` beside literal bytes. */
enum { CODE_LOGIN = 1, CODE_LABEL, CODE_LOCAL, CODE_SEGMENT, CODE_OPAQUE, CODE_CN, CODE_PATH, CODE_REST, CODES };

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_hex(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c;
}

static bool is_one_of(unsigned char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_ldh(unsigned char c)
{
    return is_alnum(c) || c == '-';
}

static bool is_atext(unsigned char c) /* RFC 5322 section 3.2.3 */
{
    return is_alnum(c) || is_one_of(c, "!#$%&'*+-/=?^_`{|}~");
}

static bool is_local(unsigned char c)
{
    return is_atext(c) || c == '.';
}

static bool is_path(unsigned char c) /* RFC 3986 section 3.3: pchar, `/`, and `?` of a query */
{
    return is_alnum(c) || is_one_of(c, "-._~!$&'()+,;=:@/?");
}

static bool is_text(unsigned char c)
{
    return c >= 0x20 && c != 0x7f;
}

/* A pattern being compiled. */
struct build {
    bool login_allowed, login;
    char *code;
    size_t length;
    struct failure *failure;
};

static void put(struct build *b, char c)
{
    b->code[b->length++] = c;
}

static int put_login(struct build *b)
{
    if (!b->login_allowed)
        return argument_refuse(b->failure, "found %%u, which has no meaning here: only the names of "
                                           "certificates can be held "
                                           "against the peer's login");
    b->login = true;
    put(b, CODE_LOGIN);
    return 0;
}

/* What a stretch of pattern may hold. */
struct grammar {
    bool (*literal)(unsigned char c);
    const char *what;    /* for sentences */
    char star;           /* what `*` compiles to; 0: not allowed */
    bool percent_hex, star_literal;
};

static int compile_percent(struct build *b, const struct grammar *grammar, const char *text, size_t left)
{
    if (left > 1 && text[1] == 'u')
        return put_login(b) < 0 ? -1 : 2;
    if (grammar->percent_hex && left > 2 && is_hex((unsigned char)text[1]) && is_hex((unsigned char)text[2])) {
        for (int i = 0; i < 3; i++)
            put(b, text[i]);
        return 3;
    }
    if (left > 1 && text[1] == '%' && grammar->literal('%')) {
        put(b, '%');
        return 2;
    }
    return argument_refuse(b->failure, "found '%%' in %s, expected %%u (the peer's login)%s%s", grammar->what,
                           grammar->literal('%') ? " or %% (a percent sign)" : "",
                           grammar->percent_hex ? " or two hex digits" : "");
}

/* One element at text[0]; returns the bytes taken, or -1. */
static int compile_element(struct build *b, const struct grammar *grammar, const char *text, size_t left)
{
    unsigned char c = (unsigned char)text[0];
    if (c == '%')
        return compile_percent(b, grammar, text, left);
    if (c == '\\' && grammar->star_literal && left > 1 && text[1] == '*') {
        put(b, '*');
        return 2;
    }
    if (c == '*' && left > 1 && text[1] == '*')
        return argument_refuse(b->failure, "found '**' in %s, expected one '*'", grammar->what);
    if (c == '*' && grammar->star) {
        put(b, grammar->star);
        return 1;
    }
    if (c == '\\' || c == '*' || !grammar->literal(c))
        return argument_refuse(b->failure, "found '%c' in %s%s", c < 0x80 && c >= 0x20 ? c : '?', grammar->what,
                               c == '*' ? ": there '*' stands for the whole of it or for nothing"
                               : c >= 0x80
                                   ? ": write international names in ASCII (a host as A-labels, xn--...)"
                                   : "");
    put(b, (char)c);
    return 1;
}

static int compile(struct build *b, const struct grammar *grammar, const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        int taken = compile_element(b, grammar, text + i, length - i);
        if (taken < 0)
            return -1;
        i += (size_t)taken;
    }
    return 0;
}

static int compile_label(struct build *b, const char *label, size_t length, bool first)
{
    static const struct grammar grammar = {.literal = is_ldh, .what = "a label of a host name"};
    if (length == 0 || length > 63)
        return argument_refuse(b->failure,
                               "found %s label in a host name, expected 1 to 63 letters, digits and hyphens",
                               length ? "a too long" : "an empty");
    if (length == 1 && label[0] == '*') {
        put(b, CODE_LABEL);
        return 0;
    }
    if (first && length == 2 && !memcmp(label, "\\*", 2)) {
        put(b, '*');
        return 0;
    }
    if (label[0] == '-' || label[length - 1] == '-')
        return argument_refuse(b->failure, "found a hyphen at the edge of the label '%.*s'", (int)length, label);
    size_t start = b->length;
    if (compile(b, &grammar, label, length) < 0)
        return -1;
    for (size_t i = start; i < b->length; i++)
        b->code[i] = (char)lower((unsigned char)b->code[i]);
    return 0;
}

/* `wildcard`: a first label `\*` may stand for the label `*`. */
static int compile_host(struct build *b, const char *host, size_t length, bool wildcard)
{
    bool first = wildcard;
    if (length > 253)
        return argument_refuse(b->failure, "a host name is longer than 253 bytes");
    for (size_t i = 0;; first = false) {
        const char *dot = memchr(host + i, '.', length - i);
        size_t end = dot ? (size_t)(dot - host) : length;
        if (compile_label(b, host + i, end - i, first) < 0)
            return -1;
        if (!dot)
            return 0;
        put(b, '.');
        i = end + 1;
    }
}

static int compile_email(struct build *b, const char *text, struct pattern *out)
{
    static const struct grammar grammar = {.literal = is_local, .what = "the local part of an email pattern"};
    const char *sign = strrchr(text, '@');
    if (!sign || sign == text)
        return argument_refuse(b->failure, "found '%.60s', expected LOCAL@HOST, such as *@example.com", text);
    size_t length = (size_t)(sign - text);
    if (length == 1 && text[0] == '*')
        put(b, CODE_LOCAL);
    else if (compile(b, &grammar, text, length) < 0)
        return -1;
    put(b, '@');
    out->fold_from = b->length;
    if (compile_host(b, sign + 1, strlen(sign + 1), false) < 0)
        return -1;
    out->fold_to = b->length;
    return 0;
}

/* host[:port] or [IPv6][:port]; a user part is refused, so that no pattern can be fitted by
 * "trusted.example@evil". */
static int compile_authority(struct build *b, const char *text, size_t length)
{
    size_t host = 0;
    if (length > 0 && text[0] == '[') {
        while (host < length &&
               (is_hex((unsigned char)text[host]) || is_one_of((unsigned char)text[host], "[]:.")))
            put(b, (char)lower((unsigned char)text[host++]));
    } else {
        const char *colon = memchr(text, ':', length);
        host = colon ? (size_t)(colon - text) : length;
        if (host > 0 && compile_host(b, text, host, false) < 0)
            return -1;
    }
    for (size_t i = host; i < length; i++) {
        if (i == host ? text[i] != ':' : text[i] < '0' || text[i] > '9')
            return argument_refuse(b->failure, "found '%.*s', expected a host and perhaps :PORT",
                                   (int)(length < 60 ? length : 60), text);
        put(b, text[i]);
    }
    return 0;
}

static int compile_uri(struct build *b, const char *text, struct pattern *out)
{
    static const struct grammar hierarchical = {
        .literal = is_path, .what = "a URI pattern", .star = CODE_SEGMENT, .percent_hex = true};
    static const struct grammar opaque = {
        .literal = is_path, .what = "a URI pattern", .star = CODE_OPAQUE, .percent_hex = true};
    size_t scheme = 0;
    while (is_alnum((unsigned char)text[scheme]) || (scheme > 0 && is_one_of((unsigned char)text[scheme], "+-.")))
        put(b, (char)lower((unsigned char)text[scheme++]));
    if (scheme == 0 || text[scheme] != ':')
        return argument_refuse(
            b->failure, "found '%.60s', expected SCHEME://HOST/PATH, such as spiffe://example.com/*", text);
    put(b, ':');
    const char *rest = text + scheme + 1;
    bool authority = !strncmp(rest, "//", 2);
    if (authority) {
        put(b, '/'), put(b, '/');
        size_t length = strcspn(rest + 2, "/?");
        if (compile_authority(b, rest + 2, length) < 0)
            return -1;
        rest += 2 + length;
    }
    out->fold_to = b->length;
    return compile(b, authority ? &hierarchical : &opaque, rest, strlen(rest));
}

static int compile_path(struct build *b, const char *text)
{
    static const struct grammar grammar = {
        .literal = is_path, .what = "a path pattern", .star = CODE_PATH, .percent_hex = true};
    size_t length = strlen(text);
    bool rest = length >= 3 && !strcmp(text + length - 3, "/**");
    if (text[0] != '/')
        return argument_refuse(
            b->failure,
            "found '%.60s', expected a path that begins with '/', such as /api/*/status or /admin/**", text);
    if (strchr(text, '?'))
        return argument_refuse(b->failure, "found '?': only the path is looked at, not the query");
    if (compile(b, &grammar, text, rest ? length - 2 : length) < 0)
        return -1;
    if (rest)
        put(b, CODE_REST);
    return 0;
}

static int compile_kind(struct build *b, const char *text, struct pattern *out)
{
    static const struct grammar cn = {
        .literal = is_text, .what = "a CN pattern", .star = CODE_CN, .star_literal = true};
    switch (out->kind) {
    case PATTERN_DNS:
        if (compile_host(b, text, strlen(text), true) < 0)
            return -1;
        out->fold_to = b->length;
        return 0;
    case PATTERN_EMAIL:
        return compile_email(b, text, out);
    case PATTERN_URI:
        return compile_uri(b, text, out);
    case PATTERN_PATH:
        return compile_path(b, text);
    case PATTERN_CN:
        return compile(b, &cn, text, strlen(text));
    }
    return argument_refuse(b->failure, "unknown kind of pattern");
}

int pattern_parse(enum pattern_kind kind, bool login_allowed, const char *text, struct pattern *out,
                  struct failure *failure)
{
    struct pattern pattern = {.kind = kind};
    /* No element compiles to more bytes than it is written with. */
    struct build b = {.login_allowed = login_allowed, .code = malloc(strlen(text) + 1), .failure = failure};
    if (!b.code)
        return argument_no_memory(failure);
    if (compile_kind(&b, text, &pattern) < 0) {
        free(b.code);
        return -1;
    }
    put(&b, '\0');
    pattern.login = b.login;
    pattern.code = b.code;
    *out = pattern;
    return 0;
}

void pattern_clear(struct pattern *pattern)
{
    free(pattern->code);
    *pattern = (struct pattern){.code = NULL};
}

/* May the star `code` cover text[0]? `first`: it would be the first byte that it covers. */
static bool covers(char code, const char *text, bool first)
{
    unsigned char c = (unsigned char)text[0];
    switch (code) {
    case CODE_LABEL:
        return is_ldh(c);
    case CODE_LOCAL: /* dot-atom: a dot only between atexts */
        return is_atext(c) || (c == '.' && !first && is_atext((unsigned char)text[1]));
    case CODE_SEGMENT:
        return is_alnum(c) || is_one_of(c, "-_~!$&'()+,;=:");
    case CODE_OPAQUE:
        return is_alnum(c) || is_one_of(c, "-_~!$&'()+,;=");
    case CODE_CN:
        return is_text(c) && !is_one_of(c, ".@/*");
    case CODE_PATH:
        return is_text(c) && !is_one_of(c, "/?#\\") && !(first && c == '.');
    default:
        return false;
    }
}

/* How many bytes of text the literal or login at code[0] takes; -1 where it does not fit. */
static long fit(const struct pattern *pattern, const char *code, const char *text, const char *login)
{
    size_t at = (size_t)(code - pattern->code);
    bool fold = at >= pattern->fold_from && at < pattern->fold_to;
    if (*code == CODE_LOGIN) {
        size_t length = login ? strlen(login) : 0;
        if (length == 0 || (fold ? strncasecmp(text, login, length) : strncmp(text, login, length)) != 0)
            return -1;
        return (long)length;
    }
    unsigned char c = (unsigned char)*text;
    return (unsigned char)*code == (fold ? lower(c) : c) && c != '\0' ? 1 : -1;
}

/* The usual glob loop that only ever returns to the latest star. That is complete here: an earlier star ends at
 * the same separator (dot, slash, `@`) that the pattern has as a literal, or is one of several in one segment,
 * where the latest can take over. */
bool pattern_match(const struct pattern *pattern, const char *text, const char *login)
{
    const char *code = pattern->code, *star = NULL, *mark = NULL;
    for (;;) {
        if (*code == CODE_REST || (*code == '\0' && *text == '\0'))
            return true;
        if (*code >= CODE_LABEL && *code < CODES && covers(*code, text, true)) {
            star = code++;
            mark = ++text;
            continue;
        }
        long taken =
            *code == '\0' || (*code >= CODE_LABEL && *code < CODES) ? -1 : fit(pattern, code, text, login);
        if (taken > 0) {
            code++;
            text += taken;
            continue;
        }
        if (!star || !covers(*star, mark, false))
            return false;
        text = ++mark;
        code = star + 1;
    }
}
