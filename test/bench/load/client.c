// client ADDRESS PORT CONNECTIONS CONCURRENCY REQUESTS SECONDS
//
// Makes CONNECTIONS connections to ADDRESS:PORT (IPv4), CONCURRENCY at once, sends REQUESTS
// requests on each, one after the other, and waits for the server to close. Gives up on everything
// that is under way after SECONDS. Prints one JSON object:
//
//   seconds      from the first connect to the end of the last connection
//   connections  complete ones: every response was right, and the server closed
//   requests     responses that were right
//   failures     connections that were not complete
//   error        the first failure in words; empty when there is none
//   latencyUs    {p50, p95, p99, max} of the requests, µs; that of a connection's first request
//                begins with its connect. All 0 when there are none
//
// Exit code 0 when it measured, whatever it measured; 2 for wrong arguments; 1 when it could not.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "exchange.h"

enum { EVENTS_AT_ONCE = 256, MAX_CONCURRENCY = 16384, MAX_LATENCIES = 50 * 1000 * 1000 };

struct connection {
  int fd;
  int connected;
  long requests_left;
  size_t received; // bytes of the present response
  uint64_t since;  // ns, when its present request began
};

static struct sockaddr_in target;
static long connections_wanted, requests_each;
static long started, complete, failed, answered;
static int epoll;
static char first_error[160];
static uint32_t *latencies;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void fatal(const char *what) {
  perror(what);
  exit(1);
}

static void note(const char *what, int error) {
  if (first_error[0] != 0) return;
  const char *reason = error == 0 ? "" : strerror(error);
  snprintf(first_error, sizeof first_error, "%s%s%s", what, error == 0 ? "" : ": ", reason);
}

static void begin(struct connection *connection);

// Ends a connection and begins the next one in its place.
static void end(struct connection *connection, const char *failure, int error) {
  if (connection->fd >= 0) close(connection->fd);
  connection->fd = -1;
  if (failure == NULL) {
    complete++;
  } else {
    failed++;
    note(failure, error);
  }
  begin(connection);
}

// Opens a connection, unless all are begun. One that fails at once is counted, the next is tried.
static void begin(struct connection *connection) {
  while (started < connections_wanted) {
    started++;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) fatal("socket");
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *connection = (struct connection){.fd = fd, .requests_left = requests_each, .since = now()};
    if (connect(fd, (struct sockaddr *)&target, sizeof target) == 0 || errno == EINPROGRESS) {
      struct epoll_event event = {.events = EPOLLOUT, .data.ptr = connection};
      if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fatal("epoll_ctl");
      return;
    }
    failed++;
    note("connect", errno);
    close(fd);
    connection->fd = -1;
  }
}

static void send_request(struct connection *connection) {
  int last = connection->requests_left == 1;
  const char *request = last ? LAST_REQUEST : REQUEST;
  ssize_t length = last ? LENGTH_OF(LAST_REQUEST) : LENGTH_OF(REQUEST);
  if (send(connection->fd, request, (size_t)length, MSG_NOSIGNAL) != length)
    end(connection, "send", errno);
}

static void on_connected(struct connection *connection) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    end(connection, "connect", error);
    return;
  }
  connection->connected = 1;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, connection->fd, &event)) fatal("epoll_ctl");
  send_request(connection);
}

static void on_response(struct connection *connection) {
  uint64_t ended = now();
  latencies[answered++] = (uint32_t)((ended - connection->since) / 1000);
  connection->requests_left--;
  connection->received = 0;
  connection->since = ended;
  if (connection->requests_left > 0) send_request(connection);
}

static void on_readable(struct connection *connection) {
  char bytes[LENGTH_OF(RESPONSE)];
  size_t wanted = sizeof bytes - connection->received;
  ssize_t count = read(connection->fd, bytes, wanted);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count < 0) {
    end(connection, "read", errno);
  } else if (count == 0) {
    int whole = connection->requests_left == 0;
    end(connection, whole ? NULL : "closed before the response was whole", 0);
  } else if (connection->requests_left == 0 ||
             memcmp(bytes, RESPONSE + connection->received, (size_t)count) != 0) {
    end(connection, "a response that no backend sends", 0);
  } else {
    connection->received += (size_t)count;
    if (connection->received == sizeof bytes) on_response(connection);
  }
}

// Runs until every connection has ended or the time is over; returns the seconds it took.
static double run(struct connection *connections, int concurrency, double seconds) {
  uint64_t begun = now();
  uint64_t deadline = begun + (uint64_t)(seconds * 1e9);
  for (int i = 0; i < concurrency; i++) begin(&connections[i]);
  struct epoll_event events[EVENTS_AT_ONCE];
  while (complete + failed < connections_wanted) {
    if (now() >= deadline) {
      failed = connections_wanted - complete;
      note("the time was over before all had ended", 0);
      break;
    }
    int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, 100);
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (connection->connected) on_readable(connection);
      else on_connected(connection);
    }
  }
  return (double)(now() - begun) / 1e9;
}

static int ascending(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a > b) - (a < b);
}

static uint32_t percentile(double share) {
  return answered == 0 ? 0 : latencies[(long)(share * (double)(answered - 1))];
}

static void report(double seconds) {
  qsort(latencies, (size_t)answered, sizeof *latencies, ascending);
  printf("{\"seconds\":%.6f,\"connections\":%ld,\"requests\":%ld,\"failures\":%ld,", seconds,
         complete, answered, failed);
  printf("\"error\":\"%s\",", first_error);
  printf("\"latencyUs\":{\"p50\":%u,\"p95\":%u,\"p99\":%u,\"max\":%u}}\n", percentile(0.5),
         percentile(0.95), percentile(0.99), percentile(1));
}

int main(int argument_count, char **arguments) {
  target.sin_family = AF_INET;
  if (argument_count != 7 || inet_pton(AF_INET, arguments[1], &target.sin_addr) != 1) {
    fprintf(stderr, "usage: %s IPV4-ADDRESS PORT CONNECTIONS CONCURRENCY REQUESTS SECONDS\n",
            arguments[0]);
    return 2;
  }
  target.sin_port = htons((uint16_t)atoi(arguments[2]));
  connections_wanted = atol(arguments[3]);
  int concurrency = atoi(arguments[4]);
  requests_each = atol(arguments[5]);
  double seconds = atof(arguments[6]);
  if (connections_wanted < 1 || concurrency < 1 || concurrency > MAX_CONCURRENCY ||
      requests_each < 1 || connections_wanted > MAX_LATENCIES / requests_each || seconds <= 0) {
    fprintf(stderr, "a number is out of range: at most %d at once and %d requests in all\n",
            MAX_CONCURRENCY, MAX_LATENCIES);
    return 2;
  }
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) fatal("epoll_create1");
  struct connection *connections = calloc((size_t)concurrency, sizeof *connections);
  latencies = malloc((size_t)(connections_wanted * requests_each) * sizeof *latencies);
  if (connections == NULL || latencies == NULL) fatal("malloc");
  report(run(connections, concurrency, seconds));
}
