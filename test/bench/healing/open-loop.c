// open-loop ADDRESS PORT RATE SECONDS PATIENCE_MS SOURCE...
//
// Connections that are begun at a fixed rate, whether earlier ones still wait or not, from the
// source addresses in turn (IPv4). Each sends one request (server.c answers and closes). Prints
// "begun NANOSECONDS" at its start (CLOCK_MONOTONIC), and in the end one line for each connection,
// in their order:
//
//   START WAITED OUTCOME
//
// START is when it was due, µs since the start, and WAITED how long from then on until it was
// answered or had failed, µs. So one that this program was late to begin has waited meanwhile.
// OUTCOME: answered; refused (to connect); reset (later); empty (ended without an answer);
// unreachable; timeout (not answered within PATIENCE_MS).
//
// Exit code 0 when it made all connections, whatever became of them; 2 for wrong arguments; 1 when
// it could not make one, for lack of ports or descriptors.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "../load/exchange.h"

enum { EVENTS_AT_ONCE = 256, MAX_CONNECTIONS = 1000 * 1000, MAX_SOURCES = 64 };
static const uint64_t SECOND = 1000000000;

struct connection {
  int fd; // -1 once it is over, and before it is begun
  int has_sent;
  size_t received;
  uint64_t due, waited; // ns
  const char *outcome;  // NULL while it is open
};

static int epoll, timer;
static struct connection *connections;
static struct sockaddr_in target, sources[MAX_SOURCES];
static int source_count;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static _Noreturn void fatal(const char *what) {
  perror(what);
  exit(1);
}

static void close_it(struct connection *connection) {
  close(connection->fd);
  connection->fd = -1;
}

static void note(struct connection *connection, const char *outcome) {
  connection->outcome = outcome;
  connection->waited = now() - connection->due;
}

static void fail(struct connection *connection, int error) {
  const char *outcome = "reset";
  if (error == 0) outcome = "empty";
  if (error == ECONNREFUSED) outcome = "refused";
  if (error == EHOSTUNREACH || error == ENETUNREACH) outcome = "unreachable";
  if (error == ETIMEDOUT) outcome = "timeout";
  note(connection, outcome);
  close_it(connection);
}

static void begin(struct connection *connection, const struct sockaddr_in *source, uint64_t due) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) fatal("socket");
  connection->fd = fd;
  connection->due = due;
  // The port is chosen at connect(): all ports are there for each source and target.
  if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on)) fatal("setsockopt");
  if (bind(fd, (const struct sockaddr *)source, sizeof *source)) fatal("bind");
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fatal("epoll_ctl");
  if (connect(fd, (struct sockaddr *)&target, sizeof target) == 0 || errno == EINPROGRESS) return;
  if (errno == EADDRNOTAVAIL) fatal("connect");
  fail(connection, errno);
}

static void send_request(struct connection *connection) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size)) error = errno;
  if (error != 0) return fail(connection, error);
  connection->has_sent = 1;
  ssize_t sent = send(connection->fd, LAST_REQUEST, LENGTH_OF(LAST_REQUEST), MSG_NOSIGNAL);
  if (sent < 0) fail(connection, errno);
}

// Until the server has closed: so TIME_WAIT is the server's, and the ports are free again.
static void receive(struct connection *connection) {
  for (;;) {
    char bytes[2 * LENGTH_OF(RESPONSE)];
    ssize_t count = recv(connection->fd, bytes, sizeof bytes, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
      if (connection->outcome == NULL) fail(connection, count == 0 ? 0 : errno);
      else close_it(connection);
      return;
    }
    connection->received += (size_t)count;
    if (connection->received == LENGTH_OF(RESPONSE)) note(connection, "answered");
  }
}

static void on_event(struct connection *connection, uint32_t events) {
  if (connection->fd < 0) return;
  if (!connection->has_sent && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) send_request(connection);
  if (connection->fd >= 0 && connection->has_sent) receive(connection);
}

static void give_up(struct connection *connection) {
  if (connection->outcome == NULL) note(connection, "timeout");
  if (connection->fd >= 0) close_it(connection);
}

static void wake_at(uint64_t time) {
  struct itimerspec spec = {.it_value = {(time_t)(time / SECOND), (long)(time % SECOND)}};
  if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL)) fatal("timerfd_settime");
}

static void run(long count, double rate, uint64_t patience) {
  uint64_t begun = now() + SECOND / 100;
  printf("begun %llu\n", (unsigned long long)begun);
  fflush(stdout);
  struct epoll_event events[EVENTS_AT_ONCE];
  long made = 0, oldest = 0;
  for (;;) {
    uint64_t present = now(), due = begun + (uint64_t)((double)made / rate * 1e9);
    while (made < count && due <= present) {
      begin(&connections[made], &sources[made % source_count], due);
      made++;
      due = begun + (uint64_t)((double)made / rate * 1e9);
    }
    while (oldest < made && (connections[oldest].fd < 0 ||
                             connections[oldest].due + patience <= present)) {
      give_up(&connections[oldest++]);
    }
    if (oldest == count) return;
    if (made < count) wake_at(due);
    int ready = epoll_wait(epoll, events, EVENTS_AT_ONCE, 20);
    for (int i = 0; i < ready; i++) {
      uint64_t times;
      if (events[i].data.ptr != NULL) on_event(events[i].data.ptr, events[i].events);
      else if (read(timer, &times, sizeof times) < 0 && errno != EAGAIN) fatal("timer");
    }
  }
}

static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit)) fatal("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit)) fatal("setrlimit");
}

static int address_from(struct sockaddr_in *address, const char *text) {
  address->sin_family = AF_INET;
  return inet_pton(AF_INET, text, &address->sin_addr) == 1;
}

int main(int argument_count, char **arguments) {
  int are_enough = argument_count >= 7 && argument_count - 6 <= MAX_SOURCES;
  double rate = are_enough ? atof(arguments[3]) : 0;
  double seconds = are_enough ? atof(arguments[4]) : 0;
  double patience_ms = are_enough ? atof(arguments[5]) : 0;
  long count = (long)(rate * seconds + 0.5);
  int are_right = count >= 1 && count <= MAX_CONNECTIONS && patience_ms > 0 &&
                  address_from(&target, arguments[1]);
  for (int i = 6; are_right && i < argument_count; i++)
    are_right = address_from(&sources[source_count++], arguments[i]);
  if (!are_right) {
    fprintf(stderr, "usage: see the head of open-loop.c\n");
    return 2;
  }
  target.sin_port = htons((uint16_t)atoi(arguments[2]));
  raise_descriptor_limit();
  epoll = epoll_create1(EPOLL_CLOEXEC);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  connections = calloc((size_t)count, sizeof *connections);
  if (epoll < 0 || timer < 0 || connections == NULL) fatal("start");
  for (long i = 0; i < count; i++) connections[i].fd = -1;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event)) fatal("epoll_ctl");
  run(count, rate, (uint64_t)(patience_ms * 1e6));
  for (long i = 0; i < count; i++) {
    struct connection *each = &connections[i];
    printf("%llu %llu %s\n", (unsigned long long)((each->due - connections[0].due) / 1000),
           (unsigned long long)(each->waited / 1000), each->outcome);
  }
  return 0;
}
