/*
 * names.c - the names in a certificate, from anybody's text or bytes to one canonical form, or a reason why not.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The keeper links it: no OpenSSL, no JSON. Whatever passes here is free of NUL, newline and other control characters.
 */
#include "proto/x509/names.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LABEL_MAX = 63, HOST_MAX = 253, LOCAL_PART_MAX = 64, EMAIL_MAX = 254, QUOTE_MAX = 80 };

static const struct {
    const char *name, *other; /* as we write it, and as openssl prints it */
} types[SAN_TYPES] = {
    [SAN_DNS] = {"DNS", NULL},
    [SAN_EMAIL] = {"email", NULL},
    [SAN_URI] = {"URI", NULL},
    [SAN_IP] = {"IP", "IP Address"},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; /* not tolower(): no locale here */
}

/* Refuse one SAN, quoting at most QUOTE_MAX bytes of it. */
static int refuse(struct failure *failure, enum san_type type, const char *value, size_t length, const char *why)
{
    return failure_set(failure, FAILURE_BAD_REQUEST, "sans", "%s:%.*s%s: %s", san_type_name(type),
                       length < QUOTE_MAX ? (int)length : QUOTE_MAX, value, length > QUOTE_MAX ? "..." : "", why);
}

/* The code point at text[*at], moving *at past it; -1 where there is no valid UTF-8 (RFC 3629). */
static int32_t utf8_next(const char *text, size_t length, size_t *at)
{
    const unsigned char *p = (const unsigned char *)text + *at;
    size_t left = length - *at;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (n == 0 || n > left)
        return -1;
    int32_t code = n == 1 ? p[0] : p[0] & (0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return -1;
        code = code << 6 | (p[i] & 0x3f);
    }
    if ((n == 3 && code < 0x800) || (n == 4 && (code < 0x10000 || code > 0x10ffff)) || (code >= 0xd800 && code <= 0xdfff))
        return -1;
    *at += n;
    return code;
}

/* Controls, and what changes how the text beside it is shown: line separators, bidirectional overrides (Unicode TR36). */
static bool is_control(int32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

static bool is_blank(int32_t code)
{
    return code == ' ' || code == 0xa0 || (code >= 0x2000 && code <= 0x200b) || code == 0x202f || code == 0x3000;
}

bool text_is_clean(const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        int32_t code = utf8_next(text, length, &at);
        if (code < 0 || is_control(code))
            return false;
    }
    return true;
}

/* Host names: RFC 1123 section 2.1, RFC 1035 section 2.3.1. NULL, or why it is none. */
static const char *label_fault(const char *label, size_t length)
{
    if (length == 0)
        return "it has an empty label (two dots in a row, or a dot at the start)";
    if (length > LABEL_MAX)
        return "a label has more than 63 characters";
    if (label[0] == '-' || label[length - 1] == '-')
        return "a label begins or ends with a hyphen";
    for (size_t i = 0; i < length; i++) {
        if (label[i] == '_')
            return "'_' is not allowed in a host name";
        if (label[i] == '*')
            return "a wildcard is only allowed as the whole first label of a DNS name, as in *.example.com";
        if (!is_letter(label[i]) && !is_digit(label[i]) && label[i] != '-')
            return "it holds a character that is not allowed in a host name (letters, digits, '-' and '.')";
    }
    return NULL;
}

static const char *host_fault(const char *host, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)host[i] >= 0x80)
            return "an internationalised name goes in as A-labels (xn--...); idn2 NAME prints them";
    if (length == 0)
        return "it is empty";
    if (host[length - 1] == '.' && length > 1)
        return "leave out the dot at the end";
    if (length > HOST_MAX)
        return "it is longer than 253 bytes";
    const char *end = host + length;
    for (const char *label = host;;) {
        const char *dot = memchr(label, '.', (size_t)(end - label));
        const char *fault = label_fault(label, (size_t)((dot ? dot : end) - label));
        if (fault || !dot)
            return fault;
        label = dot + 1;
    }
}

/* One IPv4 or IPv6 address in text, no prefix and no zone. Its length in bytes, or 0. */
static size_t address_read(const char *text, size_t length, uint8_t out[static 16])
{
    char copy[INET6_ADDRSTRLEN + 1];
    if (length >= sizeof copy || memchr(text, '\0', length))
        return 0;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return inet_pton(AF_INET, copy, out) == 1 ? 4 : inet_pton(AF_INET6, copy, out) == 1 ? 16 : 0;
}

static const char *dns_fault(char *value, size_t length)
{
    uint8_t address[16];
    if (address_read(value, length, address))
        return "it is an address; write it as IP:...";
    bool wildcard = length > 2 && value[0] == '*' && value[1] == '.';
    if (length > HOST_MAX)
        return "it is longer than 253 bytes";
    const char *fault = host_fault(value + 2 * wildcard, length - 2 * wildcard);
    for (size_t i = 0; !fault && i < length; i++)
        value[i] = lower(value[i]);
    return fault;
}

/* RFC 5321 section 4.1.2, Local-part as Dot-string and a domain. A quoted local part could hold an '@' of its own and be taken for an
 * address at another host by whoever splits at the first one, so it is refused, as is an address literal. */
static const char *email_fault(char *value, size_t length)
{
    char *at = memchr(value, '@', length);
    if (length && value[0] == '"')
        return "a quoted local part is not accepted";
    if (!at)
        return "a mailbox has an '@'";
    size_t local = (size_t)(at - value);
    if (local == 0 || local > LOCAL_PART_MAX || length > EMAIL_MAX)
        return "the part before '@' has 1 to 64 characters and the whole at most 254";
    for (size_t i = 0; i < local; i++) {
        if ((unsigned char)value[i] >= 0x80)
            return "the part before '@' is ASCII only";
        if (value[i] == '.' ? i == 0 || i == local - 1 || value[i - 1] == '.'
                            : !is_letter(value[i]) && !is_digit(value[i]) && !is_one_of(value[i], "!#$%&'*+-/=?^_`{|}~"))
            return "the part before '@' holds a character or a dot that is not allowed there";
    }
    char *host = at + 1;
    size_t host_length = length - local - 1;
    if (host_length && host[0] == '[')
        return "an address in brackets is not accepted as a mail domain";
    const char *fault = host_fault(host, host_length);
    for (size_t i = 0; !fault && i < host_length; i++)
        host[i] = lower(host[i]);
    return fault;
}

/* Characters of a URI, RFC 3986 section 2; '[' and ']' are only for an address in the authority and are not in this set. */
static const char *uri_characters_fault(const char *text, size_t length)
{
    bool fragment = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '%') {
            if (length - i < 3 || !is_hex(text[i + 1]) || !is_hex(text[i + 2]))
                return "'%' is not followed by two hexadecimal digits";
            i += 2;
        } else if (text[i] == '#' && !fragment) {
            fragment = true;
        } else if (!is_letter(text[i]) && !is_digit(text[i]) && !is_one_of(text[i], "-._~:/?@!$&'()*+,;=")) {
            return "it holds a character that is not allowed in a URI; percent-encode it";
        }
    }
    return NULL;
}

/* userinfo is refused: alice@example.com in front of a host is how one host is dressed up as another. */
static const char *authority_fault(char *authority, size_t length)
{
    if (memchr(authority, '@', length))
        return "a user name in front of the host is not accepted";
    char *end = authority + length, *port = NULL;
    uint8_t address[16];
    const char *fault = NULL;
    if (length && authority[0] == '[') {
        char *bracket = memchr(authority, ']', length);
        if (!bracket || address_read(authority + 1, (size_t)(bracket - authority - 1), address) != 16)
            return "there is no IPv6 address in the brackets";
        port = bracket + 1;
    } else {
        char *colon = memchr(authority, ':', length);
        port = colon ? colon : end;
        fault = host_fault(authority, (size_t)(port - authority)); /* dotted IPv4 passes as labels of digits */
    }
    if (port < end && *port != ':')
        return "something other than a port follows the host";
    for (const char *p = port + 1; port < end && p < end; p++)
        if (!is_digit(*p))
            return "the port is not a number";
    for (char *p = authority; !fault && p < port; p++)
        *p = lower(*p);
    return fault;
}

/* RFC 5280 section 4.2.1.6: absolute, with a scheme and a host where it has an authority; section 7.4: both in lower case. */
static const char *uri_fault(char *value, size_t length)
{
    char *colon = memchr(value, ':', length);
    if (!colon || colon == value || !is_letter(value[0]))
        return "it is not absolute; a URI begins with a scheme, as in https://host/path";
    for (char *p = value; p < colon; p++) {
        if (!is_letter(*p) && !is_digit(*p) && !is_one_of(*p, "+-."))
            return "the scheme holds a character that is not allowed there";
        *p = lower(*p);
    }
    char *rest = colon + 1, *end = value + length;
    if (rest == end)
        return "nothing follows the scheme";
    if (end - rest >= 2 && rest[0] == '/' && rest[1] == '/') {
        char *authority = rest + 2, *path = authority;
        while (path < end && !is_one_of(*path, "/?#"))
            path++;
        const char *fault = authority_fault(authority, (size_t)(path - authority));
        if (fault)
            return fault;
        rest = path;
    }
    return uri_characters_fault(rest, (size_t)(end - rest));
}

int san_from_address(const uint8_t *address, size_t length, struct san *out, struct failure *failure)
{
    char text[INET6_ADDRSTRLEN];
    if ((length != 4 && length != 16) || !inet_ntop(length == 4 ? AF_INET : AF_INET6, address, text, sizeof text))
        return failure_set(failure, FAILURE_BAD_REQUEST, "sans", "IP: an address has 4 or 16 bytes, this one has %zu", length);
    struct san san = {.type = SAN_IP, .value = strdup(text), .address_length = (uint8_t)length};
    if (!san.value)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    memcpy(san.address, address, length);
    *out = san;
    return 0;
}

static int address_from_value(const char *value, size_t length, struct san *out, struct failure *failure)
{
    uint8_t address[16];
    size_t size = address_read(value, length, address);
    if (size)
        return san_from_address(address, size, out, failure);
    return refuse(failure, SAN_IP, value, length,
                  memchr(value, '/', length) ? "one address, without a prefix length" : "it is not an IPv4 or IPv6 address");
}

static const char *value_fault(enum san_type type, const char *value, size_t length)
{
    if ((unsigned)type >= SAN_TYPES)
        return "it is of a kind that is not accepted";
    if (length == 0)
        return "it is empty";
    if (length > SAN_VALUE_MAX)
        return "it is longer than 1024 bytes";
    if (memchr(value, '\0', length))
        return "it holds a NUL byte";
    if (memchr(value, '\n', length) || memchr(value, '\r', length))
        return "it holds a line break";
    return text_is_clean(value, length) ? NULL : "it holds control characters or is not UTF-8";
}

int san_from_value(enum san_type type, const char *value, size_t length, struct san *out, struct failure *failure)
{
    const char *fault = value_fault(type, value, length);
    if (fault)
        return refuse(failure, type, value, length, fault);
    if (type == SAN_IP)
        return address_from_value(value, length, out, failure);
    struct san san = {.type = type, .value = strndup(value, length)};
    if (!san.value)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    fault = type == SAN_DNS     ? dns_fault(san.value, length)
            : type == SAN_EMAIL ? email_fault(san.value, length)
                                : uri_fault(san.value, length);
    if (fault) {
        san_clear(&san);
        return refuse(failure, type, value, length, fault);
    }
    *out = san;
    return 0;
}

int san_parse(const char *text, struct san *out, struct failure *failure)
{
    const char *colon = strchr(text, ':');
    size_t word = colon ? (size_t)(colon - text) : 0;
    for (enum san_type type = 0; colon && type < SAN_TYPES; type++)
        if ((strlen(types[type].name) == word && !strncasecmp(text, types[type].name, word)) ||
            (types[type].other && strlen(types[type].other) == word && !strncasecmp(text, types[type].other, word)))
            return san_from_value(type, colon + 1, strlen(colon + 1), out, failure);
    return failure_set(failure, FAILURE_BAD_REQUEST, "sans",
                       "%.*s: a SAN is written DNS:host.example.com, email:alice@example.com, URI:https://host/path or IP:192.0.2.1",
                       QUOTE_MAX, text);
}

const char *san_type_name(enum san_type type)
{
    return (unsigned)type < SAN_TYPES ? types[type].name : "SAN";
}

char *san_format(const struct san *san)
{
    char *text;
    return asprintf(&text, "%s:%s", san_type_name(san->type), san->value) < 0 ? NULL : text;
}

bool san_equal(const struct san *a, const struct san *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == SAN_IP)
        return a->address_length == b->address_length && !memcmp(a->address, b->address, a->address_length);
    if (a->type == SAN_DNS)
        return !strcasecmp(a->value, b->value);
    if (a->type == SAN_EMAIL) {
        const char *x = strrchr(a->value, '@'), *y = strrchr(b->value, '@');
        return x && y && x - a->value == y - b->value && !strncmp(a->value, b->value, (size_t)(x - a->value)) && !strcasecmp(x, y);
    }
    return !strcmp(a->value, b->value); /* scheme and host are in lower case since san_from_value */
}

void san_clear(struct san *san)
{
    free(san->value);
    memset(san, 0, sizeof *san);
}

bool names_have(const struct names *names, const struct san *san)
{
    for (size_t i = 0; i < names->count; i++)
        if (san_equal(&names->sans[i], san))
            return true;
    return false;
}

int names_add(struct names *names, struct san *san, struct failure *failure)
{
    if (names_have(names, san)) {
        san_clear(san);
        return 0;
    }
    struct san *grown = names->count < NAMES_MAX ? reallocarray(names->sans, names->count + 1, sizeof *grown) : NULL;
    if (!grown) {
        san_clear(san);
        return names->count < NAMES_MAX
                   ? failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory")
                   : failure_set(failure, FAILURE_BAD_REQUEST, "sans", "a certificate takes at most %d SANs", NAMES_MAX);
    }
    names->sans = grown;
    names->sans[names->count++] = *san;
    memset(san, 0, sizeof *san);
    return 0;
}

int names_set_common_name(struct names *names, const char *text, size_t length, const char *field, struct failure *failure)
{
    size_t characters = 0;
    int32_t first = 0, last = 0;
    for (size_t at = 0; at < length; characters++) {
        last = utf8_next(text, length, &at);
        if (last < 0)
            return failure_set(failure, FAILURE_BAD_REQUEST, field, "the name is not valid UTF-8");
        if (is_control(last))
            return failure_set(failure, FAILURE_BAD_REQUEST, field, "the name holds a control character (U+%04X)", (unsigned)last);
        if (characters == 0)
            first = last;
        if (characters == COMMON_NAME_MAX)
            return failure_set(failure, FAILURE_BAD_REQUEST, field,
                               "the name is longer than %d characters; longer names go into a SAN", COMMON_NAME_MAX);
    }
    if (characters == 0)
        return failure_set(failure, FAILURE_BAD_REQUEST, field, "the name is empty");
    if (is_blank(first) || is_blank(last))
        return failure_set(failure, FAILURE_BAD_REQUEST, field, "the name begins or ends with a blank");
    memcpy(names->common_name, text, length);
    names->common_name[length] = '\0';
    return 0;
}

int names_copy(const struct names *from, struct names *to)
{
    struct names copy = {.count = 0};
    memcpy(copy.common_name, from->common_name, sizeof copy.common_name);
    copy.sans = from->count ? calloc(from->count, sizeof *copy.sans) : NULL;
    if (from->count && !copy.sans)
        return -1;
    for (; copy.count < from->count; copy.count++) {
        copy.sans[copy.count] = from->sans[copy.count];
        copy.sans[copy.count].value = strdup(from->sans[copy.count].value);
        if (!copy.sans[copy.count].value) {
            names_clear(&copy);
            return -1;
        }
    }
    *to = copy;
    return 0;
}

void names_clear(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        san_clear(&names->sans[i]);
    free(names->sans);
    memset(names, 0, sizeof *names);
}
