/*
 * floor.c - the rules that a grant must keep.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/floor.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/bytes.h"
#include "proto/term.h"

static const struct {
    const char *word, *oid;
} words[] = { /* RFC 5280 section 4.2.1.12 */
    {"clientAuth", "1.3.6.1.5.5.7.3.2"},
    {"serverAuth", "1.3.6.1.5.5.7.3.1"},
    {"emailProtection", "1.3.6.1.5.5.7.3.4"},
};
static const char any_extended_key_usage[] = "2.5.29.37.0";

void floor_default(struct floor *floor)
{
    memset(floor, 0, sizeof *floor);
    floor->max_life = FLOOR_MAX_LIFE_DEFAULT;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        snprintf(floor->eku[floor->eku_count++], GRANT_OID_SIZE, "%s", words[i].oid);
}

/* Dotted decimal, at least three arcs of at most nine digits, no leading zeros (X.660); first arc 0 to 2, second
 * under 40 below arc 2. */
static bool is_oid(const char *text)
{
    unsigned long arcs = 0, first = 0;
    for (const char *at = text;; at++) {
        size_t digits = strspn(at, "0123456789");
        unsigned long arc = 0;
        if (digits == 0 || digits > 9 || (digits > 1 && at[0] == '0'))
            return false;
        for (size_t i = 0; i < digits; i++)
            arc = arc * 10 + (unsigned long)(at[i] - '0');
        if (arcs == 0)
            first = arc;
        if (first > 2 || (arcs == 1 && first < 2 && arc > 39))
            return false;
        arcs++;
        at += digits;
        if (*at == '\0')
            return arcs >= 3;
        if (*at != '.')
            return false;
    }
}

static bool floor_has_eku(const struct floor *floor, const char *oid)
{
    for (size_t i = 0; i < floor->eku_count; i++)
        if (!strcmp(floor->eku[i], oid))
            return true;
    return false;
}

int floor_allow_eku(struct floor *floor, const char *text, struct failure *failure)
{
    const char *oid = text;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (!strcasecmp(text, words[i].word))
            oid = words[i].oid;
    if (!is_oid(oid) || strlen(oid) >= GRANT_OID_SIZE)
        return failure_set(failure, FAILURE_BAD_REQUEST, "allow-eku",
                           "'%s' is no OID in dotted decimal, such as 1.3.6.1.4.1.311.20.2.2", text);
    if (!strcmp(oid, any_extended_key_usage))
        return failure_set(failure, FAILURE_BAD_REQUEST, "allow-eku",
                           "anyExtendedKeyUsage would lift the floor from under every other EKU");
    if (floor_has_eku(floor, oid))
        return 0;
    if (floor->eku_count == FLOOR_EKU_MAX)
        return failure_set(failure, FAILURE_BAD_REQUEST, "allow-eku", "more than %d EKUs", FLOOR_EKU_MAX);
    snprintf(floor->eku[floor->eku_count++], GRANT_OID_SIZE, "%s", oid);
    return 0;
}

int floor_permit_dns(struct floor *floor, const char *text, struct failure *failure)
{
    struct san san = {.type = SAN_DNS};
    struct failure why = {.code = FAILURE_NONE};
    if (san_from_value(SAN_DNS, text, strlen(text), &san, &why))
        return failure_set(failure, FAILURE_BAD_REQUEST, "permit-dns", "%s", why.reason);
    bool fits = floor->permit_count < FLOOR_PERMIT_MAX, plain = san.value[0] != '*';
    if (fits && plain)
        snprintf(floor->permit_dns[floor->permit_count++], FLOOR_DNS_SIZE, "%s", san.value);
    san_clear(&san);
    if (!plain)
        return failure_set(failure, FAILURE_BAD_REQUEST, "permit-dns",
                           "'%s': a domain permits all names under it; write it without '*.'", text);
    return fits ? 0 : failure_set(failure, FAILURE_BAD_REQUEST, "permit-dns", "more than %d domains", FLOOR_PERMIT_MAX);
}

/* --- names ------------------------------------------------------------------------------------------------ */

/* RFC 5280 section 4.2.1.10: the domain itself, or labels added to its left. Both are in canonical lower case. */
static bool is_permitted(const struct floor *floor, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < floor->permit_count; i++) {
        size_t domain = strlen(floor->permit_dns[i]);
        if (length >= domain && !strcasecmp(name + length - domain, floor->permit_dns[i]) &&
            (length == domain || name[length - domain - 1] == '.'))
            return true;
    }
    return floor->permit_count == 0;
}

/* Verifiers read a CN that looks like a host name as one where there is no DNS SAN, and hold it against the
 * constraints. */
static bool looks_like_host(const char *name)
{
    return strchr(name, '.') &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.*")] == '\0';
}

static int refuse_outside(const char *field, const char *name, struct failure *failure)
{
    return failure_set(failure, FAILURE_BAD_REQUEST, field,
                       "'%s' is outside the domains that this CA's name constraints permit", name);
}

/* Parsed again here, by the same code that the agent used: the agent's word for it is not enough. */
static int judge_san(const struct floor *floor, const struct san *san, struct failure *failure)
{
    struct san again = {.type = san->type};
    if (san->type == SAN_IP ? san_from_address(san->address, san->address_length, &again, failure)
                            : san_from_value(san->type, san->value, strlen(san->value), &again, failure))
        return -1;
    bool same = !strcmp(again.value, san->value);
    san_clear(&again);
    if (!same)
        return failure_set(failure, FAILURE_BAD_REQUEST, "sans", "'%s' is not in canonical form", san->value);
    if (san->type == SAN_DNS && !is_permitted(floor, san->value))
        return refuse_outside("sans", san->value, failure);
    return 0;
}

static int judge_names(const struct floor *floor, const struct names *names, struct failure *failure)
{
    struct names again = {.count = 0};
    bool has_dns = false;
    if (names->common_name[0] &&
        names_set_common_name(&again, names->common_name, strlen(names->common_name), "name", failure))
        return -1;
    if (names->count > NAMES_MAX)
        return failure_set(failure, FAILURE_BAD_REQUEST, "sans", "%zu names; at most %d", names->count, NAMES_MAX);
    for (size_t i = 0; i < names->count; i++) {
        if (judge_san(floor, &names->sans[i], failure))
            return -1;
        has_dns |= names->sans[i].type == SAN_DNS;
    }
    if (!has_dns && looks_like_host(names->common_name) && !is_permitted(floor, names->common_name))
        return refuse_outside("name", names->common_name, failure);
    if (names->count == 0 && !names->common_name[0])
        return failure_set(failure, FAILURE_BAD_REQUEST, "name",
                           "neither a subject nor a SAN: nobody could be known by it");
    return 0;
}

/* --- key, usage, EKU -------------------------------------------------------------------------------------- */

static bool same_key(const struct public_key *a, const struct public_key *b)
{
    return a->type.kind == b->type.kind && a->exponent == b->exponent && a->length == b->length &&
           !memcmp(a->material, b->material, a->length);
}

static int judge_key(const struct floor_authority *authority, const struct grant *grant, struct failure *failure)
{
    if (public_key_check(&grant->key, failure))
        return -1;
    if (same_key(&grant->key, authority->key))
        return failure_set(failure, FAILURE_BAD_REQUEST, "key", "it is the CA's own key");
    if (grant->usage == 0 || (grant->usage & ~(uint32_t)(GRANT_DIGITAL_SIGNATURE | GRANT_KEY_ENCIPHERMENT)))
        return failure_set(failure, FAILURE_BAD_REQUEST, "usage",
                           "a key usage other than digitalSignature and keyEncipherment");
    if ((grant->usage & GRANT_KEY_ENCIPHERMENT) &&
        grant->key.type.kind != KEY_RSA) /* RFC 5480 section 3, RFC 8410 section 5 */
        return failure_set(failure, FAILURE_BAD_REQUEST, "usage", "keyEncipherment is for RSA keys alone");
    return 0;
}

static int judge_eku(const struct floor *floor, const struct grant *grant, struct failure *failure)
{
    if (grant->eku_count == 0 || grant->eku_count > GRANT_EKU_MAX)
        return failure_set(failure, FAILURE_BAD_REQUEST, "eku",
                           "%zu EKUs; from 1 to %d (none would mean every purpose)", grant->eku_count, GRANT_EKU_MAX);
    for (size_t i = 0; i < grant->eku_count; i++) {
        if (!floor_has_eku(floor, grant->eku[i]))
            return failure_set(
                failure, FAILURE_BAD_REQUEST, "eku",
                "EKU %s is not allowed by the CA's floor; `mtlsd-keeper --reseal --allow-eku %s` allows it",
                grant->eku[i], grant->eku[i]);
        for (size_t j = 0; j < i; j++)
            if (!strcmp(grant->eku[i], grant->eku[j]))
                return failure_set(failure, FAILURE_BAD_REQUEST, "eku", "EKU %s twice", grant->eku[i]);
    }
    return 0;
}

/* --- times ------------------------------------------------------------------------------------------------ */

static int refuse_time(const char *field, const char *why, int64_t instant, struct failure *failure)
{
    char text[INSTANT_TEXT_SIZE];
    instant_format(instant, text);
    return failure_set(failure, FAILURE_BAD_REQUEST, field, "%s %s", why, text);
}

static int judge_times(const struct floor *floor, const struct floor_authority *authority, const struct grant *grant,
                       int64_t now, struct floor_times *out, struct failure *failure)
{
    int64_t begin = grant->not_before, end = grant->not_after;
    if (begin < 0 || begin > INSTANT_MAX || end < 0 || end > INSTANT_MAX)
        return failure_set(failure, FAILURE_BAD_REQUEST, "life", "a time outside 1970 to 9999");
    if (begin < now - FLOOR_PAST_MAX)
        return refuse_time("notBefore", "more than an hour before the keeper's clock:", begin, failure);
    if (end <= begin || end <= now)
        return refuse_time("notAfter", "not after its beginning, or past already:", end, failure);
    /* From its own beginning, and from now, so that nobody takes certificates for years in which the CA no longer
     * trusts them. */
    if (end - begin > floor->max_life || end - now > floor->max_life + FLOOR_PAST_MAX) {
        char life[INSTANT_TEXT_SIZE], most[INSTANT_TEXT_SIZE];
        term_format(end - begin, life);
        term_format(floor->max_life, most);
        return failure_set(failure, FAILURE_BAD_REQUEST, "life",
                           "a life of %s, or an end so far from now, is over the CA's floor of %s", life, most);
    }
    if (authority->not_after <= now || begin >= authority->not_after)
        return refuse_time("notAfter", "the CA's own certificate ends at", authority->not_after, failure);
    if (end > authority->not_after && floor->refuse_past_end)
        return refuse_time("notAfter", "past the end of the CA itself:", authority->not_after, failure);
    begin = begin > GRANT_BACKDATE ? begin - GRANT_BACKDATE : 0;
    out->not_before = begin < authority->not_before ? authority->not_before : begin;
    out->clamped = end > authority->not_after;
    out->not_after = out->clamped ? authority->not_after : end;
    if (out->not_before >= out->not_after) /* the CA's own time has not come: the clock is wrong */
        return refuse_time("notBefore", "the CA's own certificate begins at", authority->not_before, failure);
    return 0;
}

int floor_judge(const struct floor *floor, const struct floor_authority *authority, const struct grant *grant,
                int64_t now, struct floor_times *out, struct failure *failure)
{
    struct floor_times times;
    if (judge_names(floor, &grant->names, failure) || judge_eku(floor, grant, failure) ||
        judge_key(authority, grant, failure) || judge_times(floor, authority, grant, now, &times, failure))
        return -1;
    *out = times;
    return 0;
}

/* --- as bytes --------------------------------------------------------------------------------------------- */

long floor_write(const struct floor *floor, uint8_t out[static FLOOR_ENCODED_MAX])
{
    struct bytes_writer writer = {.at = out, .end = out + FLOOR_ENCODED_MAX};
    write_u64(&writer, (uint64_t)floor->max_life);
    write_u8(&writer, floor->refuse_past_end);
    write_u8(&writer, floor->eku_count);
    for (size_t i = 0; i < floor->eku_count; i++)
        write_text(&writer, floor->eku[i]);
    write_u8(&writer, floor->permit_count);
    for (size_t i = 0; i < floor->permit_count; i++)
        write_text(&writer, floor->permit_dns[i]);
    return writer.bad ? -1 : writer.at - out;
}

int floor_read(const uint8_t *data, size_t length, struct floor *out)
{
    struct bytes_reader reader = {.at = data, .end = data + length};
    struct floor floor;
    memset(&floor, 0, sizeof floor);
    floor.max_life = read_i64(&reader);
    floor.refuse_past_end = read_bool(&reader);
    size_t count = read_u8(&reader);
    reader.bad |= count > FLOOR_EKU_MAX;
    for (; !reader.bad && floor.eku_count < count; floor.eku_count++)
        read_text(&reader, floor.eku[floor.eku_count], GRANT_OID_SIZE);
    count = read_u8(&reader);
    reader.bad |= count > FLOOR_PERMIT_MAX;
    for (; !reader.bad && floor.permit_count < count; floor.permit_count++)
        read_text(&reader, floor.permit_dns[floor.permit_count], FLOOR_DNS_SIZE);
    if (reader.bad || reader.at != reader.end || floor.max_life <= 0 || floor.max_life > TERM_MAX)
        return -1;
    *out = floor;
    return 0;
}
