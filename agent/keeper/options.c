/*
 * options.c - the command line of mtlsd-keeper.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/options.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/term.h"

enum { DAYS_DEFAULT = 3650, DAYS_MAX = 36600 };
enum { SERVE = 1 << MODE_SERVE, INIT = 1 << MODE_INIT, RESEAL = 1 << MODE_RESEAL, ALL = SERVE | INIT | RESEAL };

typedef int set_option(struct options *options, const char *value, size_t offset);

static int set_mode_init(struct options *options, const char *value, size_t offset)
{
    (void)value, (void)offset;
    options->mode = MODE_INIT;
    return 0;
}

static int set_mode_reseal(struct options *options, const char *value, size_t offset)
{
    (void)value, (void)offset;
    options->mode = MODE_RESEAL;
    return 0;
}

static int set_mode_help(struct options *options, const char *value, size_t offset)
{
    (void)value, (void)offset;
    options->mode = MODE_HELP;
    return 0;
}

static int set_text(struct options *options, const char *value, size_t offset)
{
    *(const char **)((char *)options + offset) = value;
    return *value ? 0 : -1;
}

static int number(const char *value, int64_t low, int64_t high, int64_t *out)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(value, &end, 10);
    if (errno || *end || end == value || parsed < low || parsed > high || value[0] < '0' || value[0] > '9')
        return -1;
    *out = parsed;
    return 0;
}

static int set_descriptor(struct options *options, const char *value, size_t offset)
{
    int64_t fd;
    (void)offset;
    if (number(value, 3, INT_MAX, &fd))
        return -1;
    options->agent_fd = (int)fd;
    return 0;
}

static int set_days(struct options *options, const char *value, size_t offset)
{
    (void)offset;
    return number(value, 1, DAYS_MAX, &options->days);
}

static int set_life(struct options *options, const char *value, size_t offset)
{
    (void)offset;
    return term_parse(value, &options->max_life);
}

/* RSA below 3072 bits is no key for a CA of ten years (NIST SP 800-57 part 1, table 2). */
static int set_key_type(struct options *options, const char *value, size_t offset)
{
    (void)offset;
    return key_type_parse(value, &options->key_type) ||
                   (options->key_type.kind == KEY_RSA && options->key_type.bits != 3072 &&
                    options->key_type.bits != 4096)
               ? -1
               : 0;
}

static int set_seal(struct options *options, const char *value, size_t offset)
{
    (void)offset;
    options->has_seal = true;
    return seal_method_parse(value, &options->seal);
}

static int set_clamp(struct options *options, const char *value, size_t offset)
{
    (void)offset;
    options->has_clamp = true;
    options->refuse_past_end = !strcmp(value, "refuse");
    return options->refuse_past_end || !strcmp(value, "report") ? 0 : -1;
}

static int add_permit(struct options *options, const char *value, size_t offset)
{
    (void)offset;
    if (options->permit_count == FLOOR_PERMIT_MAX)
        return -1;
    options->permit_dns[options->permit_count++] = value;
    return 0;
}

static int add_eku(struct options *options, const char *value, size_t offset)
{
    (void)offset;
    if (options->eku_count == FLOOR_EKU_MAX)
        return -1;
    options->eku_count++;
    options->allow_eku[options->eku_count - 1] = value;
    return 0;
}

#define TEXT(member) set_text, offsetof(struct options, member)

static const struct option_row {
    const char *name;  /* without the dashes */
    const char *value; /* NULL: takes none */
    int modes;
    set_option *set;
    size_t offset;
    const char *meaning;
} rows[] = {
    {"init", NULL, INIT, set_mode_init, 0, "make a CA: key, certificate, counter; never over one that is there"},
    {"reseal", NULL, RESEAL, set_mode_reseal, 0, "change seal or floor, never the key; restart the keeper afterwards"},
    {"help", NULL, ALL, set_mode_help, 0, "this text"},
    {"state", "DIR", ALL, TEXT(state), "the keeper's directory: ca.crt, ca.key, counter"},
    {"user", "USER", ALL, TEXT(user), "become this user (name or number) once what root must open is open"},
    {"socket", "PATH", SERVE, TEXT(socket), "listen here for the agent; default: the inherited socket named 'keeper'"},
    {"agent-fd", "N", SERVE, set_descriptor, 0, "the agent's connection, passed by the parent process"},
    {"unlock", "PATH", SERVE, TEXT(unlock), "listen here for passphrases; default: the inherited socket named 'unlock'"},
    {"agent-user", "USER", SERVE, TEXT(agent_user), "who may be the agent (name or number); default: the keeper's own user"},
    {"secret-file", "FILE", ALL, TEXT(secret_file), "32 bytes, raw or as 64 hex digits, that open the key; a name is looked for in $CREDENTIALS_DIRECTORY"},
    {"passphrase-file", "FILE", INIT | RESEAL, TEXT(passphrase_file), "the passphrase, one trailing newline stripped; default: asked for on the terminal"},
    {"name", "NAME", INIT, TEXT(name), "the CA's name (CN)"},
    {"key-type", "TYPE", INIT, set_key_type, 0, "ec:P-256 (default), ec:P-384, ed25519, rsa:3072, rsa:4096"},
    {"days", "N", INIT, set_days, 0, "life of the CA's certificate; default 3650"},
    {"permit-dns", "DOMAIN", INIT, add_permit, 0, "name constraint: only names at and under it; may be repeated"},
    {"max-life", "TERM", INIT | RESEAL, set_life, 0, "no certificate lives longer; default 825d"},
    {"allow-eku", "OID", INIT | RESEAL, add_eku, 0, "an EKU beside clientAuth, serverAuth, emailProtection; may be repeated"},
    {"clamp", "refuse|report", INIT | RESEAL, set_clamp, 0, "a certificate that would outlive the CA: refused, or cut short and reported (default)"},
    {"seal", "METHOD", INIT | RESEAL, set_seal, 0, "passphrase, secret-file or none"},
    {"new-passphrase-file", "FILE", RESEAL, TEXT(new_passphrase_file), "the passphrase from now on"},
    {"new-secret-file", "FILE", RESEAL, TEXT(new_secret_file), "the secret from now on"},
};

void options_help(FILE *stream)
{
    fputs("mtlsd-keeper - holds the CA key of mtlsd and signs nothing that it did not build\n\n"
          "  mtlsd-keeper --init --state DIR --name 'Example CA' --seal passphrase\n"
          "  mtlsd-keeper --state DIR --socket S --unlock U --agent-user mtlsd\n"
          "  mtlsd-keeper --reseal --state DIR --seal secret-file --new-secret-file F\n\n", stream);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char form[48];
        snprintf(form, sizeof form, "--%s%s%s", rows[i].name, rows[i].value ? " " : "", rows[i].value ? rows[i].value : "");
        fprintf(stream, "  %-28s %s\n", form, rows[i].meaning);
    }
}

static const struct option_row *row_find(const char *argument)
{
    size_t length = strcspn(argument, "=");
    if (length <= 2 || strncmp(argument, "--", 2))
        return NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strlen(rows[i].name) == length - 2 && !strncmp(argument + 2, rows[i].name, length - 2))
            return &rows[i];
    return NULL;
}

static int check_modes(int argc, char **argv, const struct options *options, struct failure *failure)
{
    static const char *const names[] = {
        [MODE_SERVE] = "a running keeper", [MODE_INIT] = "--init", [MODE_RESEAL] = "--reseal"};
    for (int i = 1; i < argc; i++) {
        const struct option_row *row = row_find(argv[i]);
        if (row && !(row->modes & 1 << options->mode))
            return failure_set(failure, FAILURE_BAD_REQUEST, row->name, "--%s is not for %s", row->name,
                               names[options->mode]);
        if (row && row->value && !strchr(argv[i], '='))
            i++;
    }
    if (!options->state)
        return failure_set(failure, FAILURE_BAD_REQUEST, "state", "--state DIR is missing");
    if (options->mode == MODE_INIT && (!options->name || !options->has_seal))
        return failure_set(failure, FAILURE_BAD_REQUEST, options->name ? "seal" : "name",
                           "--init wants --name NAME and --seal passphrase|secret-file|none");
    return 0;
}

int options_parse(int argc, char **argv, struct options *out, struct failure *failure)
{
    *out = (struct options){.agent_fd = -1, .days = DAYS_DEFAULT, .key_type = {KEY_EC_P256, 0}};
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        const struct option_row *row = row_find(argument);
        const char *value = row ? strchr(argument, '=') : NULL;
        if (!row)
            return failure_set(failure, FAILURE_BAD_REQUEST, NULL, "unknown option %s; see mtlsd-keeper --help", argument);
        if (!row->value != !value && !row->value)
            return failure_set(failure, FAILURE_BAD_REQUEST, row->name, "--%s takes no value", row->name);
        if (row->value && !value && i + 1 == argc)
            return failure_set(failure, FAILURE_BAD_REQUEST, row->name, "--%s wants %s", row->name, row->value);
        if (row->value)
            value = value ? value + 1 : argv[++i];
        if (row->set(out, value, row->offset))
            return failure_set(failure, FAILURE_BAD_REQUEST, row->name, "--%s %s: wants %s: %s", row->name,
                               value ? value : "", row->value ? row->value : "nothing", row->meaning);
    }
    return out->mode == MODE_HELP ? 0 : check_modes(argc, argv, out, failure);
}

int account_find(const char *text, struct account *out, struct failure *failure)
{
    int64_t uid;
    struct passwd *entry;
    if (!number(text, 0, UINT32_MAX - 1, &uid)) {
        entry = getpwuid((uid_t)uid);
        *out = (struct account){(uid_t)uid, entry ? entry->pw_gid : (gid_t)uid};
        return 0;
    }
    entry = getpwnam(text);
    if (!entry)
        return failure_set(failure, FAILURE_BAD_REQUEST, "user", "no user '%s' on this machine", text);
    *out = (struct account){entry->pw_uid, entry->pw_gid};
    return 0;
}

int account_become(const struct account *account, struct failure *failure)
{
    if (geteuid() == account->uid) /* nothing to become; in a user namespace setgroups(2) may be refused */
        return 0;
    if (setgroups(0, NULL) || setresgid(account->gid, account->gid, account->gid) ||
        setresuid(account->uid, account->uid, account->uid))
        return failure_set(failure, FAILURE_BAD_REQUEST, "user", "cannot become uid %u: %s", (unsigned)account->uid,
                           strerror(errno));
    return 0;
}
