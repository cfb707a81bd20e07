/*
 * test_config.c - mtlsd.conf: defaults, each key, and each refusal with its line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/config.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/term.h"
#include "unit.h"

static struct failure failure;

static struct config *read_bytes(const char *text, size_t length)
{
    struct config *config = NULL;
    FILE *stream = length ? fmemopen((void *)text, length, "r") : fopen("/dev/null", "re");
    ck_assert_ptr_nonnull(stream);
    memset(&failure, 0, sizeof failure);
    int result = config_read(stream, "mtlsd.conf", &config, &failure);
    fclose(stream);
    ck_assert_int_eq(result, config ? 0 : -1);
    return config;
}

static struct config *read_text(const char *text)
{
    struct config *config = read_bytes(text, strlen(text));
    ck_assert_msg(config != NULL, "%s: %s", text, failure.reason);
    return config;
}

static void expect_refused(const char *text, const char *begins, const char *says)
{
    ck_assert_msg(read_bytes(text, strlen(text)) == NULL, "accepted: %s", text);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_msg(!strncmp(failure.reason, begins, strlen(begins)), "%s: expected to begin with %s", failure.reason, begins);
    ck_assert_msg(strstr(failure.reason, says) != NULL, "%s: expected to say %s", failure.reason, says);
}

START_TEST(an_empty_file_gives_the_defaults)
{
    struct config *config = read_text("");
    ck_assert_ptr_null(config->agent.state);
    ck_assert_str_eq(config->agent.socket, "/run/mtlsd/agent.sock");
    ck_assert_uint_eq(config->agent.socket_mode, 0666);
    ck_assert_ptr_null(config->agent.policy);
    ck_assert_str_eq(config->agent.epoch, "/run/mtlsd/epoch");
    ck_assert_ptr_null(config->agent.crl);
    ck_assert_int_eq(config->agent.crl_life, 7 * 86400);
    ck_assert_int_eq(config->agent.crl_interval, 5);
    ck_assert_int_eq(config->agent.frame_max, 262144);
    ck_assert_int_eq(config->agent.connections, 4096);
    ck_assert_int_eq(config->agent.connections_per_uid, 1024);
    ck_assert_int_eq(config->agent.idle_timeout, 300);
    ck_assert_int_eq(config->agent.slow_timeout, 10);
    ck_assert_int_eq(config->agent.cacheable, 60);
    ck_assert_int_eq(config->agent.queue, 4096);
    ck_assert_ptr_null(config->keeper.state);
    ck_assert_str_eq(config->keeper.unlock, "/run/mtlsd/keeper-unlock.sock");
    ck_assert_str_eq(config->gateway.agent, "/run/mtlsd/agent.sock");
    ck_assert_uint_eq(config->service_count + config->anchors_count + config->listener_count, 0);
    config_free(config);
}
END_TEST

START_TEST(the_built_in_profiles_are_there)
{
    struct config *config = read_text("");
    static const struct { const char *name, *eku; int64_t life; } expected[] = {
        {"client", "clientAuth", 90}, {"person", "clientAuth", 365}, {"server", "serverAuth", 90}};
    ck_assert_uint_eq(config->profile_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct config_profile *profile = config_profile_find(config, expected[i].name);
        ck_assert_ptr_nonnull(profile);
        ck_assert_str_eq(profile->eku, expected[i].eku);
        ck_assert_int_eq(profile->life, expected[i].life * 86400);
        ck_assert_int_eq(profile->max_life, 0);
        ck_assert_str_eq(profile->keep, "no");
        ck_assert_int_eq(profile->key_type.kind, KEY_EC_P256);
        ck_assert_ptr_null(profile->san);
    }
    ck_assert_ptr_null(config_profile_find(config, "phone"));
    config_free(config);
}
END_TEST

START_TEST(a_profile_overrides_only_what_it_names)
{
    struct config *config = read_text("[profile person]\nmax-life=400d\n[profile phone]\nlife=30d\nkey-type=rsa:2048\n"
                                      "san=email:%n@example.com\nkeep=7d\neku=clientAuth , 1.3.6.1.5.5.7.3.4,emailProtection\n");
    const struct config_profile *person = config_profile_find(config, "person");
    ck_assert_int_eq(person->life, 365 * 86400);
    ck_assert_int_eq(person->max_life, 400 * 86400);
    const struct config_profile *phone = config_profile_find(config, "phone");
    ck_assert_uint_eq(config->profile_count, 4);
    ck_assert_int_eq(phone->life, 30 * 86400);
    ck_assert_int_eq(phone->key_type.kind, KEY_RSA);
    ck_assert_int_eq(phone->key_type.bits, 2048);
    ck_assert_str_eq(phone->san, "email:%n@example.com");
    ck_assert_str_eq(phone->keep, "7d");
    ck_assert_str_eq(phone->eku, "clientAuth,1.3.6.1.5.5.7.3.4,emailProtection");
    config_free(config);
}
END_TEST

START_TEST(every_section_is_read)
{
    struct config *config = read_text(
        "# a comment\n; another\n\n  \t\n"
        "[agent]\nstate = /var/lib/mtlsd\nsocket=/run/x/agent.sock\nsocket-mode=660\nsocket-group=mtls\npolicy=/etc/mtlsd/policy.d\n"
        "crl-hook=nginx -s reload\ncrl=/var/lib/mtlsd/ca.crl\nuser=mtlsd\ncrl-life=2d\n"
        "[keeper]\nsecret-file=/etc/mtlsd/secret\nuser=996\n"
        "[gateway]\nsocket=/run/g/g.sock\nlisten=127.0.0.1:8443\nnginx-user=www-data\ncertificate-header=X-SSL-Client-Cert\n"
        "public-url=https://pki.example.com/\n"
        "[service intranet]\nbridge=yes\nreport-only=off\n[service default]\n"
        "[anchors partner]\nfile=/etc/mtlsd/partner.pem\nstrict=TRUE\nnames=1\n"
        "[listener proxy-1]\nlisten=[::1]:9000\n");
    ck_assert_str_eq(config->agent.state, "/var/lib/mtlsd");
    ck_assert_str_eq(config->keeper.state, "/var/lib/mtlsd/keeper");
    ck_assert_str_eq(config->agent.epoch, "/run/x/epoch");
    ck_assert_str_eq(config->keeper.unlock, "/run/x/keeper-unlock.sock");
    ck_assert_uint_eq(config->agent.socket_mode, 0660);
    ck_assert_str_eq(config->agent.crl_hook, "nginx -s reload");
    ck_assert_str_eq(config->keeper.user, "996");
    ck_assert_str_eq(config->gateway.listen, "127.0.0.1:8443");
    ck_assert_str_eq(config->gateway.public_url, "https://pki.example.com/");
    ck_assert_uint_eq(config->service_count, 2);
    ck_assert_str_eq(config->services[0].name, "intranet");
    ck_assert(config->services[0].bridge && !config->services[0].report_only);
    ck_assert_str_eq(config->services[1].name, "default");
    ck_assert(config->anchors[0].strict && config->anchors[0].names);
    ck_assert_str_eq(config->listeners[0].listen, "[::1]:9000");
    config_free(config);
}
END_TEST

START_TEST(a_section_may_be_taken_up_again_but_no_key_set_twice)
{
    struct config *config = read_text("[agent]\nstate=/s\n[keeper]\nuser=k\n[agent]\nsocket=/a\n[profile x]\nlife=1d\n[profile x]\nkeep=once");
    ck_assert_str_eq(config->agent.state, "/s");
    ck_assert_str_eq(config->agent.socket, "/a");
    ck_assert_uint_eq(config->profile_count, 4);
    config_free(config);
    expect_refused("[agent]\nstate=/s\n[keeper]\n[agent]\nstate=/s\n", "mtlsd.conf:5: ", "set in line 2");
    expect_refused("[profile client]\nlife=1d\nlife=2d\n", "mtlsd.conf:3: ", "set in line 2");
}
END_TEST

START_TEST(a_wrong_word_is_named_with_the_nearest_right_one)
{
    expect_refused("[agent]\n\n# socket\nsokcet=/x\n", "mtlsd.conf:4: ", "did you mean socket=?");
    expect_refused("[agnet]\n", "mtlsd.conf:1: ", "did you mean [agent]?");
    expect_refused("\n[profiles client]\n", "mtlsd.conf:2: ", "did you mean [profile]?");
    expect_refused("[banana]\n", "mtlsd.conf:1: ", "expected agent, keeper, gateway, profile NAME");
    expect_refused("[agent]\nbanana=1\n", "mtlsd.conf:2: ", "[agent] has no key banana=; see mtlsd.conf(5)");
    expect_refused("[agent]\nsecret-file=/x\n", "mtlsd.conf:2: ", "does not belong in [agent] but in [keeper]");
    expect_refused("[agent]\nlife=1d\n", "mtlsd.conf:2: ", "does not belong in [agent] but in [profile NAME]");
    expect_refused("[profile x]\neku=clientauth\n", "mtlsd.conf:2: ", "did you mean clientAuth?");
    ck_assert_str_eq(failure.field, "eku");
}
END_TEST

START_TEST(sections_have_the_form_that_is_expected)
{
    expect_refused("state=/s\n", "mtlsd.conf:1: ", "before the first section");
    expect_refused("[agent\n", "mtlsd.conf:1: ", "expected a section");
    expect_refused("[agent] ; main\n", "mtlsd.conf:1: ", "alone on its line");
    expect_refused("[]\n", "mtlsd.conf:1: ", "expected a section");
    expect_refused("[[agent]]\n", "mtlsd.conf:1: ", "expected a section");
    expect_refused("[agent x]\n", "mtlsd.conf:1: ", "has no name");
    expect_refused("[profile]\n", "mtlsd.conf:1: ", "expected [profile NAME]");
    expect_refused("[profile ]\n", "mtlsd.conf:1: ", "expected [profile NAME]");
    expect_refused("[profile a b]\n", "mtlsd.conf:1: ", "expected [profile NAME]");
    expect_refused("[service ../etc]\n", "mtlsd.conf:1: ", "expected [service NAME]");
    expect_refused("[service .hidden]\n", "mtlsd.conf:1: ", "expected [service NAME]");
    expect_refused("[service aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n", "mtlsd.conf:1: ", "longer than 49");
}
END_TEST

START_TEST(nothing_is_cut_or_joined_silently)
{
    expect_refused("[agent]\nstate=/s ; here\n", "mtlsd.conf:2: ", "a comment stands on a line of its own");
    expect_refused("[agent]\nstate=/s # here\n", "mtlsd.conf:2: ", "a comment stands on a line of its own");
    expect_refused("[agent]\nstate=#\n", "mtlsd.conf:2: ", "a comment stands on a line of its own");
    expect_refused("[agent]\nstate=/s\n  /t\n", "mtlsd.conf:3: ", "no continuation lines");
    expect_refused("[agent]\nstate=/s\\\n", "mtlsd.conf:2: ", "cannot go on");
    expect_refused("[agent]\n state=/s\n", "mtlsd.conf:2: ", "begins with a blank");
    expect_refused("[agent]\nstate: /s\n", "mtlsd.conf:2: ", "expected key=value");
    expect_refused("[agent]\nstate\n", "mtlsd.conf:2: ", "expected key=value");
    expect_refused("[agent]\nState=/s\n", "mtlsd.conf:2: ", "expected key=value");
    expect_refused("[agent]\n=/s\n", "mtlsd.conf:2: ", "expected key=value");
    expect_refused("[agent]\nstate=\n", "mtlsd.conf:2: ", "state= has no value");
    expect_refused("[agent]\nstate=  \t\n", "mtlsd.conf:2: ", "state= has no value");
    expect_refused("[agent]\nstate=\"/s\"\n", "mtlsd.conf:2: ", "quotes");
    expect_refused("[agent]\r\nstate=/s\r\n", "mtlsd.conf:1: ", "Unix line ends");
    expect_refused("[agent]\nstate=/s\x1b[2J\n", "mtlsd.conf:2: ", "control character");
    expect_refused("\xef\xbb\xbf[agent]\n", "mtlsd.conf:1: ", "byte order mark");
    expect_refused("[agent]\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1\n", "mtlsd.conf:2: ", "longer than 49");
    ck_assert_ptr_null(read_bytes("[agent]\nstate=/a\0b\n", 19));
    ck_assert_ptr_nonnull(strstr(failure.reason, "mtlsd.conf:2: a control character (byte 0)"));
}
END_TEST

START_TEST(marks_of_a_comment_inside_a_word_are_part_of_it)
{
    struct config *config = read_text("[agent]\nstate=/srv/a#b;c=d:e\n");
    ck_assert_str_eq(config->agent.state, "/srv/a#b;c=d:e");
    config_free(config);
}
END_TEST

START_TEST(a_line_of_190_bytes_is_whole_and_a_longer_one_is_refused)
{
    char text[400] = "[agent]\ncrl=";
    size_t start = strlen(text);
    memset(text + start, 'p', 190 - 4);
    struct config *config = read_text(text);
    ck_assert_uint_eq(strlen(config->agent.crl), 186);
    config_free(config);
    text[start + 186] = 'p';
    expect_refused(text, "mtlsd.conf:2: ", "longer than 190 bytes");
    memset(text, '#', 191);
    text[191] = '\0';
    expect_refused(text, "mtlsd.conf:1: ", "longer than 190 bytes");
}
END_TEST

START_TEST(each_kind_of_value_is_checked)
{
    static const struct { const char *section, *line, *says; } bad[] = {
        {"agent", "socket-mode=0999", "octal"}, {"agent", "socket-mode=66", "octal"}, {"agent", "socket-mode=4666", "octal"},
        {"agent", "socket-mode=rw", "octal"},
        {"agent", "crl-life=7", "from 1m to 366d"}, {"agent", "crl-life=59s", "from 1m to 366d"}, {"agent", "crl-life=367d", "from 1m"},
        {"agent", "crl-life=-1d", "from 1m"}, {"agent", "crl-interval=0s", "from 1s"},
        {"agent", "frame-max=1", "a number from 16384 to 16777216"}, {"agent", "frame-max=256K", "a number from"},
        {"agent", "connections=0", "a number from 1 "}, {"agent", "connections=-1", "a number from 1 "},
        {"agent", "queue=99999999999999999999999", "a number from 1 "}, {"agent", "queue=0x10", "a number from 1 "},
        {"agent", "user=two words", "a name or a number"}, {"agent", "user=-x", "a name or a number"},
        {"agent", "user=4294967295", "a name or a number"}, {"agent", "user=99999999999", "a name or a number"},
        {"agent", "socket=/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "at most 107 bytes"},
        {"gateway", "listen=0.0.0.0:80", "loopback"}, {"gateway", "listen=127.0.0.1", "loopback"}, {"gateway", "listen=127.0.0.1:0", "loopback"},
        {"gateway", "listen=127.0.0.1:65536", "loopback"}, {"gateway", "listen=::1:80", "loopback"}, {"gateway", "listen=[::2]:80", "loopback"},
        {"gateway", "listen=[::1]:", "loopback"}, {"gateway", "listen=localhost:80", "loopback"}, {"gateway", "listen=:80", "loopback"},
        {"gateway", "listen=[]:80", "loopback"}, {"gateway", "listen=]:80", "loopback"}, {"gateway", "listen=127.0.0.1:80x", "loopback"},
        {"gateway", "certificate-header=X Header", "header"}, {"gateway", "certificate-header=X_Header", "header"},
        {"gateway", "public-url=pki.example.com", "https://"}, {"gateway", "public-url=https://", "https://"},
        {"profile x", "eku=anyExtendedKeyUsage", "clientAuth"}, {"profile x", "eku=2.5.29.37.0", "clientAuth"},
        {"profile x", "eku=clientAuth,", "clientAuth"}, {"profile x", "eku=clientAuth serverAuth", "commas"},
        {"profile x", "eku=1..2", "dotted"}, {"profile x", "eku=1.2.", "dotted"}, {"profile x", "eku=3.1", "dotted"},
        {"profile x", "eku=1.1,1.2,1.3,1.4,1.5,1.6,1.7,1.8,1.9", "at most 8"},
        {"profile x", "life=0", "from 1m"}, {"profile x", "max-life=1s", "or 0"}, {"profile x", "keep=maybe", "once"},
        {"profile x", "san=%n", "DNS:"}, {"profile x", "san=DNS:", "DNS:"}, {"profile x", "san=DNS:%u", "%n"},
        {"profile x", "san=DNS:%n%", "%n"}, {"profile x", "key-type=dsa", "ec:P-256"}, {"profile x", "key-type=rsa:1024", "ec:P-256"},
        {"service x", "bridge=maybe", "yes or no"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[400];
        snprintf(text, sizeof text, "[%s]\n%s\n", bad[i].section, bad[i].line);
        expect_refused(text, "mtlsd.conf:2: ", bad[i].says);
        ck_assert_msg(!strncmp(failure.field, bad[i].line, strlen(failure.field)) && failure.field[0], "field %s", failure.field);
    }
}
END_TEST

START_TEST(what_only_the_whole_file_tells_is_checked_at_its_end)
{
    expect_refused("[profile x]\nlife=90d\nmax-life=30d\n", "mtlsd.conf:3: ", "longer than its max-life=");
    expect_refused("[profile client]\nmax-life=30d\n", "mtlsd.conf:2: ", "longer than its max-life=");
    expect_refused("\n[anchors partner]\n", "mtlsd.conf:2: ", "[anchors partner] has no file=");
    expect_refused("[listener x]\nnginx-user=a\n", "mtlsd.conf:1: ", "one of socket= and listen=");
    expect_refused("[listener x]\nsocket=/s\nlisten=127.0.0.1:1\n", "mtlsd.conf:2: ", "one of socket= and listen=");
    expect_refused("[agent]\nsocket=/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/a\n",
                   "mtlsd.conf:2: ", "set unlock= in [keeper]");
}
END_TEST

START_TEST(the_number_of_sections_is_bounded)
{
    char text[4096] = "";
    for (int i = 0; i <= CONFIG_NAMED_MAX; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "[service s%d]\n", i);
    expect_refused(text, "mtlsd.conf:65: ", "more than 64 sections");
}
END_TEST

START_TEST(every_key_is_documented_and_its_default_is_accepted)
{
    ck_assert_uint_ge(config_key_count, 48);
    ck_assert_ptr_null(config_key_at(config_key_count));
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = config_key_at(i);
        ck_assert(key->section[0] && key->name[0] && key->form[0] && key->fallback[0] && key->meaning[0]);
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(strcmp(config_key_at(j)->section, key->section) != 0 || strcmp(config_key_at(j)->name, key->name) != 0,
                          "%s twice", key->name);
        if (!strncmp(key->fallback, "none", 4) || strchr(key->fallback, ' '))
            continue;
        bool named = !strcmp(key->section, "profile") || !strcmp(key->section, "service") || !strcmp(key->section, "anchors") ||
                     !strcmp(key->section, "listener");
        char text[300];
        snprintf(text, sizeof text, "[%s%s]\n%s=%s\n%s", key->section, named ? " x" : "", key->name, key->fallback,
                 !strcmp(key->section, "anchors") ? "file=/f\n" : "");
        config_free(read_text(text));
    }
}
END_TEST

START_TEST(a_file_is_loaded_unless_it_is_none_or_anybody_may_write_it)
{
    char path[] = "/tmp/test-config-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "[agent]\nstate=/s\nx=1\n", 17), 17);
    struct config *config = NULL;
    ck_assert_msg(config_load(path, &config, &failure) == 0, "%s", failure.reason);
    ck_assert_str_eq(config->agent.state, "/s");
    config_free(config);
    config = NULL;
    ck_assert_int_eq(fchmod(fd, 0646), 0);
    ck_assert_int_eq(config_load(path, &config, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "chmod o-w"));
    close(fd);
    unlink(path);
    ck_assert_int_eq(config_load(path, &config, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "No such file"));
    ck_assert_int_eq(config_load("/tmp", &config, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "is not a file"));
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(config_load(path, &config, &failure), -1);
    unlink(path);
    ck_assert_ptr_null(config);
}
END_TEST

UNIT_MAIN("config", an_empty_file_gives_the_defaults, the_built_in_profiles_are_there, a_profile_overrides_only_what_it_names,
          every_section_is_read, a_section_may_be_taken_up_again_but_no_key_set_twice, a_wrong_word_is_named_with_the_nearest_right_one,
          sections_have_the_form_that_is_expected, nothing_is_cut_or_joined_silently, marks_of_a_comment_inside_a_word_are_part_of_it,
          a_line_of_190_bytes_is_whole_and_a_longer_one_is_refused, each_kind_of_value_is_checked,
          what_only_the_whole_file_tells_is_checked_at_its_end, the_number_of_sections_is_bounded,
          every_key_is_documented_and_its_default_is_accepted, a_file_is_loaded_unless_it_is_none_or_anybody_may_write_it)
