/*
 * test_policy_pam.c - the stack engine held against the real libpam, on tens of thousands of generated stacks.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The same files are written twice: as pam.d for libpam (types auth, account and session, module pam_says.so) and
 * as policy.d for the engine (types issue, verify and export, module `says`). Each service is then run through
 * pam_start_confdir(3) and through policy_decide; where the two differ, the stack is printed. pam_says.so lies
 * beside this program, or where PAM_SAYS says.
 */
#include <dlfcn.h>
#include <security/pam_appl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/policy_help.h"

enum { BATCHES = 50, SERVICES = 200, INCLUDES = 20, KINDS = 3, LINES_MAX = 8 };
static const char *const pam_types[KINDS] = {"auth", "account", "session"};
static const enum policy_type our_types[KINDS] = {POLICY_ISSUE, POLICY_VERIFY, POLICY_EXPORT};
static const char *const words[] = {"success", "failure", "ignore"};

static int says_parse(const struct module_argument *arguments, size_t count, void **state, size_t *at,
                      struct failure *failure)
{
    static enum module_result results[] = {MODULE_SUCCESS, MODULE_FAILURE, MODULE_IGNORE};
    *at = 0;
    for (size_t i = 0; count == 1 && i < 3; i++)
        if (!strcmp(arguments[0].text, words[i])) {
            *state = &results[i];
            return 0;
        }
    return failure_set(failure, FAILURE_BAD_REQUEST, "policy", "says success, failure or ignore");
}

static enum module_result says_judge(const void *state, const struct policy_question *question, char *detail,
                                     size_t size)
{
    (void)question, (void)detail, (void)size;
    return *(const enum module_result *)state;
}

static const struct policy_module module_says = {
    .name = "says", .types = POLICY_ANY_TYPE, .parse = says_parse, .judge = says_judge,
};
static const struct policy_module *const rows[] = {&module_says};
static const struct module_table table = {rows, 1};

static char top[160], pam_directory[200], our_directory[200], module_path[512];

static void find_module(void)
{
    const char *given = getenv("PAM_SAYS");
    if (given) {
        snprintf(module_path, sizeof module_path, "%s", given);
    } else {
        char self[480];
        ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
        ck_assert_int_gt(length, 0);
        self[length] = '\0';
        *strrchr(self, '/') = '\0';
        snprintf(module_path, sizeof module_path, "%s/pam_says.so", self);
    }
    /* Held open, so that libpam's own dlopen of it is a look-up. */
    ck_assert_msg(dlopen(module_path, RTLD_NOW) != NULL, "pam_says.so is missing: %s", dlerror());
}

static void directories_make(void)
{
    const char *scratch = getenv("TMPDIR");
    snprintf(top, sizeof top, "%s/test_policy_pam.XXXXXX", scratch ? scratch : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(top));
    snprintf(pam_directory, sizeof pam_directory, "%s/pam.d", top);
    snprintf(our_directory, sizeof our_directory, "%s/policy.d", top);
    ck_assert_int_eq(mkdir(pam_directory, 0755), 0);
    ck_assert_int_eq(mkdir(our_directory, 0755), 0);
    chmod(our_directory, 0755);
}

/* Includes only go to higher numbers, so there are no circles; inc19 includes nothing. */
static void include_name(int number, char out[static 16])
{
    snprintf(out, 16, "inc%02d", number);
}

static void service_name(int number, char out[static 16])
{
    snprintf(out, 16, "svc%03d", number);
}

/* One random line, in both languages. `from` is the first include that it may name; INCLUDES where none. */
static void write_line(FILE *pam, FILE *our, int from)
{
    int kind = rand() % KINDS;
    fprintf(pam, "%s ", pam_types[kind]);
    fprintf(our, "%s ", policy_type_name(our_types[kind]));
    if (from < INCLUDES && rand() % 5 == 0) {
        char name[16];
        include_name(from + rand() % (INCLUDES - from), name);
        fprintf(pam, "include %s/%s\n", pam_directory,
                name); /* Debian's libpam looks for bare names in /etc/pam.d only */
        fprintf(our, "include %s\n", name);
        return;
    }
    const char *control = policy_control_names[rand() % CONTROL_INCLUDE], *word = words[rand() % 3];
    fprintf(pam, "%s %s %s\n", control, module_path, word);
    fprintf(our, "%s says %s\n", control, word);
}

static FILE *file_open(const char *directory, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    return file;
}

static void write_file(const char *name, int includes_from)
{
    FILE *pam = file_open(pam_directory, name), *our = file_open(our_directory, name);
    int lines = rand() % (KINDS * LINES_MAX);
    fprintf(our, "use required says success\n");
    for (int i = 0; i < lines; i++)
        write_line(pam, our, includes_from);
    ck_assert_int_eq(fclose(pam) + fclose(our), 0);
}

static void write_batch(void)
{
    char name[16];
    for (int i = 0; i < INCLUDES; i++) {
        include_name(i, name);
        write_file(name, i + 1);
    }
    for (int i = 0; i < SERVICES; i++) {
        service_name(i, name);
        write_file(name, rand() % 3 ? 0 : INCLUDES);
    }
}

static int converse(int count, const struct pam_message **messages, struct pam_response **responses,
                    void *context)
{
    (void)count, (void)messages, (void)responses, (void)context;
    return PAM_CONV_ERR;
}

static void ask_pam(const char *service, bool allowed[static KINDS])
{
    static const struct pam_conv conversation = {converse, NULL};
    pam_handle_t *pam = NULL;
    ck_assert_int_eq(pam_start_confdir(service, "nobody", &conversation, pam_directory, &pam), PAM_SUCCESS);
    int results[KINDS] = {pam_authenticate(pam, PAM_SILENT), pam_acct_mgmt(pam, PAM_SILENT),
                          pam_open_session(pam, PAM_SILENT)};
    for (int i = 0; i < KINDS; i++) {
        /* Anything else would be libpam failing to run the stack, which must not pass for a refusal. */
        ck_assert_msg(results[i] == PAM_SUCCESS || results[i] == PAM_PERM_DENIED, "libpam says: %s",
                      pam_strerror(pam, results[i]));
        allowed[i] = results[i] == PAM_SUCCESS;
    }
    pam_end(pam, PAM_SUCCESS);
}

static void print_stack(const struct policy *policy, const char *service, int kind, bool pam_says)
{
    const struct policy_stack *stack = &policy_find_file(policy, service)->stacks[our_types[kind]];
    fprintf(stderr, "libpam %s and we %s this stack:\n", pam_says ? "allows" : "denies",
            pam_says ? "deny" : "allow");
    for (size_t i = 0; i < stack->count; i++)
        fprintf(stderr, "  %-10s says %-8s # %s:%u\n", policy_control_names[stack->lines[i]->control],
                stack->lines[i]->arguments, stack->lines[i]->file->label, stack->lines[i]->number);
}

struct tally { unsigned stacks, allowed, differ, spliced; };

static void compare_service(const struct policy *policy, const char *service, struct tally *tally)
{
    bool pam_allows[KINDS];
    ask_pam(service, pam_allows);
    for (int kind = 0; kind < KINDS; kind++) {
        struct asked a;
        ask(&a, our_types[kind]);
        a.question.service = service;
        bool allowed = decide(policy, &a).allowed;
        const struct policy_file *file = policy_find_file(policy, service);
        const struct policy_stack *stack = &file->stacks[our_types[kind]];
        bool spliced = false;
        for (size_t i = 0; i < stack->count; i++)
            spliced |= stack->lines[i]->file != file;
        tally->stacks++;
        tally->allowed += allowed;
        tally->spliced += spliced;
        tally->differ += allowed != pam_allows[kind];
        if (allowed != pam_allows[kind] &&
            tally->differ <= 5) /* a few show it; a broken engine differs in thousands */
            print_stack(policy, service, kind, pam_allows[kind]);
    }
}

static void files_remove(void)
{
    char path[256], name[16];
    for (int i = 0; i < INCLUDES + SERVICES; i++) {
        if (i < INCLUDES)
            include_name(i, name);
        else
            service_name(i - INCLUDES, name);
        snprintf(path, sizeof path, "%s/%s", pam_directory, name);
        unlink(path);
        snprintf(path, sizeof path, "%s/%s", our_directory, name);
        unlink(path);
    }
}

static void run_batch(struct tally *tally)
{
    struct policy *policy = NULL;
    struct failure failure = {.reason = ""};
    write_batch();
    ck_assert_msg(policy_load_with_modules(our_directory, &table, NULL, NULL, &policy, &failure) == 0, "%s",
                  failure.reason);
    for (int i = 0; i < SERVICES; i++) {
        char name[16];
        service_name(i, name);
        compare_service(policy, name, tally);
    }
    policy_free(policy);
    files_remove();
}

START_TEST(test_we_decide_as_libpam_decides)
{
    struct tally tally = {0};
    const char *seed = getenv("POLICY_PAM_SEED");
    srand(seed ? (unsigned)strtoul(seed, NULL, 10) : 4);
    /* libpam tells the kernel's audit of each call; only from root it takes a refusal of that (as in a container)
     * for its own failure. So ask as somebody else, with root's rights. 61234 is nobody's number. */
    if (getuid() == 0)
        (void)!setresuid(61234, 0, 0);
    umask(022);
    find_module();
    directories_make();
    for (int i = 0; i < BATCHES; i++)
        run_batch(&tally);
    rmdir(pam_directory);
    rmdir(our_directory);
    rmdir(top);
    ck_assert_uint_eq(tally.differ, 0);
    ck_assert_uint_eq(tally.stacks, BATCHES * SERVICES * KINDS);
    /* The generator makes a fair mix. */
    ck_assert_uint_gt(tally.allowed, tally.stacks / 10);
    ck_assert_uint_lt(tally.allowed, tally.stacks * 9 / 10);
    ck_assert_uint_gt(tally.spliced, tally.stacks / 4);
}
END_TEST

UNIT_MAIN("policy_pam", test_we_decide_as_libpam_decides)
