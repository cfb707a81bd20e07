/*
 * options.h - argv to a typed struct, once: every option of mtlsctl in one table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_OPTIONS_H
#define MTLSD_CLIENT_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/failure.h"

enum {
    OPERANDS_MAX = 2,
    OPTION_SANS_MAX = 100,
    OPTION_FILES_MAX = 32,
    OPTION_LIFE_SIZE = 32,
};

/* --if-due: a term before expiry, or a share of the certificate's whole life. */
struct due {
    bool given;
    int64_t seconds; /* of a term; 0 where it is a share */
    int percent;     /* 1..99; 0 where it is a term */
};

/* A list of texts that point into memory of the options' own. */
struct option_list {
    char *items[OPTION_SANS_MAX];
    size_t count;
};

/* Texts are NULL where not given. */
struct options {
    bool help, version, json, yes, force, dry_run, pem, strict, partial_chain, explicit_policy;
    const char *socket, *unlock_socket;
    const char *profile, *service, *label, *key_type, *name, *serial, *request_id;
    const char *out, *out_name, *p12, *passphrase_file, *key, *format, *csr;
    const char *reason, *status, *purpose, *dns, *chain, *anchors;
    const char *method, *uri, *host, *address;
    const char *expiring, *issued_before, *issued_after, *at;
    int64_t at_seconds;          /* of --at; -1 where not given */
    char life[OPTION_LIFE_SIZE]; /* of --life or --days, as a term; "" where not given */
    struct due if_due;
    struct option_list sans;
    struct option_list crls;
    bool requester_given, as_given;
    uint32_t requester, as;
};

void options_init(struct options *options);
void options_clear(struct options *options);

/*
 * Take argv[*at..] up to the first that is no option (`stop_at_operand`) or to the end; operands are gathered
 * in `operands`. `allowed` are the names a command takes, separated by blanks, beyond the global ones. 0, or
 * -1 with BAD_REQUEST whose field is the option.
 */
struct option_parse {
    const char *const *argv;
    int argc, at;
    const char *command, *allowed;
    bool stop_at_operand;
    const char **operands;
    size_t operand_room, operand_count;
};
int options_parse(struct option_parse *parse, struct options *options, struct failure *failure);

/* "30d", "12h", "33%". 0 or -1. */
int due_parse(const char *text, struct due *out);
/* Is notAfter so near? `now` and the others in seconds since 1970. */
bool due_is_near(const struct due *due, int64_t not_before, int64_t not_after, int64_t now);

/* "DNS:a,email:b" into single SANs; a comma within a value belongs to it unless a type follows. 0 or -1 with
 * *failure. */
int option_sans_add(struct option_list *list, const char *text, struct failure *failure);

/* The options' part of a help text: those in `allowed`, or the global ones where it is NULL. */
void options_print_help(FILE *out, const char *allowed);
/* Is there an option of this name (without dashes)? */
bool option_exists(const char *name, size_t length);

#endif
