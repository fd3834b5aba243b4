// DNS-like load. Two programs in one:
//
//   datagrams serve PORT
//       sends every datagram back to where it came from, until it is killed; prints a line first
//   datagrams ask IPV4-ADDRESS PORT QUERIES CONCURRENCY NEW-PORTS SECONDS
//       QUERIES datagrams of 48 bytes, CONCURRENCY at once, the next one when one is answered;
//       with NEW-PORTS 1 each from a port of its own, as resolvers do, with 0 each lane from one.
//       A query that is not answered within a second is lost. Prints one line of JSON:
//       {"seconds", "answered", "lost", "cpuUs": of this program, "latencyUs": {"p50", "p99"}}
//
// Exit code 0 when it ran, whatever it measured; 2 for wrong arguments; 1 when it could not.

#define _GNU_SOURCE
#include <arpa/inet.h>
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

enum { QUERY_BYTES = 48, EVENTS_AT_ONCE = 256, MAX_CONCURRENCY = 4096, BUFFER_BYTES = 1 << 22 };
static const uint64_t LOST_AFTER_NS = 1000000000;

struct lane {
  int fd;
  uint64_t since; // ns, when its query was sent; 0 when it has none
};

static struct sockaddr_in target;
static long wanted, started, answered, lost;
static int new_ports, epoll;
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

static void open_lane(struct lane *lane) {
  lane->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (lane->fd < 0) fatal("socket");
  if (connect(lane->fd, (struct sockaddr *)&target, sizeof target)) fatal("connect");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = lane};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, lane->fd, &event)) fatal("epoll_ctl");
}

static void query(struct lane *lane) {
  static const char message[QUERY_BYTES];
  lane->since = 0;
  if (started == wanted) return;
  started++;
  if (lane->fd >= 0 && new_ports) {
    close(lane->fd);
    lane->fd = -1;
  }
  if (lane->fd < 0) open_lane(lane);
  lane->since = now();
  // What cannot be sent is lost, as the time will show.
  if (send(lane->fd, message, sizeof message, 0) < 0) return;
}

static void on_answer(struct lane *lane) {
  char message[QUERY_BYTES + 1];
  ssize_t count = recv(lane->fd, message, sizeof message, 0);
  if (count != QUERY_BYTES || lane->since == 0) return;
  latencies[answered++] = (uint32_t)((now() - lane->since) / 1000);
  query(lane);
}

static double run(struct lane *lanes, int concurrency, double seconds) {
  uint64_t begun = now(), deadline = begun + (uint64_t)(seconds * 1e9), looked = begun;
  for (int i = 0; i < concurrency; i++) query(&lanes[i]);
  struct epoll_event events[EVENTS_AT_ONCE];
  while (answered + lost < wanted) {
    int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, 100);
    for (int i = 0; i < count; i++) on_answer(events[i].data.ptr);
    uint64_t present = now();
    if (present > deadline) lost = wanted - answered;
    if (present - looked < LOST_AFTER_NS / 10) continue;
    looked = present;
    for (int i = 0; i < concurrency; i++) {
      if (lanes[i].since == 0 || present - lanes[i].since < LOST_AFTER_NS) continue;
      lost++;
      query(&lanes[i]);
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

static double cpu_us(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  struct timeval user = usage.ru_utime, kernel = usage.ru_stime;
  return (double)(user.tv_sec + kernel.tv_sec) * 1e6 + (double)(user.tv_usec + kernel.tv_usec);
}

static int ask(char **arguments) {
  target.sin_family = AF_INET;
  if (inet_pton(AF_INET, arguments[0], &target.sin_addr) != 1) return 2;
  target.sin_port = htons((uint16_t)atoi(arguments[1]));
  wanted = atol(arguments[2]);
  int concurrency = atoi(arguments[3]);
  new_ports = atoi(arguments[4]);
  double seconds = atof(arguments[5]);
  if (wanted < 1 || concurrency < 1 || concurrency > MAX_CONCURRENCY || seconds <= 0) return 2;
  epoll = epoll_create1(EPOLL_CLOEXEC);
  struct lane *lanes = calloc((size_t)concurrency, sizeof *lanes);
  latencies = malloc((size_t)wanted * sizeof *latencies);
  if (epoll < 0 || lanes == NULL || latencies == NULL) fatal("start");
  for (int i = 0; i < concurrency; i++) lanes[i].fd = -1;
  double cpu_before = cpu_us(), took = run(lanes, concurrency, seconds), cpu = cpu_us() - cpu_before;
  qsort(latencies, (size_t)answered, sizeof *latencies, ascending);
  printf("{\"seconds\":%.6f,\"answered\":%ld,\"lost\":%ld,\"cpuUs\":%.0f,", took, answered, lost,
         cpu);
  printf("\"latencyUs\":{\"p50\":%u,\"p99\":%u}}\n", percentile(0.5), percentile(0.99));
  return 0;
}

static _Noreturn void serve(int port) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), bytes = BUFFER_BYTES;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own)) fatal("bind");
  puts("serves");
  fflush(stdout);
  for (;;) {
    char message[2048];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t count = recvfrom(fd, message, sizeof message, 0, (struct sockaddr *)&from, &size);
    if (count >= 0) sendto(fd, message, (size_t)count, 0, (struct sockaddr *)&from, size);
  }
}

int main(int argument_count, char **arguments) {
  int code = 2;
  if (argument_count == 3 && strcmp(arguments[1], "serve") == 0) serve(atoi(arguments[2]));
  if (argument_count == 8 && strcmp(arguments[1], "ask") == 0) code = ask(arguments + 2);
  if (code == 2) fprintf(stderr, "usage: see the head of datagrams.c\n");
  return code;
}
