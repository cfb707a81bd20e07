/*
 * stack.c - run the stacks: the one function that decides, with a trace for Explain.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Within a stack this is Linux-PAM: each control is a row of actions, as pam.conf(5) spells them out, and an
 * impression of the stack goes from undefined to positive or negative. test_policy_pam.c holds it against libpam
 * itself.
 */
#include <string.h>

#include "agent/policy/arguments.h"
#include "agent/policy/internal.h"

enum action { ACTION_IGNORE, ACTION_OK, ACTION_DONE, ACTION_BAD, ACTION_DIE };

static const enum action actions[CONTROLS][MODULE_RESULTS] = {
    /* [success=ok ignore=ignore default=bad] */
    [CONTROL_REQUIRED] =
        {[MODULE_SUCCESS] = ACTION_OK, [MODULE_FAILURE] = ACTION_BAD, [MODULE_IGNORE] = ACTION_IGNORE},
    /* [success=ok ignore=ignore default=die] */
    [CONTROL_REQUISITE] =
        {[MODULE_SUCCESS] = ACTION_OK, [MODULE_FAILURE] = ACTION_DIE, [MODULE_IGNORE] = ACTION_IGNORE},
    /* [success=done default=ignore] */
    [CONTROL_SUFFICIENT] =
        {[MODULE_SUCCESS] = ACTION_DONE, [MODULE_FAILURE] = ACTION_IGNORE, [MODULE_IGNORE] = ACTION_IGNORE},
    /* [success=ok default=ignore] */
    [CONTROL_OPTIONAL] =
        {[MODULE_SUCCESS] = ACTION_OK, [MODULE_FAILURE] = ACTION_IGNORE, [MODULE_IGNORE] = ACTION_IGNORE},
};

enum impression { UNDEFINED, POSITIVE, NEGATIVE };

static struct policy_step *trace_step(struct policy_trace *trace, const struct policy_line *line,
                                      const char *result, const char *detail)
{
    if (!trace || trace->count >= trace->room)
        return NULL;
    struct policy_step *step = &trace->steps[trace->count++];
    *step = (struct policy_step){
        .file = line->file->label, .line = line->number, .control = policy_control_names[line->control],
        .module = line->module->name, .arguments = line->arguments, .result = result,
    };
    argument_tell(step->detail, sizeof step->detail, "%s", detail);
    policy_make_printable(step->detail);
    return step;
}

static void trace_not_reached(struct policy_trace *trace, const struct policy_stack *stack, size_t from)
{
    for (size_t i = from; trace && i < stack->count; i++)
        trace_step(trace, stack->lines[i], "not reached", "");
}

/* One line's say. The detail is only asked for where somebody may read it: formatting costs more than judging. */
static enum module_result judge_line(const struct policy_line *line, const struct policy_question *question,
                                     bool tell, char *detail, size_t size)
{
    detail[0] = '\0';
    enum module_result result = line->module->judge(line->state, question, tell ? detail : NULL, size);
    return (unsigned)result < MODULE_RESULTS ? result : MODULE_FAILURE;
}

/* Run one stack into *verdict (allowed, line, detail). */
static void run_stack(const struct policy_stack *stack, const struct policy_question *question,
                      struct policy_trace *trace, struct policy_verdict *verdict)
{
    static const char *const words[MODULE_RESULTS] = {"success", "failure", "ignored"};
    enum impression impression = UNDEFINED;
    struct policy_step *decided = NULL;
    verdict->line = NULL;
    for (size_t i = 0; i < stack->count; i++) {
        const struct policy_line *line = stack->lines[i];
        char detail[sizeof verdict->detail];
        bool counts = impression != NEGATIVE && actions[line->control][MODULE_FAILURE] != ACTION_IGNORE;
        enum module_result result = judge_line(line, question, trace || counts, detail, sizeof detail);
        enum action action = actions[line->control][result];
        struct policy_step *step = trace_step(trace, line, words[result], detail);
        if ((action == ACTION_OK || action == ACTION_DONE) && impression != NEGATIVE) {
            impression = POSITIVE;
            verdict->line = line;
            decided = step;
        } else if ((action == ACTION_BAD || action == ACTION_DIE) && impression != NEGATIVE) {
            impression = NEGATIVE;
            verdict->line = line;
            decided = step;
            memcpy(verdict->detail, detail, sizeof detail);
        }
        if (action == ACTION_DIE || (action == ACTION_DONE && impression == POSITIVE)) {
            trace_not_reached(trace, stack, i + 1);
            break;
        }
    }
    verdict->allowed = impression == POSITIVE;
    if (decided)
        decided->decided = true;
}

/* A file that exists stands for its service even where a type is missing in it; `other` stands for those without
 * a file. */
static const struct policy_file *select_file(const struct policy *policy, const char *service)
{
    const struct policy_file *file = policy_find_file(policy, service);
    return file ? file : policy_find_file(policy, "other");
}

static void decide(const struct policy *policy, const struct policy_question *question,
                   struct policy_trace *trace, struct policy_verdict *verdict)
{
    const char *service = question->service ? question->service : "default";
    if (!argument_is_name(service))
        return;
    verdict->service = service;
    verdict->file = select_file(policy, service);
    if (!verdict->file)
        return;
    const struct policy_stack *stacks = verdict->file->stacks;
    run_stack(&stacks[POLICY_USE], question, trace, verdict);
    if (question->type == POLICY_USE)
        return;
    if (!verdict->allowed) {
        trace_not_reached(trace, &stacks[question->type], 0);
        return;
    }
    if (trace) /* `use` did not decide in the end: exactly one line does */
        for (size_t i = 0; i < trace->count; i++)
            trace->steps[i].decided = false;
    verdict->type = question->type;
    run_stack(&stacks[question->type], question, trace, verdict);
}

void policy_decide(const struct policy *policy, const struct policy_question *question,
                   struct policy_trace *trace, struct policy_decision *out)
{
    struct policy_verdict verdict = {.type = POLICY_USE};
    if (trace)
        trace->count = 0;
    if (question->type == POLICY_PUBLIC) {
        verdict.allowed = true;
        verdict.type = POLICY_PUBLIC;
    } else if (question->type >= POLICY_USE && question->type < POLICY_TYPES)
        decide(policy, question, trace, &verdict);
    else
        verdict.type = POLICY_NONE;
    policy_describe(policy, &verdict, out);
}

unsigned policy_vary(const struct policy *policy, const char *service)
{
    const char *name = service ? service : "default";
    const struct policy_file *file = argument_is_name(name) ? select_file(policy, name) : NULL;
    return file ? file->vary : 0;
}

static int64_t settle_stack(const struct policy_stack *stack, int64_t now, int64_t until)
{
    for (size_t i = 0; i < stack->count; i++) {
        const struct policy_line *line = stack->lines[i];
        if (line->module->settled_until)
            until = line->module->settled_until(line->state, now, until);
    }
    return until;
}

int64_t policy_settled_until(const struct policy *policy, const char *service, int64_t now, int64_t until)
{
    const char *name = service ? service : "default";
    const struct policy_file *file = argument_is_name(name) ? select_file(policy, name) : NULL;
    if (!file)
        return until;
    return settle_stack(&file->stacks[POLICY_VERIFY], now, settle_stack(&file->stacks[POLICY_USE], now, until));
}
