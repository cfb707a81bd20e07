/*
 * config_keys.c - the one table of sections and keys of mtlsd.conf.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * From it come the parser's checks, the defaults, `--help-config` and the check of the man page.
 */
#include "proto/config_table.h"
#include "proto/term.h"

#define DAY INT64_C(86400)
#define NO_INITIAL NULL

/* The member's C type is checked where the row is written. */
#define AT(s, member, c_type) \
    (offsetof(struct config_##s, member) + \
     0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((struct config_##s *)0)->member), c_type) ? 1 : -1]))

/* A default that is set and one that only stands in the documentation (because it follows from another key). */
#define ROW(s, SECTION, key, member, c_type, KIND, form, shown, first, low, high, meaning) \
    {{#s, key, form, shown, meaning}, CONFIG_##SECTION, CONFIG_##KIND, AT(s, member, c_type), first, low, high}
#define TEXT(s, SECTION, key, member, KIND, form, fallback, meaning) \
    ROW(s, SECTION, key, member, char *, KIND, form, fallback, fallback, 0, 0, meaning)
#define OPEN(s, SECTION, key, member, KIND, form, words, meaning) \
    ROW(s, SECTION, key, member, char *, KIND, form, words, NO_INITIAL, 0, 0, meaning)
#define TERM(s, SECTION, key, member, low, high, fallback, meaning) \
    ROW(s, SECTION, key, member, int64_t, TERM, "term", fallback, fallback, low, high, meaning)
#define NUMBER(s, SECTION, key, member, low, high, fallback, meaning) \
    ROW(s, SECTION, key, member, int64_t, NUMBER, "number", fallback, fallback, low, high, meaning)
#define BOOL(s, SECTION, key, member, fallback, meaning) \
    ROW(s, SECTION, key, member, bool, BOOL, "yes or no", fallback, fallback, 0, 0, meaning)

const struct config_row config_rows[] = {
    OPEN(agent, AGENT, "state", state, PATH, "directory", "none; required by mtlsd",
         "where the index lies, and the keeper's directory"),
    TEXT(agent, AGENT, "socket", socket, SOCKET, "path", "/run/mtlsd/agent.sock",
         "the socket that clients connect to"),
    ROW(agent, AGENT, "socket-mode", socket_mode, mode_t, MODE, "octal", "0666", "0666", 0, 0,
        "permissions of the socket; who may do what is for the policy to say"),
    OPEN(agent, AGENT, "socket-group", socket_group, WHO, "name or number", "none", "group of the socket"),
    OPEN(agent, AGENT, "policy", policy, PATH, "directory", "none: root and the agent's own uid only",
         "directory of the policy files"),
    OPEN(agent, AGENT, "epoch", epoch, PATH, "file", "epoch beside the socket",
         "page whose counter moves whenever a verdict can change"),
    OPEN(agent, AGENT, "crl", crl, PATH, "file", "none", "CRL file that is kept written, for nginx and others"),
    OPEN(agent, AGENT, "crl-hook", crl_hook, COMMAND, "command", "none",
         "command to run after the CRL file was written, such as nginx -s reload"),
    OPEN(agent, AGENT, "keeper", keeper, SOCKET, "path", "none: mtlsd starts a keeper",
         "socket of a keeper that runs on its own"),
    OPEN(agent, AGENT, "user", user, WHO, "name or number", "none: stays",
         "user that the agent becomes when it was started as root"),
    TERM(agent, AGENT, "crl-life", crl_life, 60, 366 * DAY, "7d", "from a CRL's thisUpdate to its nextUpdate"),
    TERM(agent, AGENT, "crl-interval", crl_interval, 1, DAY, "5s", "least time between two CRLs"),
    NUMBER(agent, AGENT, "frame-max", frame_max, 16 * 1024, 16 * 1024 * 1024, "262144",
           "longest message in bytes"),
    NUMBER(agent, AGENT, "connections", connections, 1, 1000000, "4096", "connections at a time"),
    NUMBER(agent, AGENT, "connections-per-uid", connections_per_uid, 1, 1000000, "1024",
           "connections at a time of one user"),
    TERM(agent, AGENT, "idle-timeout", idle_timeout, 1, DAY, "300s",
         "a connection without a call is closed after this"),
    TERM(agent, AGENT, "slow-timeout", slow_timeout, 1, DAY, "10s",
         "a call that stays unfinished, or a reply unread, ends the connection"),
    TERM(agent, AGENT, "cacheable", cacheable, 1, DAY, "60s", "longest time that a verdict may be cached"),
    NUMBER(agent, AGENT, "queue", queue, 1, 1000000, "4096", "requests under way before the answer is Busy"),

    OPEN(keeper, KEEPER, "state", state, PATH, "directory", "keeper in the agent's state directory",
         "where the sealed CA key lies"),
    OPEN(keeper, KEEPER, "unlock", unlock, SOCKET, "path", "keeper-unlock.sock beside the agent's socket",
         "socket for passphrases"),
    OPEN(keeper, KEEPER, "secret-file", secret_file, PATH, "file", "none",
         "secret that opens a CA key sealed with one"),
    OPEN(keeper, KEEPER, "user", user, WHO, "name or number", "none: the agent's",
         "user that a keeper started by mtlsd becomes"),

    OPEN(gateway, GATEWAY, "socket", socket, SOCKET, "path", "none", "socket for nginx"),
    OPEN(gateway, GATEWAY, "listen", listen, LOOPBACK, "loopback address:port", "none",
         "TCP address for nginx"),
    TEXT(gateway, GATEWAY, "agent", agent, SOCKET, "path", "/run/mtlsd/agent.sock", "socket of the agent"),
    TEXT(gateway, GATEWAY, "epoch", epoch, PATH, "file", "/run/mtlsd/epoch", "the agent's epoch page"),
    OPEN(gateway, GATEWAY, "nginx-user", nginx_user, WHO, "name or number", "none",
         "the only user whose certificate header is believed"),
    OPEN(gateway, GATEWAY, "certificate-header", certificate_header, HEADER, "header", "none",
         "header that carries the client certificate"),
    OPEN(gateway, GATEWAY, "secret-file", secret_file, PATH, "file", "none",
         "secret that nginx shows on a TCP connection"),
    OPEN(gateway, GATEWAY, "public-url", public_url, PUBLIC_URL, "URL", "none",
         "what one-time links begin with"),

    TEXT(profile, PROFILE, "eku", eku, EKU, "EKUs", "clientAuth", "extended key usages, separated by commas"),
    TERM(profile, PROFILE, "life", life, 60, TERM_MAX, "90d",
         "life of a certificate where the caller names none"),
    ROW(profile, PROFILE, "max-life", max_life, int64_t, TERM_OR_ZERO, "term or 0", "0", "0", 60, TERM_MAX,
        "longest life that a caller may ask for; 0: what the keeper allows"),
    OPEN(profile, PROFILE, "san", san, SAN_TEMPLATE, "SAN with %n", "none: made from the name",
         "SAN of a certificate for which none was given; %n is the name"),
    TEXT(profile, PROFILE, "keep", keep, KEEP, "no, once or term", "no",
         "whether a private key made by the agent is kept for an export"),
    ROW(profile, PROFILE, "key-type", key_type, struct key_type, KEY_TYPE, "key type", "ec:P-256", "ec:P-256",
        0, 0, "key that the agent makes where the caller names no type"),

    OPEN(anchors, ANCHORS, "file", file, PATH, "file", "none; required",
         "certificates of other authorities, PEM"),
    OPEN(anchors, ANCHORS, "crl", crl, PATH, "file", "none", "their CRLs, PEM or DER"),
    BOOL(anchors, ANCHORS, "strict", strict, "no", "check these certificates strictly against RFC 5280"),
    BOOL(anchors, ANCHORS, "names", names, "no", "pass on the names in these certificates as those of clients"),

    BOOL(service, SERVICE, "bridge", bridge, "no", "whether sessions may be bridged to this service"),
    BOOL(service, SERVICE, "report-only", report_only, "no",
         "let everybody in and report who would have been refused"),

    OPEN(listener, LISTENER, "socket", socket, SOCKET, "path", "none; this or listen",
         "socket of a further listener of the gateway"),
    OPEN(listener, LISTENER, "listen", listen, LOOPBACK, "loopback address:port", "none; this or socket",
         "TCP address of it"),
    OPEN(listener, LISTENER, "certificate-header", certificate_header, HEADER, "header", "none",
         "header that carries the client certificate"),
    OPEN(listener, LISTENER, "nginx-user", nginx_user, WHO, "name or number", "none",
         "the only user whose header is believed"),
    OPEN(listener, LISTENER, "secret-file", secret_file, PATH, "file", "none",
         "secret that the proxy shows on a TCP connection"),
};
const size_t config_key_count = sizeof config_rows / sizeof config_rows[0];

#define NAMED(s, array_member, count_member) \
    {#s, true, offsetof(struct config, array_member), offsetof(struct config, count_member), \
     sizeof(struct config_##s), 0}
#define SINGLE(s) {#s, false, 0, 0, sizeof(struct config_##s), offsetof(struct config, s)}

const struct config_section_info config_sections[CONFIG_SECTIONS] = {
    [CONFIG_AGENT] = SINGLE(agent),
    [CONFIG_KEEPER] = SINGLE(keeper),
    [CONFIG_GATEWAY] = SINGLE(gateway),
    [CONFIG_PROFILE] = NAMED(profile, profiles, profile_count),
    [CONFIG_ANCHORS] = NAMED(anchors, anchors, anchors_count),
    [CONFIG_SERVICE] = NAMED(service, services, service_count),
    [CONFIG_LISTENER] = NAMED(listener, listeners, listener_count),
};

const struct config_key *config_key_at(size_t index)
{
    return index < config_key_count ? &config_rows[index].shown : NULL;
}
