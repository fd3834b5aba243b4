// What client.c and server.c agree on: the only request and the only response there are.

#ifndef PORTICO_BENCH_EXCHANGE_H
#define PORTICO_BENCH_EXCHANGE_H

// The server closes after it answered the last request of a connection, so that TIME_WAIT stays
// with the server and the client's ports are free again.
#define REQUEST "GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
#define LAST_REQUEST "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" \
  "................................................................"

#define LENGTH_OF(literal) (sizeof(literal) - 1)

#endif
