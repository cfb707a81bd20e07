/*
 * test_keeper_certificate.c - certificates built by our own templates, held against the ordinary X509 API.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/certificate.h"

#include <openssl/x509v3.h>

#include "tests/unit/keeper_fixture.h"
#include "tests/unit/unit.h"

static struct authority authority;
static struct signed_certificate made;

static void sign(const struct grant *grant, int64_t now)
{
    struct failure failure = {.code = FAILURE_NONE};
    ck_assert_msg(keeper_sign_grant(&authority, grant, now, &made, &failure) == 0, "%s: %s", failure.field, failure.reason);
}

/* Strict path validation up to the CA, for the purpose. Returns OpenSSL's verdict. */
static int verify(X509 *certificate, int purpose, int64_t at)
{
    X509 *anchor = fixture_parse(authority.der, authority.length);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *parameters;
    X509_STORE_add_cert(store, anchor);
    X509_STORE_CTX_init(context, store, certificate, NULL);
    parameters = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT);
    X509_VERIFY_PARAM_set_purpose(parameters, purpose);
    X509_VERIFY_PARAM_set_time(parameters, at);
    X509_verify_cert(context);
    int verdict = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(anchor);
    return verdict;
}

/* Parsed, strict, right purpose, and encoded by libcrypto to the very same bytes: then it is DER. */
static X509 *check(int64_t at)
{
    X509 *certificate = fixture_parse(made.der, made.length);
    int verdict = verify(certificate, X509_PURPOSE_SSL_CLIENT, at);
    ck_assert_msg(verdict == X509_V_OK, "%s", X509_verify_cert_error_string(verdict));
    ck_assert_int_eq(X509_check_purpose(certificate, X509_PURPOSE_SSL_CLIENT, 0), 1);
    ck_assert_int_eq(X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 0), 0);
    ck_assert_int_eq(X509_check_ca(certificate), 0);

    uint8_t *again = NULL;
    X509 *copy = X509_dup(certificate);
    ck_assert_int_eq(i2d_re_X509_tbs(copy, &again), i2d_re_X509_tbs(certificate, NULL));
    ck_assert_ptr_nonnull(memmem(made.der, made.length, again, (size_t)i2d_re_X509_tbs(copy, NULL)));
    OPENSSL_free(again);
    X509_free(copy);
    return certificate;
}

START_TEST(every_ca_key_signs_every_leaf_key)
{
    static const char *const leaves[] = {"ec:P-256", "ec:P-384", "ed25519", "rsa:2048"};
    static const char *const sans[] = {"DNS:alice.example.com"};
    int64_t now = time(NULL);
    for (int i = 0; i < FIXTURE_KEY_TYPES; i++) {
        fixture_authority(&authority, fixture_key_types[i]);
        for (int j = 0; j < 4; j++) {
            struct grant grant;
            struct public_key key;
            fixture_grant(&grant, now, sans, 1);
            grant.key = fixture_key(leaves[j]);
            sign(&grant, now);
            X509 *certificate = check(now);
            ck_assert_int_eq(public_key_from_evp(X509_get0_pubkey(certificate), &key, NULL), 0);
            ck_assert_int_eq(key.type.kind, grant.key.type.kind);
            ck_assert_uint_eq(key.length, grant.key.length);
            ck_assert_mem_eq(key.material, grant.key.material, key.length);
            ck_assert_uint_eq(key.exponent, grant.key.exponent);
            X509_free(certificate);
            grant_clear(&grant);
        }
        authority_clear(&authority);
    }
}
END_TEST

START_TEST(what_the_grant_says_is_in_the_certificate)
{
    static const char *const sans[] = {"DNS:*.clients.example.com", "email:alice@example.com",
                                       "URI:https://example.com/alice", "IP:192.0.2.7", "IP:2001:db8::7"};
    static const int types[] = {GEN_DNS, GEN_EMAIL, GEN_URI, GEN_IPADD, GEN_IPADD};
    int64_t now = time(NULL);
    struct grant grant;
    fixture_authority(&authority, "ec:P-256");
    fixture_grant(&grant, now, sans, 5);
    sign(&grant, now);
    X509 *certificate = check(now);

    ck_assert_int_eq(X509_get_version(certificate), X509_VERSION_3);
    ck_assert_int_eq(ASN1_TIME_cmp_time_t(X509_get0_notBefore(certificate), now - GRANT_BACKDATE), 0);
    ck_assert_int_eq(ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate), now + 90 * DAY), 0);
    ck_assert_uint_eq(X509_get_key_usage(certificate), KU_DIGITAL_SIGNATURE);
    ck_assert_uint_eq(X509_get_extended_key_usage(certificate), XKU_SSL_CLIENT);

    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    ck_assert_int_eq(sk_GENERAL_NAME_num(names), 5);
    for (int i = 0; i < 5; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        ck_assert_int_eq(name->type, types[i]);
        if (types[i] != GEN_IPADD)
            ck_assert_str_eq((const char *)ASN1_STRING_get0_data(name->d.ia5), strchr(sans[i], ':') + 1);
        else
            ck_assert_mem_eq(ASN1_STRING_get0_data(name->d.ip), grant.names.sans[i].address,
                             (size_t)ASN1_STRING_length(name->d.ip));
    }
    GENERAL_NAMES_free(names);
    X509_free(certificate);
    grant_clear(&grant);
}
END_TEST

/* RFC 5280 sections 4.2.1.1 to 4.2.1.12. */
START_TEST(extensions_are_those_of_a_leaf_and_critical_where_they_must)
{
    static const char *const sans[] = {"DNS:a.example.com"};
    static const struct {
        int nid, critical;
    } wanted[] = {{NID_basic_constraints, 1},
                  {NID_key_usage, 1},
                  {NID_ext_key_usage, 0},
                  {NID_subject_key_identifier, 0},
                  {NID_authority_key_identifier, 0},
                  {NID_subject_alt_name, 0}};
    int64_t now = time(NULL);
    struct grant grant;
    fixture_authority(&authority, "ec:P-256");
    fixture_grant(&grant, now, sans, 1);
    sign(&grant, now);
    X509 *certificate = check(now), *ca = fixture_parse(authority.der, authority.length);
    ck_assert_int_eq(X509_get_ext_count(certificate), 6);
    for (size_t i = 0; i < 6; i++) {
        int at = X509_get_ext_by_NID(certificate, wanted[i].nid, -1);
        ck_assert_int_ge(at, 0);
        ck_assert_int_eq(X509_EXTENSION_get_critical(X509_get_ext(certificate, at)), wanted[i].critical);
    }
    ck_assert_int_eq(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(certificate), X509_get0_subject_key_id(ca)), 0);
    uint8_t digest[KEY_ID_SIZE];
    unsigned size;
    X509_pubkey_digest(certificate, EVP_sha1(), digest, &size);
    ck_assert_mem_eq(ASN1_STRING_get0_data(X509_get0_subject_key_id(certificate)), digest, sizeof digest);
    ck_assert_int_eq(X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(ca)), 0);
    X509_free(certificate);
    X509_free(ca);
    grant_clear(&grant);
}
END_TEST

START_TEST(without_a_subject_the_san_is_critical)
{
    static const char *const sans[] = {"email:alice@example.com"};
    int64_t now = time(NULL);
    struct grant grant;
    fixture_authority(&authority, "ec:P-256");
    fixture_grant(&grant, now, sans, 1);
    grant.names.common_name[0] = '\0';
    sign(&grant, now);
    X509 *certificate = check(now);
    ck_assert_int_eq(X509_NAME_entry_count(X509_get_subject_name(certificate)), 0);
    int at = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
    ck_assert_int_eq(X509_EXTENSION_get_critical(X509_get_ext(certificate, at)), 1);
    X509_free(certificate);
    grant_clear(&grant);
}
END_TEST

START_TEST(a_common_name_is_printable_where_it_can_be)
{
    static const struct { const char *name; int type;
    } names[] = {
        {"alice", V_ASN1_PRINTABLESTRING},
        {"Alice (MacBook)", V_ASN1_PRINTABLESTRING},
        {"alice@example.com", V_ASN1_UTF8STRING},
        {"\xc3\x84nne \xe6\xbc\xa2", V_ASN1_UTF8STRING},
        {"*", V_ASN1_UTF8STRING},
    };
    static const char *const sans[] = {"DNS:a.example.com"};
    int64_t now = time(NULL);
    fixture_authority(&authority, "ec:P-256");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct grant grant;
        fixture_grant(&grant, now, sans, 1);
        snprintf(grant.names.common_name, COMMON_NAME_SIZE, "%s", names[i].name);
        sign(&grant, now);
        X509 *certificate = check(now);
        const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(X509_get_subject_name(certificate), 0));
        ck_assert_int_eq(ASN1_STRING_type(text), names[i].type);
        ck_assert_int_eq(ASN1_STRING_length(text), (int)strlen(names[i].name));
        ck_assert_mem_eq(ASN1_STRING_get0_data(text), names[i].name, strlen(names[i].name));
        X509_free(certificate);
        grant_clear(&grant);
    }
}
END_TEST

/* UTCTime through 2049, GeneralizedTime from 2050, and nothing past 9999 (RFC 5280 section 4.1.2.5). */
START_TEST(dates_beyond_2049)
{
    static const char *const sans[] = {"DNS:a.example.com"};
    static const struct { int64_t now, end; int type; } cases[] = {
        {INT64_C(2524608000) - 10 * DAY, INT64_C(2524607999), V_ASN1_UTCTIME},
        {INT64_C(2524608000) - 10 * DAY, INT64_C(2524608000), V_ASN1_GENERALIZEDTIME},
        {INT64_C(253402300799) - 10 * DAY, INT64_C(253402300799), V_ASN1_GENERALIZEDTIME},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct grant grant;
        struct floor floor;
        floor_default(&floor);
        fixture_authority_with(&authority, "ec:P-256", &floor, cases[i].now - 300, INT64_C(253402300799));
        fixture_grant(&grant, cases[i].now, sans, 1);
        grant.not_after = cases[i].end;
        sign(&grant, cases[i].now);
        X509 *certificate = check(cases[i].now);
        ck_assert_int_eq(ASN1_STRING_type(X509_get0_notAfter(certificate)), cases[i].type);
        ck_assert_int_eq(ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate), cases[i].end), 0);
        X509_free(certificate);
        grant_clear(&grant);
        authority_clear(&authority);
    }
}
END_TEST

START_TEST(every_usage_and_eku_of_the_floor)
{
    static const char *const sans[] = {"DNS:a.example.com"};
    int64_t now = time(NULL);
    struct grant grant;
    fixture_authority(&authority, "ec:P-256");
    fixture_grant(&grant, now, sans, 1);
    grant.key = fixture_key("rsa:2048");
    grant.usage = GRANT_DIGITAL_SIGNATURE | GRANT_KEY_ENCIPHERMENT;
    grant.eku_count = 3;
    for (size_t i = 0; i < 3; i++)
        snprintf(grant.eku[i], GRANT_OID_SIZE, "%s", authority.floor.eku[i]);
    sign(&grant, now);
    X509 *certificate = fixture_parse(made.der, made.length);
    ck_assert_uint_eq(X509_get_key_usage(certificate), KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
    ck_assert_uint_eq(X509_get_extended_key_usage(certificate), XKU_SSL_CLIENT | XKU_SSL_SERVER | XKU_SMIME);
    ck_assert_int_eq(verify(certificate, X509_PURPOSE_SSL_SERVER, now), X509_V_OK);
    X509_free(certificate);
    grant_clear(&grant);
}
END_TEST

/* The floor and OpenSSL agree on what a CA with name constraints may sign. */
START_TEST(name_constraints_hold_for_verifiers_too)
{
    static const char *const sans[] = {"DNS:a.example.com"};
    int64_t now = time(NULL);
    struct floor floor;
    struct grant grant;
    struct failure failure;
    floor_default(&floor);
    ck_assert_int_eq(floor_permit_dns(&floor, "example.com", NULL), 0);
    fixture_authority_with(&authority, "ec:P-256", &floor, now - 300, now + 3650 * DAY);
    fixture_grant(&grant, now, sans, 1);
    sign(&grant, now);
    X509_free(check(now));

    snprintf(grant.names.sans[0].value, 14, "a.example.org");
    ck_assert_int_eq(keeper_sign_grant(&authority, &grant, now, &made, &failure), -1);
    authority.floor.permit_count = 0; /* had the floor let it pass, the verifier would not */
    sign(&grant, now);
    X509 *outside = fixture_parse(made.der, made.length);
    ck_assert_int_eq(verify(outside, X509_PURPOSE_SSL_CLIENT, now), X509_V_ERR_PERMITTED_VIOLATION);
    X509_free(outside);
    grant_clear(&grant);
}
END_TEST

START_TEST(a_hundred_names_fit_and_too_long_ones_are_refused_by_name)
{
    int64_t now = time(NULL);
    struct grant grant;
    struct failure failure;
    fixture_authority(&authority, "rsa:3072");
    fixture_grant(&grant, now, NULL, 0);
    for (int i = 0; i < NAMES_MAX; i++) {
        struct san san;
        char text[64];
        snprintf(text, sizeof text, "DNS:host-%d.clients.example.com", i);
        ck_assert_int_eq(san_parse(text, &san, NULL), 0);
        ck_assert_int_eq(names_add(&grant.names, &san, NULL), 0);
    }
    sign(&grant, now);
    X509_free(check(now));
    for (size_t i = 0; i < grant.names.count; i++) { /* what no packet could bring */
        char text[SAN_VALUE_MAX];
        free(grant.names.sans[i].value);
        snprintf(text, sizeof text, "https://example.com/%0900zu", i);
        grant.names.sans[i].type = SAN_URI;
        grant.names.sans[i].value = strdup(text);
    }
    ck_assert_int_eq(keeper_sign_grant(&authority, &grant, now, &made, &failure), -1);
    ck_assert_str_eq(failure.field, "sans");
    grant_clear(&grant);
}
END_TEST

/* 64 bits of time, ascending, then 64 random bits; positive, at most 20 bytes (RFC 5280 section 4.1.2.2). */
START_TEST(serials_ascend_and_are_the_certificates)
{
    static const char *const sans[] = {"DNS:a.example.com"};
    int64_t now = time(NULL);
    struct serial before = {1, {0}}, serial;
    struct grant grant;
    for (int i = 0; i < 1000; i++) {
        serial_draw(&serial);
        ck_assert_uint_eq(serial.length, 16);
        ck_assert_uint_ne(serial.bytes[0], 0);
        ck_assert_uint_lt(serial.bytes[0], 0x80);
        ck_assert_int_gt(memcmp(serial.bytes, before.bytes, 8), 0);
        ck_assert_mem_ne(serial.bytes + 8, before.bytes + 8, 8);
        before = serial;
    }
    fixture_authority(&authority, "ec:P-256");
    fixture_grant(&grant, now, sans, 1);
    sign(&grant, now);
    X509 *certificate = fixture_parse(made.der, made.length);
    const ASN1_INTEGER *number = X509_get0_serialNumber(certificate);
    ck_assert_int_eq(ASN1_STRING_length(number), made.serial.length);
    ck_assert_mem_eq(ASN1_STRING_get0_data(number), made.serial.bytes, made.serial.length);
    X509_free(certificate);
    grant_clear(&grant);
}
END_TEST

START_TEST(a_locked_authority_says_so)
{
    struct grant grant;
    struct failure failure;
    fixture_authority(&authority, "ec:P-256");
    fixture_grant(&grant, time(NULL), NULL, 0);
    authority_lock(&authority);
    ck_assert_int_eq(keeper_sign_grant(&authority, &grant, time(NULL), &made, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_LOCKED);
    grant_clear(&grant);
}
END_TEST

START_TEST(a_key_that_is_not_the_certificates_is_refused)
{
    struct authority other;
    struct failure failure;
    fixture_authority(&authority, "ec:P-256");
    fixture_authority(&other, "ec:P-256");
    ck_assert_int_eq(authority_open(&authority, other.signer, &other.floor, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_CONFLICT);
    authority_clear(&other);
}
END_TEST

UNIT_MAIN("keeper_certificate", every_ca_key_signs_every_leaf_key, what_the_grant_says_is_in_the_certificate,
          extensions_are_those_of_a_leaf_and_critical_where_they_must, without_a_subject_the_san_is_critical,
          a_common_name_is_printable_where_it_can_be, dates_beyond_2049, every_usage_and_eku_of_the_floor,
          name_constraints_hold_for_verifiers_too, a_hundred_names_fit_and_too_long_ones_are_refused_by_name,
          serials_ascend_and_are_the_certificates, a_locked_authority_says_so,
          a_key_that_is_not_the_certificates_is_refused)
