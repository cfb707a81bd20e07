/*
 * replay.c - main for a fuzz target without libFuzzer: gives it each file of a corpus, each in a process of its own, and reports in TAP.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * So that `make check` replays every input that once mattered with the ordinary compiler and the ordinary flags.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INPUT_MAX = 4 * 1024 * 1024, SECONDS_MAX = 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The whole file in memory that the caller frees, or NULL with errno. */
static uint8_t *read_file(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0)
        return NULL;
    uint8_t *data = NULL;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= INPUT_MAX &&
        (data = malloc((size_t)status.st_size + 1))) {
        size_t have = 0;
        while (have < (size_t)status.st_size) {
            ssize_t n = read(fd, data + have, (size_t)status.st_size - have);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                break;
            have += (size_t)n;
        }
        *size = have;
    }
    close(fd);
    return data;
}

/* Runs the target in a child. Returns the wait status. */
static int replay_one(const char *path)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        size_t size = 0;
        uint8_t *data = read_file(path, &size);
        if (!data)
            _exit(EXIT_FAILURE);
        alarm(SECONDS_MAX);
        /* An exact copy, so that a sanitizer sees a read one byte past the end. */
        uint8_t *exact = malloc(size ? size : 1);
        if (!exact)
            _exit(EXIT_FAILURE);
        memcpy(exact, data, size);
        free(data);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
        exit(EXIT_SUCCESS);
    }
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    int failed = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
        return 2;
    }
    struct dirent **entries;
    int count = scandir(argv[1], &entries, is_input, alphasort);
    if (count <= 0) {
        fprintf(stderr, "%s: %s\n", argv[1], count < 0 ? strerror(errno) : "no input in it");
        return 2;
    }
    printf("1..%d\n", count);
    for (int i = 0; i < count; i++) {
        char path[4096];
        int length = snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
        int status = length > 0 && (size_t)length < sizeof path ? replay_one(path) : -1;
        printf("%s %d - %s\n", status == 0 ? "ok" : "not ok", i + 1, entries[i]->d_name);
        if (status != 0)
            printf("# %s %d\n", status > 0 && WIFSIGNALED(status) ? "ended by signal" : "exit status",
                   status > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        failed += status != 0;
        free(entries[i]);
    }
    free(entries);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
