// hold IPV4-ADDRESS PORT
//
// Connections that stay open and idle (server.c answers). Reads commands, one a line, and answers
// each with one JSON object in a line:
//
//   open COUNT   opens that many more, 64 at once, each with one request:
//                {"open": in all, "failures": those that got no answer}
//   ask          one request on each connection, one after the other:
//                {"answered", "lost": those that are not open any more, now closed,
//                "latencyUs": {"p50", "p99"}}
//   close COUNT  closes those that were opened last: {"open"}
//
// Ends when its input does. Exit code 2 for wrong arguments; 1 when it could not go on.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "exchange.h"

enum { LANES = 64, MAX_OPEN = 1 << 20, PATIENCE_MS = 5000 };

static struct sockaddr_in target;
static int *held;
static long held_count;
static uint32_t *latencies;

static _Noreturn void fatal(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_nsec / 1000u;
}

static int request(int fd) {
  return send(fd, REQUEST, LENGTH_OF(REQUEST), MSG_NOSIGNAL) == LENGTH_OF(REQUEST);
}

// The whole response, within the patience.
static int response(int fd) {
  char bytes[LENGTH_OF(RESPONSE)];
  size_t received = 0;
  while (received < sizeof bytes) {
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    if (poll(&readable, 1, PATIENCE_MS) != 1) return 0;
    ssize_t count = recv(fd, bytes + received, sizeof bytes - received, 0);
    if (count <= 0) return 0;
    received += (size_t)count;
  }
  return memcmp(bytes, RESPONSE, sizeof bytes) == 0;
}

static int connected(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fatal("socket");
  if (connect(fd, (struct sockaddr *)&target, sizeof target) == 0 && request(fd)) return fd;
  close(fd);
  return -1;
}

static void open_more(long count) {
  long failures = 0;
  while (count > 0 && held_count < MAX_OPEN - LANES) {
    int lanes[LANES], used = count < LANES ? (int)count : LANES;
    for (int i = 0; i < used; i++) lanes[i] = connected();
    for (int i = 0; i < used; i++) {
      if (lanes[i] >= 0 && response(lanes[i])) {
        held[held_count++] = lanes[i];
        continue;
      }
      if (lanes[i] >= 0) close(lanes[i]);
      failures++;
    }
    count -= used;
  }
  printf("{\"open\":%ld,\"failures\":%ld}\n", held_count, failures);
}

static int ascending(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a > b) - (a < b);
}

static void ask_all(void) {
  long answered = 0, count = held_count;
  held_count = 0;
  for (long i = 0; i < count; i++) {
    uint64_t since = now_us();
    if (request(held[i]) && response(held[i])) {
      latencies[answered++] = (uint32_t)(now_us() - since);
      held[held_count++] = held[i];
    } else {
      close(held[i]);
    }
  }
  qsort(latencies, (size_t)answered, sizeof *latencies, ascending);
  uint32_t p50 = answered ? latencies[answered / 2] : 0;
  uint32_t p99 = answered ? latencies[(long)(0.99 * (double)(answered - 1))] : 0;
  printf("{\"answered\":%ld,\"lost\":%ld,\"latencyUs\":{\"p50\":%u,\"p99\":%u}}\n", answered,
         count - answered, p50, p99);
}

static void close_last(long count) {
  while (count-- > 0 && held_count > 0) close(held[--held_count]);
  printf("{\"open\":%ld}\n", held_count);
}

int main(int argument_count, char **arguments) {
  target.sin_family = AF_INET;
  if (argument_count != 3 || inet_pton(AF_INET, arguments[1], &target.sin_addr) != 1) {
    fprintf(stderr, "usage: see the head of hold.c\n");
    return 2;
  }
  target.sin_port = htons((uint16_t)atoi(arguments[2]));
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  held = malloc(MAX_OPEN * sizeof *held);
  latencies = malloc(MAX_OPEN * sizeof *latencies);
  if (held == NULL || latencies == NULL) fatal("malloc");
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL) {
    long count = 0;
    if (sscanf(line, "open %ld", &count) == 1) open_more(count);
    else if (sscanf(line, "close %ld", &count) == 1) close_last(count);
    else if (strncmp(line, "ask", 3) == 0) ask_all();
    else return 2;
    fflush(stdout);
  }
}
