/*
 * fuzz_csr.c - a stranger's CSR: bytes to wishes to the plan of a certificate.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * csr_parse first, because hardly any input that the fuzzer thinks up is signed; what it lets through is planned, as it would be for somebody
 * who does hold the key. The same bytes are also taken for text.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/ca/csr.h"
#include "agent/ca/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a plan promises about whatever it was made from. */
static void check_grant(const struct grant *grant)
{
    if (grant->names.count == 0 || grant->names.count > NAMES_MAX || !text_is_clean(grant->names.common_name, strlen(grant->names.common_name)))
        abort();
    for (size_t i = 0; i < grant->names.count; i++)
        if (!text_is_clean(grant->names.sans[i].value, strlen(grant->names.sans[i].value)))
            abort();
    if (grant->not_after <= grant->not_before || public_key_check(&grant->key, NULL))
        abort();
}

static void plan(const struct csr *csr)
{
    struct config_profile profile = {.name = (char *)(uintptr_t) "client", .eku = (char *)(uintptr_t) "clientAuth", .life = 7776000};
    const struct certificate_wish wish = {.csr = csr, .key = &csr->key, .profile = &profile, .now = 1800000000, .authority_not_after = 1900000000};
    struct grant grant;
    struct failure failure;
    bool clamped;
    if (certificate_plan(&wish, &grant, &clamped, &failure))
        return;
    check_grant(&grant);
    grant_clear(&grant);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csr csr;
    struct failure failure;
    if (csr_parse(data, size, &csr, &failure) == 0) {
        if (csr.ignored_count > CSR_IGNORED_MAX)
            abort();
        plan(&csr);
        csr_prove(data, size, &csr.key, &failure);
        csr_clear(&csr);
    }
    char *text = strndup((const char *)data, size);
    uint8_t *der;
    size_t length;
    if (text && csr_decode_text(text, &der, &length, &failure) == 0)
        free(der);
    free(text);
    return 0;
}
