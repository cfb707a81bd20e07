/*
 * config.c - mtlsd.conf as one struct: sections found or made, keys set, defaults filled in, all or nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/config_table.h"
#include "proto/nearest.h"

enum { SEEN_MAX = 4096 };

/* Which key was set where: for repeated keys, and for errors that are found only at the end. */
struct seen {
    const struct config_row *row; /* NULL: the section's own line */
    const void *at;
    int line;
};

struct load {
    struct config *config;
    const char *file;
    struct failure *failure;
    enum config_section section;
    void *at; /* the struct of the current section; NULL before the first */
    size_t seen_count;
    struct seen seen[SEEN_MAX];
};

static int refuse(const struct load *load, const char *field, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int refuse(const struct load *load, const char *field, int line, const char *format, ...)
{
    char sentence[FAILURE_REASON_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return failure_set(load->failure, FAILURE_BAD_REQUEST, field, "%s:%d: %s", load->file, line, sentence);
}

static int remember(struct load *load, int line, const char *name, const struct config_row *row)
{
    if (load->seen_count == SEEN_MAX)
        return refuse(load, name, line, "more than %d sections and keys", SEEN_MAX);
    load->seen[load->seen_count++] = (struct seen){row, load->at, line};
    return 0;
}

static const struct seen *find_seen(const struct load *load, const void *at, const char *name)
{
    for (size_t i = 0; i < load->seen_count; i++)
        if (load->seen[i].at == at && load->seen[i].row && !strcmp(load->seen[i].row->shown.name, name))
            return &load->seen[i];
    return NULL;
}

/* Where a key was set, else where its section begins. */
static int line_of(const struct load *load, const void *at, const char *name)
{
    const struct seen *seen = find_seen(load, at, name);
    for (size_t i = 0; !seen && i < load->seen_count; i++)
        if (load->seen[i].at == at)
            seen = &load->seen[i];
    return seen ? seen->line : 0;
}

/* --- sections --- */

/* Every struct of a named section begins with `char *name`. */
static char **name_of(void *section)
{
    return section;
}
_Static_assert(offsetof(struct config_profile, name) == 0 && offsetof(struct config_anchors, name) == 0 &&
                   offsetof(struct config_service, name) == 0 && offsetof(struct config_listener, name) == 0,
               "named sections begin with their name");

static int set_initial(const struct load *load, enum config_section section, void *at)
{
    char why[CONFIG_WHY_SIZE];
    for (size_t i = 0; i < config_key_count; i++)
        if (config_rows[i].section == section && config_rows[i].initial &&
            config_set(&config_rows[i], at, config_rows[i].initial, why))
            return failure_set(load->failure, FAILURE_INTERNAL, config_rows[i].shown.name,
                               "default of %s: expected %s", config_rows[i].shown.name, why);
    return 0;
}

static size_t *count_of(struct config *config, const struct config_section_info *info)
{
    return (size_t *)((char *)config + info->count);
}

static void *item_of(struct config *config, const struct config_section_info *info, size_t index)
{
    return (char *)config + info->array + index * info->size;
}

/* The struct of [kind NAME], made with its defaults where it is new; NULL with *failure. */
static void *find_or_add(const struct load *load, int line, enum config_section section, const char *name)
{
    const struct config_section_info *info = &config_sections[section];
    size_t *count = count_of(load->config, info);
    for (size_t i = 0; i < *count; i++)
        if (!strcmp(*name_of(item_of(load->config, info, i)), name))
            return item_of(load->config, info, i);
    if (*count == CONFIG_NAMED_MAX) {
        refuse(load, info->name, line, "more than %d sections [%s NAME]", CONFIG_NAMED_MAX, info->name);
        return NULL;
    }
    void *at = item_of(load->config, info, *count);
    *name_of(at) = strdup(name);
    if (!*name_of(at)) {
        failure_set(load->failure, FAILURE_INTERNAL, NULL, "out of memory");
        return NULL;
    }
    ++*count;
    return set_initial(load, section, at) ? NULL : at;
}

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* A service's name is also that of its policy file, so no slash and no leading dot. */
static bool good_name(const char *name)
{
    return name[0] && strchr(ALNUM, name[0]) && !name[strspn(name, ALNUM "._-")];
}

static int refuse_section(const struct load *load, int line, const char *kind)
{
    const char *names[CONFIG_SECTIONS];
    for (size_t i = 0; i < CONFIG_SECTIONS; i++)
        names[i] = config_sections[i].name;
    const char *near = nearest_word(kind, names, CONFIG_SECTIONS);
    if (near)
        return refuse(load, kind, line, "there is no section [%s]; did you mean [%s]?", kind, near);
    return refuse(
        load, kind, line,
        "there is no section [%s]; expected agent, keeper, gateway, profile NAME, anchors NAME, service NAME or "
        "listener NAME",
        kind);
}

static int on_section(void *user, int line, const char *text)
{
    struct load *load = user;
    char kind[CONFIG_WORD_MAX + 1];
    size_t length = strcspn(text, " ");
    memcpy(kind, text, length);
    kind[length] = '\0';
    const char *name = text[length] ? text + length + 1 : "";
    size_t section = 0;
    while (section < CONFIG_SECTIONS && strcmp(config_sections[section].name, kind) != 0)
        section++;
    if (section == CONFIG_SECTIONS)
        return refuse_section(load, line, kind);
    const struct config_section_info *info = &config_sections[section];
    if (info->named && !good_name(name))
        return refuse(
            load, kind, line,
            "expected [%s NAME], the name of letters, digits and . _ -, beginning with a letter or digit",
            kind);
    if (!info->named && text[length])
        return refuse(load, kind, line, "[%s] has no name; expected [%s]", kind, kind);
    load->section = (enum config_section)section;
    load->at = info->named ? find_or_add(load, line, load->section, name) : (char *)load->config + info->single;
    return load->at ? remember(load, line, kind, NULL) : -1;
}

/* --- keys --- */

static int refuse_key(const struct load *load, int line, const char *name)
{
    const char *here = config_sections[load->section].name;
    const char *names[128];
    size_t count = 0;
    for (size_t i = 0; i < config_key_count && count < sizeof names / sizeof names[0]; i++)
        if (config_rows[i].section == load->section)
            names[count++] = config_rows[i].shown.name;
    for (size_t i = 0; i < config_key_count; i++)
        if (!strcmp(config_rows[i].shown.name, name))
            return refuse(load, name, line, "%s= does not belong in [%s] but in [%s%s]", name, here,
                          config_rows[i].shown.section,
                          config_sections[config_rows[i].section].named ? " NAME" : "");
    const char *near = nearest_word(name, names, count);
    return refuse(load, name, line, "[%s] has no key %s=%s%s%s", here, name, near ? "; did you mean " : "",
                  near ? near : "", near ? "=?" : "; see mtlsd.conf(5)");
}

static int on_value(void *user, int line, const char *name, const char *value)
{
    struct load *load = user;
    if (!load->at)
        return refuse(load, name, line, "%s= stands before the first section; expected [agent] or another",
                      name);
    const struct config_row *row = NULL;
    for (size_t i = 0; !row && i < config_key_count; i++)
        if (config_rows[i].section == load->section && !strcmp(config_rows[i].shown.name, name))
            row = &config_rows[i];
    if (!row)
        return refuse_key(load, line, name);
    const struct seen *before = find_seen(load, load->at, name);
    if (before)
        return refuse(load, name, line, "%s= is repeated; it was set in line %d", name, before->line);
    char why[CONFIG_WHY_SIZE];
    if (config_set(row, load->at, value, why))
        return refuse(load, name, line, "%s=%s: expected %s", name, value, why);
    return remember(load, line, name, row);
}

/* --- the whole --- */

static int start(const struct load *load)
{
    static const struct {
        const char *name, *eku;
        int64_t life;
    } profiles[] = {
        {"client", "clientAuth", 90 * 86400},
        {"person", "clientAuth", 365 * 86400}, /* for devices that nobody renews by machine */
        {"server", "serverAuth", 90 * 86400},
    };
    for (size_t i = 0; i < CONFIG_SECTIONS; i++)
        if (!config_sections[i].named &&
            set_initial(load, (enum config_section)i, (char *)load->config + config_sections[i].single))
            return -1;
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        struct config_profile *profile = find_or_add(load, 0, CONFIG_PROFILE, profiles[i].name);
        if (!profile)
            return -1;
        free(profile->eku);
        profile->eku = strdup(profiles[i].eku);
        profile->life = profiles[i].life;
        if (!profile->eku)
            return failure_set(load->failure, FAILURE_INTERNAL, NULL, "out of memory");
    }
    return 0;
}

/* `leaf` in the directory of `path`, into *out where that is not set yet. */
static int beside(const char *path, const char *leaf, char **out)
{
    const char *slash = strrchr(path, '/');
    if (*out)
        return 0;
    return asprintf(out, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path, leaf) < 0 ? (*out = NULL, -1) : 0;
}

/* Defaults that follow from other keys. */
static int derive(const struct load *load)
{
    struct config *config = load->config;
    int result = beside(config->agent.socket, "epoch", &config->agent.epoch);
    if (result == 0)
        result = beside(config->agent.socket, "keeper-unlock.sock", &config->keeper.unlock);
    if (result == 0 && config->agent.state && !config->keeper.state &&
        asprintf(&config->keeper.state, "%s/keeper", config->agent.state) < 0) {
        config->keeper.state = NULL;
        result = -1;
    }
    if (result)
        return failure_set(load->failure, FAILURE_INTERNAL, NULL, "out of memory");
    if (strlen(config->keeper.unlock) > CONFIG_SOCKET_MAX)
        return refuse(load, "socket", line_of(load, &config->agent, "socket"),
                      "socket= lies so deep that there is no room for keeper-unlock.sock beside it; set unlock= "
                      "in [keeper]");
    return 0;
}

/* What only the whole file can tell. */
static int check_whole(const struct load *load)
{
    const struct config *config = load->config;
    for (size_t i = 0; i < config->profile_count; i++) {
        const struct config_profile *profile = &config->profiles[i];
        if (profile->max_life > 0 && profile->life > profile->max_life)
            return refuse(load, "life", line_of(load, profile, "max-life"),
                          "[profile %s] has a life= longer than its max-life=; set both", profile->name);
    }
    for (size_t i = 0; i < config->anchors_count; i++)
        if (!config->anchors[i].file)
            return refuse(load, "file", line_of(load, &config->anchors[i], "file"),
                          "[anchors %s] has no file=", config->anchors[i].name);
    for (size_t i = 0; i < config->listener_count; i++)
        if (!config->listeners[i].socket == !config->listeners[i].listen)
            return refuse(load, "socket", line_of(load, &config->listeners[i], "socket"),
                          "[listener %s] needs one of socket= and listen=", config->listeners[i].name);
    return 0;
}

int config_read(FILE *stream, const char *name, struct config **out, struct failure *failure)
{
    struct load *load = calloc(1, sizeof *load);
    struct config *config = calloc(1, sizeof *config);
    int result = -1;
    if (!load || !config) {
        failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    } else {
        load->config = config;
        load->file = name;
        load->failure = failure;
        const struct config_events events = {on_section, on_value, load};
        result = start(load) || config_scan(stream, name, &events, failure) || derive(load) || check_whole(load)
                     ? -1
                     : 0;
    }
    free(load);
    if (result)
        config_free(config);
    else
        *out = config;
    return result;
}

int config_load(const char *path, struct config **out, struct failure *failure)
{
    /* Without O_NONBLOCK a FIFO would hang the start; for a file it means nothing. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status)) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return failure_set(failure, FAILURE_BAD_REQUEST, NULL, "%s: %s", path, strerror(error));
    }
    int result = 0;
    if (!S_ISREG(status.st_mode))
        result = failure_set(failure, FAILURE_BAD_REQUEST, NULL, "%s: is not a file", path);
    else if (status.st_mode & S_IWOTH) /* it names a command that the parent runs */
        result = failure_set(failure, FAILURE_BAD_REQUEST, NULL,
                             "%s: can be written by everybody; chmod o-w it", path);
    FILE *stream = result == 0 ? fdopen(fd, "re") : NULL;
    if (!stream) {
        if (result == 0)
            result = failure_set(failure, FAILURE_INTERNAL, NULL, "%s: %s", path, strerror(errno));
        close(fd);
        return result;
    }
    result = config_read(stream, path, out, failure);
    fclose(stream);
    return result;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t section = 0; section < CONFIG_SECTIONS; section++) {
        const struct config_section_info *info = &config_sections[section];
        if (!info->named) {
            config_clear((enum config_section)section, (char *)config + info->single);
            continue;
        }
        for (size_t i = 0; i < *count_of(config, info); i++) {
            config_clear((enum config_section)section, item_of(config, info, i));
            free(*name_of(item_of(config, info, i)));
        }
    }
    free(config);
}

const struct config_profile *config_profile_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->profile_count; i++)
        if (!strcmp(config->profiles[i].name, name))
            return &config->profiles[i];
    return NULL;
}
