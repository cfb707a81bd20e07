/*
 * peer.c - policy module `peer`: who is asking, as the kernel says.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   peer uid=0,1000   user=karen   gid=50   group=ops,security   unit=backup.service
 *
 * `user` and `group` take names, resolved once at load, or numbers. `gid` is the primary group; `group` the
 * primary or a supplementary one, as of connect(2). `unit` is the system unit; where the kernel has no
 * SO_PEERPIDFD it fits nothing.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/policy/arguments.h"
#include "proto/nearest.h"

enum { KEY_UID, KEY_USER, KEY_GID, KEY_GROUP, KEY_UNIT, KEYS };
static const char *const keys[KEYS] = {"uid", "user", "gid", "group", "unit"};

struct numbers { uint32_t items[ARGUMENT_VALUES_MAX]; size_t count; };
struct peer_state { struct numbers numbers[KEY_UNIT]; struct text_values units; };

static void state_free(void *data)
{
    struct peer_state *state = data;
    if (!state)
        return;
    text_values_clear(&state->units);
    free(state);
}

/* Known names of this host for "did you mean"; NSS sources beyond the file are not enumerated, which could take
 * minutes. */
enum { LOCAL_NAMES_MAX = 1000 };
static void suggest(bool group, const char *found, char *out, size_t size)
{
    char line[1024];
    FILE *file = fopen(group ? "/etc/group" : "/etc/passwd", "re");
    out[0] = '\0';
    for (int i = 0; file && i < LOCAL_NAMES_MAX && fgets(line, sizeof line, file); i++) {
        line[strcspn(line, ":\n")] = '\0';
        const char *both[2] = {out[0] ? out : NULL, line};
        const char *near = nearest_word(found, both, 2);
        if (near == line)
            snprintf(out, size, "%.60s", line);
    }
    if (file)
        fclose(file);
}

/* 0 found, 1 not known, -1 the look-up itself failed (errno). */
static int find_id(bool group, const char *name, uint32_t *out)
{
    size_t size = 64 * 1024; /* a group line holds every member */
    for (;; size *= 4) {
        char *buffer = malloc(size);
        if (!buffer)
            return -1;
        struct passwd user, *user_found = NULL;
        struct group entry, *entry_found = NULL;
        int error = group ? getgrnam_r(name, &entry, buffer, size, &entry_found)
                          : getpwnam_r(name, &user, buffer, size, &user_found);
        if (entry_found)
            *out = entry_found->gr_gid;
        if (user_found)
            *out = user_found->pw_uid;
        free(buffer);
        if (entry_found || user_found)
            return 0;
        if (error == ERANGE && size < (16u << 20))
            continue;
        /* getpwnam(3): these all mean "not there", depending on the system. */
        if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM)
            return 1;
        errno = error;
        return -1;
    }
}

static int resolve(size_t key, const char *value, uint32_t *out, struct failure *failure)
{
    bool group = key == KEY_GROUP;
    uint64_t number;
    if (argument_number(value, UINT32_MAX - 1, &number) ==
        0) { /* 4294967295 is "nobody" to the kernel: (uid_t)-1 */
        *out = (uint32_t)number;
        return 0;
    }
    if (key == KEY_UID || key == KEY_GID)
        return argument_refuse(failure, "found '%.60s', expected a number after %s= (names go with %s=)", value,
                               keys[key], key == KEY_UID ? "user" : "group");
    int result = find_id(group, value, out);
    if (result == 0)
        return 0;
    if (result < 0)
        return argument_refuse(failure, "cannot look up the %s '%.60s': %s", keys[key], value, strerror(errno));
    char near[64];
    suggest(group, value, near, sizeof near);
    return argument_refuse(
        failure, "found %s '%.60s', which this host does not know, expected an existing %s or its number%s%s%s",
        keys[key], value, keys[key], near[0] ? "; did you mean '" : "", near, near[0] ? "'?" : "");
}

/* systemd.unit(5): letters, digits, ":-_.\@" and a type. */
static int check_unit(const char *value, struct failure *failure)
{
    const char *dot = strrchr(value, '.');
    size_t length = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@");
    if (value[length] != '\0' || length >= PEER_UNIT_MAX || !dot || dot == value || dot[1] == '\0')
        return argument_refuse(
            failure, "found '%.60s', expected the full name of a unit, such as backup.service", value);
    return 0;
}

static int add_value(void *context, size_t key, const char *value, struct failure *failure)
{
    struct peer_state *state = context;
    if (key == KEY_UNIT)
        return check_unit(value, failure) < 0 ? -1 : text_values_add(&state->units, value, failure);
    struct numbers *numbers = &state->numbers[key];
    if (numbers->count == ARGUMENT_VALUES_MAX)
        return argument_refuse(failure, "more than %d values of %s=", ARGUMENT_VALUES_MAX, keys[key]);
    if (resolve(key, value, &numbers->items[numbers->count], failure) < 0)
        return -1;
    numbers->count++;
    return 0;
}

static bool numbers_have(const struct numbers *numbers, uint32_t id)
{
    for (size_t i = 0; i < numbers->count; i++)
        if (numbers->items[i] == id)
            return true;
    return false;
}

/* `uid=0 user=karen` reads as "root or karen", but several keys must all hold: nobody could ever be both. */
static int check_contradiction(const struct peer_state *state, struct failure *failure)
{
    const struct numbers *uid = &state->numbers[KEY_UID], *user = &state->numbers[KEY_USER];
    if (uid->count == 0 || user->count == 0)
        return 0;
    for (size_t i = 0; i < uid->count; i++)
        if (numbers_have(user, uid->items[i]))
            return 0;
    return argument_refuse(failure, "found uid= and user= that name different people, and several keys must "
                                    "all hold, so this "
                                    "line could fit nobody; put them into one key: user=0,karen");
}

static int parse(const struct module_argument *arguments, size_t count, void **out, size_t *at,
                 struct failure *failure)
{
    *at = count;
    if (count == 0)
        return argument_refuse(failure, "found no argument, expected at least one of uid=, user=, gid=, group= "
                                        "and unit= "
                                        "(for everybody: permit)");
    struct peer_state *state = calloc(1, sizeof *state);
    if (!state)
        return argument_no_memory(failure);
    int result = arguments_visit(arguments, count, keys, KEYS, add_value, state, at, failure);
    if (result == 0 && check_contradiction(state, failure) < 0) {
        *at = 0;
        result = -1;
    }
    if (result < 0) {
        state_free(state);
        return -1;
    }
    *out = state;
    return 0;
}

static bool in_group(const struct numbers *groups, const struct peer *peer)
{
    for (size_t i = 0; i < groups->count; i++)
        if (peer->gid == groups->items[i] || peer_in_group(peer, groups->items[i]))
            return true;
    return false;
}

/* The first key that does not hold; KEYS where all do. */
static size_t failing_key(const struct peer_state *state, const struct peer *peer)
{
    const struct numbers *numbers = state->numbers;
    if (numbers[KEY_UID].count && !numbers_have(&numbers[KEY_UID], peer->uid))
        return KEY_UID;
    if (numbers[KEY_USER].count && !numbers_have(&numbers[KEY_USER], peer->uid))
        return KEY_USER;
    if (numbers[KEY_GID].count && !numbers_have(&numbers[KEY_GID], peer->gid))
        return KEY_GID;
    if (numbers[KEY_GROUP].count && !in_group(&numbers[KEY_GROUP], peer))
        return KEY_GROUP;
    if (state->units.count && (peer->unit[0] == '\0' || !text_values_have(&state->units, peer->unit)))
        return KEY_UNIT;
    return KEYS;
}

static enum module_result judge(const void *data, const struct policy_question *question, char *detail,
                                size_t detail_size)
{
    const struct peer *peer = question->peer;
    if (!peer) {
        argument_tell(detail, detail_size, "the peer is unknown");
        return MODULE_FAILURE;
    }
    size_t key = failing_key(data, peer);
    if (key == KEYS)
        return MODULE_SUCCESS;
    if (key == KEY_UNIT && peer->unit[0] == '\0')
        argument_tell(detail, detail_size,
                      "the peer's unit is not known (no unit, or a kernel without SO_PEERPIDFD)");
    else if (key == KEY_UNIT)
        argument_tell(detail, detail_size, "the peer's unit is %.120s", peer->unit);
    else if (key == KEY_GROUP)
        argument_tell(detail, detail_size, "the peer, uid %u, is in no group that group= names", peer->uid);
    else
        argument_tell(detail, detail_size, "the peer is uid %u, gid %u, not one that %s= names", peer->uid,
                      peer->gid, keys[key]);
    return MODULE_FAILURE;
}

static bool wants_unit(const void *data)
{
    return ((const struct peer_state *)data)->units.count > 0;
}

const struct policy_module policy_module_peer = {
    .name = "peer",
    .types = POLICY_ANY_TYPE,
    .parse = parse,
    .free = state_free,
    .judge = judge,
    .wants_unit = wants_unit,
};
