/*
 * test_path.c - path validation on small PKIs made here: what is valid, and each reason why something is not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/pem.h>
#include <stdio.h>

#include "proto/x509/path.h"
#include "tests/unit/pki.h"
#include "tests/unit/unit.h"

/* root -> middle -> leaf, and room for CRLs. Each test is a process of its own, which is what frees it all at the end. */
static EVP_PKEY *root_key, *middle_key, *leaf_key;
static X509 *root, *middle, *leaf;
static STACK_OF(X509) *anchors, *untrusted;
static STACK_OF(X509_CRL) *crls;
static struct path_request request;

static X509 *make(const char *subject, long serial, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const struct pki_extension *extensions,
                  size_t count)
{
    struct pki_certificate wanted = {.subject = subject, .serial = serial, .key = key, .issuer = issuer, .issuer_key = issuer_key};
    for (size_t i = 0; i < count; i++)
        wanted.extensions[i] = extensions[i];
    return pki_certificate(&wanted);
}
#define MAKE(subject, serial, key, issuer, issuer_key, ...)                                          \
    make(subject, serial, key, issuer, issuer_key, (const struct pki_extension[]){__VA_ARGS__},      \
         sizeof((const struct pki_extension[]){__VA_ARGS__}) / sizeof(struct pki_extension))

static void begin(void)
{
    root_key = pki_key("ec:P-256");
    middle_key = pki_key("ec:P-256");
    leaf_key = pki_key("ec:P-256");
    root = MAKE("root", 1, root_key, NULL, NULL, PKI_CA);
    middle = MAKE("middle", 2, middle_key, root, root_key, PKI_CA);
    leaf = MAKE("leaf", 3, leaf_key, middle, middle_key, PKI_CLIENT, {"subjectAltName", "DNS:leaf.example"});
    anchors = sk_X509_new_null();
    untrusted = sk_X509_new_null();
    crls = sk_X509_CRL_new_null();
    sk_X509_push(anchors, root);
    sk_X509_push(untrusted, middle);
    request = (struct path_request){.leaf = leaf, .untrusted = untrusted, .anchors = anchors, .purpose = PATH_CLIENT, .at = PKI_NOW};
}

static void leaf_is(X509 *other)
{
    X509_free(leaf);
    request.leaf = leaf = other;
}

static void end(void)
{
    X509_free(leaf);
    sk_X509_pop_free(anchors, X509_free);
    sk_X509_pop_free(untrusted, X509_free);
    sk_X509_CRL_pop_free(crls, X509_CRL_free);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(middle_key);
    EVP_PKEY_free(leaf_key);
}

/* NULL expects a valid path. */
static void expect(const char *reason)
{
    struct path_verdict verdict;
    struct failure failure;
    ck_assert_msg(path_validate(&request, &verdict, &failure) == 0, "%s", failure.reason);
    if (!reason) {
        ck_assert_msg(verdict.valid, "%s: %s", verdict.reason, verdict.detail);
        ck_assert_ptr_null(verdict.reason);
        return;
    }
    ck_assert_msg(!verdict.valid, "valid, but expected %s", reason);
    ck_assert_msg(!strcmp(verdict.reason, reason), "%s (%s), but expected %s", verdict.reason, verdict.detail, reason);
    ck_assert_uint_gt(strlen(verdict.detail), 0);
}

static void add_crl(const struct pki_crl *wanted)
{
    sk_X509_CRL_push(crls, pki_crl(wanted));
    request.crls = crls;
}

static void root_crl(void)
{
    struct pki_crl wanted = {.issuer = root, .issuer_key = root_key, .number = 1};
    add_crl(&wanted);
}

/* --- times, trust, purpose --------------------------------------------------------------------------------------- */

START_TEST(a_good_chain_is_valid)
{
    begin();
    expect(NULL);
    request.purpose = PATH_ANY;
    expect(NULL);
    request.dns = "leaf.example";
    expect(NULL);
    end();
}
END_TEST

START_TEST(time_is_what_the_caller_says)
{
    begin();
    request.at = PKI_NOW + 366 * PKI_DAY;
    expect("expired");
    request.at = PKI_NOW - 2 * PKI_DAY;
    expect("not-yet-valid");
    end();
}
END_TEST

START_TEST(an_expired_ca_ends_what_it_signed)
{
    begin();
    struct pki_certificate wanted = {.subject = "middle", .serial = 2, .key = middle_key, .issuer = root, .issuer_key = root_key,
                                     .until = PKI_NOW - 1, .extensions = {PKI_CA}};
    X509_free(sk_X509_pop(untrusted));
    sk_X509_push(untrusted, middle = pki_certificate(&wanted));
    struct path_verdict verdict;
    ck_assert_int_eq(path_validate(&request, &verdict, NULL), 0);
    ck_assert_str_eq(verdict.reason, "expired");
    ck_assert_int_eq(verdict.depth, 1);
    ck_assert_ptr_nonnull(strstr(verdict.detail, "CN=middle"));
    end();
}
END_TEST

START_TEST(without_the_intermediate_or_with_other_anchors_it_is_untrusted)
{
    begin();
    request.untrusted = NULL;
    expect("untrusted");
    request.untrusted = untrusted;
    X509_free(sk_X509_pop(anchors));
    expect("untrusted");
    EVP_PKEY *key = pki_key("ec:P-256");
    X509 *other = MAKE("other root", 9, key, NULL, NULL, PKI_CA);
    sk_X509_push(anchors, other);
    expect("untrusted");
    EVP_PKEY_free(key);
    end();
}
END_TEST

START_TEST(a_root_of_the_same_name_with_another_key_signs_nothing)
{
    begin();
    EVP_PKEY *key = pki_key("ec:P-256");
    X509_free(sk_X509_pop(anchors));
    sk_X509_push(anchors, MAKE("root", 1, key, NULL, NULL, PKI_CA));
    expect("bad-signature");
    EVP_PKEY_free(key);
    end();
}
END_TEST

START_TEST(a_changed_signature_is_noticed)
{
    begin();
    const ASN1_BIT_STRING *signature;
    X509_get0_signature(&signature, NULL, leaf);
    ((uint8_t *)(uintptr_t)ASN1_STRING_get0_data(signature))[20] ^= 1;
    expect("bad-signature");
    end();
}
END_TEST

START_TEST(purpose_is_looked_at_along_the_path)
{
    begin();
    request.purpose = PATH_SERVER;
    expect("wrong-purpose");
    leaf_is(MAKE("leaf", 3, leaf_key, middle, middle_key, {"extendedKeyUsage", "serverAuth"}, {"subjectAltName", "DNS:leaf.example"}));
    expect(NULL);
    request.purpose = PATH_CLIENT;
    expect("wrong-purpose");
    request.purpose = PATH_ANY;
    expect(NULL);
    leaf_is(MAKE("leaf", 3, leaf_key, middle, middle_key, {"keyUsage", "critical,keyCertSign"}));
    request.purpose = PATH_CLIENT;
    expect("wrong-purpose");
    leaf_is(MAKE("leaf", 3, leaf_key, middle, middle_key, {"subjectAltName", "DNS:leaf.example"})); /* no EKU: any purpose, RFC 5280 4.2.1.12 */
    expect(NULL);
    end();
}
END_TEST

START_TEST(a_leaf_may_not_sign)
{
    begin();
    EVP_PKEY *key = pki_key("ec:P-256");
    X509 *end_entity = leaf; /* CA:FALSE */
    sk_X509_push(untrusted, end_entity);
    request.leaf = leaf = MAKE("forged", 4, key, end_entity, leaf_key, PKI_CLIENT);
    expect("not-a-ca");
    EVP_PKEY_free(key);
    end();
}
END_TEST

START_TEST(path_length_and_depth_are_limits)
{
    begin();
    X509_free(sk_X509_pop(anchors));
    sk_X509_push(anchors, root = MAKE("root", 1, root_key, NULL, NULL, {"basicConstraints", "critical,CA:TRUE,pathlen:0"},
                                      {"keyUsage", "critical,keyCertSign"}));
    expect("path-too-long");
    end();
    begin();
    EVP_PKEY *key = pki_key("ec:P-256");
    X509 *lower = MAKE("lower", 5, key, middle, middle_key, PKI_CA);
    sk_X509_push(untrusted, lower);
    leaf_is(MAKE("leaf", 3, leaf_key, lower, key, PKI_CLIENT));
    expect(NULL);
    request.depth_max = 1;
    expect("path-too-long");
    EVP_PKEY_free(key);
    end();
}
END_TEST

START_TEST(unknown_critical_extensions_end_it)
{
    begin();
    leaf_is(MAKE("leaf", 3, leaf_key, middle, middle_key, PKI_CLIENT, {"1.2.3.4", "critical,DER:0500"}));
    expect("critical-extension");
    leaf_is(MAKE("leaf", 3, leaf_key, middle, middle_key, PKI_CLIENT, {"1.2.3.4", "DER:0500"}));
    expect(NULL);
    end();
}
END_TEST

START_TEST(weak_keys_and_digests_are_refused)
{
    begin();
    EVP_PKEY *weak = pki_key("rsa:1024");
    leaf_is(MAKE("leaf", 3, weak, middle, middle_key, PKI_CLIENT));
    expect("weak-key");
    struct pki_certificate wanted = {.subject = "leaf", .serial = 3, .key = leaf_key, .issuer = middle, .issuer_key = middle_key,
                                     .digest = EVP_sha1, .extensions = {PKI_CLIENT}};
    leaf_is(pki_certificate(&wanted));
    expect("weak-digest");
    EVP_PKEY_free(weak);
    end();
}
END_TEST

START_TEST(strict_is_stricter)
{
    begin();
    request.strict = true;
    expect("malformed"); /* the root has no authority key identifier to miss, but the others have */
    request.strict = false;
    expect(NULL);
    X509_free(sk_X509_pop(untrusted));
    sk_X509_push(untrusted, middle = MAKE("middle", 2, middle_key, root, root_key, PKI_CA, {"authorityKeyIdentifier", "keyid"}));
    leaf_is(MAKE("leaf", 3, leaf_key, middle, middle_key, PKI_CLIENT, {"subjectKeyIdentifier", "hash"}, {"authorityKeyIdentifier", "keyid"}));
    request.strict = true;
    expect(NULL);
    end();
}
END_TEST

START_TEST(a_partial_chain_only_where_it_was_asked_for)
{
    begin();
    X509_free(sk_X509_pop(anchors));
    sk_X509_push(anchors, X509_dup(middle));
    expect("untrusted");
    request.partial_chain = true;
    expect(NULL);
    end();
}
END_TEST

/* --- names, policies --------------------------------------------------------------------------------------------- */

START_TEST(the_name_is_matched_against_sans_alone)
{
    begin();
    request.purpose = PATH_ANY;
    leaf_is(MAKE("cn.example", 3, leaf_key, middle, middle_key, PKI_CLIENT,
                 {"subjectAltName", "DNS:a.example,DNS:*.wild.example,DNS:f*.part.example,IP:192.0.2.1"}));
    static const char *const match[] = {"a.example", "A.EXAMPLE", "a.example.", "x.wild.example", "192.0.2.1"};
    static const char *const no_match[] = {"cn.example", "b.example", "wild.example", "x.y.wild.example", "foo.part.example", "192.0.2.2", "::1"};
    for (size_t i = 0; i < sizeof match / sizeof match[0]; i++) {
        request.dns = match[i];
        expect(NULL);
    }
    for (size_t i = 0; i < sizeof no_match / sizeof no_match[0]; i++) {
        request.dns = no_match[i];
        expect("name-mismatch");
    }
    static const char *const bad[] = {"", ".example", "*.wild.example", "a_b", "a\nb", ("b\xc3\xbc" "cher.example")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct path_verdict verdict;
        struct failure failure;
        request.dns = bad[i];
        ck_assert_int_eq(path_validate(&request, &verdict, &failure), -1);
        ck_assert_str_eq(failure.field, "dns");
    }
    leaf_is(MAKE("cn.example", 3, leaf_key, middle, middle_key, PKI_CLIENT)); /* no SAN at all: the CN still does not stand in */
    request.dns = "cn.example";
    expect("name-mismatch");
    end();
}
END_TEST

START_TEST(name_constraints_hold)
{
    begin();
    X509_free(sk_X509_pop(untrusted));
    sk_X509_push(untrusted, middle = MAKE("middle", 2, middle_key, root, root_key, PKI_CA,
                                          {"nameConstraints", "critical,permitted;DNS:example,excluded;DNS:secret.example"}));
    expect(NULL);
    leaf_is(MAKE("leaf", 3, leaf_key, middle, middle_key, PKI_CLIENT, {"subjectAltName", "DNS:leaf.test"}));
    expect("name-constraints");
    leaf_is(MAKE("leaf", 3, leaf_key, middle, middle_key, PKI_CLIENT, {"subjectAltName", "DNS:leaf.example,DNS:x.secret.example"}));
    expect("name-constraints");
    end();
}
END_TEST

START_TEST(policies_are_processed_without_being_asked)
{
    begin();
    request.explicit_policy = true;
    expect("policy");
    request.explicit_policy = false;
    X509_free(sk_X509_pop(untrusted)); /* the CA itself requires one */
    sk_X509_push(untrusted, middle = MAKE("middle", 2, middle_key, root, root_key, PKI_CA, {"certificatePolicies", "1.2.3.4"},
                                          {"policyConstraints", "critical,requireExplicitPolicy:0"}));
    expect("policy");
    leaf_is(MAKE("leaf", 3, leaf_key, middle, middle_key, PKI_CLIENT, {"certificatePolicies", "1.2.3.5"}));
    expect("policy");
    leaf_is(MAKE("leaf", 3, leaf_key, middle, middle_key, PKI_CLIENT, {"certificatePolicies", "1.2.3.4"}));
    expect(NULL);
    request.explicit_policy = true;
    expect(NULL);
    end();
}
END_TEST

/* --- revocation ---------------------------------------------------------------------------------------------------- */

START_TEST(a_crl_revokes)
{
    static const struct pki_revoked revoked[] = {{3, 1}}, other[] = {{4, 1}}, held[] = {{3, 6}};
    struct pki_crl wanted = {.number = 1, .count = 1};
    const struct { const struct pki_revoked *list; const char *reason; } cases[] = {{revoked, "revoked"}, {other, NULL}, {held, "revoked"}};
    for (size_t i = 0; i < 3; i++) {
        begin();
        wanted.issuer = middle;
        wanted.issuer_key = middle_key;
        wanted.revoked = cases[i].list;
        root_crl();
        add_crl(&wanted);
        expect(cases[i].reason);
        end();
    }
}
END_TEST

START_TEST(every_ca_of_the_path_needs_a_crl_but_not_the_anchor)
{
    begin();
    request.crls = crls; /* none at all */
    expect("crl-missing");
    struct pki_crl wanted = {.issuer = middle, .issuer_key = middle_key, .number = 1};
    add_crl(&wanted);
    expect("crl-missing"); /* who says that the intermediate is not revoked? */
    root_crl();
    expect(NULL);
    end();

    begin(); /* the intermediate as anchor: then nobody asks about it */
    X509_free(sk_X509_pop(anchors));
    sk_X509_push(anchors, X509_dup(middle));
    request.partial_chain = true;
    wanted.issuer = middle;
    wanted.issuer_key = middle_key;
    add_crl(&wanted);
    expect(NULL);
    end();
}
END_TEST

START_TEST(a_revoked_intermediate_takes_its_leaves_with_it)
{
    static const struct pki_revoked revoked[] = {{2, 2}};
    begin();
    struct pki_crl upper = {.issuer = root, .issuer_key = root_key, .number = 1, .revoked = revoked, .count = 1};
    struct pki_crl lower = {.issuer = middle, .issuer_key = middle_key, .number = 1};
    add_crl(&upper);
    add_crl(&lower);
    expect("revoked");
    end();
}
END_TEST

START_TEST(a_crl_has_its_times_and_its_signature)
{
    begin();
    root_crl();
    struct pki_crl wanted = {.issuer = middle, .issuer_key = middle_key, .number = 1, .until = PKI_NOW - 1};
    add_crl(&wanted);
    expect("crl-expired");
    end();
    begin();
    root_crl();
    wanted = (struct pki_crl){.issuer = middle, .issuer_key = middle_key, .number = 1, .from = PKI_NOW + 60};
    add_crl(&wanted);
    expect("crl-not-yet-valid");
    end();
    begin();
    root_crl();
    wanted = (struct pki_crl){.issuer = middle, .issuer_key = leaf_key, .number = 1}; /* somebody else's key */
    add_crl(&wanted);
    expect("crl-invalid");
    end();
    begin();
    root_crl();
    wanted = (struct pki_crl){.issuer = middle, .issuer_key = middle_key, .number = 1, .extensions = {{"1.2.3.4", "critical,DER:0500"}}};
    add_crl(&wanted);
    expect("crl-invalid");
    end();
}
END_TEST

START_TEST(of_two_crls_the_current_one_counts)
{
    static const struct pki_revoked revoked[] = {{3, 1}};
    begin();
    root_crl();
    struct pki_crl old = {.issuer = middle, .issuer_key = middle_key, .number = 1, .from = PKI_NOW - 9000, .until = PKI_NOW - 4000};
    struct pki_crl current = {.issuer = middle, .issuer_key = middle_key, .number = 2, .revoked = revoked, .count = 1};
    add_crl(&old);
    add_crl(&current);
    expect("revoked");
    end();
}
END_TEST

START_TEST(scopes_of_crls_are_kept)
{
    static const struct pki_revoked revoked[] = {{3, 1}};
    begin(); /* a CRL for CA certificates says nothing of a leaf */
    root_crl();
    struct pki_crl wanted = {.issuer = middle, .issuer_key = middle_key, .number = 1,
                             .extensions = {{"issuingDistributionPoint", "critical,onlyCA:TRUE"}}};
    add_crl(&wanted);
    expect("crl-missing");
    wanted.extensions[0].value = "critical,onlyuser:TRUE";
    add_crl(&wanted);
    expect(NULL);
    end();
    begin(); /* some reasons here, some there: together they are complete */
    root_crl();
    wanted.issuer = middle;
    wanted.issuer_key = middle_key;
    wanted.extensions[0].value = "critical,@some_reasons";
    add_crl(&wanted);
    expect("crl-missing");
    end();
    begin(); /* revoked for one of the reasons that the partial CRL covers */
    root_crl();
    wanted.issuer = middle;
    wanted.issuer_key = middle_key;
    wanted.revoked = revoked;
    wanted.count = 1;
    add_crl(&wanted);
    expect("revoked");
    end();
}
END_TEST

/* base: nobody; delta: the leaf. `freshest` puts the pointer into the certificate. */
static void delta_case(bool freshest, long base_number, long delta_number, long delta_base, const char *reason)
{
    static const struct pki_revoked revoked[] = {{3, 1}};
    begin();
    root_crl();
    if (freshest)
        leaf_is(MAKE("leaf", 3, leaf_key, middle, middle_key, PKI_CLIENT, {"freshestCRL", "URI:http://crl.example/delta"}));
    struct pki_crl base = {.issuer = middle, .issuer_key = middle_key, .number = base_number};
    struct pki_crl delta = {.issuer = middle, .issuer_key = middle_key, .number = delta_number, .delta_base = delta_base, .revoked = revoked,
                            .count = 1, .from = PKI_NOW - 1800};
    add_crl(&base);
    add_crl(&delta);
    expect(reason);
    end();
}

START_TEST(a_delta_crl_revokes_what_its_base_does_not)
{
    delta_case(true, 5, 6, 5, "revoked");
    delta_case(true, 5, 6, 4, "revoked");
    delta_case(false, 5, 6, 5, "revoked"); /* handed over without a pointer to it: used all the same */
    delta_case(false, 6, 5, 4, NULL);      /* a complete CRL that is newer supersedes it */
    delta_case(true, 6, 5, 4, NULL);
}
END_TEST

START_TEST(a_delta_crl_alone_is_no_crl_and_its_signature_counts)
{
    static const struct pki_revoked revoked[] = {{3, 1}};
    begin();
    root_crl();
    struct pki_crl delta = {.issuer = middle, .issuer_key = middle_key, .number = 6, .delta_base = 5};
    add_crl(&delta);
    expect("crl-missing");
    struct pki_crl base = {.issuer = middle, .issuer_key = middle_key, .number = 5};
    struct pki_crl forged = {.issuer = middle, .issuer_key = leaf_key, .number = 7, .delta_base = 5, .revoked = revoked, .count = 1};
    add_crl(&base);
    add_crl(&forged);
    expect(NULL);
    end();
}
END_TEST

START_TEST(of_two_delta_crls_the_newest_counts)
{
    static const struct pki_revoked revoked[] = {{3, 1}};
    begin();
    root_crl();
    leaf_is(MAKE("leaf", 3, leaf_key, middle, middle_key, PKI_CLIENT, {"freshestCRL", "URI:http://crl.example/delta"}));
    struct pki_crl base = {.issuer = middle, .issuer_key = middle_key, .number = 5};
    struct pki_crl older = {.issuer = middle, .issuer_key = middle_key, .number = 6, .delta_base = 5, .from = PKI_NOW - 1800};
    struct pki_crl newer = {.issuer = middle, .issuer_key = middle_key, .number = 7, .delta_base = 5, .from = PKI_NOW - 900,
                            .revoked = revoked, .count = 1};
    add_crl(&base);
    add_crl(&older);
    add_crl(&newer);
    expect("revoked");
    end();
}
END_TEST

START_TEST(a_delta_crl_lifts_a_hold)
{
    static const struct pki_revoked held[] = {{3, 6}}, lifted[] = {{3, 8}};
    begin();
    root_crl();
    leaf_is(MAKE("leaf", 3, leaf_key, middle, middle_key, PKI_CLIENT, {"freshestCRL", "URI:http://crl.example/delta"}));
    struct pki_crl base = {.issuer = middle, .issuer_key = middle_key, .number = 5, .revoked = held, .count = 1};
    struct pki_crl delta = {.issuer = middle, .issuer_key = middle_key, .number = 6, .delta_base = 5, .revoked = lifted, .count = 1};
    add_crl(&base);
    expect("revoked");
    add_crl(&delta);
    expect(NULL);
    end();
}
END_TEST

/* A distribution point whose CRL has another issuer (RFC 5280 section 4.2.1.13), which X509V3_EXT_conf cannot say without a file. */
static X509 *leaf_with_crl_issuer(X509 *crl_issuer)
{
    X509 *certificate = MAKE("leaf", 3, leaf_key, middle, middle_key, PKI_CLIENT, {"subjectAltName", "DNS:leaf.example"});
    STACK_OF(DIST_POINT) *points = sk_DIST_POINT_new_null();
    DIST_POINT *point = DIST_POINT_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, GEN_DIRNAME, X509_NAME_dup(X509_get_subject_name(crl_issuer)));
    point->CRLissuer = GENERAL_NAMES_new();
    sk_GENERAL_NAME_push(point->CRLissuer, name);
    sk_DIST_POINT_push(points, point);
    X509_add1_ext_i2d(certificate, NID_crl_distribution_points, points, 0, 0);
    sk_DIST_POINT_pop_free(points, DIST_POINT_free);
    X509_sign(certificate, middle_key, EVP_sha256());
    uint8_t *der;
    size_t length = pki_der(certificate, &der);
    const unsigned char *cursor = der;
    X509_free(certificate);
    certificate = d2i_X509(NULL, &cursor, (long)length);
    OPENSSL_free(der);
    return certificate;
}

START_TEST(an_indirect_crl_is_signed_by_somebody_whom_the_anchor_vouches_for)
{
    begin();
    root_crl();
    EVP_PKEY *key = pki_key("ec:P-256");
    X509 *signer = MAKE("crl signer", 7, key, root, root_key, {"basicConstraints", "critical,CA:FALSE"}, {"keyUsage", "critical,cRLSign"});
    leaf_is(leaf_with_crl_issuer(signer));
    struct pki_crl wanted = {.issuer = signer, .issuer_key = key, .number = 1,
                             .extensions = {{"issuingDistributionPoint", "critical,indirectCRL:TRUE"}}};
    add_crl(&wanted);
    request.dns = "leaf.example"; /* which the certificate of the CRL's signer need not carry */
    expect("crl-missing");        /* nobody has shown that certificate */
    sk_X509_push(untrusted, signer);
    expect(NULL);
    EVP_PKEY_free(key);
    end();
}
END_TEST

/* --- key rollover, bundles, limits ----------------------------------------------------------------------------------- */

START_TEST(two_keys_of_one_ca_name)
{
    for (int with_identifiers = 0; with_identifiers < 2; with_identifiers++)
        for (int order = 0; order < 2; order++) {
            begin();
            EVP_PKEY *new_key = pki_key("ec:P-256");
            const struct pki_extension ca[] = {{"basicConstraints", "critical,CA:TRUE"}, {"keyUsage", "critical,keyCertSign,cRLSign"},
                                               {"subjectKeyIdentifier", "hash"}};
            X509 *old_ca = make("rolling", 10, root_key, NULL, NULL, ca, with_identifiers ? 3 : 2);
            X509 *new_ca = make("rolling", 11, new_key, NULL, NULL, ca, with_identifiers ? 3 : 2);
            X509_free(sk_X509_pop(anchors));
            sk_X509_push(anchors, order ? old_ca : new_ca);
            sk_X509_push(anchors, order ? new_ca : old_ca);
            request.untrusted = NULL;
            leaf_is(MAKE("under the old key", 12, leaf_key, old_ca, root_key, PKI_CLIENT));
            expect(NULL);
            leaf_is(MAKE("under the new key", 13, leaf_key, new_ca, new_key, PKI_CLIENT));
            expect(NULL);
            leaf_is(MAKE("under neither", 14, leaf_key, new_ca, middle_key, PKI_CLIENT));
            expect("bad-signature");
            EVP_PKEY_free(new_key);
            end();
        }
}
END_TEST

START_TEST(bundles_are_pem_or_der)
{
    begin();
    struct failure failure;
    char *data;
    BIO *bio = BIO_new(BIO_s_mem());
    BIO_printf(bio, "# a comment\n");
    PEM_write_bio_X509(bio, root);
    PEM_write_bio_PrivateKey(bio, leaf_key, NULL, NULL, 0, NULL, NULL);
    PEM_write_bio_X509(bio, middle);
    struct pki_crl wanted = {.issuer = root, .issuer_key = root_key, .number = 1};
    X509_CRL *crl = pki_crl(&wanted);
    PEM_write_bio_X509_CRL(bio, crl);
    size_t length = (size_t)BIO_get_mem_data(bio, &data);
    STACK_OF(X509) *certificates = path_read_certificates(data, length, "file", &failure);
    ck_assert_int_eq(sk_X509_num(certificates), 2);
    ck_assert_int_eq(X509_cmp(sk_X509_value(certificates, 1), middle), 0);
    sk_X509_pop_free(certificates, X509_free);
    STACK_OF(X509_CRL) *lists = path_read_crls(data, length, "file", &failure);
    ck_assert_int_eq(sk_X509_CRL_num(lists), 1);
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    BIO_free(bio);

    bio = BIO_new(BIO_s_mem());
    i2d_X509_bio(bio, root);
    i2d_X509_bio(bio, middle);
    length = (size_t)BIO_get_mem_data(bio, &data);
    certificates = path_read_certificates(data, length, "file", &failure);
    ck_assert_int_eq(sk_X509_num(certificates), 2);
    sk_X509_pop_free(certificates, X509_free);
    ck_assert_ptr_null(path_read_certificates(data, length - 1, "file", &failure));
    ck_assert_str_eq(failure.field, "file");
    ck_assert_ptr_nonnull(strstr(failure.reason, "number 2"));
    ck_assert_ptr_null(path_read_crls(data, length, "file", &failure));
    BIO_free(bio);
    X509_CRL_free(crl);
    end();
}
END_TEST

START_TEST(bundles_without_what_was_wanted_are_refused)
{
    static const char *const cases[] = {
        "", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "-----BEGIN X-----\nAAAA\n-----END X-----\n", "0", "\x30\x82\xff\xff"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct failure failure = {.code = FAILURE_NONE};
        ck_assert_ptr_null(path_read_certificates(cases[i], strlen(cases[i]), "anchors", &failure));
        ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
        ck_assert_str_eq(failure.field, "anchors");
        ck_assert_ptr_null(path_read_crls(cases[i], strlen(cases[i]), "crl", &failure));
        ck_assert_str_eq(failure.field, "crl");
    }
}
END_TEST

START_TEST(a_heap_of_intermediates_is_refused)
{
    begin();
    struct path_verdict verdict;
    struct failure failure;
    for (int i = 0; i < PATH_UNTRUSTED_MAX; i++)
        sk_X509_push(untrusted, X509_dup(middle));
    ck_assert_int_eq(path_validate(&request, &verdict, &failure), -1);
    ck_assert_str_eq(failure.field, "chain");
    end();
}
END_TEST

UNIT_MAIN("path", a_good_chain_is_valid, time_is_what_the_caller_says, an_expired_ca_ends_what_it_signed,
          without_the_intermediate_or_with_other_anchors_it_is_untrusted, a_root_of_the_same_name_with_another_key_signs_nothing,
          a_changed_signature_is_noticed, purpose_is_looked_at_along_the_path, a_leaf_may_not_sign, path_length_and_depth_are_limits,
          unknown_critical_extensions_end_it, weak_keys_and_digests_are_refused, strict_is_stricter,
          a_partial_chain_only_where_it_was_asked_for, the_name_is_matched_against_sans_alone, name_constraints_hold,
          policies_are_processed_without_being_asked, a_crl_revokes, every_ca_of_the_path_needs_a_crl_but_not_the_anchor,
          a_revoked_intermediate_takes_its_leaves_with_it, a_crl_has_its_times_and_its_signature, of_two_crls_the_current_one_counts,
          scopes_of_crls_are_kept, a_delta_crl_revokes_what_its_base_does_not, a_delta_crl_alone_is_no_crl_and_its_signature_counts,
          of_two_delta_crls_the_newest_counts, a_delta_crl_lifts_a_hold,
          an_indirect_crl_is_signed_by_somebody_whom_the_anchor_vouches_for, two_keys_of_one_ca_name, bundles_are_pem_or_der,
          bundles_without_what_was_wanted_are_refused, a_heap_of_intermediates_is_refused)
