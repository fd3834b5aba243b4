// server PORT: answers every HTTP request on PORT (any address, IPv4) with the same small response,
// and closes after a request that says so; after two requests it sends or takes bytes without end
// (exchange.h). Prints "ready" once it listens; runs until it is killed.
//
// One thread, edge of the load it measures: it parses no more than it needs to find the end of a
// request, takes no request longer than MAX_REQUEST_BYTES, and serves what it can (a connection
// over the descriptor limit waits in the backlog).

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exchange.h"

enum { MAX_REQUEST_BYTES = 512, EVENTS_AT_ONCE = 256, BACKLOG = 4096 };

// What a connection is for: requests, or bytes without end to its client or from it.
enum kind { REQUESTS, DOWN, UP };

struct connection {
  int fd;
  enum kind kind;
  size_t length;
  char request[MAX_REQUEST_BYTES];
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int listen_on(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)) fail("SO_REUSEADDR");
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (bind(fd, (struct sockaddr *)&address, sizeof address)) fail("bind");
  if (listen(fd, BACKLOG)) fail("listen");
  return fd;
}

static void accept_all(int epoll, int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return; // none left, or no descriptor for it; level-triggered epoll asks again
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *connection = malloc(sizeof *connection);
    if (connection == NULL) fail("malloc");
    connection->fd = fd;
    connection->kind = REQUESTS;
    connection->length = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
  }
}

static void close_connection(struct connection *connection) {
  close(connection->fd);
  free(connection);
}

// Answers the requests that are complete; 0 when the connection is over.
static int answer(struct connection *connection) {
  char *end;
  while ((end = memmem(connection->request, connection->length, "\r\n\r\n", 4)) != NULL) {
    size_t used = (size_t)(end + 4 - connection->request);
    int last = memmem(connection->request, used, "Connection: close", 17) != NULL;
    // The response is far smaller than a socket's buffer: a short write means a client that
    // does not read, and that one is dropped.
    ssize_t sent = send(connection->fd, RESPONSE, LENGTH_OF(RESPONSE), MSG_NOSIGNAL);
    if (sent != LENGTH_OF(RESPONSE) || last) return 0;
    connection->length -= used;
    memmove(connection->request, connection->request + used, connection->length);
  }
  return connection->length < MAX_REQUEST_BYTES;
}

// Whether the client has asked for bytes without end; that is the only thing it ever asks for.
static int becomes_stream(int epoll, struct connection *connection) {
  const char *request = connection->request;
  if (connection->length < LENGTH_OF(UP_REQUEST)) return 0;
  if (memcmp(request, UP_REQUEST, LENGTH_OF(UP_REQUEST)) == 0) connection->kind = UP;
  if (memcmp(request, DOWN_REQUEST, LENGTH_OF(DOWN_REQUEST)) == 0) connection->kind = DOWN;
  if (connection->kind == DOWN) {
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = connection};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, connection->fd, &event)) fail("epoll_ctl");
  }
  return connection->kind != REQUESTS;
}

static void move_piece(struct connection *connection) {
  static char piece[PIECE_BYTES];
  ssize_t count = connection->kind == DOWN
                      ? send(connection->fd, piece, sizeof piece, MSG_NOSIGNAL)
                      : recv(connection->fd, piece, sizeof piece, 0);
  if (count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR))) return;
  close_connection(connection);
}

static void serve(int epoll, struct connection *connection) {
  ssize_t count = read(connection->fd, connection->request + connection->length,
                       MAX_REQUEST_BYTES - connection->length);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count > 0) {
    connection->length += (size_t)count;
    if (becomes_stream(epoll, connection) || answer(connection)) return;
  }
  close_connection(connection);
}

static void serve_any(int epoll, struct connection *connection) {
  if (connection->kind == REQUESTS) serve(epoll, connection);
  else move_piece(connection);
}

int main(int argument_count, char **arguments) {
  if (argument_count != 2) {
    fprintf(stderr, "usage: %s PORT\n", arguments[0]);
    return 2;
  }
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  int listener = listen_on(atoi(arguments[1]));
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) fail("epoll_create1");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event)) fail("epoll_ctl");
  puts("ready");
  fflush(stdout);
  struct epoll_event events[EVENTS_AT_ONCE];
  for (;;) {
    int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == NULL) accept_all(epoll, listener);
      else serve_any(epoll, events[i].data.ptr);
    }
  }
}
