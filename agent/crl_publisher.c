/*
 * crl_publisher.c - keeps the CRL built: number, entries in slices to keeper and file, signature, publication.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/crl_publisher.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/ca/crl_file.h"
#include "agent/log.h"

enum build_step { BUILD_IDLE, BUILD_NUMBERING, BUILD_HEAD, BUILD_ENTRIES, BUILD_SIGNING, BUILD_RECORDING };

struct crl_publisher {
    sd_event_source *timer;
    const struct config *config;
    struct keeper_link *link;
    struct store *store;
    const struct authority *authority;
    const struct crl_publisher_callbacks *callbacks;
    void *context;
    char *database, *path;
    struct crl_status status;
    /* the build under way */
    enum build_step step;
    uint64_t id;
    int64_t number, this_update, next_update, revision;
    struct store_crl *source;
    struct crl_file *file;
    struct change settings[5];
    bool hinted;               /* the missing crl-hook= has been mentioned */
};

static int64_t now_seconds(void)
{
    return (int64_t)time(NULL);
}

static void build_drop(struct crl_publisher *publisher)
{
    if (publisher->source)
        store_crl_close(publisher->source);
    if (publisher->file)
        crl_file_abort(publisher->file);
    publisher->source = NULL;
    publisher->file = NULL;
    publisher->step = BUILD_IDLE;
}

static void timer_set(struct crl_publisher *publisher, int64_t seconds)
{
    sd_event_source_set_time_relative(publisher->timer, (uint64_t)(seconds > 0 ? seconds : 1) * 1000000);
    sd_event_source_set_enabled(publisher->timer, SD_EVENT_ONESHOT);
}

static void build_fail(struct crl_publisher *publisher, const struct failure *failure)
{
    const struct keeper_packet abort = {.type = KEEPER_CRL_ABORT, .id = publisher->id};
    if (publisher->step >= BUILD_HEAD && publisher->step <= BUILD_SIGNING)
        (void)keeper_link_send(publisher->link, &abort, NULL); /* where it is away there is nothing to abort */
    build_drop(publisher);
    publisher->status.failure = *failure;
    log_message(LOG_ERR, "the CRL could not be built: %s", failure->reason);
    timer_set(publisher, publisher->config->agent.crl_interval);
    publisher->callbacks->built(publisher->context);
}

static void setting(struct change *change, const char *name, int64_t value)
{
    *change = (struct change){.kind = CHANGE_SETTING, .u.setting = {name, value}};
}

/* Entries as long as the channel has room; then the end. */
static void build_entries(struct crl_publisher *publisher)
{
    struct failure failure = {0};
    struct crl_entry entries[CRL_ENTRIES_PER_PACKET];
    while (publisher->step == BUILD_ENTRIES && keeper_link_has_room(publisher->link)) {
        int count = store_crl_next(publisher->source, entries, CRL_ENTRIES_PER_PACKET, &failure);
        struct keeper_packet packet = {.type = KEEPER_CRL_ENTRIES, .id = publisher->id,
                                       .u.crl_entries = {(size_t)(count > 0 ? count : 0), entries}};
        if (count == 0) {
            packet = (struct keeper_packet){.type = KEEPER_CRL_END, .id = publisher->id};
            publisher->step = BUILD_SIGNING;
        }
        if (count < 0 || (count > 0 && crl_file_entries(publisher->file, entries, (size_t)count, &failure)) ||
            keeper_link_send(publisher->link, &packet, &failure)) {
            build_fail(publisher, &failure);
            return;
        }
    }
}

static int build_begin(struct crl_publisher *publisher, struct failure *failure)
{
    uint64_t count, length;
    publisher->revision = store_revision(publisher->store);
    publisher->this_update = now_seconds();
    publisher->next_update = publisher->this_update + publisher->config->agent.crl_life;
    publisher->id = KEEPER_LINK_BULK_ID | (uint64_t)publisher->number;
    if (store_crl_open(publisher->database, publisher->authority->facts.fingerprint, publisher->this_update, &publisher->source,
                       &count, &length, failure) ||
        crl_file_begin(publisher->path, &publisher->file, failure))
        return -1;
    struct keeper_packet packet = {.type = KEEPER_CRL_BEGIN, .id = publisher->id,
                                   .u.crl_begin = {(uint64_t)publisher->number, publisher->this_update, publisher->next_update,
                                                   count, length}};
    publisher->step = BUILD_HEAD;
    return keeper_link_send(publisher->link, &packet, failure);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* When a build is due, in seconds since 1970. */
static int64_t build_due(const struct crl_publisher *publisher)
{
    const struct crl_status *status = &publisher->status;
    if (!status->built)
        return status->built_at ? status->built_at + publisher->config->agent.crl_interval : 0;
    if (status->revision != store_revision(publisher->store))
        return status->built_at + publisher->config->agent.crl_interval;
    return status->this_update + later((status->next_update - status->this_update) / 3, 1);
}

void crl_publisher_poke(struct crl_publisher *publisher)
{
    if (publisher->step != BUILD_IDLE || !keeper_link_is_open(publisher->link))
        return;
    int64_t now = now_seconds(), due = build_due(publisher);
    /* A clock that was set back must not stop publication: nothing is due further away than the whole life. */
    if (due > now && due <= now + publisher->config->agent.crl_life) {
        timer_set(publisher, due - now);
        return;
    }
    publisher->status.built_at = now;
    /* Never below the time: an index that had to be begun anew must not number its CRLs from 1 again (RFC 5280 section 5.2.3). */
    publisher->number = later(later(publisher->status.number, store_setting(publisher->store, "crl-number", 0)) + 1, now);
    publisher->step = BUILD_NUMBERING;
    setting(&publisher->settings[0], "crl-number", publisher->number);
    publisher->callbacks->store(publisher->context, publisher->settings, 1);
}

void crl_publisher_stored(struct crl_publisher *publisher, bool durable)
{
    if (publisher->step == BUILD_RECORDING) {
        publisher->step = BUILD_IDLE;
        crl_publisher_poke(publisher); /* sets the timer, or goes on where something changed meanwhile */
        return;
    }
    if (publisher->step != BUILD_NUMBERING)
        return;
    struct failure failure = {0};
    if (!durable)
        failure_set(&failure, FAILURE_BUSY, NULL, "its number could not be stored; is the disk full?");
    if (!durable || build_begin(publisher, &failure))
        build_fail(publisher, &failure);
    else
        keeper_link_flush(publisher->link);
}

static void build_publish(struct crl_publisher *publisher)
{
    const char *path = publisher->config->agent.crl;
    struct failure failure = {0};
    if (!path)
        return;
    if (crl_file_publish_pem(publisher->path, path, &failure)) {
        log_message(LOG_ERR, "crl=%s: %s", path, failure.reason);
        return;
    }
    if (!publisher->config->agent.crl_hook && !publisher->hinted) {
        publisher->hinted = true;
        log_message(LOG_NOTICE, "%s is kept written, but nginx reads it only at a reload: without crl-hook= (\"nginx -s reload\", say) "
                                "it shuts everybody out at the old nextUpdate", path);
    }
    publisher->callbacks->published(publisher->context);
}

static void build_finish(struct crl_publisher *publisher, const struct keeper_packet *packet)
{
    struct failure failure = {0};
    struct stat status;
    struct crl_file *file = publisher->file;
    publisher->file = NULL; /* finishing frees it either way */
    if (crl_file_finish(file, packet->u.crl_signed.tail, packet->u.crl_signed.tail_length, packet->u.crl_signed.algorithm,
                        packet->u.crl_signed.algorithm_length, packet->u.crl_signed.signature,
                        packet->u.crl_signed.signature_length, &failure)) {
        build_fail(publisher, &failure);
        return;
    }
    build_drop(publisher);
    publisher->status = (struct crl_status){
        .path = publisher->path, .built = true, .number = publisher->number, .this_update = publisher->this_update,
        .next_update = publisher->next_update, .built_at = now_seconds(), .revision = publisher->revision,
        .size = stat(publisher->path, &status) ? 0 : status.st_size};
    setting(&publisher->settings[0], "crl-number", publisher->number);
    setting(&publisher->settings[1], "crl-this-update", publisher->this_update);
    setting(&publisher->settings[2], "crl-next-update", publisher->next_update);
    setting(&publisher->settings[3], "crl-size", publisher->status.size);
    setting(&publisher->settings[4], "crl-revision", publisher->revision);
    publisher->step = BUILD_RECORDING;
    publisher->callbacks->store(publisher->context, publisher->settings, 5);
    build_publish(publisher);
    publisher->callbacks->built(publisher->context);
}

void crl_publisher_answer(struct crl_publisher *publisher, struct keeper_packet *packet)
{
    struct failure failure = {0};
    if (publisher->step == BUILD_IDLE || packet->id != publisher->id)
        return;
    if (packet->type == KEEPER_REFUSED)
        build_fail(publisher, packet->u.refused);
    else if (packet->type == KEEPER_CRL_HEAD && publisher->step == BUILD_HEAD) {
        publisher->step = BUILD_ENTRIES;
        if (crl_file_head(publisher->file, packet->u.bytes.data, packet->u.bytes.length, &failure))
            build_fail(publisher, &failure);
        else
            build_entries(publisher);
    } else if (packet->type == KEEPER_CRL_SIGNED && publisher->step == BUILD_SIGNING)
        build_finish(publisher, packet);
}

void crl_publisher_room(struct crl_publisher *publisher)
{
    if (publisher->step == BUILD_ENTRIES)
        build_entries(publisher);
}

void crl_publisher_keeper_lost(struct crl_publisher *publisher)
{
    if (publisher->step < BUILD_HEAD || publisher->step > BUILD_SIGNING)
        return;
    struct failure failure;
    failure_set(&failure, FAILURE_LOCKED, NULL, "the keeper went away in the middle of it");
    build_fail(publisher, &failure);
}

const struct crl_status *crl_publisher_status(const struct crl_publisher *publisher)
{
    return &publisher->status;
}

bool crl_publisher_is_current(const struct crl_publisher *publisher, int64_t now)
{
    return publisher->status.built && publisher->status.revision == store_revision(publisher->store) &&
           now < publisher->status.next_update;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    crl_publisher_poke(userdata);
    return 0;
}

/* The file of an earlier run serves on, if it is the one that the index knows. */
static void status_recall(struct crl_publisher *publisher)
{
    struct stat status;
    int64_t size = store_setting(publisher->store, "crl-size", -1);
    publisher->status.path = publisher->path;
    if (stat(publisher->path, &status) || status.st_size != size)
        return;
    publisher->status.built = true;
    publisher->status.size = size;
    publisher->status.number = store_setting(publisher->store, "crl-number", 0);
    publisher->status.this_update = store_setting(publisher->store, "crl-this-update", 0);
    publisher->status.next_update = store_setting(publisher->store, "crl-next-update", 0);
    publisher->status.revision = store_setting(publisher->store, "crl-revision", -1);
    publisher->status.built_at = publisher->status.this_update;
}

int crl_publisher_new(sd_event *event, const struct config *config, struct keeper_link *link, const char *database,
                      const struct authority *authority, struct store *store, const struct crl_publisher_callbacks *callbacks,
                      void *context, struct crl_publisher **out, struct failure *failure)
{
    struct crl_publisher *publisher = calloc(1, sizeof *publisher);
    if (!publisher)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    publisher->config = config;
    publisher->link = link;
    publisher->authority = authority;
    publisher->store = store;
    publisher->callbacks = callbacks;
    publisher->context = context;
    publisher->database = strdup(database);
    if (asprintf(&publisher->path, "%s/crl.der", config->agent.state) < 0)
        publisher->path = NULL;
    int error = sd_event_add_time_relative(event, &publisher->timer, CLOCK_BOOTTIME, UINT64_MAX / 4, 0, on_timer, publisher);
    if (!publisher->database || !publisher->path || error < 0) {
        crl_publisher_free(publisher);
        return failure_set(failure, FAILURE_INTERNAL, NULL, "CRL timer: %s", error < 0 ? strerror(-error) : "out of memory");
    }
    status_recall(publisher);
    *out = publisher;
    return 0;
}

void crl_publisher_free(struct crl_publisher *publisher)
{
    if (!publisher)
        return;
    build_drop(publisher);
    sd_event_source_disable_unref(publisher->timer);
    free(publisher->database);
    free(publisher->path);
    free(publisher);
}
