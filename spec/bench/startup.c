/*
 * Start-up time of commands, side by side:
 *
 *   startup RUNS COMMAND ARGS... -- COMMAND ARGS... -- ...
 *
 * Runs them in turn, RUNS times each (A B C A B C ...), and prints a line for each with the
 * medians: cpu_us (user and system) and wall_us.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_COMMANDS 8
#define MAX_RUNS 1000
#define TIMEOUT_S 60

extern char **environ;

static struct subject {
  char **command;
  double cpu[MAX_RUNS], wall[MAX_RUNS];
} subjects[MAX_COMMANDS];

static double now (void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static double microseconds (struct timeval time) {
  return (double)time.tv_sec * 1e6 + (double)time.tv_usec;
}

static void run_once (struct subject *subject, int run) {
  struct rusage usage;
  pid_t pid;
  int status;
  double start = now();
  int code = posix_spawnp(&pid, subject->command[0], NULL, NULL, subject->command, environ);
  if (code != 0) {
    fprintf(stderr, "startup: %s: %s\n", subject->command[0], strerror(code));
    exit(EXIT_FAILURE);
  }
  if (wait4(pid, &status, 0, &usage) != pid || status != 0) {
    fprintf(stderr, "startup: %s failed\n", subject->command[0]);
    exit(EXIT_FAILURE);
  }
  subject->wall[run] = now() - start;
  subject->cpu[run] = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

static int compare (const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median (double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, compare);
  return values[count / 2];
}

/* Cuts the arguments at each "--" into commands; returns how many there are. */
static int split (char **argv) {
  int count = 0;
  for (char **arg = argv; *arg != NULL; count++) {
    if (count == MAX_COMMANDS) return 0;
    subjects[count].command = arg;
    while (*arg != NULL && strcmp(*arg, "--") != 0) arg++;
    if (arg == subjects[count].command) return 0;
    if (*arg != NULL) *arg++ = NULL;
  }
  return count;
}

int main (int argc, char **argv) {
  int runs = argc > 2 ? atoi(argv[1]) : 0;
  int count = runs > 0 && runs <= MAX_RUNS ? split(argv + 2) : 0;
  if (count == 0) {
    fputs("usage: startup RUNS COMMAND ARGS... [-- COMMAND ARGS...]...\n", stderr);
    return EXIT_FAILURE;
  }
  alarm(TIMEOUT_S);
  for (int run = 0; run < runs; run++) {
    for (int i = 0; i < count; i++) run_once(&subjects[i], run);
  }
  for (int i = 0; i < count; i++) {
    printf("cpu_us=%.0f wall_us=%.0f\n", median(subjects[i].cpu, runs), median(subjects[i].wall, runs));
  }
  return EXIT_SUCCESS;
}
