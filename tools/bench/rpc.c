/*
 * rpc ADDRESS SECONDS MAXIMUM REQUEST...   sends the files REQUEST in turn over one connection
 * rpc run COUNT COMMAND...                 runs a command so many times, its output thrown away
 *
 * ADDRESS is a port of 127.0.0.1 or the path of a unix socket. Prints one line for each round of all requests, or
 * for each run: nanoseconds from the first byte sent to the last one received, or from the start to the end. Ends with
 * 1 where an answer is no success or holds a fault, or a command fails.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_REQUESTS 8
#define MOST_ANSWER (8 << 20)

extern char **environ;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int connected(const char *address) {
    int fd;
    if (strchr(address, '/')) {
        struct sockaddr_un name = {.sun_family = AF_UNIX};
        strncpy(name.sun_path, address, sizeof name.sun_path - 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&name, sizeof name) < 0) fail(address);
    } else {
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(atoi(address))};
        int one = 1;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&name, sizeof name) < 0) fail(address);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    return fd;
}

/* Reads one answer; whether it is a success. */
static int answered(int fd, char *buffer) {
    size_t have = 0, need = 0;
    char *body = NULL;
    while (!body || have < need) {
        ssize_t n = read(fd, buffer + have, MOST_ANSWER - have - 1);
        if (n <= 0) fail("read");
        have += n;
        buffer[have] = 0;
        if (!body && (body = strstr(buffer, "\r\n\r\n"))) {
            char *length = strcasestr(buffer, "\r\ncontent-length:");
            if (!length || length > body) {
                fputs("an answer without its length\n", stderr);
                exit(1);
            }
            body += 4;
            need = (body - buffer) + strtoul(length + 17, NULL, 10);
            if (need >= MOST_ANSWER) {
                fputs("an answer that is too long\n", stderr);
                exit(1);
            }
        }
    }
    return !strncmp(buffer + 8, " 200", 4) && !strstr(body, "<fault>");
}

static void calls(const char *address, double seconds, long most, int count, char **files) {
    static char *requests[MOST_REQUESTS];
    size_t lengths[MOST_REQUESTS];
    char *buffer = malloc(MOST_ANSWER);
    int fd = connected(address);
    for (int i = 0; i < count; i++) {
        FILE *file = fopen(files[i], "r");
        requests[i] = malloc(65536);
        if (!file || !requests[i]) fail(files[i]);
        lengths[i] = fread(requests[i], 1, 65536, file);
        fclose(file);
    }
    long long end = now() + (long long)(seconds * 1e9);
    for (long round = 0; round < most && now() < end; round++) {
        long long begun = now();
        for (int i = 0; i < count; i++) {
            if (write(fd, requests[i], lengths[i]) != (ssize_t)lengths[i]) fail("write");
            if (!answered(fd, buffer)) {
                fprintf(stderr, "no success: %.600s\n", buffer);
                exit(1);
            }
        }
        printf("%lld\n", now() - begun);
    }
}

static void runs(long count, char **command) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    for (long i = 0; i < count; i++) {
        int status;
        pid_t pid;
        long long begun = now();
        if (posix_spawn(&pid, command[0], &actions, NULL, command, environ)) fail(command[0]);
        waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status)) {
            fprintf(stderr, "%s: status %d\n", command[0], status);
            exit(1);
        }
        printf("%lld\n", now() - begun);
    }
}

int main(int count, char **words) {
    if (count > 3 && !strcmp(words[1], "run")) {
        runs(atol(words[2]), words + 3);
    } else if (count > 4 && count - 4 <= MOST_REQUESTS) {
        calls(words[1], atof(words[2]), atol(words[3]), count - 4, words + 4);
    } else {
        fputs("usage: see the head of the source\n", stderr);
        return 2;
    }
    return 0;
}
