/*
 * service.c - org.varlink.service (varlink.org/Service): who we are and what we speak.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/service.h"

#include <string.h>

#define SERVICE_INTERFACE "org.varlink.service"

/* The file itself is what we publish: it cannot get out of step with what is built from it. */
__asm__(".pushsection .rodata, \"a\", %progbits\n"
        ".hidden service_agent_description\n"
        ".globl service_agent_description\n"
        ".type service_agent_description, %object\n"
        "service_agent_description:\n"
        ".incbin \"proto/io.mtlsd.Agent.varlink\"\n"
        ".byte 0\n"
        ".size service_agent_description, . - service_agent_description\n"
        ".popsection\n");
extern const char service_agent_description[] __attribute__((visibility("hidden")));

static const char service_description[] =
    "# Every varlink service has this interface. It tells which service this is and describes its interfaces.\n"
    "interface org.varlink.service\n"
    "\n"
    "# Who made the service, its version, and the interfaces that it offers.\n"
    "method GetInfo() -> (\n"
    "  vendor: string,\n"
    "  product: string,\n"
    "  version: string,\n"
    "  url: string,\n"
    "  interfaces: []string\n"
    ")\n"
    "\n"
    "# The text of an interface definition, such as this one.\n"
    "method GetInterfaceDescription(interface: string) -> (description: string)\n"
    "\n"
    "error InterfaceNotFound (interface: string)\n"
    "error MethodNotFound (method: string)\n"
    "error MethodNotImplemented (method: string)\n"
    "error InvalidParameter (parameter: string)\n";

static const struct {
    const char *name, *description;
} interfaces[] = {
    {SERVICE_INTERFACE, service_description},
    {MTLSD_INTERFACE, service_agent_description},
};
enum { INTERFACES = sizeof interfaces / sizeof interfaces[0] };

struct info_reply {
    const char *vendor, *product, *version, *url;
    struct text_list interfaces;
};
static const struct field info_reply_fields[] = {
    {.name = "vendor", .type = FIELD_TEXT, .required = true, .offset = offsetof(struct info_reply, vendor)},
    {.name = "product", .type = FIELD_TEXT, .required = true, .offset = offsetof(struct info_reply, product)},
    {.name = "version", .type = FIELD_TEXT, .required = true, .offset = offsetof(struct info_reply, version)},
    {.name = "url", .type = FIELD_TEXT, .required = true, .offset = offsetof(struct info_reply, url)},
    {.name = "interfaces",
     .type = FIELD_TEXT_LIST,
     .required = true,
     .offset = offsetof(struct info_reply, interfaces)},
};
static const struct schema info_reply = {"GetInfo", sizeof(struct info_reply), 5, info_reply_fields};
static const struct schema info_call = {"GetInfo", 1, 0, NULL};

struct description_call {
    const char *interface;
};
static const struct field description_call_fields[] = {
    {.name = "interface", .type = FIELD_TEXT, .required = true, .max_bytes = MESSAGE_METHOD_MAX},
};
static const struct schema description_call = {"GetInterfaceDescription", sizeof(struct description_call), 1,
                                               description_call_fields};

struct description_reply {
    const char *description;
};
static const struct field description_reply_fields[] = {
    {.name = "description", .type = FIELD_TEXT, .required = true},
};
static const struct schema description_reply = {"GetInterfaceDescription", sizeof(struct description_reply), 1,
                                                description_reply_fields};

static int encode(const struct schema *schema, const void *value, json_t **reply, struct failure *failure)
{
    json_t *object = schema_encode(schema, value);
    if (!object)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    *reply = object;
    return 1;
}

static int get_info(const json_t *parameters, json_t **reply, struct failure *failure)
{
    char none;
    if (schema_decode(&info_call, parameters, false, &none, failure))
        return -1;
    const char *names[INTERFACES];
    for (size_t i = 0; i < INTERFACES; i++)
        names[i] = interfaces[i].name;
    const struct info_reply info = {
        .vendor = "mtlsd",
        .product = "mtlsd",
        .version = MTLSD_VERSION,
        .url = MTLSD_URL,
        .interfaces = {names, INTERFACES},
    };
    return encode(&info_reply, &info, reply, failure);
}

static int get_description(const json_t *parameters, json_t **reply, struct failure *failure)
{
    struct description_call call;
    if (schema_decode(&description_call, parameters, false, &call, failure))
        return -1;
    for (size_t i = 0; i < INTERFACES; i++)
        if (!strcmp(interfaces[i].name, call.interface)) {
            const struct description_reply description = {interfaces[i].description};
            return encode(&description_reply, &description, reply, failure);
        }
    return failure_set(failure, FAILURE_INTERFACE_NOT_FOUND, call.interface, "there is no interface %s here",
                       call.interface);
}

/* The bare method name if `method` is one of `interface`, else NULL. */
static const char *method_of(const char *method, const char *interface)
{
    size_t length = strlen(interface);
    if (strncmp(method, interface, length) != 0 || method[length] != '.' || strchr(method + length + 1, '.'))
        return NULL;
    return method + length + 1;
}

int service_answer(const struct message_call *call, json_t **reply, struct failure *failure)
{
    const char *method = method_of(call->method, SERVICE_INTERFACE);
    if (!method)
        return 0;
    if (!strcmp(method, "GetInfo"))
        return get_info(call->parameters, reply, failure);
    if (!strcmp(method, "GetInterfaceDescription"))
        return get_description(call->parameters, reply, failure);
    return failure_set(failure, FAILURE_METHOD_NOT_FOUND, call->method, "there is no method %s here",
                       call->method);
}

const char *service_method(const char *method, struct failure *failure)
{
    const char *bare = method_of(method, MTLSD_INTERFACE);
    if (bare)
        return bare;
    const char *dot = strrchr(method, '.');
    if (!dot) {
        failure_set(failure, FAILURE_METHOD_NOT_FOUND, method,
                    "%s: a method is called with its interface, as in %s.Status", method, MTLSD_INTERFACE);
        return NULL;
    }
    char interface[FAILURE_FIELD_SIZE];
    size_t length = (size_t)(dot - method);
    if (length >= sizeof interface)
        length = sizeof interface - 1;
    memcpy(interface, method, length);
    interface[length] = '\0';
    failure_set(failure, FAILURE_INTERFACE_NOT_FOUND, interface, "there is no interface %s here", interface);
    return NULL;
}
