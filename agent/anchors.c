/*
 * anchors.c - foreign trust anchors, read at start and on reload.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/anchors.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANCHOR_FILE_MAX = 16 * 1024 * 1024 };

static int file_read(const char *path, const char *key, void **data, size_t *length, struct failure *failure)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return failure_set(failure, FAILURE_BAD_REQUEST, key, "%s: %s", path, strerror(errno));
    char *bytes = malloc(ANCHOR_FILE_MAX + 1);
    size_t got = bytes ? fread(bytes, 1, ANCHOR_FILE_MAX + 1, file) : 0;
    bool bad = !bytes || ferror(file) || got > ANCHOR_FILE_MAX;
    fclose(file);
    if (bad) {
        free(bytes);
        return failure_set(failure, FAILURE_BAD_REQUEST, key, "%s: cannot be read, or is larger than %d bytes", path, ANCHOR_FILE_MAX);
    }
    *data = bytes;
    *length = got;
    return 0;
}

static int set_load(const struct config_anchors *section, struct anchor_set *set, struct failure *failure)
{
    void *data;
    size_t length;
    if (!section->file)
        return failure_set(failure, FAILURE_BAD_REQUEST, "file", "[anchors %s] has no file=", section->name);
    if (file_read(section->file, "file", &data, &length, failure))
        return -1;
    set->certificates = path_read_certificates(data, length, section->file, failure);
    free(data);
    if (!set->certificates)
        return -1;
    if (section->crl) {
        if (file_read(section->crl, "crl", &data, &length, failure))
            return -1;
        set->crls = path_read_crls(data, length, section->crl, failure);
        free(data);
        if (!set->crls)
            return -1;
    }
    set->name = section->name;
    set->strict = section->strict;
    set->names = section->names;
    return 0;
}

int anchors_load(const struct config *config, struct anchors **out, struct failure *failure)
{
    struct anchors *anchors = calloc(1, sizeof *anchors + config->anchors_count * sizeof anchors->sets[0]);
    if (!anchors)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    anchors->references = 1;
    for (; anchors->count < config->anchors_count; anchors->count++)
        if (set_load(&config->anchors[anchors->count], &anchors->sets[anchors->count], failure)) {
            anchors->count++; /* what was read of this one is freed too */
            anchors_unref(anchors);
            return -1;
        }
    *out = anchors;
    return 0;
}

struct anchors *anchors_ref(const struct anchors *anchors)
{
    struct anchors *shared = (struct anchors *)anchors;
    atomic_fetch_add(&shared->references, 1);
    return shared;
}

void anchors_unref(struct anchors *anchors)
{
    if (!anchors || atomic_fetch_sub(&anchors->references, 1) != 1)
        return;
    for (size_t i = 0; i < anchors->count; i++) {
        sk_X509_pop_free(anchors->sets[i].certificates, X509_free);
        sk_X509_CRL_pop_free(anchors->sets[i].crls, X509_CRL_free);
    }
    free(anchors);
}
