/*
 * config_table.h - inside of the configuration: the table of keys, the setter it drives, the reader that feeds it.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * For proto/config*.c only; everybody else includes proto/config.h.
 */
#ifndef MTLSD_PROTO_CONFIG_TABLE_H
#define MTLSD_PROTO_CONFIG_TABLE_H

#include "proto/config.h"

enum {
    CONFIG_LINE_MAX = 190,   /* bytes; inih is built with 200 and cuts what is longer */
    CONFIG_WORD_MAX = 49,    /* bytes of "[kind NAME]" and of a key; inih cuts at 50 */
    CONFIG_LINES_MAX = 10000,
    CONFIG_SOCKET_MAX = 107, /* sun_path without its NUL, unix(7) */
};

enum config_section {
    CONFIG_AGENT, CONFIG_KEEPER, CONFIG_GATEWAY, CONFIG_PROFILE, CONFIG_ANCHORS, CONFIG_SERVICE, CONFIG_LISTENER,
    CONFIG_SECTIONS
};

/* How a value is read. The kinds up to CONFIG_PUBLIC_URL are kept as text. */
enum config_kind {
    CONFIG_PATH, CONFIG_SOCKET, CONFIG_COMMAND, CONFIG_WHO, CONFIG_EKU, CONFIG_KEEP, CONFIG_SAN_TEMPLATE,
    CONFIG_LOOPBACK, CONFIG_HEADER, CONFIG_PUBLIC_URL,
    CONFIG_TERM, CONFIG_TERM_OR_ZERO, CONFIG_NUMBER, CONFIG_BOOL, CONFIG_MODE, CONFIG_KEY_TYPE,
};

struct config_row {
    struct config_key shown;
    enum config_section section;
    enum config_kind kind;
    size_t offset;        /* in the struct of the section */
    const char *initial;  /* set before the file is read, by the same code; NULL: nothing */
    int64_t least, most;  /* numbers and terms */
};

extern const struct config_row config_rows[];

struct config_section_info {
    const char *name; /* "profile" */
    bool named;       /* [profile NAME] */
    size_t array, count, size; /* named: where the array and its count lie in struct config, and the size of an item */
    size_t single;    /* not named: where the struct lies */
};
extern const struct config_section_info config_sections[CONFIG_SECTIONS];

/* Read `text` as the row says into the struct of its section. 0, or -1 with what was expected in why[]. */
enum { CONFIG_WHY_SIZE = 256 };
int config_set(const struct config_row *row, void *section, const char *text, char why[static CONFIG_WHY_SIZE]);
/* Free what config_set put into one section's struct. */
void config_clear(enum config_section section, void *at);

/* A reader tells its user what it found; every callback answers 0, or -1 with *failure already set. */
struct config_events {
    int (*section)(void *user, int line, const char *text); /* between the brackets */
    int (*value)(void *user, int line, const char *name, const char *value);
    void *user;
};
/* 0, or -1 with *failure. `file` is the name for errors. */
int config_scan(FILE *stream, const char *file, const struct config_events *events, struct failure *failure);

#endif
