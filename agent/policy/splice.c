/*
 * splice.c - from lines to stacks: `include` is replaced by the lines of the same type of the file that it names.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * As in pam.conf(5), an included line counts as if it stood in the including stack: `sufficient` and `requisite`
 * in it end the whole stack. (Linux-PAM's `substack`, which ends only itself, is not known here.)
 */
#include <stdlib.h>
#include <string.h>

#include "agent/policy/arguments.h"
#include "agent/policy/internal.h"
#include "proto/nearest.h"

struct splicer {
    struct policy *policy;
    enum policy_type type;
    const struct policy_line *lines[POLICY_STACK_MAX];
    size_t count;   /* of lines */
    size_t visited; /* lines and includes: files that each include the next one twice double with each level */
    const struct policy_line *includes[POLICY_INCLUDE_DEPTH_MAX]; /* the way here */
    size_t depth;
    struct failure *failure;
};

static int by_name(const void *key, const void *element)
{
    return strcmp(key, ((const struct policy_file *)element)->name);
}

const struct policy_file *policy_find_file(const struct policy *policy, const char *name)
{
    if (policy->count == 0)
        return NULL;
    return bsearch(name, policy->files, policy->count, sizeof *policy->files, by_name);
}

static int refuse(const struct splicer *s, const struct policy_line *line, const char *text)
{
    return policy_refuse_line(s->failure, line->file->label, line->number, line->column, "%s", text);
}

static int refuse_missing(const struct splicer *s, const struct policy_line *line)
{
    const char *names[POLICY_FILES_MAX];
    for (size_t i = 0; i < s->policy->count; i++)
        names[i] = s->policy->files[i].name;
    const char *near = nearest_word(line->arguments, names, s->policy->count);
    return policy_refuse_line(s->failure, line->file->label, line->number, line->column,
                              "found include %s, but there is no file %s/%s%s%s%s", line->arguments,
                              s->policy->label, line->arguments, near ? "; did you mean '" : "",
                              near ? near : "", near ? "'?" : "");
}

/* Does the file lead back to itself? For lines of one type only: other types of the same files are no part of it. */
static int check_cycle(const struct splicer *s, const struct policy_line *line, const struct policy_file *file,
                       const struct policy_file *root)
{
    bool cycle = file == root;
    for (size_t i = 0; i < s->depth; i++)
        cycle |= !strcmp(s->includes[i]->arguments, file->name);
    if (cycle)
        return policy_refuse_line(s->failure, line->file->label, line->number, line->column,
                                  "found include %s, which goes round in a circle: %s is already being "
                                  "included here",
                                  line->arguments, file->label);
    return 0;
}

static int splice_file(struct splicer *s, const struct policy_file *file, const struct policy_file *root);

static int splice_include(struct splicer *s, const struct policy_line *line, const struct policy_file *root)
{
    const struct policy_file *file = policy_find_file(s->policy, line->arguments);
    if (!file)
        return refuse_missing(s, line);
    if (check_cycle(s, line, file, root) < 0)
        return -1;
    if (s->depth == POLICY_INCLUDE_DEPTH_MAX)
        return refuse(s, line, "found includes more than 16 deep");
    s->policy->files[file - s->policy->files].included = true;
    s->includes[s->depth++] = line;
    int result = splice_file(s, file, root);
    s->depth--;
    return result;
}

static int splice_file(struct splicer *s, const struct policy_file *file, const struct policy_file *root)
{
    for (size_t i = 0; i < file->count; i++) {
        const struct policy_line *line = &file->lines[i];
        if (line->type != s->type)
            continue;
        if (s->visited++ == POLICY_STACK_MAX)
            return refuse(s, line, "found a stack of more than 500 lines, includes counted");
        if (line->control != CONTROL_INCLUDE)
            s->lines[s->count++] = line;
        else if (splice_include(s, line, root) < 0)
            return -1;
    }
    return 0;
}

static int splice_stack(struct policy *policy, struct policy_file *file, enum policy_type type,
                        struct failure *failure)
{
    struct splicer s = {.policy = policy, .type = type, .failure = failure};
    if (splice_file(&s, file, file) < 0)
        return -1;
    if (s.count == 0)
        return 0;
    struct policy_stack *stack = &file->stacks[type];
    stack->lines = calloc(s.count, sizeof *stack->lines);
    if (!stack->lines)
        return argument_no_memory(failure);
    memcpy(stack->lines, s.lines, s.count * sizeof *stack->lines);
    stack->count = s.count;
    return 0;
}

int policy_splice(struct policy *policy, struct failure *failure)
{
    for (size_t i = 0; i < policy->count; i++)
        for (int type = POLICY_USE; type < POLICY_TYPES; type++)
            if (splice_stack(policy, &policy->files[i], (enum policy_type)type, failure) < 0)
                return -1;
    return 0;
}
