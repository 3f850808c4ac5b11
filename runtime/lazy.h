/*
 * lazy.h: what lazy.lua writes, for lazy.c.
 */
#ifndef NETLUA_LAZY_H
#define NETLUA_LAZY_H

#define NL_LAZYSIZE 4096 /* bytes of the slots */

typedef struct nl_lazylibrary {
  const char *name; /* as the dynamic linker knows it */
  size_t end;       /* its functions are those before that number, and behind those of the library before */
} nl_lazylibrary;

extern const char *const nl_lazynames[];
extern const nl_lazylibrary nl_lazylibraries[];
extern void *nl_lazyslots[NL_LAZYSIZE / sizeof(void *)];

#endif
