/*
 * path.c - certification path validation for any PKI (RFC 5280 section 6), by OpenSSL.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL does the work; this file sets it up so that nothing is left to a default, and mends four things: an
 * anchor is not itself looked up in a CRL (section 6.1: it is no part of the path); where two certificates of
 * one issuer name fit, the one whose key made the signature is taken (key rollover without key identifiers); of
 * several delta CRLs the newest counts; and a delta CRL that was handed over is used even where no freshestCRL
 * extension points to it.
 */
#include "proto/x509/path.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/x509/certificate.h"

enum { DEPTH_DEFAULT = 10, STRENGTH_LEVEL = 2 /* 112 bits, as in SSL_CTX_set_security_level(3) */ };

/* --- why not -------------------------------------------------------------------------------------------- */

static const struct { int error; const char *reason; } reasons[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "not-yet-valid"},
    {X509_V_ERR_CERT_REVOKED, "revoked"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "untrusted"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "untrusted"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "untrusted"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "untrusted"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "untrusted"},
    {X509_V_ERR_CERT_UNTRUSTED, "untrusted"},
    {X509_V_ERR_CERT_REJECTED, "untrusted"},
    {X509_V_ERR_PATH_LOOP, "untrusted"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, "bad-signature"},
    {X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE, "bad-signature"},
    {X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH, "bad-signature"},
    {X509_V_ERR_SIGNATURE_ALGORITHM_INCONSISTENCY, "malformed"},
    {X509_V_ERR_INVALID_PURPOSE, "wrong-purpose"},
    {X509_V_ERR_HOSTNAME_MISMATCH, "name-mismatch"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, "name-mismatch"},
    {X509_V_ERR_PERMITTED_VIOLATION, "name-constraints"},
    {X509_V_ERR_EXCLUDED_VIOLATION, "name-constraints"},
    {X509_V_ERR_SUBTREE_MINMAX, "name-constraints"},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, "name-constraints"},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, "name-constraints"},
    {X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, "name-constraints"},
    {X509_V_ERR_INVALID_POLICY_EXTENSION, "policy"},
    {X509_V_ERR_NO_EXPLICIT_POLICY, "policy"},
    {X509_V_ERR_CERT_CHAIN_TOO_LONG, "path-too-long"},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED, "path-too-long"},
    {X509_V_ERR_INVALID_CA, "not-a-ca"},
    {X509_V_ERR_INVALID_NON_CA, "not-a-ca"},
    {X509_V_ERR_KEYUSAGE_NO_CERTSIGN, "not-a-ca"},
    {X509_V_ERR_EE_KEY_TOO_SMALL, "weak-key"},
    {X509_V_ERR_CA_KEY_TOO_SMALL, "weak-key"},
    {X509_V_ERR_CA_MD_TOO_WEAK, "weak-digest"},
    {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, "critical-extension"},
    {X509_V_ERR_UNABLE_TO_GET_CRL, "crl-missing"},
    {X509_V_ERR_DIFFERENT_CRL_SCOPE, "crl-missing"},
    {X509_V_ERR_CRL_HAS_EXPIRED, "crl-expired"},
    {X509_V_ERR_CRL_NOT_YET_VALID, "crl-not-yet-valid"},
    {X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, "crl-invalid"},
    {X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, "crl-invalid"},
    {X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION, "crl-invalid"},
    {X509_V_ERR_CRL_PATH_VALIDATION_ERROR, "crl-invalid"},
    {X509_V_ERR_CRL_SIGNATURE_FAILURE, "crl-invalid"},
    {X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE, "crl-invalid"},
    {X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD, "crl-invalid"},
    {X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD, "crl-invalid"},
    {X509_V_ERR_INVALID_EXTENSION, "malformed"},
    {X509_V_ERR_UNSUPPORTED_EXTENSION_FEATURE, "malformed"},
    {X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, "malformed"},
    {X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, "malformed"},
    {X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, "malformed"},
    {X509_V_ERR_EC_KEY_EXPLICIT_PARAMS, "malformed"},
    {X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM, "malformed"},
    /* what X509_V_FLAG_X509_STRICT alone finds */
    {X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA, "malformed"},
    {X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN, "malformed"},
    {X509_V_ERR_KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA, "malformed"},
    {X509_V_ERR_ISSUER_NAME_EMPTY, "malformed"},
    {X509_V_ERR_SUBJECT_NAME_EMPTY, "malformed"},
    {X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER, "malformed"},
    {X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER, "malformed"},
    {X509_V_ERR_EMPTY_SUBJECT_ALT_NAME, "malformed"},
    {X509_V_ERR_EMPTY_SUBJECT_SAN_NOT_CRITICAL, "malformed"},
    {X509_V_ERR_CA_BCONS_NOT_CRITICAL, "malformed"},
    {X509_V_ERR_AUTHORITY_KEY_IDENTIFIER_CRITICAL, "malformed"},
    {X509_V_ERR_SUBJECT_KEY_IDENTIFIER_CRITICAL, "malformed"},
    {X509_V_ERR_CA_CERT_MISSING_KEY_USAGE, "malformed"},
    {X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3, "malformed"},
};

static const char *reason_of(int error)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].error == error)
            return reasons[i].reason;
    return "invalid";
}

static void verdict_refuse(struct path_verdict *verdict, int error, int depth, const X509 *at_fault, const char *note)
{
    char *subject = at_fault ? certificate_name_text(X509_get_subject_name(at_fault)) : NULL;
    verdict->valid = false;
    verdict->reason = reason_of(error);
    verdict->depth = depth;
    char text[sizeof verdict->detail * 2];
    snprintf(text, sizeof text, "%s%s at depth %d%s%.200s", X509_verify_cert_error_string(error), note, depth,
             subject ? ": " : "", subject ? subject : "");
    failure_copy_text(verdict->detail, sizeof verdict->detail, text);
    free(subject);
}

/* --- what OpenSSL asks back ----------------------------------------------------------------------------- */

/* A fault of a CRL that would matter for a certificate of the path, but not for the anchor. */
static bool is_crl_fault(int error)
{
    return error != X509_V_ERR_CERT_REVOKED && !strncmp(reason_of(error), "crl-", 4);
}

static int on_error(int good, X509_STORE_CTX *context)
{
    const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(context);
    if (good || !is_crl_fault(X509_STORE_CTX_get_error(context)) ||
        X509_STORE_CTX_get_error_depth(context) != sk_X509_num(chain) - 1)
        return good;
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
}

static X509_STORE_CTX_check_issued_fn usual_check;
static pthread_once_t usual_check_once = PTHREAD_ONCE_INIT;

static void find_usual_check(void)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    if (store && context && X509_STORE_CTX_init(context, store, NULL, NULL) == 1)
        usual_check = X509_STORE_CTX_get_check_issued(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
}

/* Issued by name and key identifier, as usual, and by key as well. A certificate stands for itself as its
 * issuer only where it is an anchor; that signature is not a matter of trust. */
static int check_issued_by_key(X509_STORE_CTX *context, X509 *certificate, X509 *issuer)
{
    if (!usual_check(context, certificate, issuer))
        return 0;
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    return certificate == issuer || (key && X509_verify(certificate, key) == 1);
}

/* --- delta CRLs ----------------------------------------------------------------------------------------- */

/* Newest first: OpenSSL takes the first delta CRL that goes with a base. */
static int crl_compare(const X509_CRL *const *a, const X509_CRL *const *b)
{
    return ASN1_TIME_compare(X509_CRL_get0_lastUpdate(*b), X509_CRL_get0_lastUpdate(*a));
}

static ASN1_INTEGER *crl_number(const X509_CRL *crl)
{
    return X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
}

/* Is there a complete CRL of the same issuer that was made after this delta? Then the delta says nothing new
 * (RFC 5280 section 5.2.4). */
static bool is_superseded(X509_CRL *delta, const STACK_OF(X509_CRL) *crls)
{
    bool superseded = false;
    ASN1_INTEGER *number = crl_number(delta);
    for (int i = 0; number && !superseded && i < sk_X509_CRL_num(crls); i++) {
        const X509_CRL *crl = sk_X509_CRL_value(crls, i);
        if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0 ||
            X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_CRL_get_issuer(delta)))
            continue;
        ASN1_INTEGER *complete = crl_number(crl);
        superseded = complete && ASN1_INTEGER_cmp(complete, number) >= 0;
        ASN1_INTEGER_free(complete);
    }
    ASN1_INTEGER_free(number);
    return superseded;
}

/* OpenSSL leaves a delta CRL aside where neither certificate nor base CRL says by freshestCRL that there are
 * deltas. It was handed to us, so whom it revokes is revoked. (What it lifts stays as OpenSSL has it: the
 * careful side.) */
static bool delta_revokes(const STACK_OF(X509_CRL) *crls, X509 *certificate, X509 *issuer, time_t at)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    for (int i = 0; key && i < sk_X509_CRL_num(crls); i++) {
        X509_CRL *crl = sk_X509_CRL_value(crls, i);
        X509_REVOKED *entry;
        if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0 &&
            !X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(certificate)) &&
            X509_cmp_time(X509_CRL_get0_lastUpdate(crl), &at) < 0 && !is_superseded(crl, crls) &&
            X509_CRL_get0_by_cert(crl, &entry, certificate) == 1 && X509_CRL_verify(crl, key) == 1)
            return true;
    }
    return false;
}

static void apply_deltas(const STACK_OF(X509_CRL) *crls, const STACK_OF(X509) *chain, time_t at,
                         struct path_verdict *verdict)
{
    for (int depth = 0; verdict->valid && depth + 1 < sk_X509_num(chain); depth++)
        if (delta_revokes(crls, sk_X509_value(chain, depth), sk_X509_value(chain, depth + 1), at))
            verdict_refuse(verdict, X509_V_ERR_CERT_REVOKED, depth, sk_X509_value(chain, depth), " (delta CRL)");
}

/* --- one validation ------------------------------------------------------------------------------------- */

/* Only what could stand in a SAN is a name to match: to OpenSSL a leading dot would mean "any host below". */
static int read_name(const char *name, struct san *out, struct failure *failure)
{
    struct failure why;
    size_t length = name ? strlen(name) : 0;
    if (!name || san_from_value(SAN_IP, name, length, out, NULL) == 0)
        return 0;
    if (*name == '*')
        return failure_set(failure, FAILURE_BAD_REQUEST, "dns", "the name to match is one host, not a wildcard");
    if (length > 1 && name[length - 1] == '.')
        length--; /* the root's dot, RFC 1034 section 3.1 */
    if (san_from_value(SAN_DNS, name, length, out, &why) == 0)
        return 0;
    return failure_set(failure, FAILURE_BAD_REQUEST, "dns", "%s", why.reason);
}

/* Looked at here and not by X509_verify_cert, which would also want the name in the certificate of whoever
 * signed a CRL. */
static void apply_name(const struct san *name, X509 *leaf, struct path_verdict *verdict)
{
    bool matches = !name->value ||
                   (name->type == SAN_IP ? X509_check_ip(leaf, name->address, name->address_length, 0)
                                         : X509_check_host(leaf, name->value, 0,
                                                           X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                                                           NULL)) == 1;
    if (verdict->valid && !matches)
        verdict_refuse(verdict,
                       name->type == SAN_IP ? X509_V_ERR_IP_ADDRESS_MISMATCH : X509_V_ERR_HOSTNAME_MISMATCH, 0,
                       leaf, "");
}

static int set_parameters(X509_STORE_CTX *context, const struct path_request *request, struct failure *failure)
{
    static const int purposes[] = {[PATH_CLIENT] = X509_PURPOSE_SSL_CLIENT, [PATH_SERVER] = X509_PURPOSE_SSL_SERVER};
    X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
    /* Section 6.1: policies are processed always; that a set is *required* is said by the certificates or by
     * the caller. */
    unsigned long flags = X509_V_FLAG_POLICY_CHECK | X509_V_FLAG_TRUSTED_FIRST;
    if (request->crls)
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL | X509_V_FLAG_EXTENDED_CRL_SUPPORT |
                 X509_V_FLAG_USE_DELTAS;
    if (request->strict)
        flags |= X509_V_FLAG_X509_STRICT;
    if (request->partial_chain)
        flags |= X509_V_FLAG_PARTIAL_CHAIN;
    if (request->explicit_policy)
        flags |= X509_V_FLAG_EXPLICIT_POLICY;
    /* user-initial-policy-set is any-policy: to OpenSSL an empty set means that none will do. */
    if (X509_VERIFY_PARAM_set_flags(parameters, flags) != 1 ||
        X509_VERIFY_PARAM_add0_policy(parameters, OBJ_nid2obj(NID_any_policy)) != 1 ||
        /* The context's function sets the trust that belongs to the purpose too; the parameter's own would not. */
        (request->purpose != PATH_ANY && X509_STORE_CTX_set_purpose(context, purposes[request->purpose]) != 1))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "path validation could not be set up");
    X509_VERIFY_PARAM_set_time(parameters, (time_t)request->at);
    X509_VERIFY_PARAM_set_depth(parameters, request->depth_max > 0 ? request->depth_max : DEPTH_DEFAULT);
    X509_VERIFY_PARAM_set_auth_level(parameters, STRENGTH_LEVEL);
    return 0;
}

/* What both passes share, made once. */
struct material {
    X509_STORE *store;
    STACK_OF(X509) *untrusted;
    STACK_OF(X509_CRL) *crls;
};

static void material_free(struct material *material)
{
    X509_STORE_free(material->store);
    sk_X509_free(material->untrusted);
    sk_X509_CRL_free(material->crls);
}

/* The stacks are copies that own nothing: OpenSSL and the sort change them. Anchors stand among the untrusted
 * as well, because that is where OpenSSL looks for the issuer of a CRL that another key has signed. */
static int material_make(const struct path_request *request, struct material *out, struct failure *failure)
{
    struct material material = {.store = X509_STORE_new(),
                                .untrusted = request->untrusted ? sk_X509_dup(request->untrusted)
                                                                : sk_X509_new_null()};
    bool good = material.store && material.untrusted;
    for (int i = 0; good && i < sk_X509_num(request->anchors); i++)
        good = X509_STORE_add_cert(material.store, sk_X509_value(request->anchors, i)) == 1 &&
               sk_X509_push(material.untrusted, sk_X509_value(request->anchors, i)) > 0;
    if (good && request->crls) {
        material.crls = sk_X509_CRL_dup(request->crls);
        good = material.crls != NULL;
        if (good) {
            sk_X509_CRL_set_cmp_func(material.crls, crl_compare);
            sk_X509_CRL_sort(material.crls);
        }
    }
    if (good) {
        *out = material;
        return 0;
    }
    material_free(&material);
    return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
}

static int validate_once(const struct path_request *request, const struct material *material,
                         struct path_verdict *verdict, struct failure *failure)
{
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    int result = -1;
    if (!context || X509_STORE_CTX_init(context, material->store, request->leaf, material->untrusted) != 1)
        failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    else
        result = set_parameters(context, request, failure);
    if (result == 0) {
        X509_STORE_CTX_set_verify_cb(context, on_error);
        if (material->crls)
            X509_STORE_CTX_set0_crls(context, material->crls);
        *verdict = (struct path_verdict){.valid = true};
        if (X509_verify_cert(context) != 1)
            verdict_refuse(verdict, X509_STORE_CTX_get_error(context), X509_STORE_CTX_get_error_depth(context),
                           X509_STORE_CTX_get_current_cert(context), "");
        else if (material->crls)
            apply_deltas(material->crls, X509_STORE_CTX_get0_chain(context), (time_t)request->at, verdict);
        if (!verdict->valid && X509_STORE_CTX_get_error(context) == X509_V_ERR_OUT_OF_MEM)
            result = failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    }
    X509_STORE_CTX_free(context);
    ERR_clear_error();
    return result;
}

int path_validate(const struct path_request *request, struct path_verdict *verdict, struct failure *failure)
{
    struct material material;
    struct path_verdict first, second;
    if (request->untrusted && sk_X509_num(request->untrusted) > PATH_UNTRUSTED_MAX)
        return failure_set(failure, FAILURE_BAD_REQUEST, "chain", "more than %d certificates besides the leaf",
                           PATH_UNTRUSTED_MAX);
    struct san name = {.value = NULL};
    if (read_name(request->dns, &name, failure))
        return -1;
    if (material_make(request, &material, failure)) {
        san_clear(&name);
        return -1;
    }
    int result = validate_once(request, &material, &first, failure);
    if (result == 0 && !first.valid && strcmp(first.reason, "revoked")) {
        /* OpenSSL settles for the first issuer that fits by name and never comes back. Try again with the keys
         * looked at while the path is built; any path that validates will do. */
        pthread_once(&usual_check_once, find_usual_check);
        X509_STORE_set_check_issued(material.store, check_issued_by_key);
        if (usual_check && validate_once(request, &material, &second, NULL) == 0 && second.valid)
            first = second;
    }
    material_free(&material);
    if (result == 0) {
        apply_name(&name, request->leaf, &first);
        *verdict = first;
    }
    san_clear(&name);
    return result;
}
