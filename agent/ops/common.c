/*
 * common.c - what several operations share: rows to wire structs, finding "the" certificate, terms of a call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/ops/common.h"

#include <stdlib.h>
#include <string.h>

#include "proto/term.h"

/* CRLReason, RFC 5280 section 5.3.1; 7 is unused there, 8 and 10 make no sense for a CA without deltas and attributes. */
static const char *const reasons[] = {
    [0] = "unspecified", [1] = "keyCompromise", [2] = "cACompromise", [3] = "affiliationChanged",
    [4] = "superseded", [5] = "cessationOfOperation", [6] = "certificateHold", [9] = "privilegeWithdrawn",
};

int reason_from_name(const char *name)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i] && !strcmp(reasons[i], name))
            return (int)i;
    return -1;
}

const char *reason_name(int reason)
{
    return reason >= 0 && (size_t)reason < sizeof reasons / sizeof reasons[0] ? reasons[reason] : NULL;
}

const char *request_service(const char *service, struct failure *failure)
{
    if (!service)
        return "default";
    size_t length = strspn(service, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    if (length > 0 && length <= 64 && !service[length] && service[0] != '.')
        return service;
    failure_set(failure, FAILURE_BAD_REQUEST, "service", "'%.80s' is no service name: 1 to 64 of A-Z a-z 0-9 . _ -, no leading dot", service);
    return NULL;
}

int call_term(const char *text, const char *field, int64_t *seconds, struct failure *failure)
{
    *seconds = 0;
    if (text && term_parse(text, seconds))
        return failure_set(failure, FAILURE_BAD_REQUEST, field, "'%.40s' is no term; write 90d, 12h, 30m or 45s", text);
    return 0;
}

const char *arena_instant(struct arena *arena, int64_t seconds)
{
    char text[INSTANT_TEXT_SIZE];
    instant_format(seconds, text);
    return arena_text(arena, text);
}

const char *arena_serial(struct arena *arena, const struct serial *serial)
{
    char text[SERIAL_TEXT_SIZE];
    serial_format(serial, text);
    return arena_text(arena, text);
}

const char *arena_pem(struct arena *arena, const uint8_t *der, size_t length)
{
    char *pem = certificate_to_pem(der, length);
    const char *copy = arena_text(arena, pem);
    free(pem);
    return copy;
}

const char *names_to_lines(struct arena *arena, const struct names *names)
{
    const char *lines = "";
    for (size_t i = 0; i < names->count; i++) {
        char *text = san_format(&names->sans[i]);
        lines = arena_format(arena, "%s%s%s", lines, i ? "\n" : "", text ? text : "");
        free(text);
    }
    return lines;
}

int names_from_lines(const char *common_name, const char *lines, struct names *out, struct failure *failure)
{
    struct names names = {0};
    if (common_name && *common_name && names_set_common_name(&names, common_name, strlen(common_name), "name", failure))
        return -1;
    while (lines && *lines) {
        size_t length = strcspn(lines, "\n");
        struct san san = {0};
        char *line = strndup(lines, length);
        int bad = !line || san_parse(line, &san, failure) || names_add(&names, &san, failure);
        free(line);
        if (bad) {
            san_clear(&san);
            names_clear(&names);
            return -1;
        }
        lines += length + (lines[length] == '\n');
    }
    *out = names;
    return 0;
}

const char *names_summary(struct arena *arena, const struct names *names)
{
    if (!names->count)
        return arena_text(arena, names->common_name);
    char *first = san_format(&names->sans[0]);
    const char *summary = names->count == 1 ? arena_format(arena, "%s", first ? first : "")
                                            : arena_format(arena, "%s and %zu more", first ? first : "", names->count - 1);
    free(first);
    return summary;
}

struct text_list sans_to_list(struct arena *arena, const char *sans)
{
    struct text_list list = {0};
    size_t count = sans && *sans ? 1 : 0;
    for (const char *p = sans; p && *p; p++)
        count += *p == '\n';
    list.items = arena_array(arena, count, sizeof *list.items);
    for (const char *p = sans; list.count < count; p += strcspn(p, "\n") + 1)
        list.items[list.count++] = arena_format(arena, "%.*s", (int)strcspn(p, "\n"), p);
    return list;
}

const char *row_status(const struct certificate_row *row, int64_t now)
{
    if (row->status == STATUS_REVOKED)
        return "revoked";
    if (row->not_after < now)
        return "expired";
    if (row->status == STATUS_HELD)
        return "held";
    return row->not_before > now ? "notYetValid" : "live";
}

static const char *or_null(const char *text)
{
    return text && *text ? text : NULL;
}

struct wire_certificate *row_to_wire(struct arena *arena, const struct world *world, const struct certificate_row *row)
{
    struct wire_certificate *wire = arena_new(arena, sizeof *wire);
    char fingerprint[FINGERPRINT_TEXT_SIZE];
    fingerprint_format(row->fingerprint, fingerprint);
    *wire = (struct wire_certificate){
        .serial = arena_serial(arena, &row->serial), .authority = world->authority->name, .subject = row->subject, .name = row->name,
        .sans = sans_to_list(arena, row->sans), .profile = row->profile, .service = row->service, .label = or_null(row->label),
        .status = row_status(row, world->now), .reason = row->status == STATUS_LIVE ? NULL : reason_name(row->reason),
        .revoked_at = row->status == STATUS_LIVE ? NULL : arena_instant(arena, row->revoked_at),
        .not_before = arena_instant(arena, row->not_before), .not_after = arena_instant(arena, row->not_after),
        .issued_at = arena_instant(arena, row->issued_at), .fingerprint = arena_text(arena, fingerprint),
        .requester_uid = row->requester_uid, .last_seen = row->last_seen ? arena_instant(arena, row->last_seen) : NULL,
        .last_service = or_null(row->last_service), .last_address = or_null(row->last_address),
    };
    return wire;
}

void arena_row(struct arena *arena, const struct certificate_row *from, struct certificate_row *to)
{
    *to = *from;
    to->memory = NULL;
    to->der = from->der ? arena_copy(arena, from->der, from->der_length) : NULL;
    const char **texts[] = {&to->name, &to->subject, &to->sans, &to->label, &to->profile, &to->service, &to->request_id,
                            &to->last_service, &to->last_address};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = arena_text(arena, *texts[i] ? *texts[i] : "");
}

void subject_of_row(struct request *request, const struct certificate_row *row)
{
    struct plan *plan = &request->plan;
    size_t count = plan->subject_count;
    if ((count & (count - 1)) == 0) { /* full at each power of two, so twice the room */
        struct subject *larger = arena_array(&request->arena, count ? 2 * count : 1, sizeof *larger);
        if (count)
            memcpy(larger, plan->subjects, count * sizeof *larger);
        plan->subjects = larger;
    }
    plan->subjects[plan->subject_count++] = (struct subject){.name = row->name, .sans = row->sans, .profile = row->profile};
}

/* Hits of a search by name: the first row is kept, all serials noted. */
struct hits {
    struct request *request;
    struct certificate_row *row;
    struct serial serials[FAILURE_SERIALS_MAX];
    size_t count;
};

static int hit_visit(const struct certificate_row *row, void *context)
{
    struct hits *hits = context;
    struct certificate_row copy;
    arena_row(&hits->request->arena, row, &copy);
    subject_of_row(hits->request, &copy);
    if (hits->count == 0)
        *hits->row = copy;
    if (hits->count < FAILURE_SERIALS_MAX)
        hits->serials[hits->count] = row->serial;
    hits->count++;
    return 0;
}

static int several(const struct hits *hits, const char *name, struct failure *failure)
{
    failure_set(failure, FAILURE_CONFLICT, "name", "%zu certificates are named %s; give a serial, or a label (--label) that fits one",
                hits->count, name);
    for (size_t i = 0; i < hits->count && i < FAILURE_SERIALS_MAX; i++)
        serial_format(&hits->serials[i], failure->serials[failure->serial_count++]);
    return -1;
}

static int find_by_name(const struct world *world, struct request *request, const struct which_certificate *which,
                        struct certificate_row *row, struct failure *failure)
{
    struct hits hits = {.request = request, .row = row};
    const struct certificate_filter filter = {.name = which->name, .label = which->label, .requester_uid = -1, .now = world->now,
                                              .which = which->which};
    int64_t count = store_select(world->store, &filter, NULL, 1000, which->with_der, hit_visit, &hits, failure);
    if (count < 0)
        return -1;
    if (count == 0)
        return failure_set(failure, FAILURE_NOT_FOUND, "name", "no such certificate of %s%s%s; see: mtlsctl list --name %s", which->name,
                           which->label ? " with label " : "", which->label ? which->label : "", which->name);
    return count == 1 ? 0 : several(&hits, which->name, failure);
}

int find_one(const struct world *world, struct request *request, const struct which_certificate *which,
             struct certificate_row *row, struct failure *failure)
{
    struct serial serial;
    struct certificate_row found;
    if (!which->serial == !which->name)
        return failure_set(failure, FAILURE_BAD_REQUEST, "serial", "give either a serial or a name");
    request->plan.what = which->name ? which->name : arena_format(&request->arena, "serial %s", which->serial);
    if (which->name)
        return find_by_name(world, request, which, row, failure);
    if (serial_parse(which->serial, &serial))
        return failure_set(failure, FAILURE_BAD_REQUEST, "serial", "'%.60s' is no serial: hex digits, at most 20 bytes", which->serial);
    int result = store_find(world->store, &serial, &found, failure);
    if (result < 0)
        return -1;
    if (result == 0)
        return failure_set(failure, FAILURE_NOT_FOUND, "serial", "no certificate with serial %s was issued here", which->serial);
    arena_row(&request->arena, &found, row);
    certificate_row_clear(&found);
    subject_of_row(request, row);
    return 0;
}
