/*
 * options.c - the table of options, and the one walk over argv.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/term.h"

enum option_kind {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_TERM,    /* a text that must be a term */
    OPTION_INSTANT, /* a text that must be an instant */
    OPTION_AT,
    OPTION_LIFE,
    OPTION_DAYS,
    OPTION_DUE,
    OPTION_SANS,
    OPTION_CRL,
    OPTION_UID, /* the bool at `offset`, the number at `second` */
};

struct option {
    const char *name;
    enum option_kind kind;
    size_t offset, second;
    const char *argument;
    const char *help; /* further lines after a newline */
    bool global;
};

#define AT(member) offsetof(struct options, member)
static const struct option table[] = {
    {"san", OPTION_SANS, 0, 0, "TYPE:VALUE,...",
     "names of the certificate: DNS:x, email:y, URI:z, IP:a; may be repeated", false},
    {"profile", OPTION_TEXT, AT(profile), 0, "PROFILE",
     "client, person, server, or another of the agent's configuration", false},
    {"service", OPTION_TEXT, AT(service), 0, "SERVICE", "the service whose policy decides; default: default",
     false},
    {"label", OPTION_TEXT, AT(label), 0, "LABEL",
     "which device or use of NAME's it is; not in the certificate", false},
    {"life", OPTION_LIFE, 0, 0, "TERM", "how long it is valid: a number with s, m, h or d", false},
    {"days", OPTION_DAYS, 0, 0, "N", "the same as --life Nd", false},
    {"key-type", OPTION_TEXT, AT(key_type), 0, "TYPE", "ec:P-256, ec:P-384, ed25519, rsa:2048 to rsa:4096",
     false},
    {"name", OPTION_TEXT, AT(name), 0, "NAME", "NAME of the certificate (its CN)", false},
    {"serial", OPTION_TEXT, AT(serial), 0, "SERIAL", "its serial in hex, with or without colons", false},
    {"request-id", OPTION_TEXT, AT(request_id), 0, "ID", "the request that made the certificate", false},
    {"out", OPTION_TEXT, AT(out), 0, "PATH", "where to write: a directory for issue and renew, else a file",
     false},
    {"out-name", OPTION_TEXT, AT(out_name), 0, "BASE",
     "BASE.key and BASE.crt instead of NAME.key and NAME.crt", false},
    {"p12", OPTION_TEXT, AT(p12), 0, "FILE", "write key, certificate and chain as PKCS#12 too", false},
    {"passphrase-file", OPTION_TEXT, AT(passphrase_file), 0, "FILE",
     "the passphrase is its first line; - is standard input;\nwithout it mtlsctl asks on the terminal",
     false},
    {"key", OPTION_TEXT, AT(key), 0, "FILE",
     "the private key to package, PEM; without it one that the agent kept", false},
    {"format", OPTION_TEXT, AT(format), 0, "FORMAT", "the form of the output", false},
    {"csr", OPTION_TEXT, AT(csr), 0, "FILE",
     "certify this CSR's key instead of a new one; - is standard input", false},
    {"if-due", OPTION_DUE, 0, 0, "TERM|PERCENT",
     "do nothing where the files are there, fit each other and what is asked,\n"
     "are live, and are not within TERM (33%: a third of their life) of expiry;\n"
     "files that are due are replaced",
     false},
    {"force", OPTION_FLAG, AT(force), 0, NULL, "replace output files that exist", false},
    {"dry-run", OPTION_FLAG, AT(dry_run), 0, NULL, "tell what would happen, and do nothing", false},
    {"reason", OPTION_TEXT, AT(reason), 0, "REASON",
     "keyCompromise, affiliationChanged, superseded, cessationOfOperation,\n"
     "privilegeWithdrawn, certificateHold (suspends), unspecified, ...",
     false},
    {"requester", OPTION_UID, AT(requester_given), AT(requester), "USER",
     "issued for this local user (name or uid)", false},
    {"issued-before", OPTION_INSTANT, AT(issued_before), 0, "TIME", "issued before, RFC 3339", false},
    {"issued-after", OPTION_INSTANT, AT(issued_after), 0, "TIME", "issued after, RFC 3339", false},
    {"yes", OPTION_FLAG, AT(yes), 0, NULL, "do not ask, however many there are", false},
    {"status", OPTION_TEXT, AT(status), 0, "STATUS", "live, revoked, held, expired, notYetValid", false},
    {"expiring", OPTION_TERM, AT(expiring), 0, "TERM", "expiring within this time", false},
    {"pem", OPTION_FLAG, AT(pem), 0, NULL, "print the certificate and its chain as PEM", false},
    {"anchors", OPTION_TEXT, AT(anchors), 0, "FILE",
     "validate the path to these trust anchors here, without an agent", false},
    {"chain", OPTION_TEXT, AT(chain), 0, "FILE", "intermediate certificates, PEM or DER", false},
    {"crl", OPTION_CRL, 0, 0, "FILE", "with --anchors: a CRL, complete or delta; may be repeated", false},
    {"purpose", OPTION_TEXT, AT(purpose), 0, "PURPOSE", "client (the default), server, any", false},
    {"dns", OPTION_TEXT, AT(dns), 0, "NAME", "with --anchors: the certificate must be for this host", false},
    {"at", OPTION_AT, AT(at), 0, "TIME", "judge as of then, RFC 3339; default: now", false},
    {"partial-chain", OPTION_FLAG, AT(partial_chain), 0, NULL,
     "with --anchors: an anchor need not be self-signed", false},
    {"strict", OPTION_FLAG, AT(strict), 0, NULL,
     "with --anchors: hold every certificate to RFC 5280's letter", false},
    {"explicit-policy", OPTION_FLAG, AT(explicit_policy), 0, NULL,
     "with --anchors: require a valid certificate policy", false},
    {"method", OPTION_TEXT, AT(method), 0, "METHOD", "HTTP method, for policies that look at it", false},
    {"uri", OPTION_TEXT, AT(uri), 0, "URI", "request URI, likewise", false},
    {"host", OPTION_TEXT, AT(host), 0, "HOST", "Host, likewise", false},
    {"address", OPTION_TEXT, AT(address), 0, "ADDRESS", "address of the client, likewise", false},
    {"as", OPTION_UID, AT(as_given), AT(as), "USER", "ask for this local user (name or uid); needs admin",
     false},
    {"unlock-socket", OPTION_TEXT, AT(unlock_socket), 0, "PATH",
     "the keeper's socket; default: MTLS_UNLOCK_SOCKET, else\nkeeper-unlock.sock beside the agent's socket",
     false},
    {"socket", OPTION_TEXT, AT(socket), 0, "PATH",
     "the agent's socket; default: MTLS_SOCKET, else\n/run/mtlsd/agent.sock", true},
    {"json", OPTION_FLAG, AT(json), 0, NULL,
     "one JSON object, or one a line, with the protocol's field names", true},
    {"help", OPTION_FLAG, AT(help), 0, NULL, "this text", true},
    {"version", OPTION_FLAG, AT(version), 0, NULL, "the version", true},
};
enum { TABLE_COUNT = sizeof table / sizeof table[0] };

void options_init(struct options *options)
{
    memset(options, 0, sizeof *options);
    options->at_seconds = -1;
}

static void list_clear(struct option_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    list->count = 0;
}

void options_clear(struct options *options)
{
    list_clear(&options->sans);
    list_clear(&options->crls);
}

static int list_add(struct option_list *list, const char *text, size_t length, size_t most, const char *field,
                    struct failure *failure)
{
    if (list->count == most)
        return failure_set(failure, FAILURE_BAD_REQUEST, field, "%s: at most %zu of them", field, most);
    char *copy = strndup(text, length);
    if (!copy)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    list->items[list->count++] = copy;
    return 0;
}

static bool starts_with_type(const char *text)
{
    static const char *const types[] = {"DNS:", "email:", "URI:", "IP:", "IP Address:"};
    while (*text == ' ')
        text++;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (!strncasecmp(text, types[i], strlen(types[i])))
            return true;
    return false;
}

int option_sans_add(struct option_list *list, const char *text, struct failure *failure)
{
    for (const char *start = text;;) {
        while (*start == ' ')
            start++;
        if (!starts_with_type(start))
            return failure_set(failure, FAILURE_BAD_REQUEST, "--san",
                               "--san %s: every name has a type, as in DNS:x,email:y,URI:z,IP:a", text);
        const char *end = strchr(start, ',');
        while (end && !starts_with_type(end + 1) && end[1 + strspn(end + 1, " ")] != '\0')
            end = strchr(end + 1, ',');
        if (list_add(list, start, end ? (size_t)(end - start) : strlen(start), OPTION_SANS_MAX, "--san",
                     failure))
            return -1;
        if (!end || !end[1])
            return 0;
        start = end + 1;
    }
}

/* Digits alone, at most `most`. */
static int parse_number(const char *text, uint64_t most, uint64_t *out)
{
    uint64_t value = 0;
    if (!*text)
        return -1;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text) || value > (most - (uint64_t)(*text - '0')) / 10)
            return -1;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *out = value;
    return 0;
}

int due_parse(const char *text, struct due *out)
{
    struct due due = {.given = true};
    size_t length = strlen(text);
    if (length > 1 && length <= 3 && text[length - 1] == '%') {
        char digits[3] = {0};
        uint64_t percent;
        memcpy(digits, text, length - 1);
        if (parse_number(digits, 99, &percent) || percent == 0)
            return -1;
        due.percent = (int)percent;
    } else if (term_parse(text, &due.seconds)) {
        return -1;
    }
    *out = due;
    return 0;
}

bool due_is_near(const struct due *due, int64_t not_before, int64_t not_after, int64_t now)
{
    int64_t life = not_after - not_before;
    int64_t margin = due->percent ? (int64_t)((__int128)life * due->percent / 100) : due->seconds;
    return not_after - now <= margin;
}

static int parse_uid(const char *text, uint32_t *out)
{
    uint64_t number;
    if (parse_number(text, UINT32_MAX - 1, &number) == 0) {
        *out = (uint32_t)number;
        return 0;
    }
    const struct passwd *user = getpwnam(text);
    if (!user)
        return -1;
    *out = user->pw_uid;
    return 0;
}

static int refuse(const char *name, const char *value, const char *expected, struct failure *failure)
{
    char field[FAILURE_FIELD_SIZE];
    snprintf(field, sizeof field, "--%s", name);
    return failure_set(failure, FAILURE_BAD_REQUEST, field, "--%s %s: expected %s", name, value, expected);
}

static int set_life(const struct option *option, const char *value, struct options *options,
                    struct failure *failure)
{
    int64_t seconds;
    char term[OPTION_LIFE_SIZE];
    snprintf(term, sizeof term, "%s%s", value, option->kind == OPTION_DAYS ? "d" : "");
    if (strlen(value) >= sizeof term - 1 || term_parse(term, &seconds))
        return refuse(option->name, value,
                      option->kind == OPTION_DAYS ? "a number of days"
                                                  : "a number with s, m, h or d, as in 90d",
                      failure);
    if (options->life[0] && strcmp(options->life, term) != 0)
        return refuse(option->name, value, "one of --life and --days, once", failure);
    memcpy(options->life, term, sizeof term);
    return 0;
}

static int set_option(const struct option *option, const char *value, struct options *options,
                      struct failure *failure)
{
    char *place = (char *)options + option->offset;
    int64_t seconds;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)place = true;
        return 0;
    case OPTION_TERM:
        if (term_parse(value, &seconds))
            return refuse(option->name, value, "a number with s, m, h or d, as in 30d", failure);
        break;
    case OPTION_AT:
    case OPTION_INSTANT:
        if (instant_parse(value, &seconds))
            return refuse(option->name, value, "a time as in 2027-01-31T12:00:00Z (RFC 3339)", failure);
        if (option->kind == OPTION_AT)
            options->at_seconds = seconds;
        break;
    case OPTION_LIFE:
    case OPTION_DAYS:
        return set_life(option, value, options, failure);
    case OPTION_DUE:
        return due_parse(value, &options->if_due)
                   ? refuse(option->name, value, "a term or a share of its life, as in 30d, 12h or 33%",
                            failure)
                   : 0;
    case OPTION_SANS:
        return option_sans_add(&options->sans, value, failure);
    case OPTION_CRL:
        return list_add(&options->crls, value, strlen(value), OPTION_FILES_MAX, "--crl", failure);
    case OPTION_UID:
        *(bool *)place = true;
        return parse_uid(value, (uint32_t *)((char *)options + option->second))
                   ? refuse(option->name, value, "a local user's name or uid", failure)
                   : 0;
    case OPTION_TEXT:
        break;
    }
    *(const char **)place = value;
    return 0;
}

/* Is the word among those separated by blanks? */
static bool listed(const char *list, const char *word, size_t length)
{
    for (const char *at = list; at && *at; at += strspn(at, " ")) {
        size_t next = strcspn(at, " ");
        if (next == length && !memcmp(at, word, length))
            return true;
        at += next;
    }
    return false;
}

static const struct option *find(const char *name, size_t length)
{
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (strlen(table[i].name) == length && !memcmp(table[i].name, name, length))
            return &table[i];
    return NULL;
}

bool option_exists(const char *name, size_t length)
{
    return find(name, length) != NULL;
}

static int refuse_unknown(const struct option_parse *parse, const char *name, size_t length, bool exists,
                          struct failure *failure)
{
    char field[FAILURE_FIELD_SIZE];
    snprintf(field, sizeof field, "--%.*s", (int)(length < 60 ? length : 60), name);
    if ((length == 5 && !memcmp(name, "state", 5)) || (length == 6 && !memcmp(name, "config", 6)))
        return failure_set(
            failure, FAILURE_BAD_REQUEST, field,
            "%s is mtlsd's business: mtlsctl talks to a running agent through its socket: --socket PATH",
            field);
    if (!parse->command)
        return failure_set(failure, FAILURE_BAD_REQUEST, field,
                           "%s does not stand before a command; see mtlsctl --help", field);
    return failure_set(failure, FAILURE_BAD_REQUEST, field,
                       "%s: %s has no such option%s; mtlsctl %s --help lists them", field, parse->command,
                       exists ? " (another command has)" : "", parse->command);
}

static int take_option(struct option_parse *parse, struct options *options, struct failure *failure)
{
    const char *name = parse->argv[parse->at++] + 2;
    size_t length = strcspn(name, "=");
    const struct option *option = find(name, length);
    if (!option || !(option->global || listed(parse->allowed, name, length)))
        return refuse_unknown(parse, name, length, option != NULL, failure);
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    if (option->kind == OPTION_FLAG && value)
        return refuse(option->name, value, "no value", failure);
    if (option->kind != OPTION_FLAG && !value) {
        if (parse->at == parse->argc)
            return refuse(option->name, "", option->argument, failure);
        value = parse->argv[parse->at++];
    }
    if (option->kind != OPTION_FLAG && !*value)
        return refuse(option->name, "''", option->argument, failure);
    return set_option(option, value, options, failure);
}

static int take_operand(struct option_parse *parse, struct failure *failure)
{
    if (parse->operand_count == parse->operand_room)
        return failure_set(failure, FAILURE_BAD_REQUEST, "",
                           "%s is one word too many; mtlsctl %s --help shows the form",
                           parse->argv[parse->at], parse->command ? parse->command : "");
    parse->operands[parse->operand_count++] = parse->argv[parse->at++];
    return 0;
}

int options_parse(struct option_parse *parse, struct options *options, struct failure *failure)
{
    bool only_operands = false;
    while (parse->at < parse->argc) {
        const char *word = parse->argv[parse->at];
        if (!only_operands && !strcmp(word, "--")) {
            only_operands = true;
            parse->at++;
        } else if (!only_operands && (!strcmp(word, "-h") || !strcmp(word, "-V"))) {
            *(word[1] == 'h' ? &options->help : &options->version) = true;
            parse->at++;
        } else if (!only_operands && !strncmp(word, "--", 2)) {
            if (take_option(parse, options, failure))
                return -1;
        } else if (!only_operands && word[0] == '-' && word[1]) {
            return failure_set(failure, FAILURE_BAD_REQUEST, word,
                               "%s: options are written out, as in --json; mtlsctl --help lists them", word);
        } else if (parse->stop_at_operand) {
            return 0;
        } else if (take_operand(parse, failure)) {
            return -1;
        }
    }
    return 0;
}

static void print_option(FILE *out, const struct option *option)
{
    fprintf(out, "    --%s%s%s\n", option->name, option->argument ? " " : "",
            option->argument ? option->argument : "");
    for (const char *line = option->help; *line;) {
        size_t length = strcspn(line, "\n");
        fprintf(out, "        %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

void options_print_help(FILE *out, const char *allowed)
{
    for (size_t i = 0; !allowed && i < TABLE_COUNT; i++)
        if (table[i].global)
            print_option(out, &table[i]);
    for (const char *at = allowed; at && *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        const struct option *option = find(at, length);
        if (option)
            print_option(out, option);
        at += length;
    }
}
