/*
 * subject.c - the subject of what we issue as text, and purposes as bits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/ca/subject.h"

#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "proto/x509/certificate.h"

const char *subject_text(struct arena *arena, const struct names *names)
{
    X509_NAME *name = X509_NAME_new();
    char *text = NULL;
    if (name && (!names->common_name[0] ||
                 X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)names->common_name, -1, -1, 0)))
        text = certificate_name_text(name);
    X509_NAME_free(name);
    const char *copy = arena_text(arena, text ? text : "");
    free(text);
    return copy;
}

uint32_t purpose_of_eku(const char *oid)
{
    static const char *const known[] = {"1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.4"};
    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(oid, known[i]))
            return 1u << i;
    return PURPOSE_OTHER;
}
