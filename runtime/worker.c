/*
 * worker.c: threads for the calls that can only block. The pool grows to a cap; a job that nobody waits
 * for any more is taken back if it has not begun and freed by the worker if it has; exit never waits for
 * a worker that is stuck.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "core.h"

#define MOST 32

enum { WAITING, RUNNING, FINISHED, ABANDONED };

/* Lives as long as the process once made: a stuck worker may come back at any time. */
struct nl_pool {
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  nl_runtime *rt; /* NULL: shut down */
  nl_job *first, *last;
  nl_job *finished; /* to be told to the tasks */
  int threads, idle;
  int queued;  /* jobs from first to last: no idle thread serves two of them */
  bool waking; /* an idle thread was told and has not come yet: it will tell the next */
};

static void runjob (nl_pool *pool, nl_job *job) {
  job->state = RUNNING;
  (void)pthread_mutex_unlock(&pool->lock);
  job->run(job);
  (void)pthread_mutex_lock(&pool->lock);
  if (job->state == ABANDONED || pool->rt == NULL) {
    job->free(job);
    return;
  }
  __atomic_store_n(&job->state, FINISHED, __ATOMIC_RELEASE);
  job->next = pool->finished;
  pool->finished = job;
  nl_loopwake(pool->rt);
  (void)pthread_cond_broadcast(&pool->done);
}

/* One at a time, each before it begins its own job: so short jobs do not wake everybody, and a job that
 * hangs holds up none. */
static void wakeone (nl_pool *pool) {
  if (pool->queued == 0 || pool->idle == 0 || pool->waking) return;
  pool->waking = true;
  (void)pthread_cond_signal(&pool->work);
}

static void unqueue (nl_pool *pool, nl_job *job) {
  nl_job *before = NULL;
  for (nl_job *j = pool->first; j != job; j = j->next) before = j;
  if (before != NULL) before->next = job->next;
  else pool->first = job->next;
  if (pool->last == job) pool->last = before;
  job->next = NULL;
  pool->queued--;
}

static nl_job *takejob (nl_pool *pool) {
  while (pool->first == NULL) {
    pool->idle++;
    (void)pthread_cond_wait(&pool->work, &pool->lock);
    pool->idle--;
    pool->waking = false;
  }
  nl_job *job = pool->first;
  unqueue(pool, job);
  wakeone(pool);
  return job;
}

static void *worker (void *arg) {
  nl_pool *pool = arg;
  (void)pthread_mutex_lock(&pool->lock);
  for (;;) {
    runjob(pool, takejob(pool));
  }
  return NULL;
}

static nl_pool *makepool (nl_runtime *rt) {
  pthread_condattr_t monotonic;
  nl_pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return NULL;
  (void)pthread_mutex_init(&pool->lock, NULL);
  (void)pthread_condattr_init(&monotonic);
  (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  (void)pthread_cond_init(&pool->work, NULL);
  (void)pthread_cond_init(&pool->done, &monotonic);
  (void)pthread_condattr_destroy(&monotonic);
  pool->rt = rt;
  return pool;
}

/* Signals are for the thread that runs Lua. */
static int addthread (nl_pool *pool) {
  pthread_t thread;
  sigset_t all, old;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &old);
  int status = pthread_create(&thread, NULL, worker, pool);
  (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (status != 0) return status;
  pool->threads++;
  (void)pthread_detach(thread);
  return 0;
}

int nl_submit (lua_State *L, nl_job *job) {
  nl_runtime *rt = nl_rt(L);
  if (!nl_loopready(rt)) return errno; /* before the first job can end, or nobody would hear of it */
  if (rt->pool == NULL) rt->pool = makepool(rt);
  nl_pool *pool = rt->pool;
  if (pool == NULL) return ENOMEM;
  job->next = NULL;
  job->pool = pool;
  job->state = WAITING;
  (void)pthread_mutex_lock(&pool->lock);
  int status = 0;
  if (pool->idle <= pool->queued && pool->threads < MOST) status = addthread(pool);
  if (status == 0 || pool->threads > 0) {
    status = 0;
    if (pool->last != NULL) pool->last->next = job;
    else pool->first = job;
    pool->last = job;
    pool->queued++;
    wakeone(pool);
  }
  (void)pthread_mutex_unlock(&pool->lock);
  return status;
}

void nl_jobsdone (nl_runtime *rt) {
  nl_pool *pool = rt->pool;
  if (pool == NULL) return;
  (void)pthread_mutex_lock(&pool->lock);
  nl_job *job = pool->finished;
  pool->finished = NULL;
  for (nl_job *next; job != NULL; job = next) {
    next = job->next;
    job->next = NULL;
    nl_wakeall(&job->waiters);
  }
  (void)pthread_mutex_unlock(&pool->lock);
}

bool nl_jobdone (nl_job *job) {
  return __atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == FINISHED;
}

static void forgetfinished (nl_pool *pool, nl_job *job) {
  nl_job **link = &pool->finished;
  while (*link != NULL && *link != job) link = &(*link)->next;
  if (*link == job) *link = job->next;
}

void nl_jobdrop (void *arg) {
  nl_job *job = arg;
  nl_pool *pool = job->pool;
  nl_wakeall(&job->waiters); /* at the end of the state: they must not stand in freed memory */
  (void)pthread_mutex_lock(&pool->lock);
  bool ours = job->state != RUNNING;
  if (job->state == WAITING) unqueue(pool, job);
  if (job->state == FINISHED) forgetfinished(pool, job);
  job->state = ABANDONED;
  (void)pthread_mutex_unlock(&pool->lock);
  if (ours) job->free(job);
}

static struct timespec timeof (double t) {
  struct timespec ts;
  ts.tv_sec = (time_t)t;
  ts.tv_nsec = (long)((t - (double)ts.tv_sec) * 1e9);
  return ts;
}

/* In slices, so that ^C is seen. */
bool nl_jobblock (nl_runtime *rt, nl_job *job, double until) {
  nl_pool *pool = rt->pool;
  double slice = nl_now() + 0.1;
  struct timespec ts = timeof(until < slice ? until : slice);
  (void)pthread_mutex_lock(&pool->lock);
  int status = 0;
  while (job->state != FINISHED && status == 0) {
    status = pthread_cond_timedwait(&pool->done, &pool->lock, &ts);
  }
  bool done = job->state == FINISHED;
  (void)pthread_mutex_unlock(&pool->lock);
  return done;
}

void nl_poolshut (nl_runtime *rt) {
  nl_pool *pool = rt->pool;
  if (pool == NULL) return;
  (void)pthread_mutex_lock(&pool->lock);
  pool->rt = NULL;
  (void)pthread_mutex_unlock(&pool->lock);
}
