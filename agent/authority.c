/*
 * authority.c - the CA as the agent knows it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/x509/key.h"

enum { AUTHORITY_DER_MAX = 8192 };

static int authority_fill(struct authority *authority, const uint8_t *der, size_t length, struct failure *failure)
{
    if (certificate_facts_read(der, length, "authority", &authority->facts, failure))
        return -1;
    const uint8_t *cursor = der;
    X509 *certificate = d2i_X509(NULL, &cursor, (long)length);
    struct public_key key = {0};
    char key_type[KEY_TYPE_TEXT_SIZE] = "unknown";
    if (certificate && !public_key_from_evp(X509_get0_pubkey(certificate), &key, NULL))
        key_type_format(key.type, key_type);
    unsigned char *subject = NULL;
    int subject_length = certificate ? i2d_X509_NAME(X509_get_subject_name(certificate), &subject) : -1;
    X509_free(certificate);
    authority->subject = subject_length > 0 ? malloc((size_t)subject_length) : NULL;
    if (authority->subject)
        memcpy(authority->subject, subject, authority->subject_length = (size_t)subject_length);
    OPENSSL_free(subject);
    authority->der = malloc(length);
    if (authority->der)
        memcpy(authority->der, der, authority->length = length);
    authority->pem = certificate_to_pem(der, length);
    authority->name = strdup(authority->facts.names.common_name);
    authority->key_type = strdup(key_type);
    fingerprint_format(authority->facts.fingerprint, authority->fingerprint);
    if (!authority->subject || !authority->der || !authority->pem || !authority->name || !authority->key_type)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    return 0;
}

int authority_parse(const uint8_t *der, size_t length, struct authority **out, struct failure *failure)
{
    struct authority *authority = calloc(1, sizeof *authority);
    if (!authority)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    if (authority_fill(authority, der, length, failure)) {
        authority_free(authority);
        return -1;
    }
    *out = authority;
    return 0;
}

void authority_free(struct authority *authority)
{
    if (!authority)
        return;
    certificate_facts_clear(&authority->facts);
    free(authority->der);
    free(authority->pem);
    free(authority->name);
    free(authority->key_type);
    free(authority->subject);
    free(authority);
}

int authority_load(const char *state, struct authority **out, struct failure *failure)
{
    char path[4096];
    uint8_t der[AUTHORITY_DER_MAX];
    snprintf(path, sizeof path, "%s/ca.der", state);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return 0;
    ssize_t length = fd < 0 ? -1 : read(fd, der, sizeof der);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (length <= 0)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "%s: %s", path, length ? strerror(error) : "empty");
    return authority_parse(der, (size_t)length, out, failure) ? -1 : 1;
}

static int write_whole(int fd, const uint8_t *data, size_t length)
{
    while (length) {
        ssize_t written = write(fd, data, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        data += written;
        length -= (size_t)written;
    }
    return fsync(fd);
}

int authority_save(const char *state, const struct authority *authority, struct failure *failure)
{
    char path[4096], temporary[4096 + 8];
    snprintf(path, sizeof path, "%s/ca.der", state);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    bool bad = fd < 0 || write_whole(fd, authority->der, authority->length) || rename(temporary, path);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (bad)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "%s: %s", path, strerror(error));
    return 0;
}
