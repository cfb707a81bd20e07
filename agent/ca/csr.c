/*
 * csr.c - a stranger's CSR (PKCS#10, RFC 2986) to typed wishes, through asn1t templates of our own.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * It must not know what is allowed: it says what was wished for and by whom (the holder of the key). Limits on
 * what may repeat stand here, because every list in a CSR is as long as its sender likes.
 */
#include "agent/ca/csr.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ca/csr_key.h"
#include "proto/x509/pem.h"
#include "proto/x509/span.h"

enum { ATTRIBUTES_MAX = 16, EXTENSIONS_MAX = 32, SUBJECT_MAX = 64, IGNORED_TEXT_MAX = 160 };

/* --- templates: RFC 2986 section 4 ---------------------------------------------------------------------- */

struct csr_pair { /* AttributeTypeAndValue */
    ASN1_OBJECT *type;
    ASN1_TYPE *value;
};
SKM_DEFINE_STACK_OF(csr_pair, struct csr_pair, struct csr_pair)
SKM_DEFINE_STACK_OF(csr_rdn, STACK_OF(csr_pair), STACK_OF(csr_pair))

struct csr_attribute {
    ASN1_OBJECT *type;
    STACK_OF(ASN1_TYPE) *values;
};
SKM_DEFINE_STACK_OF(csr_attribute, struct csr_attribute, struct csr_attribute)

struct csr_spki { /* stays as it is: no decoder framework */
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *bits;
};

struct csr_info {
    ASN1_INTEGER *version;
    STACK_OF(csr_rdn) *subject;
    struct csr_spki *key;
    STACK_OF(csr_attribute) *attributes;
};

struct csr_outer {
    struct span info; /* as it stands in the input: that is what was signed */
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *signature;
};

ASN1_SEQUENCE(csr_pair) = {
    ASN1_SIMPLE(struct csr_pair, type, ASN1_OBJECT),
    ASN1_SIMPLE(struct csr_pair, value, ASN1_ANY),
} static_ASN1_SEQUENCE_END_name(struct csr_pair, csr_pair)

ASN1_ITEM_TEMPLATE(csr_rdn) = ASN1_EX_TEMPLATE_TYPE(ASN1_TFLG_SET_OF, 0, rdn, csr_pair)
static_ASN1_ITEM_TEMPLATE_END(csr_rdn)

ASN1_SEQUENCE(csr_attribute) = {
    ASN1_SIMPLE(struct csr_attribute, type, ASN1_OBJECT),
    ASN1_SET_OF(struct csr_attribute, values, ASN1_ANY),
} static_ASN1_SEQUENCE_END_name(struct csr_attribute, csr_attribute)

ASN1_SEQUENCE(csr_spki) = {
    ASN1_SIMPLE(struct csr_spki, algorithm, X509_ALGOR),
    ASN1_SIMPLE(struct csr_spki, bits, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END_name(struct csr_spki, csr_spki)

ASN1_SEQUENCE(csr_info) = {
    ASN1_SIMPLE(struct csr_info, version, ASN1_INTEGER),
    ASN1_SEQUENCE_OF(struct csr_info, subject, csr_rdn),
    ASN1_SIMPLE(struct csr_info, key, csr_spki),
    ASN1_IMP_SET_OF_OPT(struct csr_info, attributes, csr_attribute, 0),
} static_ASN1_SEQUENCE_END_name(struct csr_info, csr_info)

ASN1_SEQUENCE(csr_outer) = {
    ASN1_EMBED(struct csr_outer, info, span_one),
    ASN1_SIMPLE(struct csr_outer, algorithm, X509_ALGOR),
    ASN1_SIMPLE(struct csr_outer, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END_name(struct csr_outer, csr_outer)

static void *decode_whole(const uint8_t *der, long length, const ASN1_ITEM *item)
{
    const unsigned char *cursor = der;
    void *value = ASN1_item_d2i(NULL, &cursor, length, item);
    if (value && cursor == der + length)
        return value;
    ASN1_item_free(value, item);
    return NULL;
}

/* --- small things --------------------------------------------------------------------------------------- */

static int refuse(struct failure *failure, const char *why)
{
    return failure_set(failure, FAILURE_BAD_REQUEST, "csr", "%s", why);
}

/* Say what names.h said, as a fault of the CSR. */
static int restate(const struct failure *why, const char *where, struct failure *failure)
{
    return why->code == FAILURE_INTERNAL
               ? failure_set(failure, FAILURE_INTERNAL, NULL, "%s", why->reason)
               : failure_set(failure, FAILURE_BAD_REQUEST, "csr", "%s: %s", where, why->reason);
}

/* List something that was asked for and is not done; each text once. */
static int ignore(struct csr *csr, const char *kind, const char *what, struct failure *failure)
{
    char text[IGNORED_TEXT_MAX];
    if (csr->ignored_count == CSR_IGNORED_MAX)
        return 0;
    snprintf(text, sizeof text, "%s%s%s", kind, *kind && *what ? " " : "", what);
    if (csr->ignored_count == CSR_IGNORED_MAX - 1)
        snprintf(text, sizeof text, "and more");
    for (size_t i = 0; i < csr->ignored_count; i++)
        if (!strcmp(csr->ignored[i], text))
            return 0;
    char *copy = strdup(text);
    if (!copy)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    csr->ignored[csr->ignored_count++] = copy;
    return 0;
}

static const char *object_name(const ASN1_OBJECT *object, char buffer[static 80])
{
    int nid = OBJ_obj2nid(object);
    if (nid != NID_undef)
        return OBJ_nid2sn(nid);
    OBJ_obj2txt(buffer, 80, object, 1);
    return buffer;
}

/* --- the subject ---------------------------------------------------------------------------------------- */

static bool is_text(const ASN1_TYPE *value)
{
    switch (value->type) {
    case V_ASN1_UTF8STRING:
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_T61STRING:
    case V_ASN1_BMPSTRING:
    case V_ASN1_UNIVERSALSTRING:
    case V_ASN1_VISIBLESTRING:
    case V_ASN1_NUMERICSTRING:
        return true;
    default:
        return false;
    }
}

static int read_common_name(const ASN1_TYPE *value, struct csr *csr, struct failure *failure)
{
    unsigned char *text = NULL;
    struct failure why;
    int length = is_text(value) ? ASN1_STRING_to_UTF8(&text, value->value.asn1_string) : -1;
    if (length < 0)
        return refuse(failure, "its CN is not a text");
    int result = names_set_common_name(&csr->names, (const char *)text, (size_t)length, "csr", &why);
    OPENSSL_free(text);
    return result ? restate(&why, "its CN", failure) : 0;
}

/* The CN that stands last is the most specific (X.501 section 9.2); whatever else the subject says is not taken
 * over. */
static int read_subject(const STACK_OF(csr_rdn) *subject, struct csr *csr, struct failure *failure)
{
    const ASN1_TYPE *common_name = NULL;
    char buffer[80];
    if (sk_csr_rdn_num(subject) > SUBJECT_MAX)
        return refuse(failure, "its subject has more than 64 parts");
    for (int i = 0; i < sk_csr_rdn_num(subject); i++) {
        const STACK_OF(csr_pair) *rdn = sk_csr_rdn_value(subject, i);
        if (sk_csr_pair_num(rdn) > SUBJECT_MAX)
            return refuse(failure, "its subject has more than 64 parts");
        for (int j = 0; j < sk_csr_pair_num(rdn); j++) {
            const struct csr_pair *pair = sk_csr_pair_value(rdn, j);
            bool is_common_name = OBJ_obj2nid(pair->type) == NID_commonName;
            if ((!is_common_name || common_name) && ignore(csr, "subject", object_name(pair->type, buffer), failure))
                return -1;
            if (is_common_name)
                common_name = pair->value;
        }
    }
    return common_name ? read_common_name(common_name, csr, failure) : 0;
}

/* --- what it asks for ----------------------------------------------------------------------------------- */

static int read_general_name(const GENERAL_NAME *general, struct csr *csr, struct failure *failure)
{
    static const struct {
        int type;
        enum san_type san;
    } texts[] = {{GEN_DNS, SAN_DNS}, {GEN_EMAIL, SAN_EMAIL}, {GEN_URI, SAN_URI}};
    static const char *const others[] = {[GEN_OTHERNAME] = "otherName",
                                         [GEN_X400] = "x400Address",
                                         [GEN_DIRNAME] = "directoryName",
                                         [GEN_EDIPARTY] = "ediPartyName",
                                         [GEN_RID] = "registeredID"};
    struct failure why;
    struct san san = {.value = NULL};
    int result = 1; /* not of our kinds */
    if (general->type == GEN_IPADD)
        result = san_from_address(ASN1_STRING_get0_data(general->d.iPAddress),
                                  (size_t)ASN1_STRING_length(general->d.iPAddress), &san, &why);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (general->type == texts[i].type)
            result = san_from_value(texts[i].san, (const char *)ASN1_STRING_get0_data(general->d.ia5),
                                    (size_t)ASN1_STRING_length(general->d.ia5), &san, &why);
    if (result == 1)
        return ignore(csr, "san", others[general->type], failure);
    if (result || names_add(&csr->names, &san, &why))
        return restate(&why, "a SAN in it", failure);
    return 0;
}

static int read_sans(const X509_EXTENSION *extension, struct csr *csr, struct failure *failure)
{
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data((X509_EXTENSION *)(uintptr_t)extension);
    GENERAL_NAMES *generals = decode_whole(ASN1_STRING_get0_data(value), ASN1_STRING_length(value),
                                           ASN1_ITEM_rptr(GENERAL_NAMES));
    int result = generals ? 0 : refuse(failure, "its subjectAltName cannot be read");
    for (int i = 0; result == 0 && i < sk_GENERAL_NAME_num(generals); i++)
        result = read_general_name(sk_GENERAL_NAME_value(generals, i), csr, failure);
    GENERAL_NAMES_free(generals);
    return result;
}

/* What people want to know about an extension that is ignored: whether it reached for the rights of a CA. */
static const char *ignored_detail(X509_EXTENSION *extension)
{
    const char *detail = "";
    if (OBJ_obj2nid(X509_EXTENSION_get_object(extension)) == NID_basic_constraints) {
        BASIC_CONSTRAINTS *constraints = X509V3_EXT_d2i(extension);
        detail = !constraints ? "unreadable" : constraints->ca ? "CA:TRUE" : "CA:FALSE";
        BASIC_CONSTRAINTS_free(constraints);
    } else if (OBJ_obj2nid(X509_EXTENSION_get_object(extension)) == NID_key_usage) {
        ASN1_BIT_STRING *usage = X509V3_EXT_d2i(extension);
        detail = !usage                               ? "unreadable"
                 : ASN1_BIT_STRING_get_bit(usage, 5) ? "keyCertSign"
                 : ASN1_BIT_STRING_get_bit(usage, 6) ? "cRLSign"
                                                     : "";
        ASN1_BIT_STRING_free(usage);
    }
    return detail;
}

static int read_extensions(const STACK_OF(X509_EXTENSION) *extensions, struct csr *csr, struct failure *failure)
{
    char buffer[80];
    int count = sk_X509_EXTENSION_num(extensions);
    if (count > EXTENSIONS_MAX)
        return refuse(failure, "it asks for more than 32 extensions");
    for (int i = 0; i < count; i++) {
        X509_EXTENSION *extension = sk_X509_EXTENSION_value(extensions, i);
        const ASN1_OBJECT *type = X509_EXTENSION_get_object(extension);
        const char *name = object_name(type, buffer);
        for (int j = 0; j < i; j++) /* RFC 5280 section 4.2: not more than one instance */
            if (!OBJ_cmp(type, X509_EXTENSION_get_object(sk_X509_EXTENSION_value(extensions, j))))
                return failure_set(failure, FAILURE_BAD_REQUEST, "csr", "it asks for the extension %s twice", name);
        if (OBJ_obj2nid(type) == NID_subject_alt_name ? read_sans(extension, csr, failure)
                                                       : ignore(csr, name, ignored_detail(extension), failure))
            return -1;
    }
    return 0;
}

/* RFC 2985 section 5.4.2: one value, a SEQUENCE OF Extension. */
static int read_extension_request(const STACK_OF(ASN1_TYPE) *values, struct csr *csr, struct failure *failure)
{
    const ASN1_TYPE *value = sk_ASN1_TYPE_num(values) == 1 ? sk_ASN1_TYPE_value(values, 0) : NULL;
    if (!value || value->type != V_ASN1_SEQUENCE)
        return refuse(failure, "its extensionRequest does not hold exactly one list of extensions");
    const ASN1_STRING *list = value->value.sequence;
    STACK_OF(X509_EXTENSION) *extensions =
        decode_whole(ASN1_STRING_get0_data(list), ASN1_STRING_length(list), ASN1_ITEM_rptr(X509_EXTENSIONS));
    int result = extensions ? read_extensions(extensions, csr, failure)
                            : refuse(failure, "its extensionRequest cannot be read");
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return result;
}

static int read_attributes(const STACK_OF(csr_attribute) *attributes, struct csr *csr, struct failure *failure)
{
    char buffer[80];
    int count = attributes ? sk_csr_attribute_num(attributes) : 0;
    if (count > ATTRIBUTES_MAX)
        return refuse(failure, "it has more than 16 attributes");
    for (int i = 0; i < count; i++) {
        const struct csr_attribute *attribute = sk_csr_attribute_value(attributes, i);
        const char *name = object_name(attribute->type, buffer);
        for (int j = 0; j < i; j++) /* X.501 section 8.2: a set of distinct types */
            if (!OBJ_cmp(attribute->type, sk_csr_attribute_value(attributes, j)->type))
                return failure_set(failure, FAILURE_BAD_REQUEST, "csr", "the attribute %s stands in it twice", name);
        if (OBJ_obj2nid(attribute->type) == NID_ext_req ? read_extension_request(attribute->values, csr, failure)
                                                         : ignore(csr, "attribute", name, failure))
            return -1;
    }
    return 0;
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static int read_info(const struct csr_info *info, struct csr *csr, struct failure *failure)
{
    const ASN1_INTEGER *version = info->version;
    if (ASN1_STRING_length(version) != 1 || ASN1_STRING_get0_data(version)[0] != 0 ||
        ASN1_STRING_type(version) != V_ASN1_INTEGER)
        return refuse(failure, "its version is not 0, the only one that RFC 2986 knows");
    if (csr_key_read(info->key->algorithm, info->key->bits, &csr->key, failure) ||
        read_subject(info->subject, csr, failure))
        return -1;
    return read_attributes(info->attributes, csr, failure);
}

static struct csr_outer *decode_outer(const uint8_t *der, size_t length, struct failure *failure)
{
    struct csr_outer *outer = NULL;
    if (length == 0 || length > CSR_DER_MAX)
        refuse(failure, "a CSR has between 1 and 65536 bytes of DER");
    else if (!(outer = decode_whole(der, (long)length, ASN1_ITEM_rptr(csr_outer))))
        refuse(failure, "it is not one PKCS#10 request (RFC 2986) in DER");
    ERR_clear_error();
    return outer;
}

int csr_parse(const uint8_t *der, size_t length, struct csr *out, struct failure *failure)
{
    struct csr csr = {.ignored_count = 0};
    struct csr_outer *outer = decode_outer(der, length, failure);
    if (!outer)
        return -1;
    struct csr_info *info = decode_whole(outer->info.data, outer->info.length, ASN1_ITEM_rptr(csr_info));
    int result = info ? read_info(info, &csr, failure)
                      : refuse(failure, "it is not one PKCS#10 request (RFC 2986) in DER");
    ASN1_item_free((ASN1_VALUE *)info, ASN1_ITEM_rptr(csr_info));
    ASN1_item_free((ASN1_VALUE *)outer, ASN1_ITEM_rptr(csr_outer));
    ERR_clear_error();
    if (result)
        csr_clear(&csr);
    else
        *out = csr;
    return result;
}

int csr_prove(const uint8_t *der, size_t length, const struct public_key *key, struct failure *failure)
{
    struct csr_outer *outer = decode_outer(der, length, failure);
    if (!outer)
        return -1;
    int result = csr_key_verify(key, outer->algorithm, outer->signature, &outer->info, failure);
    ASN1_item_free((ASN1_VALUE *)outer, ASN1_ITEM_rptr(csr_outer));
    ERR_clear_error();
    return result;
}

int csr_read(const uint8_t *der, size_t length, struct csr *out, struct failure *failure)
{
    struct csr csr;
    if (csr_parse(der, length, &csr, failure))
        return -1;
    if (csr_prove(der, length, &csr.key, failure)) {
        csr_clear(&csr);
        return -1;
    }
    *out = csr;
    return 0;
}

int csr_decode_text(const char *text, uint8_t **der, size_t *length, struct failure *failure)
{
    static const char *const labels[] = {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", NULL};
    static const struct pem_kind kind = {labels, "a CSR", CSR_DER_MAX};
    return pem_decode(text, &kind, "csr", der, length, failure);
}

void csr_clear(struct csr *csr)
{
    names_clear(&csr->names);
    for (size_t i = 0; i < csr->ignored_count; i++)
        free(csr->ignored[i]);
    memset(csr, 0, sizeof *csr);
}
