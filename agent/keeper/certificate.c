/*
 * certificate.c - builds a TBSCertificate (RFC 5280 section 4.1) through templates of our own, and signs it.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The C structures that the templates describe are filled on the stack and only read by the encoder, so a
 * certificate costs few allocations. What is the same for every certificate (issuer, algorithm, authority key
 * identifier) is put in as DER.
 */
#include "agent/keeper/certificate.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXTENSIONS_MAX = 6 };

struct extension {
    ASN1_OBJECT *type;
    ASN1_BOOLEAN critical;
    ASN1_OCTET_STRING *value;
};
ASN1_SEQUENCE(extension) = {
    ASN1_SIMPLE(struct extension, type, ASN1_OBJECT),
    ASN1_OPT(struct extension, critical, ASN1_FBOOLEAN),
    ASN1_SIMPLE(struct extension, value, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END_name(struct extension, extension)

struct subject_public_key {
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *bits;
};
ASN1_SEQUENCE(subject_public_key) = {
    ASN1_SIMPLE(struct subject_public_key, algorithm, X509_ALGOR),
    ASN1_SIMPLE(struct subject_public_key, bits, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END_name(struct subject_public_key, subject_public_key)

struct validity {
    ASN1_TIME *not_before, *not_after;
};
ASN1_SEQUENCE(validity) = {
    ASN1_SIMPLE(struct validity, not_before, ASN1_TIME),
    ASN1_SIMPLE(struct validity, not_after, ASN1_TIME),
} static_ASN1_SEQUENCE_END_name(struct validity, validity)

struct to_be_signed {
    ASN1_INTEGER *version;
    ASN1_INTEGER *serial;
    ASN1_TYPE *algorithm, *issuer;
    struct validity validity;
    ASN1_TYPE *subject;
    struct subject_public_key key;
    STACK_OF(X509_EXTENSION) *extensions; /* of struct extension */
};
ASN1_SEQUENCE(to_be_signed) = {
    ASN1_EXP(struct to_be_signed, version, ASN1_INTEGER, 0),
    ASN1_SIMPLE(struct to_be_signed, serial, ASN1_INTEGER),
    ASN1_SIMPLE(struct to_be_signed, algorithm, ASN1_ANY),
    ASN1_SIMPLE(struct to_be_signed, issuer, ASN1_ANY),
    ASN1_EMBED(struct to_be_signed, validity, validity),
    ASN1_SIMPLE(struct to_be_signed, subject, ASN1_ANY),
    ASN1_EMBED(struct to_be_signed, key, subject_public_key),
    ASN1_EXP_SEQUENCE_OF(struct to_be_signed, extensions, extension, 3),
} static_ASN1_SEQUENCE_END_name(struct to_be_signed, to_be_signed)

struct signed_object {
    ASN1_TYPE *to_be_signed, *algorithm;
    ASN1_BIT_STRING *signature;
};
ASN1_SEQUENCE(signed_object) = {
    ASN1_SIMPLE(struct signed_object, to_be_signed, ASN1_ANY),
    ASN1_SIMPLE(struct signed_object, algorithm, ASN1_ANY),
    ASN1_SIMPLE(struct signed_object, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END_name(struct signed_object, signed_object)

/* RFC 8017 appendix A.1.1 */
struct rsa_public_key {
    ASN1_INTEGER *modulus, *exponent;
};
ASN1_SEQUENCE(rsa_public_key) = {
    ASN1_SIMPLE(struct rsa_public_key, modulus, ASN1_INTEGER),
    ASN1_SIMPLE(struct rsa_public_key, exponent, ASN1_INTEGER),
} static_ASN1_SEQUENCE_END_name(struct rsa_public_key, rsa_public_key)

/* Room for one certificate in the making; on the heap, because the stack below is locked for the signature. */
struct workspace {
    uint8_t names[SIGNED_DER_MAX], body[SIGNED_DER_MAX], key[KEY_MATERIAL_MAX + 32], signature[SIGNATURE_MAX];
    uint8_t subject[COMMON_NAME_SIZE + 32], usage[8], eku[GRANT_EKU_MAX * GRANT_OID_SIZE + 8], key_id[2 + KEY_ID_SIZE];
    ASN1_STRING values[EXTENSIONS_MAX];
    struct extension extensions[EXTENSIONS_MAX];
    size_t extension_count;
};

/* DER of `value` into a buffer of `size` bytes: its length, or -1. */
static long encode(const void *value, const ASN1_ITEM *item, uint8_t *out, size_t size)
{
    int length = ASN1_item_i2d(value, NULL, item);
    if (length <= 0 || (size_t)length > size)
        return -1;
    return ASN1_item_i2d(value, &out, item);
}

/* DER that is there already, as a template's ANY: V_ASN1_SEQUENCE holds a whole encoding. */
static ASN1_STRING ready_made(const uint8_t *der, size_t length)
{
    return (ASN1_STRING){.type = V_ASN1_SEQUENCE, .data = (uint8_t *)der, .length = (int)length};
}

static ASN1_TYPE any(ASN1_STRING *string)
{
    return (ASN1_TYPE){.type = V_ASN1_SEQUENCE, .value.sequence = string};
}

/* All bits count: without the flag the encoder would drop zero bits from the end. */
static ASN1_STRING bit_string(const uint8_t *data, size_t length)
{
    return (ASN1_STRING){.type = V_ASN1_BIT_STRING,
                         .data = (uint8_t *)data,
                         .length = (int)length,
                         .flags = ASN1_STRING_FLAG_BITS_LEFT};
}

void serial_draw(struct serial *out)
{
    static uint64_t last;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t moment = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (moment < UINT64_C(1) << 56) /* a clock before 1972 must not make a serial with a leading zero byte */
        moment = UINT64_C(1) << 56;
    last = moment > last ? moment : last + 1;
    out->length = 16;
    memset(out->bytes, 0, sizeof out->bytes);
    for (int i = 0; i < 8; i++)
        out->bytes[i] = (uint8_t)(last >> (56 - 8 * i));
    randombytes_buf(out->bytes + 8, 8);
}

/* --- subject and SANs ------------------------------------------------------------------------------------- */

/* RFC 5280 section 4.1.2.4: PrintableString where its letters suffice, else UTF8String. */
static int string_type(const char *text)
{
    return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")]
               ? V_ASN1_UTF8STRING
               : V_ASN1_PRINTABLESTRING;
}

/* Name with one CN, or none: SEQUENCE { SET { SEQUENCE { 2.5.4.3, text } } }. */
static size_t subject_encode(const char *common_name, uint8_t *out)
{
    static const uint8_t type[] = {0x06, 0x03, 0x55, 0x04, 0x03};
    int text = (int)strlen(common_name);
    int pair = (int)sizeof type + ASN1_object_size(0, text, V_ASN1_UTF8STRING);
    int set = ASN1_object_size(1, pair, V_ASN1_SEQUENCE), name = ASN1_object_size(1, set, V_ASN1_SET);
    uint8_t *at = out;
    ASN1_put_object(&at, 1, text ? name : 0, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    if (text) {
        ASN1_put_object(&at, 1, set, V_ASN1_SET, V_ASN1_UNIVERSAL);
        ASN1_put_object(&at, 1, pair, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
        memcpy(at, type, sizeof type);
        at += sizeof type;
        ASN1_put_object(&at, 0, text, string_type(common_name), V_ASN1_UNIVERSAL);
        memcpy(at, common_name, (size_t)text);
        at += text;
    }
    return (size_t)(at - out);
}

static const int name_types[SAN_TYPES] = {
    [SAN_DNS] = GEN_DNS, [SAN_EMAIL] = GEN_EMAIL, [SAN_URI] = GEN_URI, [SAN_IP] = GEN_IPADD};

static long sans_encode(const struct names *names, uint8_t *out, size_t size)
{
    GENERAL_NAME general[NAMES_MAX];
    ASN1_STRING strings[NAMES_MAX];
    GENERAL_NAMES *list = sk_GENERAL_NAME_new_reserve(NULL, (int)names->count);
    long length = -1;
    size_t i;
    for (i = 0; list && i < names->count; i++) {
        const struct san *san = &names->sans[i];
        bool ip = san->type == SAN_IP;
        strings[i] = (ASN1_STRING){.type = ip ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING,
                                   .data = ip ? (uint8_t *)san->address : (uint8_t *)san->value,
                                   .length = ip ? san->address_length : (int)strlen(san->value)};
        general[i] = (GENERAL_NAME){.type = name_types[san->type], .d.ia5 = &strings[i]};
        if (sk_GENERAL_NAME_push(list, &general[i]) <= 0)
            break;
    }
    if (list && i == names->count)
        length = encode(list, ASN1_ITEM_rptr(GENERAL_NAMES), out, size);
    sk_GENERAL_NAME_free(list);
    return length;
}

/* --- the other extensions --------------------------------------------------------------------------------- */

static void add(struct workspace *work, int nid, bool critical, const uint8_t *der, size_t length)
{
    size_t i = work->extension_count++;
    work->values[i] = (ASN1_STRING){.type = V_ASN1_OCTET_STRING, .data = (uint8_t *)der, .length = (int)length};
    work->extensions[i] = (struct extension){OBJ_nid2obj(nid), critical ? 0xff : 0, &work->values[i]};
}

/* Named bits: trailing zero bits go, as DER wants for them (X.690 section 11.2.2), so the flag of bit_string is not
 * set. */
static long usage_encode(uint32_t usage, uint8_t *out, size_t size)
{
    uint8_t bits = (uint8_t)((usage & GRANT_DIGITAL_SIGNATURE ? 0x80 : 0) | (usage & GRANT_KEY_ENCIPHERMENT ? 0x20 : 0));
    ASN1_STRING string = {.type = V_ASN1_BIT_STRING, .data = &bits, .length = 1};
    return encode(&string, ASN1_ITEM_rptr(ASN1_BIT_STRING), out, size);
}

static long eku_encode(const struct grant *grant, uint8_t *out, size_t size)
{
    EXTENDED_KEY_USAGE *list = sk_ASN1_OBJECT_new_reserve(NULL, (int)grant->eku_count);
    bool good = list;
    for (size_t i = 0; good && i < grant->eku_count; i++) {
        ASN1_OBJECT *object = OBJ_txt2obj(grant->eku[i], 1);
        good = object && sk_ASN1_OBJECT_push(list, object) > 0;
        if (!good)
            ASN1_OBJECT_free(object);
    }
    long length = good ? encode(list, ASN1_ITEM_rptr(EXTENDED_KEY_USAGE), out, size) : -1;
    sk_ASN1_OBJECT_pop_free(list, ASN1_OBJECT_free);
    return length;
}

static int add_extensions(struct workspace *work, const struct authority *authority, const struct grant *grant,
                          const ASN1_STRING *key)
{
    static const uint8_t no_ca[] = {0x30, 0x00}; /* BasicConstraints with cA at its default, FALSE */
    work->extension_count = 0;
    add(work, NID_basic_constraints, true, no_ca, sizeof no_ca);
    long usage = usage_encode(grant->usage, work->usage, sizeof work->usage),
         eku = eku_encode(grant, work->eku, sizeof work->eku);
    if (usage < 0 || eku < 0)
        return -1;
    add(work, NID_key_usage, true, work->usage, (size_t)usage);
    add(work, NID_ext_key_usage, false, work->eku, (size_t)eku);
    work->key_id[0] = V_ASN1_OCTET_STRING;
    work->key_id[1] = KEY_ID_SIZE;
    if (key_identifier(authority->sha1, key->data, (size_t)key->length, work->key_id + 2))
        return -1;
    add(work, NID_subject_key_identifier, false, work->key_id, sizeof work->key_id);
    add(work, NID_authority_key_identifier, false, authority->key_identifier, authority->key_identifier_length);
    if (grant->names.count == 0)
        return 0;
    long sans = sans_encode(&grant->names, work->names, sizeof work->names);
    if (sans < 0)
        return -1;
    add(work, NID_subject_alt_name, !grant->names.common_name[0], work->names, (size_t)sans); /* RFC 5280 section 4.2.1.6 */
    return 0;
}

/* --- the key ---------------------------------------------------------------------------------------------- */

/* The contents of the BIT STRING of SubjectPublicKeyInfo: as raw as they came, but for RSA. */
static int key_bits(const struct public_key *key, struct workspace *work, ASN1_STRING *out)
{
    if (key->type.kind != KEY_RSA) {
        *out = bit_string(key->material, key->length);
        return 0;
    }
    uint8_t exponent[4] = {(uint8_t)(key->exponent >> 24), (uint8_t)(key->exponent >> 16),
                           (uint8_t)(key->exponent >> 8), (uint8_t)key->exponent};
    int zeros = 0;
    while (zeros < 3 && !exponent[zeros])
        zeros++;
    ASN1_STRING n = {.type = V_ASN1_INTEGER, .data = (uint8_t *)key->material, .length = key->length};
    ASN1_STRING e = {.type = V_ASN1_INTEGER, .data = exponent + zeros, .length = 4 - zeros};
    struct rsa_public_key rsa = {&n, &e};
    long length = encode(&rsa, ASN1_ITEM_rptr(rsa_public_key), work->key, sizeof work->key);
    if (length < 0)
        return -1;
    *out = bit_string(work->key, (size_t)length);
    return 0;
}

/* AlgorithmIdentifier: a curve for EC (RFC 5480), NULL for RSA (RFC 3279), nothing for Ed25519 (RFC 8410). */
static X509_ALGOR key_algorithm(enum key_kind kind, ASN1_TYPE *parameter)
{
    switch (kind) {
    case KEY_EC_P256:
    case KEY_EC_P384:
        *parameter =
            (ASN1_TYPE){.type = V_ASN1_OBJECT,
                        .value.object = OBJ_nid2obj(kind == KEY_EC_P256 ? NID_X9_62_prime256v1 : NID_secp384r1)};
        return (X509_ALGOR){OBJ_nid2obj(NID_X9_62_id_ecPublicKey), parameter};
    case KEY_RSA:
        *parameter = (ASN1_TYPE){.type = V_ASN1_NULL};
        return (X509_ALGOR){OBJ_nid2obj(NID_rsaEncryption), parameter};
    case KEY_ED25519:
    case KEY_NONE: break;
    }
    return (X509_ALGOR){OBJ_nid2obj(NID_ED25519), NULL};
}

/* --- the whole -------------------------------------------------------------------------------------------- */

static STACK_OF(X509_EXTENSION) *extension_list(struct workspace *work)
{
    OPENSSL_STACK *list = OPENSSL_sk_new_reserve(NULL, EXTENSIONS_MAX);
    for (size_t i = 0; list && i < work->extension_count; i++)
        OPENSSL_sk_push(list, &work->extensions[i]);
    return (STACK_OF(X509_EXTENSION) *)list;
}

static long body_encode(struct workspace *work, const struct authority *authority, const struct grant *grant,
                        const struct floor_times *times, const struct serial *serial)
{
    uint8_t version_bytes[] = {2}; /* v3 */
    size_t algorithm_length = 0;
    const uint8_t *algorithm_der = signer_algorithm(authority->key.type.kind, &algorithm_length);
    ASN1_STRING version = {.type = V_ASN1_INTEGER, .data = version_bytes, .length = 1};
    ASN1_STRING number = {.type = V_ASN1_INTEGER, .data = (uint8_t *)serial->bytes, .length = serial->length};
    ASN1_STRING algorithm = ready_made(algorithm_der, algorithm_length),
                issuer = ready_made(authority->subject, authority->subject_length);
    ASN1_STRING subject = ready_made(work->subject, subject_encode(grant->names.common_name, work->subject)), bits;
    ASN1_TYPE any_algorithm = any(&algorithm), any_issuer = any(&issuer), any_subject = any(&subject), parameter;
    X509_ALGOR key = key_algorithm(grant->key.type.kind, &parameter);
    if (key_bits(&grant->key, work, &bits) || add_extensions(work, authority, grant, &bits))
        return -1;
    struct to_be_signed body = {&version,
                                &number,
                                &any_algorithm,
                                &any_issuer,
                                {ASN1_TIME_set(NULL, times->not_before), ASN1_TIME_set(NULL, times->not_after)},
                                &any_subject,
                                {&key, &bits},
                                extension_list(work)};
    long length = body.validity.not_before && body.validity.not_after && body.extensions
                      ? encode(&body, ASN1_ITEM_rptr(to_be_signed), work->body, sizeof work->body)
                      : -1;
    ASN1_TIME_free(body.validity.not_before);
    ASN1_TIME_free(body.validity.not_after);
    OPENSSL_sk_free((OPENSSL_STACK *)body.extensions);
    return length;
}

static int sign_body(struct workspace *work, size_t body_length, const struct authority *authority,
                     struct signed_certificate *out, struct failure *failure)
{
    size_t algorithm_length = 0, signature_length;
    const uint8_t *algorithm_der = signer_algorithm(authority->key.type.kind, &algorithm_length);
    if (signer_sign(authority->signer, work->body, body_length, work->signature, &signature_length, failure))
        return -1;
    ASN1_STRING body = ready_made(work->body, body_length), algorithm = ready_made(algorithm_der, algorithm_length);
    ASN1_STRING signature = bit_string(work->signature, signature_length);
    ASN1_TYPE any_body = any(&body), any_algorithm = any(&algorithm);
    struct signed_object whole = {&any_body, &any_algorithm, &signature};
    long length = encode(&whole, ASN1_ITEM_rptr(signed_object), out->der, sizeof out->der);
    if (length < 0)
        return failure_set(failure, FAILURE_BAD_REQUEST, "sans",
                           "the certificate would be over %d bytes: fewer or shorter names", SIGNED_DER_MAX);
    out->length = (size_t)length;
    return 0;
}

int keeper_sign_grant(struct authority *authority, const struct grant *grant, int64_t now,
                      struct signed_certificate *out, struct failure *failure)
{
    struct floor_times times;
    if (!authority->signer)
        return failure_set(failure, FAILURE_LOCKED, NULL, "the CA key is locked; open it with: mtlsctl unlock");
    const struct floor_authority facts = {authority->not_before, authority->not_after, &authority->key};
    if (floor_judge(&authority->floor, &facts, grant, now, &times, failure))
        return -1;
    struct workspace *work = malloc(sizeof *work);
    if (!work)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "no memory left");
    struct serial serial;
    serial_draw(&serial);
    long body = body_encode(work, authority, grant, &times, &serial);
    int result = body < 0
                     ? failure_set(failure, FAILURE_BAD_REQUEST, "sans",
                                   "the certificate would be over %d bytes: fewer or shorter names", SIGNED_DER_MAX)
                     : sign_body(work, (size_t)body, authority, out, failure);
    ERR_clear_error();
    free(work);
    if (result)
        return -1;
    out->clamped = times.clamped;
    out->serial = serial;
    return 0;
}
