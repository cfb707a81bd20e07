/*
 * handle.h - what a struct mtls is inside, and the steps that the files of the library share.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Names of functions that are not for export do not begin with mtls_.
 */
#ifndef MTLSD_CLIENT_LIB_HANDLE_H
#define MTLSD_CLIENT_LIB_HANDLE_H

#include <mtls.h>

#include "proto/calls.h"
#include "proto/frame.h"
#include "proto/message.h"

enum { ERROR_NAME_SIZE = 128 };

/* One row a method: how a public request becomes the wire's. */
struct method {
    const char *name;
    bool has_request;
    bool streams; /* MTLS_MORE makes sense */
    json_t *(*encode)(const struct schema *schema, const void *request, bool *secret);
};

struct mtls {
    char *path;  /* NULL: made from a descriptor */
    int fd;      /* -1: not connected */
    int timeout; /* milliseconds */
    struct frame_reader reader;
    struct frame_writer writer;

    const struct method_schema *schema; /* of the call under way; NULL: none */
    bool more;                          /* it was called with more */
    bool continues;                     /* the last reply said that further ones follow */
    void *result;                       /* arrived and not taken */

    enum mtls_code code;
    char name[ERROR_NAME_SIZE];
    char *parameters; /* JSON text; NULL: {} */
    struct failure failure;
};

/* handle.c */
int handle_connect(struct mtls *mtls); /* 0 where connected, or now; -1 with the error */
void handle_disconnect(struct mtls *mtls);
bool handle_peer_gone(const struct mtls *mtls); /* idle: closed, or something came that nobody asked for */

/* error.c */
void error_clear(struct mtls *mtls);
int error_set(struct mtls *mtls, enum mtls_code code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int error_set_from_reply(struct mtls *mtls, const struct message_reply *reply);

/* method.c */
const struct method *method_find(const char *name);

/* result.c: takes over *reply on success */
void *result_make(struct message_reply *reply, const struct schema *schema, struct failure *failure);

#endif
