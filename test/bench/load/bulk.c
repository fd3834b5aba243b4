// bulk IPV4-ADDRESS PORT CONNECTIONS UP SECONDS
//
// Bytes without end over CONNECTIONS connections (server.c sends or takes them): with UP 1 from
// here, with 0 to here, for SECONDS after each connection has moved something. Prints one line of
// JSON:
//
//   seconds, bytes    what was moved, and in which time
//   failures          connections that ended early, or all if one never began
//   error             the first failure in words; empty when there is none
//   cpuUs             CPU time of this program, µs
//
// Exit code 0 when it ran, whatever it measured; 2 for wrong arguments; 1 when it could not.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "exchange.h"

enum { EVENTS_AT_ONCE = 256, MAX_CONNECTIONS = 4096 };

struct stream {
  int fd;
  int sends;
  int begun; // something came or went
};

static char piece[PIECE_BYTES];
static int epoll;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static _Noreturn void fatal(const char *what) {
  perror(what);
  exit(1);
}

// Moves one piece; returns its bytes, 0 when there is nothing to do, -1 at the end of the stream.
static ssize_t move(struct stream *stream) {
  ssize_t count = stream->sends ? send(stream->fd, piece, sizeof piece, MSG_NOSIGNAL)
                                     : recv(stream->fd, piece, sizeof piece, 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (count <= 0) return -1;
  stream->begun = 1;
  return count;
}

static double cpu_us(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  struct timeval user = usage.ru_utime, kernel = usage.ru_stime;
  return (double)(user.tv_sec + kernel.tv_sec) * 1e6 + (double)(user.tv_usec + kernel.tv_usec);
}

static void open_stream(struct stream *stream, const struct sockaddr_in *target, int sends) {
  stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  stream->sends = sends;
  if (stream->fd < 0 || connect(stream->fd, (struct sockaddr *)target, sizeof *target))
    fatal("connect");
  const char *request = sends ? UP_REQUEST : DOWN_REQUEST;
  if (send(stream->fd, request, strlen(request), MSG_NOSIGNAL) < 0) fatal("send");
  if (fcntl(stream->fd, F_SETFL, O_NONBLOCK)) fatal("fcntl");
  struct epoll_event event = {.events = sends ? EPOLLOUT : EPOLLIN, .data.ptr = stream};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, stream->fd, &event)) fatal("epoll_ctl");
}

static int ask(char **arguments) {
  struct sockaddr_in target = {.sin_family = AF_INET};
  target.sin_port = htons((uint16_t)atoi(arguments[1]));
  if (inet_pton(AF_INET, arguments[0], &target.sin_addr) != 1) return 2;
  int connections = atoi(arguments[2]), sends = atoi(arguments[3]), begun = 0, failures = 0;
  double seconds = atof(arguments[4]), deadline = now() + 30 + seconds, since = 0, cpu = 0;
  if (connections < 1 || connections > MAX_CONNECTIONS || seconds <= 0) return 2;
  struct stream *streams = calloc((size_t)connections, sizeof *streams);
  if (streams == NULL) fatal("calloc");
  for (int i = 0; i < connections; i++) open_stream(&streams[i], &target, sends);
  uint64_t bytes = 0;
  const char *error = "";
  struct epoll_event events[EVENTS_AT_ONCE];
  for (double present = now(); present < deadline; present = now()) {
    int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, 100);
    for (int i = 0; i < count; i++) {
      struct stream *stream = events[i].data.ptr;
      int before = stream->begun;
      ssize_t moved = move(stream);
      begun += stream->begun - before;
      if (moved > 0 && since > 0) bytes += (uint64_t)moved;
      if (moved >= 0) continue;
      error = "a connection ended early";
      failures++;
      close(stream->fd);
    }
    if (failures == connections) break;
    if (since > 0 || begun < connections) continue;
    since = now();
    cpu = cpu_us();
    deadline = since + seconds;
  }
  if (since == 0) error = "a connection never began";
  printf("{\"seconds\":%.6f,\"bytes\":%llu,\"failures\":%d,\"error\":\"%s\",\"cpuUs\":%.0f}\n",
         since > 0 ? now() - since : 0, (unsigned long long)bytes,
         since > 0 ? failures : connections, error, cpu_us() - cpu);
  return 0;
}

int main(int argument_count, char **arguments) {
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) fatal("epoll_create1");
  int code = argument_count == 6 ? ask(arguments + 1) : 2;
  if (code == 2) fprintf(stderr, "usage: see the head of bulk.c\n");
  return code;
}
