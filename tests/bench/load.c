/*
 * load.c - a load generator for a socket of varlink messages.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/bench/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, REPLY_MAX = 64 * 1024, SAMPLES_MAX = 1 << 20 };

struct client {
    int fd;
    double sent_at;
    size_t length;
    char *reply;
};

static void die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

double clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double cpu_of(int pid)
{
    char path[64], line[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    const char *after = file && fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    if (!after || sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        die(path);
    fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

long rss_of(int pid)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (!file || !kib)
        die(path);
    fclose(file);
    return kib;
}

static int open_client(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        die(path);
    return fd;
}

static void send_next(struct client *client, const struct load_message *message)
{
    struct iovec parts[] = {{(void *)message->text, message->length}, {(void *)"", 1}};
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};
    client->length = 0;
    client->sent_at = clock_now();
    if (sendmsg(client->fd, &header, MSG_NOSIGNAL) != (ssize_t)message->length + 1)
        die("send");
}

/* True when a whole answer is there. */
static int receive(struct client *client)
{
    ssize_t got = recv(client->fd, client->reply + client->length, REPLY_MAX - client->length, 0);
    if (got <= 0)
        die("the agent closed the connection");
    client->length += (size_t)got;
    if (client->reply[client->length - 1])
        return 0;
    if (strstr(client->reply, "\"error\"")) {
        fprintf(stderr, "bench: refused: %s\n", client->reply);
        exit(1);
    }
    return 1;
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

struct load_result load_run(const char *socket_path, int connections, const struct load_message *messages, size_t count, double seconds)
{
    struct client clients[CONNECTIONS_MAX];
    struct load_result result = {0};
    float *samples = malloc(SAMPLES_MAX * sizeof *samples);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    size_t next = 0;
    for (int i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        clients[i] = (struct client){.fd = open_client(socket_path), .reply = malloc(REPLY_MAX + 1)};
        if (!samples || !clients[i].reply || epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event))
            die("epoll");
    }
    double start = clock_now(), end = start + seconds, now = start;
    for (int i = 0; i < connections; i++)
        send_next(&clients[i], &messages[next++ % count]);
    for (int outstanding = connections; outstanding > 0;) {
        struct epoll_event events[CONNECTIONS_MAX];
        int ready = epoll_wait(epoll, events, CONNECTIONS_MAX, 10000);
        if (ready <= 0)
            die("no answer for ten seconds");
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (!receive(client))
                continue;
            now = clock_now();
            if (result.answers < SAMPLES_MAX)
                samples[result.answers] = (float)(now - client->sent_at);
            result.answers++;
            if (now < end)
                send_next(client, &messages[next++ % count]);
            else
                outstanding--;
        }
    }
    result.seconds = now - start;
    size_t kept = result.answers < SAMPLES_MAX ? result.answers : SAMPLES_MAX;
    qsort(samples, kept, sizeof *samples, compare);
    result.p50 = samples[kept / 2];
    result.p99 = samples[kept * 99 / 100];
    for (int i = 0; i < connections; i++) {
        close(clients[i].fd);
        free(clients[i].reply);
    }
    close(epoll);
    free(samples);
    return result;
}

void load_once(const char *path, const struct load_message *message, char *answer, size_t size)
{
    struct client client = {.fd = open_client(path), .reply = malloc(REPLY_MAX + 1)};
    if (!client.reply)
        die("memory");
    send_next(&client, message);
    while (!receive(&client))
        continue;
    snprintf(answer, size, "%s", client.reply);
    close(client.fd);
    free(client.reply);
}

/* The least that a server on this machine can do: one epoll, one read and one write a message. */
static void echo_loop(int listener, size_t reply)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    char *answer = calloc(1, reply + 1), *request = malloc(REPLY_MAX);
    memset(answer, 'y', reply);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[CONNECTIONS_MAX];
        int ready = epoll_wait(epoll, events, CONNECTIONS_MAX, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
                continue;
            }
            ssize_t got = read(fd, request, REPLY_MAX);
            if (got <= 0)
                close(fd);
            else if (!request[got - 1] && write(fd, answer, reply + 1) < 0)
                close(fd);
        }
    }
}

int load_echo_server(const char *path, size_t reply)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128))
        die(path);
    int pid = fork();
    if (pid == 0)
        echo_loop(listener, reply);
    close(listener);
    return pid;
}
