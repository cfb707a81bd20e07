/*
 * files.h - files read whole with a limit, and files written together, atomically, never over one that is
 * there unless told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_FILES_H
#define MTLSD_CLIENT_CLI_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "proto/failure.h"

enum {
    FILE_MAX = 1024 * 1024, /* bytes of a certificate, CSR or key file; larger ones are something else */
    FILE_CRL_MAX = 256 * 1024 * 1024,
    OUTPUTS_MAX = 3,       /* key, certificate, PKCS#12 */
    OUTPUT_BASE_MAX = 200, /* bytes of a file's own name, so that a suffix still fits into NAME_MAX */
};

/* A file, or standard input where path is "-", whole and with a NUL after it. The caller frees it with
 * file_free, which wipes. `what` begins the error: "the CSR". 0, or -1 with BAD_REQUEST. */
int file_read(const char *path, const char *what, size_t max, char **data, size_t *length,
              struct failure *failure);
void file_free(char *data, size_t length);
bool file_exists(const char *path);

/* One file to be: a temporary beside its final place, opened before the agent is asked, so that what cannot
 * be written is known before a certificate exists. */
struct output {
    char *path;
    char *base;    /* within path */
    int directory; /* -1: nothing to do */
    int fd;        /* of the temporary */
    char temporary[24];
    bool replace;
    char *made; /* a directory that we had to make, removed on abort; NULL: none */
};
struct outputs {
    struct output items[OUTPUTS_MAX];
    size_t count;
};

enum output_check {
    OUTPUT_OPEN, /* make the temporary */
    OUTPUT_LOOK, /* a dry run: only say what would be in the way */
};

/* Add a file of this mode (0600 for keys; else umask applies too). What exists is CONFLICT unless `replace`;
 * a symlink, directory or device in its place is always refused. The last directory of the path is made where
 * it is missing. */
int outputs_add(struct outputs *outputs, const char *path, mode_t mode, bool replace, enum output_check check,
                struct failure *failure);
/* The whole content of the index-th output, into its temporary. */
int outputs_write(struct outputs *outputs, size_t index, const void *data, size_t length,
                  struct failure *failure);
/* Sync all, then put all into place, in order. On failure nothing more is put into place; *failure says which
 * are. */
int outputs_commit(struct outputs *outputs, struct failure *failure);
/* Drop the last one alone. */
void outputs_drop_last(struct outputs *outputs);
/* Remove what is not in place, free. After outputs_commit it only frees. May be called twice. */
void outputs_clear(struct outputs *outputs);

/* May NAME be (part of) a file's name? Not empty, no '/', no leading '.' or '-', no control characters, at
 * most OUTPUT_BASE_MAX bytes. */
bool file_name_safe(const char *name);
/* "DIR/BASE.SUFFIX" in memory that the caller frees; NULL when memory ran out. */
char *file_join(const char *directory, const char *base, const char *suffix);

#endif
