/* A load generator for bench/gateway.py: one thread, epoll, HTTP/1.1 keep-alive, one request at a time each.
 *
 *   load PORT CONNECTIONS SECONDS REQUEST_FILE [STAGGER [COUNT]]
 *
 * REQUEST_FILE holds COUNT (1) whole requests of one size, head and body, which are sent in turn. A connection is
 * opened every STAGGER ms, without it all at once. Prints one JSON line: finished requests and seconds, data
 * events seen, the fewest of one answer, answers other than 200 or broken, and percentiles in ms of the time to the first byte of the body and
 * to the end of the answer. Answers may be framed by length or by chunks. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_SAMPLES 4000000
#define HEAD 16384

typedef struct {
  int fd, head_size, in_body, status, match, seen;
  long left;      /* body bytes still to come; -1 chunked */
  char tail[5];   /* last bytes of a chunked body */
  long long start, first;
  char head[HEAD];
} Conn;

static int port, epoll;
static char *requests;
static int request_size, request_count = 1, request_next, fewest = 1 << 30;
static double *first_ms, *total_ms;
static long finished, events_seen, failed, samples;

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void begin(Conn *c) {
  c->start = now(), c->first = 0, c->head_size = 0, c->in_body = 0, c->match = 0, c->seen = 0;
  char *request = requests + (long)(request_next++ % request_count) * request_size;
  memset(c->tail, 0, sizeof c->tail);
  for (int sent = 0; sent < request_size;) {
    int n = send(c->fd, request + sent, request_size - sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) break;
    if (n > 0) sent += n;
  }
}

static void open_connection(Conn *c) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(c->fd, (void *)&a, sizeof a)) perror("connect"), exit(1);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e);
  begin(c);
}

static void reopen(Conn *c) {
  failed++;
  if (failed > 100) fprintf(stderr, "too many failures, the last answer began: %.300s\n", c->head), exit(2);
  close(c->fd);
  open_connection(c);
}

static void finish(Conn *c) {
  finished++;
  if (c->seen < fewest) fewest = c->seen;
  if (samples < MAX_SAMPLES) {
    first_ms[samples] = (c->first - c->start) / 1e6;
    total_ms[samples++] = (now() - c->start) / 1e6;
  }
  begin(c);
}

static void receive(Conn *c) {
  static char buffer[1 << 18];
  int size = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) { reopen(c); return; }
  char *p = buffer;
  if (!c->in_body) {
    int before = c->head_size, copy = size < HEAD - 1 - before ? size : HEAD - 1 - before;
    memcpy(c->head + before, p, copy);
    c->head_size += copy;
    c->head[c->head_size] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) return;
    c->in_body = 1, c->first = now(), c->status = atoi(c->head + 9);
    end[2] = 0;
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->left = length ? atol(length + 17) : -1;
    int skip = (int)(end + 4 - c->head) - before;
    p += skip, size -= skip;
    if (c->status != 200) { end[2] = '\r'; reopen(c); return; }
  }
  for (int i = 0; i < size; i++) {
    c->match = p[i] == "data:"[c->match] ? c->match + 1 : p[i] == 'd';
    if (c->match == 5) events_seen++, c->seen++, c->match = 0;
  }
  if (c->left >= 0) {
    c->left -= size;
    if (c->left <= 0) finish(c);
    return;
  }
  for (int i = size > 5 ? size - 5 : 0; i < size; i++) memmove(c->tail, c->tail + 1, 4), c->tail[4] = p[i];
  if (!memcmp(c->tail, "0\r\n\r\n", 5)) finish(c);
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  if (argc < 5) return fprintf(stderr, "load PORT CONNECTIONS SECONDS REQUEST_FILE [STAGGER]\n"), 2;
  long long stagger = argc > 5 ? (long long)(atof(argv[5]) * 1e6) : 0;
  port = atoi(argv[1]);
  int count = atoi(argv[2]);
  FILE *file = fopen(argv[4], "r");
  if (argc > 6) request_count = atoi(argv[6]);
  requests = malloc(1 << 25);
  request_size = fread(requests, 1, 1 << 25, file) / request_count;
  first_ms = malloc(MAX_SAMPLES * sizeof(double)), total_ms = malloc(MAX_SAMPLES * sizeof(double));
  epoll = epoll_create1(0);
  Conn *conns = calloc(count, sizeof(Conn));
  long long begun = now(), until = begun + (long long)(atof(argv[3]) * 1e9);
  struct epoll_event events[512];
  for (int opened = 0; now() < until;) {
    while (opened < count && now() - begun >= opened * stagger) open_connection(&conns[opened++]);
    int n = epoll_wait(epoll, events, 512, opened < count ? 1 : 20);
    for (int i = 0; i < n; i++) receive(events[i].data.ptr);
  }
  double seconds = (now() - begun) / 1e9;
  qsort(first_ms, samples, sizeof(double), by_value), qsort(total_ms, samples, sizeof(double), by_value);
#define AT(list, q) (samples ? list[(long)(samples * (q))] : -1)
  printf("{\"finished\":%ld,\"seconds\":%.4f,\"events\":%ld,\"fewest\":%d,\"failed\":%ld,\"first_p50\":%.4f,\"first_p99\":%.4f,"
         "\"total_p50\":%.4f,\"total_p99\":%.4f}\n",
         finished, seconds, events_seen, finished ? fewest : 0, failed, AT(first_ms, .5), AT(first_ms, .99), AT(total_ms, .5), AT(total_ms, .99));
}
