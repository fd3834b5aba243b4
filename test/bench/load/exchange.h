// What the clients and server.c agree on: all requests and responses that there are.

#ifndef PORTICO_BENCH_EXCHANGE_H
#define PORTICO_BENCH_EXCHANGE_H

// The server closes after it answered the last request of a connection, so that TIME_WAIT stays
// with the server and the client's ports are free again.
#define REQUEST "GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
#define LAST_REQUEST "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" \
  "................................................................"

// Not followed by a response: from then on the server sends bytes without end, or takes them.
#define DOWN_REQUEST "GET /down HTTP/1.1\r\nHost: bench\r\n\r\n"
#define UP_REQUEST "POST /up HTTP/1.1\r\nHost: bench\r\n\r\n"
enum { PIECE_BYTES = 1 << 17 };

#define LENGTH_OF(literal) (sizeof(literal) - 1)

#endif
