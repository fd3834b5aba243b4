// named-server PORT NAME
//
// Listens on PORT (IPv4, all addresses), writes NAME to whoever connects, and closes: TIME_WAIT
// stays here and the client's ports are free again. Prints "listening" when it does.

#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argument_count, char **arguments) {
  if (argument_count != 3) {
    fprintf(stderr, "usage: %s PORT NAME\n", arguments[0]);
    return 2;
  }
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1]))};
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&own, sizeof own) != 0 || listen(listener, 1024) != 0) {
    perror("listen");
    return 1;
  }
  printf("listening\n");
  fflush(stdout);
  for (;;) {
    int connection = accept(listener, NULL, NULL);
    if (connection < 0) {
      if (errno == EMFILE || errno == ENOMEM) return 1;
      continue;
    }
    send(connection, arguments[2], strlen(arguments[2]), MSG_NOSIGNAL);
    close(connection);
  }
}
