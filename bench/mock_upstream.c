/* A fast OpenAI-like upstream for bench/gateway.py: one thread, epoll, HTTP/1.1 keep-alive.
 *
 *   mock_upstream            listens on a free port of loopback, prints it, serves until killed
 *
 * POST with "stream":true in the body: 64 chunks, each sent alone; otherwise one JSON answer. With "user":"pace-10"
 * a chunk every 10 ms. Bodies need a content-length. One request at a time on a connection. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FD 8192
#define BUFFER (1 << 18)
#define CHUNKS 66 /* role, 61 tokens, finish, usage, [DONE], end of body */

static struct { char *data; int used; int pace, at; long long due; } conn[MAX_FD]; /* pace: ms, 0 for none */
static int paced[MAX_FD], paced_count;
static char answer[4096], chunk[CHUNKS][1024];
static int answer_size, chunk_size[CHUNKS];
static const char STREAM_HEAD[] =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";

static void prepare(void) {
  char body[2048], event[900];
  int size = sprintf(body,
      "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1763760000,\"model\":\"mock\",\"choices\":[{"
      "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"The quick brown fox jumps over the lazy dog. Pack "
      "my box with five dozen liquor jugs. How vexingly quick daft zebras jump!\"},\"logprobs\":null,"
      "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":42,\"total_tokens\":61}}");
  answer_size = sprintf(answer, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s",
                        size, body);
  const char *base = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1763760000,"
                     "\"model\":\"mock\",\"choices\":";
  for (int i = 0; i < CHUNKS - 1; i++) {
    if (i == CHUNKS - 2)
      sprintf(event, "data: [DONE]\n\n");
    else if (i == CHUNKS - 3)
      sprintf(event, "%s[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":61,\"total_tokens\":80}}\n\n", base);
    else if (i == CHUNKS - 4)
      sprintf(event, "%s[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", base);
    else if (i == 0)
      sprintf(event, "%s[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n", base);
    else
      sprintf(event, "%s[{\"index\":0,\"delta\":{\"content\":\" token%d\"},\"finish_reason\":null}]}\n\n", base, i);
    chunk_size[i] = sprintf(chunk[i], "%x\r\n%s\r\n", (int)strlen(event), event);
  }
  chunk_size[CHUNKS - 1] = sprintf(chunk[CHUNKS - 1], "0\r\n\r\n");
}

static int send_all(int fd, const char *data, int size) {
  while (size > 0) {
    int sent = send(fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
      struct pollfd ready = {.fd = fd, .events = POLLOUT};
      if (poll(&ready, 1, 1000) <= 0) return -1;
      continue;
    }
    if (sent <= 0) return -1;
    data += sent, size -= sent;
  }
  return 0;
}

static long long now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void pace(int fd, int ms) {
  conn[fd].pace = ms, conn[fd].at = 1, conn[fd].due = now_us() + ms * 1000LL;
  paced[paced_count++] = fd;
}

/* Sends the chunks that are due; gives the ms until the next one, -1 if none waits. */
static int send_due(void) {
  long long now = now_us(), next = -1;
  for (int i = 0; i < paced_count; i++) {
    int fd = paced[i];
    while (conn[fd].pace && conn[fd].due <= now) {
      if (send_all(fd, chunk[conn[fd].at], chunk_size[conn[fd].at])) shutdown(fd, SHUT_RDWR), conn[fd].pace = 0;
      else if (++conn[fd].at == CHUNKS) conn[fd].pace = 0;
      else conn[fd].due += conn[fd].pace * 1000LL;
    }
    if (!conn[fd].pace) paced[i--] = paced[--paced_count];
    else if (next < 0 || conn[fd].due < next) next = conn[fd].due;
  }
  return next < 0 ? -1 : next <= now ? 0 : (int)((next - now + 999) / 1000);
}

/* Answers what has arrived whole; -1 when the connection is of no use any more. */
static int serve(int fd) {
  for (;;) {
    char *data = conn[fd].data;
    int used = conn[fd].used, length = 0;
    char *head = memmem(data, used, "\r\n\r\n", 4);
    if (!head) return used < BUFFER ? 0 : -1;
    int head_size = head + 4 - data;
    head[2] = 0;
    char *field = strcasestr(data, "\r\ncontent-length:");
    if (field) length = atoi(field + 17);
    head[2] = '\r';
    int total = head_size + length;
    if (used < total) return total <= BUFFER ? 0 : -1;
    int stream = memmem(data + head_size, length, "\"stream\":true", 13) || memmem(data + head_size, length, "\"stream\": true", 14);
    if (stream) {
      char *wish = memmem(data + head_size, length, "\"pace-", 6);
      if (send_all(fd, STREAM_HEAD, sizeof STREAM_HEAD - 1)) return -1;
      if (wish && send_all(fd, chunk[0], chunk_size[0])) return -1;
      if (wish) pace(fd, atoi(wish + 6));
      for (int i = 0; !wish && i < CHUNKS; i++)
        if (send_all(fd, chunk[i], chunk_size[i])) return -1;
    } else if (send_all(fd, answer, answer_size))
      return -1;
    memmove(data, data + total, used - total);
    conn[fd].used = used - total;
    if (!conn[fd].used) return 0;
  }
}

static void forget(int fd) {
  for (int i = 0; conn[fd].pace && i < paced_count; i++)
    if (paced[i] == fd) paced[i] = paced[--paced_count], conn[fd].pace = 0;
  close(fd);
}

int main(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prepare();
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (void *)&address, size) || listen(listener, 4096)) return perror("listen"), 1;
  getsockname(listener, (void *)&address, &size);
  printf("%d\n", ntohs(address.sin_port)), fflush(stdout);
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[512];
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int count = epoll_wait(epoll, events, 512, send_due());
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        while ((fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
          if (fd >= MAX_FD) { close(fd); continue; }
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          if (!conn[fd].data) conn[fd].data = malloc(BUFFER + 1);
          conn[fd].used = conn[fd].pace = 0;
          event.data.fd = fd;
          epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        }
        continue;
      }
      int got = recv(fd, conn[fd].data + conn[fd].used, BUFFER - conn[fd].used, 0);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0) { forget(fd); continue; }
      conn[fd].used += got;
      if (serve(fd)) forget(fd);
    }
  }
}
