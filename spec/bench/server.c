/*
 * What the load generators share, see server.h. The server leads its own process group and dies with its
 * parent, so that nothing is left behind however a run ends.
 */
#define _GNU_SOURCE
#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STOP_MS 2000    /* from SIGTERM to SIGKILL */
#define STABLE_MS 200   /* a reading that has not moved for this long has settled */
#define SETTLE_MS 10000 /* the longest wait for a reading to settle */
#define POLL_MS 10

static volatile sig_atomic_t server_pid = 0;

/* --- Failure ------------------------------------------------------------------------------ */

/* The server leads its own process group, so that a server behind a wrapper goes too. */
static void kill_server (void) {
  if (server_pid > 0) {
    kill(-server_pid, SIGKILL);
    waitpid(server_pid, NULL, 0);
  }
}

static void on_signal (int number) {
  static const char late[] = "timed out\n", ended[] = "interrupted\n";
  kill_server();
  ssize_t ignored = number == SIGALRM ? write(STDERR_FILENO, late, sizeof late - 1)
                                      : write(STDERR_FILENO, ended, sizeof ended - 1);
  (void)ignored;
  _exit(EXIT_FAILURE);
}

void fail (const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s: ", program_invocation_short_name);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  kill_server();
  exit(EXIT_FAILURE);
}

/* --- Time and numbers --------------------------------------------------------------------------------- */

double now (void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void sleep_ms (long ms) {
  struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

long parse_count (const char *text) {
  char *rest;
  errno = 0;
  long value = strtol(text, &rest, 10);
  if (errno != 0 || *rest != '\0' || value < 1 || value > 1000000000) fail("bad number: %s", text);
  return value;
}

/* --- What /proc says of the server -------------------------------------------------------- */

static DIR *open_proc (const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)server_pid, name);
  DIR *directory = opendir(path);
  if (directory == NULL) fail("%s: %s", path, strerror(errno));
  return directory;
}

/* The time of a running thread is only brought up to date now and then: the server goes to sleep first. */
long read_cpu (void) {
  sleep_ms(POLL_MS);
  DIR *tasks = open_proc("task");
  long total = 0;
  for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
    char path[sizeof entry->d_name + 64];
    long time = 0;
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)server_pid, entry->d_name);
    FILE *file = fopen(path, "r");
    if (file == NULL) continue; /* the thread may just have ended */
    if (fscanf(file, "%ld", &time) == 1) total += time;
    fclose(file);
  }
  closedir(tasks);
  if (total == 0) fail("no processor time in /proc/%d/task/*/schedstat", (int)server_pid);
  return total;
}

long read_rss (void) {
  char path[64], line[256];
  long kib = -1;
  snprintf(path, sizeof path, "/proc/%d/status", (int)server_pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) fail("%s: %s", path, strerror(errno));
  while (kib < 0 && fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "VmRSS: %ld kB", &kib) != 1) kib = -1;
  }
  fclose(file);
  if (kib < 0) fail("no VmRSS in %s", path);
  return kib * 1024;
}

long read_fds (void) {
  DIR *fds = open_proc("fd");
  long count = 0;
  for (struct dirent *entry; (entry = readdir(fds)) != NULL;) count += entry->d_name[0] != '.';
  closedir(fds);
  return count;
}

long settle (long (*reading)(void)) {
  long value = reading();
  for (long waited = 0, same = 0; same < STABLE_MS && waited < SETTLE_MS; waited += POLL_MS) {
    sleep_ms(POLL_MS);
    long next = reading();
    same = next == value ? same + POLL_MS : 0;
    value = next;
  }
  return value;
}

/* --- The server --------------------------------------------------------------------------- */

/* The load runs on the first processor it may use and the server on the second, so that they
 * neither move about nor take turns. With only one processor they have to share it. */
static void pin (int second) {
  cpu_set_t allowed, chosen;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2) return;
  for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &allowed) || second-- > 0) continue;
    CPU_ZERO(&chosen);
    CPU_SET(cpu, &chosen);
    sched_setaffinity(0, sizeof chosen, &chosen);
    return;
  }
}

static void run_command (char **command, const int *out) {
  pin(1);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(out[1], STDOUT_FILENO);
  close(out[0]);
  close(out[1]);
  execvp(command[0], command);
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, command[0], strerror(errno));
  _exit(127);
}

static void catch_signals (void) {
  struct sigaction action = {.sa_handler = on_signal};
  const int signals[] = {SIGALRM, SIGINT, SIGTERM, SIGHUP};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
}

in_port_t start_server (char **command, unsigned seconds) {
  int out[2];
  char line[32];
  size_t used = 0;
  catch_signals();
  alarm(seconds);
  if (pipe(out) != 0) fail("pipe: %s", strerror(errno));
  pid_t pid = fork();
  if (pid < 0) fail("fork: %s", strerror(errno));
  if (pid == 0) run_command(command, out);
  pin(0);
  setpgid(pid, pid); /* in both processes, as either may come first */
  server_pid = pid;
  close(out[1]);
  while (used < sizeof line - 1 && read(out[0], line + used, 1) == 1 && line[used] != '\n') used++;
  int whole = line[used] == '\n';
  line[used] = '\0';
  char *rest;
  long port = strtol(line, &rest, 10);
  if (!whole || *rest != '\0' || port <= 0 || port > 65535) fail("%s: no port", command[0]);
  return (in_port_t)port;
}

void stop_server (void) {
  pid_t pid = server_pid;
  int status;
  if (waitpid(pid, &status, WNOHANG) == pid) {
    server_pid = 0;
    fail("the server ended by itself, wait status %d", status);
  }
  kill(-pid, SIGTERM);
  for (long waited = 0; waited < STOP_MS; waited += POLL_MS) {
    if (waitpid(pid, &status, WNOHANG) == pid) {
      server_pid = 0;
      return;
    }
    sleep_ms(POLL_MS);
  }
  kill_server();
}
