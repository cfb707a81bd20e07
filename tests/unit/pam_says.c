/*
 * pam_says.c - a PAM module that returns what its argument says: success, failure or ignore. For test_policy_pam.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <security/pam_modules.h>
#include <string.h>

static int say(int argc, const char **argv)
{
    if (argc == 1 && !strcmp(argv[0], "success"))
        return PAM_SUCCESS;
    if (argc == 1 && !strcmp(argv[0], "ignore"))
        return PAM_IGNORE;
    return PAM_PERM_DENIED;
}

int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh, (void)flags;
    return say(argc, argv);
}

int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh, (void)flags;
    return say(argc, argv);
}

int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh, (void)flags;
    return say(argc, argv);
}

int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh, (void)flags;
    return say(argc, argv);
}

int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh, (void)flags;
    return say(argc, argv);
}
