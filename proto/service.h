/*
 * service.h - org.varlink.service: introspection, answered from the embedded io.mtlsd.Agent.varlink.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_PROTO_SERVICE_H
#define MTLSD_PROTO_SERVICE_H

#include "proto/message.h"

#define MTLSD_INTERFACE "io.mtlsd.Agent"
#define MTLSD_VERSION "0.1.0"
#define MTLSD_URL "" /* there is no site yet */

/* If call->method is of org.varlink.service, answer it: returns 1 with *reply a new JSON object of parameters, or -1
 * with *failure; returns 0 where the method is of another interface. */
int service_answer(const struct message_call *call, json_t **reply, struct failure *failure);

/* Split "io.mtlsd.Agent.Issue": returns the bare method name inside `method` when the interface is ours, else NULL
 * with *failure set (InterfaceNotFound, or MethodNotFound where there is no dot). */
const char *service_method(const char *method, struct failure *failure);

#endif
