/*
 * cache.c: what is kept under a key for later, such as TLS sessions of a peer: a few of each key, the newest
 * first, and of a bounded number of keys those that were used last. It lives as long as somebody refers to
 * it.
 */
#include <stdlib.h>
#include <string.h>

#include "netlua.h"

#define EACH 4   /* values of one key */
#define KEYS 256 /* before the one is forgotten that was used longest ago */

typedef struct entry {
  char *key;
  void *values[EACH]; /* NULL behind the last */
  struct entry *next;
} entry;

struct nl_cache { /* the key that was used last comes first */
  size_t references, n;
  void (*drop)(void *value);
  entry *first;
};

static void drop (const nl_cache *c, void *value) {
  if (value != NULL) c->drop(value);
}

static void freeentry (const nl_cache *c, entry *e) {
  for (int i = 0; i < EACH; i++) drop(c, e->values[i]);
  free(e->key);
  free(e);
}

nl_cache *nl_newcache (void (*dropvalue)(void *value)) {
  nl_cache *c = calloc(1, sizeof *c);
  if (c == NULL) return NULL;
  c->references = 1;
  c->drop = dropvalue;
  return c;
}

nl_cache *nl_cachekeep (nl_cache *c) {
  c->references++;
  return c;
}

void nl_cachedrop (nl_cache *c) {
  if (c == NULL || --c->references > 0) return;
  for (entry *e = c->first, *next; e != NULL; e = next) {
    next = e->next;
    freeentry(c, e);
  }
  free(c);
}

/* The entry, now at the front; or NULL. */
static entry *find (nl_cache *c, const char *key) {
  for (entry **at = &c->first; *at != NULL; at = &(*at)->next) {
    entry *e = *at;
    if (strcmp(e->key, key) != 0) continue;
    *at = e->next;
    e->next = c->first;
    return c->first = e;
  }
  return NULL;
}

static void forgetoldest (nl_cache *c) {
  entry **last = &c->first;
  while ((*last)->next != NULL) last = &(*last)->next;
  freeentry(c, *last);
  *last = NULL;
  c->n--;
}

static entry *add (nl_cache *c, const char *key) {
  entry *e = calloc(1, sizeof *e);
  if (e == NULL || (e->key = strdup(key)) == NULL) {
    free(e);
    return NULL;
  }
  e->next = c->first;
  c->first = e;
  if (++c->n > KEYS) forgetoldest(c);
  return e;
}

void nl_cacheput (nl_cache *c, const char *key, void *value) {
  entry *e = find(c, key);
  if (e == NULL) e = add(c, key);
  if (e == NULL) {
    drop(c, value);
    return;
  }
  drop(c, e->values[EACH - 1]);
  memmove(e->values + 1, e->values, sizeof e->values - sizeof *e->values);
  e->values[0] = value;
}

void *nl_cachetake (nl_cache *c, const char *key) {
  entry *e = find(c, key);
  if (e == NULL) return NULL;
  void *value = e->values[0];
  memmove(e->values, e->values + 1, sizeof e->values - sizeof *e->values);
  e->values[EACH - 1] = NULL;
  return value;
}

/* ---- as an object */

static void cache_release (lua_State *L, void *self) {
  nl_owned *o = self;
  (void)L;
  nl_cachedrop(o->ptr);
}

const nl_class nl_cache_class = {"net.cache", NULL, cache_release, NULL, NULL, NULL, NULL};
