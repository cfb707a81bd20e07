/*
 * reason.c - a decision in words: what was decided, by which line, and what would have to change.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "agent/policy/arguments.h"
#include "agent/policy/internal.h"

void policy_make_printable(char *text)
{
    size_t left = strlen(text);
    for (unsigned char *p = (unsigned char *)text; left > 0;) {
        size_t n = policy_character_length(p, left);
        bool control = n == 0 || *p < 0x20 || *p == 0x7f || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0);
        size_t step = n ? n : 1;
        if (control)
            memset(p, '?', step);
        p += step;
        left -= step;
    }
}

#define SAY(field, ...) argument_tell(field, sizeof field, __VA_ARGS__)

static void describe_line(const struct policy_verdict *verdict, struct policy_decision *out)
{
    const struct policy_line *line = verdict->line;
    const char *blank = line->arguments[0] ? " " : "";
    out->line = line->number;
    out->file = line->file->label;
    out->module = line->module->name;
    if (verdict->allowed) {
        SAY(out->reason, "allowed by %s:%u %s", line->file->label, line->number, line->module->name);
        return;
    }
    SAY(out->reason, "%s:%u '%s %s %s%s%.60s' says no%s%s", line->file->label, line->number,
        policy_type_name(line->type), policy_control_names[line->control], line->module->name, blank,
        line->arguments, verdict->detail[0] ? ": " : "", verdict->detail);
    if (line->module == &policy_module_deny)
        SAY(out->hint, "a line before %s:%u would have to say yes with 'sufficient'", line->file->label,
            line->number);
    else
        SAY(out->hint, "ask for what fits '%s%s%.120s'%s, or change %s:%u", line->module->name, blank,
            line->arguments, verdict->type == POLICY_USE ? " or name another service" : "", line->file->label,
            line->number);
}

/* No line decided. */
static void describe_nothing(const struct policy *policy, const struct policy_verdict *verdict,
                             struct policy_decision *out)
{
    const char *type = policy_type_name(verdict->type);
    if (verdict->type == POLICY_NONE) {
        SAY(out->reason, "the operation has no policy type");
        SAY(out->hint, "this is a mistake in the agent, not in the policy");
    } else if (!verdict->service) {
        SAY(out->reason, "the name of the service is none");
        SAY(out->hint, "a service has 1 to %d letters, digits, '.', '_' and '-', and no leading dot",
            POLICY_NAME_MAX);
    } else if (!verdict->file) {
        SAY(out->reason, "there is no file %s/%s, and no %s/other", policy->label, verdict->service,
            policy->label);
        SAY(out->hint, "create %s/%s, or name a service that has a file", policy->label, verdict->service);
    } else if (verdict->file->stacks[verdict->type].count == 0) {
        out->file = verdict->file->label;
        SAY(out->reason, "%s has no '%s' line", verdict->file->label, type);
        if (verdict->type == POLICY_USE)
            SAY(out->hint, "%s has no 'use' line: add 'use required permit', or whom the service is for",
                verdict->file->label);
        else
            SAY(out->hint, "add one to %s, such as '%s required peer group=...'", verdict->file->label, type);
    } else {
        out->file = verdict->file->label;
        SAY(out->reason, "no '%s' line of %s says yes", type, verdict->file->label);
        SAY(out->hint, "a 'sufficient' or 'optional' line would have to say yes: see what each looks at with "
                       "mtlsctl policy explain");
    }
}

void policy_describe(const struct policy *policy, const struct policy_verdict *verdict,
                     struct policy_decision *out)
{
    out->allowed = verdict->allowed;
    out->file = out->module = "";
    out->line = 0;
    out->reason[0] = out->hint[0] = '\0';
    if (verdict->type == POLICY_PUBLIC)
        SAY(out->reason, "allowed: this is public");
    else if (verdict->line)
        describe_line(verdict, out);
    else
        describe_nothing(policy, verdict, out);
    if (!out->allowed) {
        policy_make_printable(out->reason);
        policy_make_printable(out->hint);
    }
}

/* Can it be pasted into a shell as it is? */
static bool is_plain(const char *text)
{
    return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:@._/+-")] == '\0';
}

static bool is_san(const char *what)
{
    for (enum san_type type = SAN_DNS; type < SAN_TYPES; type++) {
        const char *name = san_type_name(type);
        size_t length = strlen(name);
        if (!strncmp(what, name, length) && what[length] == ':')
            return true;
    }
    return false;
}

void policy_failure(const struct policy_question *question, const struct policy_decision *decision,
                    const char *what, struct failure *out)
{
    const char *operation = policy_type_name(question->type),
               *service = question->service ? question->service : "default";
    const struct peer *peer = question->peer;
    char who[PEER_LOGIN_MAX + 32] = "an unknown peer", line[FAILURE_LINE_SIZE], service_option[96] = "",
                              san_option[224] = "";
    what = what ? what : "";
    if (peer && peer->name[0])
        SAY(who, "%s (uid %u)", peer->name, peer->uid);
    else if (peer)
        SAY(who, "%u (uid %u)", peer->uid, peer->uid); /* no account has this number, or nobody has looked */
    if (decision->line)
        SAY(line, "%s:%u %s", decision->file, decision->line, decision->module);
    else
        SAY(line, "%s", decision->file);
    bool named = argument_is_name(service);
    if (named && strcmp(service, "default") != 0)
        SAY(service_option, " --service %s", service);
    if (is_san(what) && is_plain(what) && strlen(what) < 200)
        SAY(san_option, " --san %s", what);
    failure_set(out, FAILURE_NOT_PERMITTED, NULL,
                "denied: %s%s%.200s by %s: %s; try: mtlsctl policy explain %s%s%s", operation,
                what[0] ? " " : "", what, who, decision->line ? line : decision->reason, operation,
                service_option, san_option);
    SAY(out->operation, "%s", operation);
    SAY(out->service, "%s", named ? service : "");
    SAY(out->line, "%s", line);
}
