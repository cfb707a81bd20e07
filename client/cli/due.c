/*
 * due.c - the conditions of --if-due, each a step of its own that alone can make a certificate due.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * In this order: the files are there, are what they should be and fit each other; they carry what is asked
 * for; the certificate is live in the index; and it is not near its end.
 */
#include "client/cli/due.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "client/cli/local.h"
#include "client/cli/output.h"
#include "client/cli/report.h"
#include "proto/term.h"
#include "proto/x509/key.h"

/* What a step says. */
enum step { STEP_ON, STEP_DUE, STEP_FAILED };

struct state {
    struct cli *cli;
    const struct due_question *question;
    struct due_answer *answer;
    int exit_code;
    X509 *leaf;
    struct certificate_facts facts;
    char serial[SERIAL_TEXT_SIZE], fingerprint[FINGERPRINT_TEXT_SIZE];
};

static enum step due(struct state *state, bool replaceable, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum step due(struct state *state, bool replaceable, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(state->answer->reason, sizeof state->answer->reason, format, arguments);
    va_end(arguments);
    state->answer->due = true;
    state->answer->replaceable = replaceable;
    return STEP_DUE;
}

static enum step failed(struct state *state, const struct failure *failure)
{
    state->exit_code = report_failure(state->cli, failure);
    return STEP_FAILED;
}

static enum step check_certificate_file(struct state *state)
{
    const struct delivery *files = state->question->delivery;
    struct failure failure;
    if (!file_exists(files->certificate))
        return due(state, true, "%s is missing", files->certificate);
    STACK_OF(X509) *certificates = local_certificates(files->certificate, "the certificate", &failure);
    if (!certificates)
        return due(state, false, "%s is no certificate", files->certificate);
    state->leaf = sk_X509_shift(certificates);
    local_certificates_free(certificates);
    if (local_facts(state->leaf, files->certificate, &state->facts, &failure))
        return due(state, false, "%s is no certificate that can be used", files->certificate);
    serial_format(&state->facts.serial, state->serial);
    fingerprint_format(state->facts.fingerprint, state->fingerprint);
    if (state->question->name && strcmp(state->facts.names.common_name, state->question->name) != 0)
        return due(state, false, "%s is for %s", files->certificate, state->facts.names.common_name);
    return STEP_ON;
}

static enum step check_companion(struct state *state, const char *path, enum local_fit fit)
{
    if (!file_exists(path))
        return due(state, true, "%s is missing", path);
    if (fit == LOCAL_FITS)
        return STEP_ON;
    return due(state, fit == LOCAL_OTHER, "%s does not belong to %s", path,
               state->question->delivery->certificate);
}

static enum step check_fit(struct state *state)
{
    const struct due_question *question = state->question;
    const struct delivery *files = question->delivery;
    enum step step = STEP_ON;
    if (files->key)
        step = check_companion(state, files->key, local_key_fits(files->key, state->leaf));
    if (step == STEP_ON && files->p12)
        step = check_companion(state, files->p12,
                               local_p12_fits(files->p12, files->passphrase.text, state->leaf));
    if (step == STEP_ON && question->csr && !local_csr_fits(question->csr, question->csr_length, state->leaf))
        step = due(state, true, "%s is for another key than the CSR's", files->certificate);
    return step;
}

int due_sans_match(const char *const *asked, size_t count, const struct names *held, struct failure *failure)
{
    struct names wanted = {.common_name = ""};
    int result = 1;
    for (size_t i = 0; result == 1 && i < count; i++) {
        struct san san = {0};
        if (san_parse(asked[i], &san, failure) || names_add(&wanted, &san, failure))
            result = -1;
        san_clear(&san);
    }
    if (result == 1 && wanted.count != held->count)
        result = 0;
    for (size_t i = 0; result == 1 && i < wanted.count; i++)
        result = names_have(held, &wanted.sans[i]);
    names_clear(&wanted);
    return result;
}

static enum step check_asked(struct state *state)
{
    const struct options *options = &state->cli->options;
    struct failure failure;
    int same = options->sans.count ? due_sans_match((const char *const *)options->sans.items,
                                                    options->sans.count, &state->facts.names, &failure)
                                   : 1;
    if (same != 1)
        return same < 0 ? failed(state, &failure) : due(state, true, "its names are not those asked for");
    if (!options->key_type)
        return STEP_ON;
    struct public_key key;
    struct key_type asked;
    if (key_type_parse(options->key_type, &asked)) {
        failure_set(&failure, FAILURE_BAD_REQUEST, "--key-type",
                    "--key-type %s: expected ec:P-256, ec:P-384, ed25519 or rsa:2048 to rsa:4096",
                    options->key_type);
        return failed(state, &failure);
    }
    if (public_key_from_evp(X509_get0_pubkey(state->leaf), &key, &failure) || key.type.kind != asked.kind ||
        key.type.bits != asked.bits)
        return due(state, true, "its key is no %s", options->key_type);
    return STEP_ON;
}

static enum step check_record(struct state *state, const char *status, const char *fingerprint,
                              const char *profile)
{
    const char *asked = state->cli->options.profile;
    if (strcmp(fingerprint, state->fingerprint) != 0)
        return due(state, true, "the index has another certificate with serial %s", state->serial);
    if (strcmp(status, "live") != 0)
        return due(state, true, "it is %s", status);
    if (asked && (!profile || strcmp(profile, asked) != 0))
        return due(state, true, "its profile is %s", profile ? profile : "unknown");
    return STEP_ON;
}

/* Whoever may not read the index may perhaps verify: that tells as much. */
static enum step check_verdict(struct state *state)
{
    char *pem = local_pem(state->leaf);
    if (!pem) {
        state->exit_code = report_memory(state->cli);
        return STEP_FAILED;
    }
    struct mtls_verify_request request = {.certificate = pem,
                                          .service = state->cli->options.service,
                                          .purpose = "any"};
    struct mtls_verify_result *verdict;
    int result = mtls_verify(agent_open(state->cli), &request, &verdict);
    free(pem);
    if (result) {
        state->exit_code = report_agent(state->cli, NULL);
        return STEP_FAILED;
    }
    enum step step;
    if (!verdict->valid || !verdict->identity || !verdict->identity->ours)
        step = due(state, true, "it is %s",
                   verdict->valid    ? "of another CA"
                   : verdict->reason ? verdict->reason
                                     : "not valid");
    else
        step = check_record(state, "live", verdict->identity->fingerprint, verdict->identity->profile);
    mtls_result_free(verdict);
    return step;
}

static enum step check_index(struct state *state)
{
    struct mtls_get_request request = {.serial = state->serial, .service = state->cli->options.service};
    struct mtls *mtls = agent_open(state->cli);
    if (mtls_get(mtls, &request, &state->answer->found)) {
        if (mtls_error_code(mtls) == MTLS_NOT_FOUND)
            return due(state, true, "the index does not know it");
        if (mtls_error_code(mtls) == MTLS_NOT_PERMITTED)
            return check_verdict(state);
        state->exit_code = report_agent(state->cli, NULL);
        return STEP_FAILED;
    }
    const struct mtls_certificate *record = state->answer->found->certificate;
    return check_record(state, record->status, record->fingerprint, record->profile);
}

/* What the same call would make today: defaults of the profile are the agent's to know. Where it will not
 * tell (locked, a policy that has changed), what was asked for explicitly has been compared already. */
static enum step check_plan(struct state *state)
{
    const struct due_question *question = state->question;
    struct mtls_issue_result *plan;
    if (!question->plan)
        return STEP_ON;
    if (question->plan(state->cli, question->request, &plan)) {
        enum mtls_code code = mtls_error_code(state->cli->mtls);
        if (code != MTLS_BAD_REQUEST && code != MTLS_INVALID_PARAMETER)
            return STEP_ON;
        state->exit_code = report_agent(state->cli, NULL);
        return STEP_FAILED;
    }
    const struct mtls_certificate *planned = plan->certificate;
    struct failure failure;
    enum step step = STEP_ON;
    if (strcmp(planned->name, state->facts.names.common_name) != 0)
        step = due(state, false, "%s is for %s", question->delivery->certificate,
                   state->facts.names.common_name);
    else if (due_sans_match(planned->sans.items, planned->sans.count, &state->facts.names, &failure) == 0)
        step = due(state, true, "its names are not those asked for");
    else if (state->answer->found &&
             strcmp(planned->profile, state->answer->found->certificate->profile) != 0)
        step = due(state, true, "its profile is %s", state->answer->found->certificate->profile);
    mtls_result_free(plan);
    return step;
}

static enum step check_end(struct state *state)
{
    int64_t now = time(NULL);
    char end[INSTANT_TEXT_SIZE], left[TIME_LEFT_SIZE];
    instant_format(state->facts.not_after, end);
    output_time_left(end, now, left);
    if (due_is_near(&state->cli->options.if_due, state->facts.not_before, state->facts.not_after, now))
        return due(state, true, "%s%s", state->facts.not_after > now ? "expires in " : "", left);
    return STEP_ON;
}

int due_ask(struct cli *cli, const struct due_question *question, struct due_answer *out, int *exit_code)
{
    static enum step (*const steps[])(struct state *) = {
        check_certificate_file, check_fit, check_asked, check_index, check_plan, check_end,
    };
    struct due_answer answer = {0};
    struct state state = {.cli = cli, .question = question, .answer = &answer};
    enum step step = STEP_ON;
    for (size_t i = 0; step == STEP_ON && i < sizeof steps / sizeof steps[0]; i++)
        step = steps[i](&state);
    certificate_facts_clear(&state.facts);
    X509_free(state.leaf);
    if (step == STEP_FAILED) {
        due_answer_clear(&answer);
        *exit_code = state.exit_code;
        return -1;
    }
    *out = answer;
    return 0;
}

void due_answer_clear(struct due_answer *answer)
{
    mtls_result_free(answer->found);
    answer->found = NULL;
}
