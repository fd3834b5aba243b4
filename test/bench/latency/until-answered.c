// until-answered
//
// Reads questions, one a line: ADDRESS PORT NAME ATTEMPT_MS DEADLINE_MS. For each it connects again
// and again (IPv4, one connection at a time, at most one each millisecond) until a connection is
// answered with NAME, and prints one line:
//
//   NANOSECONDS ATTEMPTS FAILED
//
// when the answer was whole (CLOCK_MONOTONIC; 0: never within DEADLINE_MS), how many connections
// were made, and how many of them were refused, reset, or not answered within ATTEMPT_MS.
// Ends with its input.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 256, NAME = 64 };
static const uint64_t BETWEEN_NS = 1000 * 1000;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int wait_for(int fd, short events, uint64_t deadline) {
  uint64_t present = now();
  if (present >= deadline) return 0;
  struct timespec left = {.tv_sec = (time_t)((deadline - present) / 1000000000u),
                          .tv_nsec = (long)((deadline - present) % 1000000000u)};
  struct pollfd polled = {.fd = fd, .events = events};
  return ppoll(&polled, 1, &left, NULL) == 1;
}

// Everything that the other side writes until it closes; -1 when it fails or the time is over.
static ssize_t answer(int fd, const struct sockaddr_in *target, char *text, uint64_t deadline) {
  if (connect(fd, (const struct sockaddr *)target, sizeof *target) != 0 && errno != EINPROGRESS)
    return -1;
  size_t length = 0;
  while (length < NAME) {
    if (!wait_for(fd, POLLIN, deadline)) return -1;
    ssize_t count = read(fd, text + length, NAME - length);
    if (count < 0) return -1;
    if (count == 0) return (ssize_t)length;
    length += (size_t)count;
  }
  return -1;
}

static int is_answered(const struct sockaddr_in *target, const char *name, uint64_t attempt_ns,
                       long *failed) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    ++*failed;
    return 0;
  }
  char text[NAME];
  ssize_t length = answer(fd, target, text, now() + attempt_ns);
  close(fd);
  if (length <= 0) ++*failed;
  return length == (ssize_t)strlen(name) && memcmp(text, name, (size_t)length) == 0;
}

static void ask(const struct sockaddr_in *target, const char *name, uint64_t attempt_ns,
                uint64_t deadline) {
  long attempts = 0, failed = 0;
  for (;;) {
    uint64_t begun = now();
    if (begun >= deadline) break;
    attempts++;
    if (is_answered(target, name, attempt_ns, &failed)) {
      printf("%llu %ld %ld\n", (unsigned long long)now(), attempts, failed);
      return;
    }
    uint64_t taken = now() - begun;
    if (taken < BETWEEN_NS) usleep((useconds_t)((BETWEEN_NS - taken) / 1000));
  }
  printf("0 %ld %ld\n", attempts, failed);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  char line[LINE];
  while (fgets(line, sizeof line, stdin) != NULL) {
    char address[32], name[NAME];
    unsigned port, attempt_ms, deadline_ms;
    struct sockaddr_in target = {.sin_family = AF_INET};
    if (sscanf(line, "%31s %u %63s %u %u", address, &port, name, &attempt_ms, &deadline_ms) != 5 ||
        inet_pton(AF_INET, address, &target.sin_addr) != 1) {
      fprintf(stderr, "not a question: %s", line);
      return 2;
    }
    target.sin_port = htons((uint16_t)port);
    ask(&target, name, attempt_ms * 1000000ull, now() + deadline_ms * 1000000ull);
  }
  return 0;
}
