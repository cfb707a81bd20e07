/*
 * load.c - a policy from its files, all or nothing, and what in it is worth a warning.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/policy/arguments.h"
#include "agent/policy/internal.h"

static const struct { enum policy_type type; const char *name; } types[] = {
    {POLICY_PUBLIC, "public"}, {POLICY_USE, "use"},       {POLICY_ISSUE, "issue"}, {POLICY_VERIFY, "verify"},
    {POLICY_EXPORT, "export"}, {POLICY_REVOKE, "revoke"}, {POLICY_READ, "read"},   {POLICY_ADMIN, "admin"},
};
const char *const policy_type_words[] = {"use", "issue", "verify", "export", "revoke", "read", "admin"};
const size_t policy_type_word_count = sizeof policy_type_words / sizeof policy_type_words[0];

const char *policy_type_name(enum policy_type type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].type == type)
            return types[i].name;
    return "none";
}

enum policy_type policy_type_find(const char *name)
{
    for (size_t i = 0; name && i < sizeof types / sizeof types[0]; i++)
        if (types[i].type != POLICY_PUBLIC && !strcmp(types[i].name, name))
            return types[i].type;
    return POLICY_NONE;
}

void policy_join_words(const char *const *words, size_t count, char *out, size_t size)
{
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count && length < size; i++) {
        int n = snprintf(out + length, size - length, "%s%s",
                         i == 0           ? ""
                         : i + 1 == count ? " or "
                                          : ", ",
                         words[i]);
        length += n > 0 ? (size_t)n : 0;
    }
}

static void file_clear(struct policy_file *file)
{
    for (size_t i = 0; i < file->count; i++) {
        struct policy_line *line = &file->lines[i];
        if (line->module && line->module->free)
            line->module->free(line->state);
        free(line->arguments);
    }
    for (int type = 0; type < POLICY_TYPES; type++)
        free(file->stacks[type].lines);
    free(file->lines);
    free(file->label);
    free(file->name);
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    for (size_t i = 0; i < policy->count; i++)
        file_clear(&policy->files[i]);
    free(policy->files);
    free(policy->label);
    free(policy);
}

static int add_file(struct policy *policy, const struct policy_source *source, const struct module_table *modules,
                    struct failure *failure)
{
    struct policy_file *file = &policy->files[policy->count++];
    file->name = strdup(source->name);
    if (policy->label[0] == '\0')
        file->label = strdup("built-in policy");
    else if (asprintf(&file->label, "%s/%s", policy->label, source->name) < 0)
        file->label = NULL;
    if (!file->name || !file->label)
        return argument_no_memory(failure);
    return policy_parse(source, modules, file, failure);
}

/* What the lines of a finished policy want to know. */
static void collect_wishes(struct policy *policy)
{
    for (size_t i = 0; i < policy->count; i++) {
        struct policy_file *file = &policy->files[i];
        for (size_t j = 0; j < file->count; j++) {
            const struct policy_line *line = &file->lines[j];
            if (line->module && line->module->wants_login)
                policy->wants_login |= line->module->wants_login(line->state);
            if (line->module && line->module->wants_unit)
                policy->wants_unit |= line->module->wants_unit(line->state);
        }
        const struct policy_stack *verify = &file->stacks[POLICY_VERIFY];
        for (size_t j = 0; j < verify->count; j++)
            if (verify->lines[j]->module->facts)
                file->vary |= verify->lines[j]->module->facts(verify->lines[j]->state);
    }
}

static bool stack_has(const struct policy_stack *stack, const char *module)
{
    for (size_t i = 0; i < stack->count; i++)
        if (!strcmp(stack->lines[i]->module->name, module))
            return true;
    return false;
}

static void warn_of_file(const struct policy_file *file, policy_warning *warn, void *context)
{
    static const enum policy_type changes[] = {POLICY_ISSUE, POLICY_EXPORT, POLICY_REVOKE};
    char text[512];
    if (file->count == 0 || (file->included && file->stacks[POLICY_USE].count == 0))
        return; /* only comments, or only there to be included: nobody can name it as a service */
    if (file->stacks[POLICY_USE].count == 0) {
        snprintf(text, sizeof text,
                 "%s: no 'use' line, so that nobody may name this service; add 'use required permit', or whom "
                 "it is for",
                 file->label);
        warn(context, text);
    }
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const struct policy_stack *stack = &file->stacks[changes[i]];
        const char *name = policy_type_name(changes[i]);
        if (stack->count == 0 || stack_has(stack, "peer") || stack_has(stack, "deny"))
            continue;
        snprintf(text, sizeof text, "%s: no 'peer' line among '%s': whoever may use this service may %s",
                 file->label, name, name);
        warn(context, text);
    }
}

static void warn_of_policy(const struct policy *policy, policy_warning *warn, void *context)
{
    if (!warn)
        return;
    if (policy->count == 0) {
        char text[512];
        snprintf(text, sizeof text, "%s: no file in it, so that everybody is refused everything", policy->label);
        warn(context, text);
    }
    for (size_t i = 0; i < policy->count; i++)
        warn_of_file(&policy->files[i], warn, context);
}

static int source_by_name(const void *a, const void *b)
{
    return strcmp(((const struct policy_source *)a)->name, ((const struct policy_source *)b)->name);
}

int policy_load_sources(const char *label, struct policy_source *sources, size_t count,
                        const struct module_table *modules, policy_warning *warn, void *context,
                        struct policy **out, struct failure *failure)
{
    struct policy *policy = calloc(1, sizeof *policy);
    if (!policy)
        return argument_no_memory(failure);
    if (count > 1)
        qsort(sources, count, sizeof *sources, source_by_name);
    policy->label = strdup(label);
    policy->files = calloc(count ? count : 1, sizeof *policy->files);
    int result = policy->label && policy->files ? 0 : argument_no_memory(failure);
    for (size_t i = 0; result == 0 && i < count; i++)
        result = add_file(policy, &sources[i], modules, failure);
    if (result == 0)
        result = policy_splice(policy, failure);
    if (result < 0) {
        policy_free(policy);
        return -1;
    }
    collect_wishes(policy);
    warn_of_policy(policy, warn, context);
    *out = policy;
    return 0;
}

/* "/etc/mtlsd/policy.d/" -> "policy.d" */
static void last_component(const char *path, char *out, size_t size)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    snprintf(out, size, "%.*s", (int)(end - start), path + start);
    if (out[0] == '\0')
        snprintf(out, size, "/");
}

int policy_load_with_modules(const char *directory, const struct module_table *modules, policy_warning *warn,
                             void *context, struct policy **out, struct failure *failure)
{
    struct policy_source *sources;
    size_t count;
    char label[256];
    if (policy_read_directory(directory, warn, context, &sources, &count, failure) < 0)
        return -1;
    last_component(directory, label, sizeof label);
    int result = policy_load_sources(label, sources, count, modules, warn, context, out, failure);
    policy_sources_free(sources, count);
    return result;
}

static struct module_table own_modules(void)
{
    return (struct module_table){policy_modules, policy_module_count};
}

int policy_load(const char *directory, policy_warning *warn, void *context, struct policy **out,
                struct failure *failure)
{
    struct module_table modules = own_modules();
    return policy_load_with_modules(directory, &modules, warn, context, out, failure);
}

int policy_load_text(const char *text, size_t length, struct policy **out, struct failure *failure)
{
    struct module_table modules = own_modules();
    struct policy_source source = {
        .name = (char[]){"default"}, .text = (char *)(uintptr_t)text, .length = length};
    return policy_load_sources("policy.d", &source, 1, &modules, NULL, NULL, out, failure);
}

struct policy *policy_open_default(uid_t uid)
{
    struct module_table modules = own_modules();
    struct policy *policy = NULL;
    char text[512];
    int length = snprintf(text, sizeof text, "use required peer uid=0,%u\n", uid);
    for (size_t i = 1; i < policy_type_word_count; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "%s required peer uid=0,%u\n",
                           policy_type_words[i], uid);
    /* `other`, so that it stands for every service. */
    struct policy_source source = {.name = (char[]){"other"}, .text = text, .length = (size_t)length};
    return policy_load_sources("", &source, 1, &modules, NULL, NULL, &policy, NULL) == 0 ? policy : NULL;
}

bool policy_wants_login(const struct policy *policy)
{
    return policy->wants_login;
}

bool policy_wants_unit(const struct policy *policy)
{
    return policy->wants_unit;
}
