/*
 * Accepts the connections that a command makes, one after the other, and closes them when it has:
 *
 *   sink COMMAND ARGS...
 *
 * The command gets the port as its last argument; the processor time it took is printed. Closing is by a
 * reset, which leaves neither side in TIME_WAIT: the ports last however many connections there are.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_ARGS 16
#define TIMEOUT_S 60

static int open_listener (char *port, size_t room) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 4096) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
    perror("sink");
    exit(EXIT_FAILURE);
  }
  snprintf(port, room, "%d", ntohs(address.sin_port));
  return fd;
}

static void run_command (char **command) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  execvp(command[0], command);
  fprintf(stderr, "sink: %s: %s\n", command[0], strerror(errno));
  _exit(127);
}

/* Each is held until the other side has closed it: a reset before would make its connect fail. */
static void accept_all (int listener) {
  const struct linger reset = {.l_onoff = 1};
  char byte;
  for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd)) {
    while (recv(fd, &byte, 1, 0) > 0) continue;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
}

static double microseconds (struct timeval time) {
  return (double)time.tv_sec * 1e6 + (double)time.tv_usec;
}

int main (int argc, char **argv) {
  char port[8], *command[MOST_ARGS + 2] = {NULL};
  struct rusage usage;
  int status;
  if (argc < 2 || argc - 1 > MOST_ARGS) {
    fputs("usage: sink COMMAND ARGS...\n", stderr);
    return EXIT_FAILURE;
  }
  int listener = open_listener(port, sizeof port);
  memcpy(command, argv + 1, (size_t)(argc - 1) * sizeof *argv);
  command[argc - 1] = port;
  alarm(TIMEOUT_S);
  pid_t pid = fork();
  if (pid == 0) run_command(command);
  struct pollfd ready = {.fd = listener, .events = POLLIN};
  while (wait4(pid, &status, WNOHANG, &usage) == 0) {
    if (poll(&ready, 1, 10) > 0) accept_all(listener);
  }
  if (pid < 0 || status != 0) return EXIT_FAILURE;
  printf("cpu_us=%.0f\n", microseconds(usage.ru_utime) + microseconds(usage.ru_stime));
  return EXIT_SUCCESS;
}
