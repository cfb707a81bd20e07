/*
 * plan.c - from a wish (name, SANs, CSR, term) and a profile to a grant. Pure: no clock, no files, no
 * randomness.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * It must not know who asks: whether they may have what is planned here is decided afterwards, on every name
 * and every day of it.
 */
#include "agent/ca/plan.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/term.h"

/* RFC 5280 section 4.2.1.12 */
static const struct { const char *name, *oid; } ekus[] = {
    {"clientAuth", "1.3.6.1.5.5.7.3.2"},
    {"serverAuth", "1.3.6.1.5.5.7.3.1"},
    {"emailProtection", "1.3.6.1.5.5.7.3.4"},
};

/* --- names ---------------------------------------------------------------------------------------------- */

/* `email:%n@example.com` with the name in it. Inside a URI whatever is not unreserved (RFC 3986 section 2.3) is
 * percent-encoded, so that a name cannot add a path, a query or another host. */
static char *template_fill(const char *template, const char *name)
{
    static const char digits[] = "0123456789ABCDEF";
    bool uri = !strncasecmp(template, "URI:", 4);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (const char *p = template; *p; p++) {
        if (p[0] != '%' || p[1] != 'n') {
            fputc(*p, out);
            continue;
        }
        p++;
        for (const unsigned char *n = (const unsigned char *)name; *n; n++)
            if (!uri || (*n < 0x80 && (isalnum(*n) || strchr("-._~", *n))))
                fputc(*n, out);
            else
                fprintf(out, "%%%c%c", digits[*n >> 4], digits[*n & 15]);
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static int add_from_template(struct names *names, const struct config_profile *profile, struct failure *failure)
{
    struct failure why;
    struct san san;
    char *text = template_fill(profile->san, names->common_name);
    if (!text)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    int result = san_parse(text, &san, &why);
    if (result)
        failure_set(failure, FAILURE_BAD_REQUEST, "sans",
                    "san=%s of profile %s does not work with the name '%s' (%s); name the SAN: --san TYPE:VALUE",
                    profile->san, profile->name, names->common_name, why.reason);
    free(text);
    return result ? -1 : names_add(names, &san, failure);
}

/* A name says by its form what it is. A wildcard is not taken for meant. */
static int add_from_name(struct names *names, struct failure *failure)
{
    static const enum san_type kinds[] = {SAN_IP, SAN_DNS};
    const char *name = names->common_name;
    size_t length = strlen(name);
    struct failure why;
    struct san san;
    if (strchr(name, '@')) {
        if (san_from_value(SAN_EMAIL, name, length, &san, &why) == 0)
            return names_add(names, &san, failure);
        return failure_set(failure, FAILURE_BAD_REQUEST, "sans",
                           "'%s' is no mailbox (%s); name the SAN: --san email:alice@example.com", name,
                           why.reason);
    }
    for (size_t i = 0; name[0] != '*' && i < sizeof kinds / sizeof kinds[0]; i++)
        if (san_from_value(kinds[i], name, length, &san, &why) == 0)
            return names_add(names, &san, failure);
    if (name[0] == '*')
        return failure_set(failure, FAILURE_BAD_REQUEST, "sans",
                           "a wildcard has to be meant; name the SAN: --san 'DNS:%s'", name);
    return failure_set(failure, FAILURE_BAD_REQUEST, "sans",
                       "'%s' is neither a host name nor a mailbox nor an address, so the SAN has to be named: "
                       "--san DNS:host.example.com or "
                       "--san email:alice@example.com",
                       name);
}

static int add_from_list(struct names *names, const struct text_list *list, struct failure *failure)
{
    for (size_t i = 0; i < list->count; i++) {
        struct san san;
        if (san_parse(list->items[i], &san, failure) || names_add(names, &san, failure))
            return -1;
    }
    return 0;
}

static int add_from_csr(struct names *names, const struct csr *csr, struct failure *failure)
{
    struct names copy;
    if (names_copy(&csr->names, &copy))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    memcpy(copy.common_name, names->common_name, sizeof copy.common_name);
    *names = copy; /* which had a CN and no SANs */
    return 0;
}

static int plan_names(const struct certificate_wish *wish, struct names *names, struct failure *failure)
{
    if (wish->renewed)
        return names_copy(wish->renewed, names) ? failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory") : 0;
    const char *name = wish->name ? wish->name : wish->csr ? wish->csr->names.common_name : "";
    if (!*name)
        return failure_set(failure, FAILURE_BAD_REQUEST, "name",
                           wish->csr ? "the CSR has no CN; say whom the certificate is for: --name NAME"
                                     : "a name is needed");
    if (names_set_common_name(names, name, strlen(name), "name", failure))
        return -1;
    if (wish->sans && wish->sans->count)
        return add_from_list(names, wish->sans, failure);
    if (wish->csr && wish->csr->names.count)
        return add_from_csr(names, wish->csr, failure);
    return wish->profile->san ? add_from_template(names, wish->profile, failure) : add_from_name(names, failure);
}

static int check_size(const struct names *names, struct failure *failure)
{
    size_t size = 0;
    for (size_t i = 0; i < names->count; i++)
        size += strlen(names->sans[i].value) + 8;
    if (names->count == 0)
        return failure_set(failure, FAILURE_BAD_REQUEST, "sans",
                           "there is no SAN; name one: --san DNS:host.example.com");
    if (size > PLAN_NAMES_MAX)
        return failure_set(failure, FAILURE_BAD_REQUEST, "sans",
                           "the SANs take %zu bytes together; at most %d fit", size, PLAN_NAMES_MAX);
    return 0;
}

/* --- times, purposes ------------------------------------------------------------------------------------ */

static int plan_times(const struct certificate_wish *wish, struct grant *grant, bool *clamped,
                      struct failure *failure)
{
    const struct config_profile *profile = wish->profile;
    int64_t life = wish->life ? wish->life : profile->life;
    char text[INSTANT_TEXT_SIZE], most[INSTANT_TEXT_SIZE];
    if (life <= 0 || life > TERM_MAX)
        return failure_set(failure, FAILURE_BAD_REQUEST, "life", "a life is at least one second and at most 36600d");
    if (profile->max_life > 0 && life > profile->max_life) {
        term_format(life, text);
        term_format(profile->max_life, most);
        return failure_set(failure, FAILURE_BAD_REQUEST, "life",
                           "a life of %s is longer than profile %s allows; at most %s", text, profile->name,
                           most);
    }
    if (wish->now < 0 || wish->now > INSTANT_MAX)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "the clock stands outside 1970 to 9999");
    if (wish->now >= wish->authority_not_after) {
        instant_format(wish->authority_not_after, text);
        return failure_set(failure, FAILURE_CONFLICT, NULL,
                           "the CA's own certificate ended at %s; it can sign nothing any more", text);
    }
    /* No overflow: both are far below 2^40. The authority's own end is at most INSTANT_MAX, RFC 5280
     * section 4.1.2.5. */
    grant->not_before = wish->now;
    grant->not_after = wish->now + life;
    *clamped = grant->not_after > wish->authority_not_after || grant->not_after > INSTANT_MAX;
    if (grant->not_after > wish->authority_not_after)
        grant->not_after = wish->authority_not_after;
    if (grant->not_after > INSTANT_MAX)
        grant->not_after = INSTANT_MAX;
    return 0;
}

/* One word of eku= as dotted decimal. */
static const char *eku_oid(const char *word)
{
    for (size_t i = 0; i < sizeof ekus / sizeof ekus[0]; i++)
        if (!strcmp(word, ekus[i].name))
            return ekus[i].oid;
    return isdigit((unsigned char)word[0]) && word[strspn(word, "0123456789.")] == '\0' ? word : NULL;
}

static int plan_eku(const struct config_profile *profile, struct grant *grant, struct failure *failure)
{
    for (const char *word = profile->eku ? profile->eku : ""; *(word += strspn(word, ", \t"));) {
        char text[GRANT_OID_SIZE];
        size_t length = strcspn(word, ", \t");
        const char *oid = NULL;
        if (length < sizeof text) {
            memcpy(text, word, length);
            text[length] = '\0';
            oid = eku_oid(text);
        }
        if (!oid || grant->eku_count == GRANT_EKU_MAX)
            return failure_set(failure, FAILURE_BAD_REQUEST, "profile",
                               "eku=%s of profile %s is not a list of at most %d purposes", profile->eku,
                               profile->name, GRANT_EKU_MAX);
        snprintf(grant->eku[grant->eku_count++], GRANT_OID_SIZE, "%s", oid);
        word += length;
    }
    /* Without the extension a certificate is good for any purpose, which nobody meant by leaving a line out. */
    return grant->eku_count ? 0
                            : failure_set(failure, FAILURE_BAD_REQUEST, "profile",
                                          "profile %s has no purpose (eku=)", profile->name);
}

static void plan_usage(struct grant *grant)
{
    grant->usage = GRANT_DIGITAL_SIGNATURE;
    for (size_t i = 0; i < grant->eku_count; i++)
        if (grant->key.type.kind == KEY_RSA && !strcmp(grant->eku[i], eku_oid("serverAuth")))
            grant->usage |= GRANT_KEY_ENCIPHERMENT; /* TLS 1.2 servers with static RSA, RFC 5246 section 7.4.2 */
}

int certificate_plan(const struct certificate_wish *wish, struct grant *out, bool *clamped, struct failure *failure)
{
    struct grant grant = {.key = *wish->key};
    bool cut = false;
    if (plan_names(wish, &grant.names, failure) || check_size(&grant.names, failure) ||
        plan_times(wish, &grant, &cut, failure) || plan_eku(wish->profile, &grant, failure)) {
        names_clear(&grant.names);
        return -1;
    }
    plan_usage(&grant);
    *out = grant;
    *clamped = cut;
    return 0;
}
