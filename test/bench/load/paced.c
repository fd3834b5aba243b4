// paced IPV4-ADDRESS PORT CONNECTIONS RATE SECONDS
//
// Requests that arrive on their own, RATE a second on average, at random (Poisson), whether earlier
// ones have been answered or not, over CONNECTIONS connections that stay (server.c answers). One
// that finds all connections busy waits for its turn. Its latency counts from when it arrived, not
// from when it was sent: so a server that stands still for a while makes all those late that arrived
// meanwhile (no coordinated omission). The first tenth of the time is not counted. Prints one JSON
// object:
//
//   arrived, answered   requests that count
//   latencyUs           {p50, p90, p99, max} of those that were answered within a second more
//   error               the first failure in words; empty when there is none
//
// Exit code 0 when it measured, whatever it measured; 2 for wrong arguments; 1 when it could not.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "exchange.h"

enum { EVENTS_AT_ONCE = 256, MAX_CONNECTIONS = 4096, MAX_REQUESTS = 20 * 1000 * 1000 };
static const uint64_t SECOND = 1000000000;

struct connection {
  int fd;
  size_t received; // bytes of the present response
  uint64_t since;  // ns, when its present request arrived
};

static int epoll, timer;
static struct connection *connections;
static struct connection **idle; // a stack
static int idle_count;
static uint64_t *waiting; // arrivals that no connection has taken: a queue within all arrivals
static long first_waiting, arrivals, counted, answered;
static uint32_t *latencies;
static uint64_t counts_from;
static const char *error = "";

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static _Noreturn void fatal(const char *what) {
  perror(what);
  exit(1);
}

// Between two arrivals, ns. The same at each run: peers get the same load.
static uint64_t pause_at(double rate) {
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  double uniform = ((double)(state >> 11) + 0.5) / 9007199254740992.0;
  return (uint64_t)(-log(uniform) / rate * 1e9);
}

static void send_waiting(void) {
  while (idle_count > 0 && first_waiting < arrivals) {
    struct connection *connection = idle[--idle_count];
    connection->since = waiting[first_waiting++];
    connection->received = 0;
    if (send(connection->fd, REQUEST, LENGTH_OF(REQUEST), MSG_NOSIGNAL) != LENGTH_OF(REQUEST))
      error = "send failed";
  }
}

static void on_readable(struct connection *connection) {
  char bytes[LENGTH_OF(RESPONSE)];
  ssize_t count = recv(connection->fd, bytes, sizeof bytes - connection->received, 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0 || memcmp(bytes, RESPONSE + connection->received, (size_t)count) != 0) {
    error = count <= 0 ? "a connection ended" : "a response that no backend sends";
    epoll_ctl(epoll, EPOLL_CTL_DEL, connection->fd, NULL);
    return;
  }
  connection->received += (size_t)count;
  if (connection->received < sizeof bytes) return;
  if (connection->since >= counts_from)
    latencies[answered++] = (uint32_t)((now() - connection->since) / 1000);
  idle[idle_count++] = connection;
}

static void open_all(const struct sockaddr_in *target, int count) {
  for (int i = 0; i < count; i++) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)target, sizeof *target)) fatal("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fcntl(fd, F_SETFL, O_NONBLOCK)) fatal("fcntl");
    connections[i].fd = fd;
    idle[idle_count++] = &connections[i];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fatal("epoll_ctl");
  }
}

static void wake_at(uint64_t time) {
  struct itimerspec spec = {.it_value = {(time_t)(time / SECOND), (long)(time % SECOND)}};
  if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL)) fatal("timerfd_settime");
}

static void run(double rate, double seconds) {
  uint64_t begun = now(), end = begun + (uint64_t)(seconds * 1e9), next = begun + pause_at(rate);
  counts_from = begun + (uint64_t)(seconds * 1e8);
  struct epoll_event events[EVENTS_AT_ONCE];
  wake_at(next);
  for (;;) {
    uint64_t present = now();
    while (next <= present && next < end && arrivals < MAX_REQUESTS) {
      waiting[arrivals++] = next;
      counted += next >= counts_from;
      next += pause_at(rate);
      if (next > present && next < end) wake_at(next);
    }
    send_waiting();
    if (present >= end && (answered == counted || present >= end + SECOND)) return;
    int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, 100);
    for (int i = 0; i < count; i++) {
      uint64_t times;
      if (events[i].data.ptr != NULL) on_readable(events[i].data.ptr);
      else if (read(timer, &times, sizeof times) < 0 && errno != EAGAIN) fatal("timer");
    }
  }
}

static int ascending(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a > b) - (a < b);
}

static uint32_t percentile(double share) {
  return answered == 0 ? 0 : latencies[(long)(share * (double)(answered - 1))];
}

int main(int argument_count, char **arguments) {
  struct sockaddr_in target = {.sin_family = AF_INET};
  int count = argument_count == 6 ? atoi(arguments[3]) : 0;
  double rate = argument_count == 6 ? atof(arguments[4]) : 0;
  double seconds = argument_count == 6 ? atof(arguments[5]) : 0;
  if (count < 1 || count > MAX_CONNECTIONS || rate <= 0 || seconds <= 0 ||
      rate * seconds * 2 > MAX_REQUESTS || inet_pton(AF_INET, arguments[1], &target.sin_addr) != 1) {
    fprintf(stderr, "usage: see the head of paced.c\n");
    return 2;
  }
  target.sin_port = htons((uint16_t)atoi(arguments[2]));
  epoll = epoll_create1(EPOLL_CLOEXEC);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  size_t most = (size_t)(rate * seconds * 2) + 1000;
  connections = calloc((size_t)count, sizeof *connections);
  idle = calloc((size_t)count, sizeof *idle);
  waiting = malloc(most * sizeof *waiting);
  latencies = malloc(most * sizeof *latencies);
  if (epoll < 0 || timer < 0 || !connections || !idle || !waiting || !latencies) fatal("start");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event)) fatal("epoll_ctl");
  open_all(&target, count);
  run(rate, seconds);
  qsort(latencies, (size_t)answered, sizeof *latencies, ascending);
  printf("{\"arrived\":%ld,\"answered\":%ld,\"error\":\"%s\",", counted, answered, error);
  printf("\"latencyUs\":{\"p50\":%u,\"p90\":%u,\"p99\":%u,\"max\":%u}}\n", percentile(0.5),
         percentile(0.9), percentile(0.99), percentile(1));
}
