/*
 * crl_file.c - a CRL file in slices: the body beside, then header, body, signature, rename.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The length in the outermost header is known only when the signature is there, so the tbsCertList goes into a nameless file
 * first and is copied behind the header by the kernel.
 */
#include "agent/ca/crl_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_SIZE = 64 * 1024, HEADER_MAX = 16, PEM_CHUNK = 48 * 512 /* whole lines of 48 bytes, 64 characters */ };

/* One file being written under a temporary name. Nameless (temporary NULL) for the body. */
struct output {
    char *path, *temporary;
    int fd;
    size_t used;
    uint64_t written;
    uint8_t buffer[BUFFER_SIZE];
};

struct crl_file {
    char *path;
    struct output body;
};

static int failed(const char *what, const char *path, struct failure *failure)
{
    int error = errno;
    return failure_set(failure, error == ENOSPC || error == EDQUOT ? FAILURE_BUSY : FAILURE_INTERNAL, NULL, "cannot %s %s: %s", what,
                       path, strerrordesc_np(error));
}

/* "DIR/.NAME.SUFFIX": always the same, so that a file left by a crash is replaced by the next one and never piles up. */
static char *temporary_name(const char *path, const char *suffix)
{
    const char *slash = strrchr(path, '/');
    int directory = slash ? (int)(slash + 1 - path) : 0;
    char *name = NULL;
    return asprintf(&name, "%.*s.%s.%s", directory, path, path + directory, suffix) < 0 ? NULL : name;
}

static void output_drop(struct output *output)
{
    if (output->fd >= 0)
        close(output->fd);
    if (output->temporary)
        unlink(output->temporary);
    free(output->temporary);
    free(output->path);
    output->temporary = NULL;
    output->path = NULL;
    output->fd = -1;
}

static int output_begin(struct output *output, const char *path, const char *suffix, mode_t mode, struct failure *failure)
{
    output->used = 0;
    output->written = 0;
    output->fd = -1;
    output->path = strdup(path);
    output->temporary = temporary_name(path, suffix);
    if (!output->path || !output->temporary) {
        output_drop(output);
        failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory writing %s", path);
        return -1;
    }
    unlink(output->temporary);
    output->fd = open(output->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (output->fd < 0 || fchmod(output->fd, mode)) {
        failed("create a temporary file for", path, failure);
        output_drop(output);
        return -1;
    }
    return 0;
}

static int write_all(int fd, const uint8_t *data, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, data, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        length -= (size_t)n;
    }
    return 0;
}

static int output_flush(struct output *output, struct failure *failure)
{
    if (write_all(output->fd, output->buffer, output->used))
        return failed("write", output->path, failure);
    output->written += output->used;
    output->used = 0;
    return 0;
}

static int output_write(struct output *output, const void *data, size_t length, struct failure *failure)
{
    const uint8_t *bytes = data;
    while (length > 0) {
        size_t n = sizeof output->buffer - output->used;
        if (n == 0) {
            if (output_flush(output, failure))
                return -1;
            continue;
        }
        n = n < length ? n : length;
        memcpy(output->buffer + output->used, bytes, n);
        output->used += n;
        bytes += n;
        length -= n;
    }
    return 0;
}

static int sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(directory);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    close(fd);
    return result;
}

/* Under its own name only now, and only whole. */
static int output_publish(struct output *output, struct failure *failure)
{
    if (output_flush(output, failure))
        return -1;
    if (fsync(output->fd))
        return failed("write", output->path, failure);
    if (rename(output->temporary, output->path))
        return failed("put into place", output->path, failure);
    free(output->temporary);
    output->temporary = NULL;
    if (sync_directory(output->path))
        return failed("make durable", output->path, failure);
    return 0;
}

/* --- body ----------------------------------------------------------------------------------------------------- */

int crl_file_begin(const char *path, struct crl_file **out, struct failure *failure)
{
    struct crl_file *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory writing %s", path);
    }
    if (output_begin(&file->body, path, "body", 0600, failure)) {
        free(file->path);
        free(file);
        return -1;
    }
    /* Nothing opens the body by name: without one it cannot be left behind. */
    unlink(file->body.temporary);
    free(file->body.temporary);
    file->body.temporary = NULL;
    *out = file;
    return 0;
}

int crl_file_head(struct crl_file *file, const uint8_t *data, size_t length, struct failure *failure)
{
    return output_write(&file->body, data, length, failure);
}

int crl_file_entries(struct crl_file *file, const struct crl_entry *entries, size_t count, struct failure *failure)
{
    uint8_t der[CRL_ENTRY_DER_MAX];
    for (size_t i = 0; i < count; i++)
        if (output_write(&file->body, der, crl_entry_encode(&entries[i], der), failure))
            return -1;
    return 0;
}

void crl_file_abort(struct crl_file *file)
{
    if (!file)
        return;
    output_drop(&file->body);
    free(file->path);
    free(file);
}

/* --- whole ---------------------------------------------------------------------------------------------------- */

static int copy_by_hand(int from, off_t offset, struct output *to, uint64_t length, struct failure *failure)
{
    uint8_t buffer[16 * 1024];
    while (length > 0) {
        ssize_t n = pread(from, buffer, length < sizeof buffer ? (size_t)length : sizeof buffer, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO; /* somebody has cut the file */
        if (n <= 0)
            return failed("read back the body of", to->path, failure);
        if (output_write(to, buffer, (size_t)n, failure))
            return -1;
        offset += n;
        length -= (uint64_t)n;
    }
    return 0;
}

/* By the kernel where it can: on some file systems the two files then share their blocks. Where it cannot, or a sandbox does not let
 * it, by hand from where it stopped. */
static int copy_body(const struct output *body, struct output *to, struct failure *failure)
{
    off_t offset = 0;
    uint64_t left = body->written;
    if (output_flush(to, failure))
        return -1;
    while (left > 0) {
        ssize_t n = copy_file_range(body->fd, &offset, to->fd, NULL, left < SSIZE_MAX ? (size_t)left : SSIZE_MAX, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && (errno == ENOSPC || errno == EDQUOT) ? failed("write", to->path, failure)
                                                                 : copy_by_hand(body->fd, offset, to, left, failure);
        left -= (uint64_t)n;
        to->written += (uint64_t)n;
    }
    return 0;
}

static int write_header(struct output *to, uint64_t length, struct failure *failure)
{
    uint8_t header[HEADER_MAX], *p = header;
    if (length > INT_MAX - HEADER_MAX) /* libcrypto counts in int; so do those who read the CRL with it */
        return failure_set(failure, FAILURE_INTERNAL, NULL, "the CRL %s would be %llu bytes long, and no reader takes more than 2 GiB",
                           to->path, (unsigned long long)length);
    ASN1_put_object(&p, 1, (int)length, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    return output_write(to, header, (size_t)(p - header), failure);
}

int crl_file_finish(struct crl_file *file, const uint8_t *tail, size_t tail_length, const uint8_t *algorithm, size_t algorithm_length,
                    const uint8_t *signature, size_t signature_length, struct failure *failure)
{
    struct output *whole = malloc(sizeof *whole);
    int result = -1;
    if (!whole)
        failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory writing %s", file->path);
    else if (!output_write(&file->body, tail, tail_length, failure) && !output_flush(&file->body, failure) &&
             !output_begin(whole, file->path, "new", 0600, failure)) {
        result = write_header(whole, file->body.written + algorithm_length + signature_length, failure) ||
                         copy_body(&file->body, whole, failure) || output_write(whole, algorithm, algorithm_length, failure) ||
                         output_write(whole, signature, signature_length, failure) || output_publish(whole, failure)
                     ? -1
                     : 0;
        output_drop(whole);
    }
    free(whole);
    crl_file_abort(file);
    return result;
}

/* --- PEM ------------------------------------------------------------------------------------------------------ */

/* read(2) until `size` bytes or the end; a chunk that is not whole lines would put padding into the middle. */
static ssize_t read_full(int fd, uint8_t *buffer, size_t size)
{
    size_t used = 0;
    while (used < size) {
        ssize_t n = read(fd, buffer + used, size - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

static int encode_pem(int from, const char *from_path, struct output *to, EVP_ENCODE_CTX *encoder, struct failure *failure)
{
    static const char begin[] = "-----BEGIN X509 CRL-----\n", end[] = "-----END X509 CRL-----\n"; /* RFC 7468 section 6 */
    uint8_t in[PEM_CHUNK], out[PEM_CHUNK / 48 * 65 + 80];
    ssize_t n;
    int length;
    if (output_write(to, begin, sizeof begin - 1, failure))
        return -1;
    EVP_EncodeInit(encoder);
    while ((n = read_full(from, in, sizeof in)) > 0)
        if (EVP_EncodeUpdate(encoder, out, &length, in, (int)n) != 1 || output_write(to, out, (size_t)length, failure))
            return failure->code ? -1 : failure_set(failure, FAILURE_INTERNAL, NULL, "cannot encode %s", from_path);
    if (n < 0)
        return failed("read", from_path, failure);
    EVP_EncodeFinal(encoder, out, &length);
    return output_write(to, out, (size_t)length, failure) || output_write(to, end, sizeof end - 1, failure) ? -1 : 0;
}

int crl_file_publish_pem(const char *der_path, const char *path, struct failure *failure)
{
    struct failure why = {0};
    int from = open(der_path, O_RDONLY | O_CLOEXEC), result = -1;
    struct output *to = malloc(sizeof *to);
    EVP_ENCODE_CTX *encoder = EVP_ENCODE_CTX_new();
    if (from < 0)
        failed("open the CRL", der_path, &why);
    else if (!to || !encoder)
        failure_set(&why, FAILURE_INTERNAL, NULL, "out of memory writing %s", path);
    else if (!output_begin(to, path, "new", 0644, &why)) {
        result = encode_pem(from, der_path, to, encoder, &why) || output_publish(to, &why) ? -1 : 0;
        output_drop(to);
    }
    EVP_ENCODE_CTX_free(encoder);
    free(to);
    if (from >= 0)
        close(from);
    if (result && failure)
        *failure = why;
    return result;
}
