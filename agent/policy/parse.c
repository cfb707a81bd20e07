/*
 * parse.c - the lines of one policy file: "type control module arguments...".
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The form is that of pam.conf(5) in pam.d, without its surprises: words are in lower case, `#` begins a comment
 * only where a word could begin, there are no continuation lines and no [value=action] controls. Whatever is not
 * understood is refused.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/policy/arguments.h"
#include "agent/policy/internal.h"
#include "proto/nearest.h"

const char *const policy_control_names[CONTROLS] = {"required", "requisite", "sufficient", "optional", "include"};

enum { WORDS_MAX = POLICY_LINE_SIZE / 2 };

/* A line being read. `text` is cut into words in place. */
struct reader {
    const struct module_table *modules;
    struct policy_file *file;
    struct failure *failure;
    unsigned number;
    char text[POLICY_LINE_SIZE];
    size_t length;
    struct module_argument words[WORDS_MAX];
    size_t count;
};

int policy_refuse_line(struct failure *failure, const char *label, unsigned line, unsigned column,
                       const char *format, ...)
{
    char text[FAILURE_REASON_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return failure_set(failure, FAILURE_BAD_REQUEST, "policy", "%s:%u:%u: %s", label, line, column, text);
}

/* The place before a reason that was set by somebody who does not know it. */
static int refuse_at(struct reader *r, size_t word, const struct failure *why)
{
    unsigned column = word < r->count ? r->words[word].column : (unsigned)r->length + 1;
    if (why->code != FAILURE_BAD_REQUEST) {
        if (r->failure)
            *r->failure = *why;
        return -1;
    }
    return policy_refuse_line(r->failure, r->file->label, r->number, column, "%s", why->reason);
}

static int refuse_word(struct reader *r, size_t word, const char *what, const char *const *words, size_t count)
{
    struct failure why;
    argument_unknown(&why, what, r->words[word].text, words, count);
    return refuse_at(r, word, &why);
}

static int refuse_end(struct reader *r, const char *expected)
{
    return policy_refuse_line(r->failure, r->file->label, r->number, (unsigned)r->length + 1,
                              "found the end of the line, expected %s", expected);
}

size_t policy_character_length(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80                   ? 1
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
               : (p[0] & 0xf0) == 0xe0       ? 3
               : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                             : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
               (p[0] == 0xf4 && p[1] > 0x8f);
    return bad ? 0 : n;
}

static int check_characters(struct reader *r)
{
    const unsigned char *text = (const unsigned char *)r->text;
    for (size_t i = 0; i < r->length;) {
        size_t n = policy_character_length(text + i, r->length - i);
        unsigned column = (unsigned)i + 1;
        if (n == 0)
            return policy_refuse_line(r->failure, r->file->label, r->number, column,
                                      "found a byte that is not UTF-8");
        if (text[i] == '\r' && i + 1 == r->length)
            return policy_refuse_line(r->failure, r->file->label, r->number, column,
                                      "found CR LF at the end of the line, expected LF alone: save the file "
                                      "with Unix line ends");
        if ((text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
            return policy_refuse_line(r->failure, r->file->label, r->number, column,
                                      "found the control character 0x%02x", text[i]);
        i += n;
    }
    return 0;
}

/* Cut the line at its blanks; a word that begins with `#` ends it. */
static int split_words(struct reader *r)
{
    r->count = 0;
    for (size_t i = 0; i < r->length;) {
        i += strspn(r->text + i, " \t");
        if (r->text[i] == '\0' || r->text[i] == '#')
            return 0;
        size_t length = strcspn(r->text + i, " \t");
        char *word = r->text + i;
        const char *sign = memchr(word, '#', length);
        if (sign)
            return policy_refuse_line(r->failure, r->file->label, r->number, (unsigned)(sign - r->text) + 1,
                                      "found '#' inside a word, expected a blank before a comment");
        bool last = i + length >= r->length;
        if (word[length - 1] == '\\')
            return policy_refuse_line(r->failure, r->file->label, r->number, (unsigned)(i + length),
                                      "found a backslash at the end of a %s: lines cannot be continued",
                                      last ? "line" : "word");
        word[length] = '\0';
        r->words[r->count++] = (struct module_argument){word, (unsigned)i + 1};
        i += length + 1;
    }
    return 0;
}

static int parse_control(struct reader *r, struct policy_line *line)
{
    const char *word = r->words[1].text;
    if (word[0] == '[')
        return policy_refuse_line(r->failure, r->file->label, r->number, r->words[1].column,
                                  "found a control in brackets, expected required, requisite, sufficient, "
                                  "optional or include: "
                                  "[value=action] is not taken here");
    for (int control = 0; control < CONTROLS; control++)
        if (!strcmp(word, policy_control_names[control])) {
            line->control = (enum policy_control)control;
            return 0;
        }
    return refuse_word(r, 1, "control", policy_control_names, CONTROLS);
}

/* Words from `from` on, with one blank between. */
static char *join_arguments(const struct reader *r, size_t from)
{
    size_t length = 0;
    char *text = malloc(POLICY_LINE_SIZE);
    if (!text)
        return NULL;
    text[0] = '\0';
    for (size_t i = from; i < r->count; i++) {
        size_t n = strlen(r->words[i].text);
        if (length)
            text[length++] = ' ';
        memcpy(text + length, r->words[i].text, n + 1);
        length += n;
    }
    char *fitted = realloc(text, length + 1);
    return fitted ? fitted : text;
}

static int parse_include(struct reader *r)
{
    if (r->count == 2)
        return refuse_end(r, "the name of a file of this directory");
    if (!argument_is_name(r->words[2].text))
        return policy_refuse_line(r->failure, r->file->label, r->number, r->words[2].column,
                                  "found '%.60s', expected the name of a file of this directory",
                                  r->words[2].text);
    if (r->count > 3)
        return policy_refuse_line(r->failure, r->file->label, r->number, r->words[3].column,
                                  "found '%.60s', expected the end of the line: include takes one file",
                                  r->words[3].text);
    return 0;
}

static int parse_module(struct reader *r, struct policy_line *line)
{
    const struct module_table *table = r->modules;
    const char *names[64];
    size_t count = 0;
    if (r->count == 2)
        return refuse_end(r, "a module, such as peer");
    for (size_t i = 0; i < table->count && count < sizeof names / sizeof names[0]; i++) {
        if (!strcmp(table->rows[i]->name, r->words[2].text))
            line->module = table->rows[i];
        names[count++] = table->rows[i]->name;
    }
    if (!line->module)
        return refuse_word(r, 2, "module", names, count);
    if (!(line->module->types & POLICY_BIT(line->type)))
        return policy_refuse_line(r->failure, r->file->label, r->number, r->words[2].column,
                                  "found module %s in a line of type %s, where it has nothing to look at",
                                  line->module->name, policy_type_name(line->type));
    struct failure why;
    size_t at = 0;
    if (line->module->parse(r->words + 3, r->count - 3, &line->state, &at, &why) < 0)
        return refuse_at(r, 3 + at, &why);
    return 0;
}

static int parse_words(struct reader *r)
{
    struct policy_line line = {.file = r->file, .number = r->number, .type = policy_type_find(r->words[0].text)};
    if (line.type == POLICY_NONE)
        return refuse_word(r, 0, "type", policy_type_words, policy_type_word_count);
    if (r->count == 1)
        return refuse_end(r, "a control: required, requisite, sufficient, optional or include");
    if (parse_control(r, &line) < 0)
        return -1;
    bool include = line.control == CONTROL_INCLUDE;
    if (include ? parse_include(r) < 0 : parse_module(r, &line) < 0)
        return -1;
    line.column = r->words[2].column;
    line.arguments = join_arguments(r, include ? 2 : 3);
    if (!line.arguments) {
        if (line.module && line.module->free)
            line.module->free(line.state);
        return argument_no_memory(r->failure);
    }
    r->file->lines[r->file->count++] = line;
    return 0;
}

static int parse_line(struct reader *r, const char *text, size_t length)
{
    const char *nul = memchr(text, '\0', length);
    if (length >= sizeof r->text)
        return policy_refuse_line(r->failure, r->file->label, r->number, POLICY_LINE_SIZE,
                                  "found a line of %zu bytes, expected less than %d", length, POLICY_LINE_SIZE);
    if (nul)
        return policy_refuse_line(r->failure, r->file->label, r->number, (unsigned)(nul - text) + 1,
                                  "found a NUL byte");
    memcpy(r->text, text, length);
    r->text[length] = '\0';
    r->length = length;
    if (check_characters(r) < 0 || split_words(r) < 0)
        return -1;
    return r->count ? parse_words(r) : 0;
}

int policy_parse(const struct policy_source *source, const struct module_table *modules, struct policy_file *file,
                 struct failure *failure)
{
    struct reader r = {.modules = modules, .file = file, .failure = failure};
    size_t lines = 1;
    for (size_t i = 0; i < source->length; i++)
        lines += source->text[i] == '\n';
    if (source->length > 0 && source->text[source->length - 1] == '\n')
        lines--;
    if (lines > POLICY_LINES_MAX || source->length > POLICY_FILE_MAX)
        return policy_refuse_line(failure, file->label, POLICY_LINES_MAX + 1, 1,
                                  "found a file of %zu lines and %zu bytes, expected at "
                                  "most %d and %d",
                                  lines, source->length, POLICY_LINES_MAX, POLICY_FILE_MAX);
    file->lines = calloc(lines, sizeof *file->lines);
    if (!file->lines)
        return argument_no_memory(failure);
    for (size_t at = 0; at < source->length;) {
        const char *end = memchr(source->text + at, '\n', source->length - at);
        size_t length = end ? (size_t)(end - source->text) - at : source->length - at;
        r.number++;
        if (parse_line(&r, source->text + at, length) < 0)
            return -1;
        at += length + 1;
    }
    return 0;
}
