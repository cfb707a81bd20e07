/*
 * epoch.c - the writer's side of the epoch page.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/epoch.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct epoch {
    struct epoch_page *page;
    char id[2 * EPOCH_ID_SIZE + 1];
};

/* Make the file a page of ours. Only a page that is whole and has our magic keeps its id and counter. */
static int page_prepare(int fd, struct epoch_page *page, bool whole)
{
    if (whole && !memcmp(page->magic, EPOCH_MAGIC, sizeof page->magic))
        return 0;
    randombytes_buf(page->id, sizeof page->id);
    uint64_t start;
    randombytes_buf(&start, sizeof start);
    atomic_store_explicit(&page->counter, start, memory_order_release);
    memcpy(page->magic, EPOCH_MAGIC, sizeof page->magic); /* last: a page without it is not trusted */
    return fsync(fd);
}

static struct epoch_page *page_map(int fd, const char *path, struct failure *failure)
{
    struct stat status;
    if (fstat(fd, &status) || !S_ISREG(status.st_mode) || fchmod(fd, 0644) ||
        (status.st_size < EPOCH_PAGE_SIZE && ftruncate(fd, EPOCH_PAGE_SIZE))) {
        failure_set(failure, FAILURE_INTERNAL, NULL, "epoch page %s: %s; epoch= must name a file of ours or none",
                    path, errno ? strerror(errno) : "not a regular file");
        return NULL;
    }
    struct epoch_page *page = mmap(NULL, EPOCH_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        failure_set(failure, FAILURE_INTERNAL, NULL, "epoch page %s: %s", path, strerror(errno));
        return NULL;
    }
    if (page_prepare(fd, page, status.st_size >= EPOCH_PAGE_SIZE)) {
        failure_set(failure, FAILURE_INTERNAL, NULL, "epoch page %s: %s", path, strerror(errno));
        munmap(page, EPOCH_PAGE_SIZE);
        return NULL;
    }
    return page;
}

int epoch_open(const char *path, struct epoch **out, struct failure *failure)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (fd < 0)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "epoch page %s: %s", path, strerror(errno));
    errno = 0;
    struct epoch_page *page = page_map(fd, path, failure);
    close(fd);
    if (!page)
        return -1;
    struct epoch *epoch = calloc(1, sizeof *epoch);
    if (!epoch) {
        munmap(page, EPOCH_PAGE_SIZE);
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    }
    epoch->page = page;
    sodium_bin2hex(epoch->id, sizeof epoch->id, page->id, sizeof page->id);
    epoch_bump(epoch);
    *out = epoch;
    return 0;
}

void epoch_bump(struct epoch *epoch)
{
    atomic_fetch_add_explicit(&epoch->page->counter, 1, memory_order_release);
}

uint64_t epoch_read(const struct epoch *epoch)
{
    return atomic_load_explicit(&epoch->page->counter, memory_order_acquire);
}

const char *epoch_page_id(const struct epoch *epoch)
{
    return epoch->id;
}

void epoch_close(struct epoch *epoch)
{
    if (!epoch)
        return;
    munmap(epoch->page, EPOCH_PAGE_SIZE);
    free(epoch);
}
