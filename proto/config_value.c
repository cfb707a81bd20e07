/*
 * config_value.c - one value of mtlsd.conf: text to member, each kind with its own rule.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/config_table.h"
#include "proto/nearest.h"
#include "proto/term.h"

#define DIGITS "0123456789"
#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS

enum { EKUS_MAX = 8 /* of a grant */, WHO_MAX = 64, OID_MAX = 63 };

static int expected(char why[static CONFIG_WHY_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int expected(char why[static CONFIG_WHY_SIZE], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, CONFIG_WHY_SIZE, format, arguments);
    va_end(arguments);
    return -1;
}

static bool only(const char *text, const char *set)
{
    return *text && !text[strspn(text, set)];
}

static int check_socket(const char *text, char why[static CONFIG_WHY_SIZE])
{
    return strlen(text) <= CONFIG_SOCKET_MAX
               ? 0
               : expected(why, "a socket's path of at most %d bytes (unix(7))", CONFIG_SOCKET_MAX);
}

static int check_who(const char *text, char why[static CONFIG_WHY_SIZE])
{
    bool fits = strlen(text) <= WHO_MAX && only(text, ALNUM "_.@-") && text[0] != '-';
    /* All ones is "no user" for setuid(2) and chown(2). */
    if (fits && only(text, DIGITS) && (strlen(text) > 10 || strtoull(text, NULL, 10) >= UINT32_MAX))
        fits = false;
    return fits ? 0 : expected(why, "a name or a number");
}

static int check_eku(const char *eku, char why[static CONFIG_WHY_SIZE])
{
    static const char *const known[] = {"clientAuth", "serverAuth", "emailProtection"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(known[i], eku))
            return 0;
    /* 2.5.29.37.0 is anyExtendedKeyUsage: it would lift the restriction that the profile is there to make. */
    size_t length = strlen(eku);
    if (only(eku, DIGITS ".") && length <= OID_MAX && eku[0] >= '0' && eku[0] <= '2' && eku[1] == '.' &&
        !strstr(eku, "..") && eku[length - 1] != '.' && strcmp(eku, "2.5.29.37.0") != 0)
        return 0;
    const char *near = nearest_word(eku, known, sizeof known / sizeof known[0]);
    return expected(why, "clientAuth, serverAuth, emailProtection or dotted numbers, not \"%.40s\"%s%s%s", eku,
                    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* Checks each, and takes the blanks around the commas out of `list`. */
static int check_ekus(char *list, char why[static CONFIG_WHY_SIZE])
{
    char *out = list, *next = list;
    for (size_t count = 1; next; count++) {
        char *eku = strsep(&next, ",");
        eku += strspn(eku, " \t");
        size_t length = strcspn(eku, " \t");
        if (eku[length + strspn(eku + length, " \t")])
            return expected(why, "extended key usages separated by commas");
        eku[length] = '\0';
        if (check_eku(eku, why))
            return -1;
        if (count > EKUS_MAX)
            return expected(why, "at most %d extended key usages", EKUS_MAX);
        memmove(out, eku, length);
        out += length;
        *out++ = next ? ',' : '\0';
    }
    return 0;
}

static int check_keep(const char *text, char why[static CONFIG_WHY_SIZE])
{
    int64_t seconds;
    return !strcmp(text, "no") || !strcmp(text, "once") || term_parse(text, &seconds) == 0
               ? 0
               : expected(why, "no, once or a term such as 7d");
}

static int check_san_template(const char *text, char why[static CONFIG_WHY_SIZE])
{
    static const char *const types[] = {"DNS:", "email:", "URI:", "IP:"};
    const char *value = NULL;
    for (size_t i = 0; !value && i < sizeof types / sizeof types[0]; i++)
        if (!strncasecmp(text, types[i], strlen(types[i])))
            value = text + strlen(types[i]);
    if (!value || !*value)
        return expected(why, "DNS:, email:, URI: or IP: and a value, such as email:%%n@example.com");
    for (const char *percent = strchr(value, '%'); percent; percent = strchr(percent + 1, '%'))
        if (percent[1] != 'n')
            return expected(why, "%%n as the only thing after a %% sign");
    return 0;
}

/* "127.0.0.1:8080" or "[::1]:8080": certificate headers come in here, so it must not be reachable from
 * elsewhere. */
static int check_loopback(const char *text, char why[static CONFIG_WHY_SIZE])
{
    char host[INET6_ADDRSTRLEN];
    struct in_addr four;
    struct in6_addr six;
    const char *colon = strrchr(text, ':');
    bool bracketed = text[0] == '[' && colon && colon > text && colon[-1] == ']';
    size_t length = colon ? (size_t)(colon - text) - 2 * bracketed : 0;
    bool fits = length > 0 && length < sizeof host && only(colon + 1, DIGITS) && strlen(colon + 1) <= 5;
    if (fits) {
        memcpy(host, text + bracketed, length);
        host[length] = '\0';
        unsigned long port = strtoul(colon + 1, NULL, 10);
        bool loopback =
            bracketed ? inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six)
                      : inet_pton(AF_INET, host, &four) == 1 && ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
        fits = loopback && port > 0 && port <= UINT16_MAX;
    }
    return fits ? 0 : expected(why, "a loopback address and a port, such as 127.0.0.1:8080 or [::1]:8080");
}

static int check_text(enum config_kind kind, char *text, char why[static CONFIG_WHY_SIZE])
{
    switch (kind) {
    case CONFIG_SOCKET:
        return check_socket(text, why);
    case CONFIG_WHO:
        return check_who(text, why);
    case CONFIG_EKU:
        return check_ekus(text, why);
    case CONFIG_KEEP:
        return check_keep(text, why);
    case CONFIG_SAN_TEMPLATE:
        return check_san_template(text, why);
    case CONFIG_LOOPBACK:
        return check_loopback(text, why);
    case CONFIG_HEADER: /* a token, RFC 9110 section 5.1; fewer characters, because nginx drops headers with
                           others */
        return only(text, ALNUM "-") ? 0 : expected(why, "a header's name, such as X-SSL-Client-Cert");
    case CONFIG_PUBLIC_URL:
        return (!strncmp(text, "https://", 8) && text[8]) || (!strncmp(text, "http://", 7) && text[7])
                   ? 0
                   : expected(why, "a URL that begins with https:// (or http://)");
    default:
        return 0;
    }
}

static int set_text(enum config_kind kind, char **at, const char *text, char why[static CONFIG_WHY_SIZE])
{
    char *copy = strdup(text);
    if (!copy)
        return expected(why, "more memory");
    if (check_text(kind, copy, why)) {
        free(copy);
        return -1;
    }
    free(*at);
    *at = copy;
    return 0;
}

static int set_number(const struct config_row *row, int64_t *at, const char *text,
                      char why[static CONFIG_WHY_SIZE])
{
    errno = 0;
    long long number = only(text, DIGITS) && strlen(text) <= 18 ? strtoll(text, NULL, 10) : -1;
    if (number < row->least || number > row->most)
        return expected(why, "a number from %" PRId64 " to %" PRId64, row->least, row->most);
    *at = number;
    return 0;
}

static int set_term(const struct config_row *row, int64_t *at, const char *text,
                    char why[static CONFIG_WHY_SIZE])
{
    int64_t seconds = 0;
    bool zero = row->kind == CONFIG_TERM_OR_ZERO && !strcmp(text, "0");
    if (!zero && (term_parse(text, &seconds) || seconds < row->least || seconds > row->most)) {
        char least[INSTANT_TEXT_SIZE], most[INSTANT_TEXT_SIZE];
        term_format(row->least, least);
        term_format(row->most, most);
        return expected(why, "a number with s, m, h or d, from %s to %s%s", least, most,
                        row->kind == CONFIG_TERM_OR_ZERO ? ", or 0" : "");
    }
    *at = seconds;
    return 0;
}

static int set_bool(bool *at, const char *text, char why[static CONFIG_WHY_SIZE])
{
    static const char *const words[2][4] = {{"no", "false", "off", "0"}, {"yes", "true", "on", "1"}};
    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 4; i++)
            if (!strcasecmp(words[value][i], text)) {
                *at = value;
                return 0;
            }
    return expected(why, "yes or no");
}

static int set_mode(mode_t *at, const char *text, char why[static CONFIG_WHY_SIZE])
{
    size_t length = strlen(text);
    if (!only(text, "01234567") || length < 3 || length > 4 || (length == 4 && text[0] != '0'))
        return expected(why, "permissions in octal, such as 0660");
    *at = (mode_t)strtoul(text, NULL, 8);
    return 0;
}

int config_set(const struct config_row *row, void *section, const char *text, char why[static CONFIG_WHY_SIZE])
{
    void *at = (char *)section + row->offset;
    switch (row->kind) {
    case CONFIG_TERM:
    case CONFIG_TERM_OR_ZERO:
        return set_term(row, at, text, why);
    case CONFIG_NUMBER:
        return set_number(row, at, text, why);
    case CONFIG_BOOL:
        return set_bool(at, text, why);
    case CONFIG_MODE:
        return set_mode(at, text, why);
    case CONFIG_KEY_TYPE:
        return key_type_parse(text, at) == 0
                   ? 0
                   : expected(why, "ec:P-256, ec:P-384, ed25519 or rsa:2048 to rsa:4096");
    default:
        return set_text(row->kind, at, text, why);
    }
}

void config_clear(enum config_section section, void *at)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (config_rows[i].section == section && config_rows[i].kind <= CONFIG_PUBLIC_URL)
            free(*(char **)((char *)at + config_rows[i].offset));
}
