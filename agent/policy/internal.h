/*
 * internal.h - the inside of a policy, for the files of this directory and their tests.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * directory.c reads files, parse.c makes lines of them, splice.c makes stacks of the lines, load.c ties these
 * together, stack.c runs the stacks, reason.c says what came of it.
 */
#ifndef MTLSD_AGENT_POLICY_INTERNAL_H
#define MTLSD_AGENT_POLICY_INTERNAL_H

#include "agent/policy/module.h"

enum {
    POLICY_NAME_MAX = 64,          /* characters of a service name */
    POLICY_FILE_MAX = 64 * 1024,   /* bytes of a file */
    POLICY_LINE_SIZE = 1024,       /* bytes of a line, line end included */
    POLICY_LINES_MAX = 500,        /* of a file */
    POLICY_FILES_MAX = 256,        /* of a directory */
    POLICY_INCLUDE_DEPTH_MAX = 16, /* as Linux-PAM's */
    POLICY_STACK_MAX = 500, /* lines and includes of one stack, so that includes cannot multiply without end */
};

enum policy_control {
    CONTROL_REQUIRED, CONTROL_REQUISITE, CONTROL_SUFFICIENT, CONTROL_OPTIONAL,
    CONTROL_INCLUDE, /* gone once stacks are spliced */
    CONTROLS
};
extern const char *const policy_control_names[CONTROLS];
extern const char *const policy_type_words[]; /* "use", "issue", ...: what a line may begin with */
extern const size_t policy_type_word_count;

struct policy_file;

struct policy_line {
    const struct policy_file *file;
    unsigned number;     /* of the line, from 1 */
    unsigned column;     /* of the module's or the included file's name, in bytes, from 1 */
    enum policy_type type;
    enum policy_control control;
    const struct policy_module *module; /* NULL for include */
    void *state;         /* what module->parse made */
    char *arguments;     /* as written, one blank between; for include the name of the file */
};

struct policy_stack { const struct policy_line **lines; size_t count; };

/* One file, which is one service. */
struct policy_file {
    char *name;          /* "default" */
    char *label;         /* "policy.d/default" */
    struct policy_line *lines;
    size_t count;
    bool included;       /* by another file */
    struct policy_stack stacks[POLICY_TYPES];
    unsigned vary;       /* enum policy_fact bits of the verify stack */
};

struct policy {
    char *label;         /* "policy.d": the directory's last component */
    struct policy_file *files; /* sorted by name */
    size_t count;
    bool wants_login, wants_unit;
};

/* A file as bytes. */
struct policy_source { char *name, *text; size_t length; };

/* directory.c: read every file, sorted by name; -1 with *failure. policy_sources_free also takes NULL. */
int policy_read_directory(const char *path, policy_warning *warn, void *context, struct policy_source **out,
                          size_t *count, struct failure *failure);
void policy_sources_free(struct policy_source *sources, size_t count);

/* parse.c: the lines of one file, into file->lines (the caller frees the file, also on failure). */
int policy_parse(const struct policy_source *source, const struct module_table *modules, struct policy_file *file,
                 struct failure *failure);
/* Bytes of the UTF-8 character at p, at most `left` of them; 0 where there is none (RFC 3629). */
size_t policy_character_length(const unsigned char *p, size_t left);
/* splice.c: stacks of every file, includes resolved. */
int policy_splice(struct policy *policy, struct failure *failure);
const struct policy_file *policy_find_file(const struct policy *policy, const char *name);

/* load.c: policy_load with another table of modules. */
int policy_load_with_modules(const char *directory, const struct module_table *modules, policy_warning *warn,
                             void *context, struct policy **out, struct failure *failure);
/* The same from files in memory, sorted by name here; `label` stands for the directory. */
int policy_load_sources(const char *label, struct policy_source *sources, size_t count,
                        const struct module_table *modules, policy_warning *warn, void *context,
                        struct policy **out, struct failure *failure);

/* "a, b or c" */
void policy_join_words(const char *const *words, size_t count, char *out, size_t size);
/* "LABEL:LINE:COLUMN: ..." as BAD_REQUEST(policy); returns -1. */
int policy_refuse_line(struct failure *failure, const char *label, unsigned line, unsigned column,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));

/* What came of the stacks: of stack.c, for reason.c to put into words. */
struct policy_verdict {
    bool allowed;
    enum policy_type type;          /* of the stack that decided: use, or the question's own */
    const char *service;            /* NULL where the name is none */
    const struct policy_file *file; /* that stands for it; NULL: none */
    const struct policy_line *line; /* that decided; NULL: none */
    char detail[160];               /* what the line looked at */
};
void policy_describe(const struct policy *policy, const struct policy_verdict *verdict,
                     struct policy_decision *out);
/* What strangers sent may stand in a sentence: replace what is not printable UTF-8, a character cut at the end
 * too, by '?'. */
void policy_make_printable(char *text);

#endif
