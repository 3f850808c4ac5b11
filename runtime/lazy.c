/*
 * lazy.c: libraries that are loaded with their first use: OpenSSL takes as long to load as all the rest of
 * the program. What lazy.lua makes of the objects calls through the slots here, which are filled once and
 * read-only from then on.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core.h"
#include "lazy.h"

/* A page of its own, or a part of one where pages are larger: then it stays writable. */
__attribute__((visibility("hidden"), aligned(NL_LAZYSIZE))) void *nl_lazyslots[NL_LAZYSIZE / sizeof(void *)];

static void *opened (lua_State *L, const char *name) {
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) luaL_error(L, "%s\n  is the package of %s installed?", dlerror(), name);
  return library;
}

static void *found (lua_State *L, void *library, const char *name) {
  void *function = dlsym(library, name);
  if (function == NULL) luaL_error(L, "%s\n  the library is older than the one it was built with", dlerror());
  return function;
}

void nl_loadlibraries (lua_State *L) {
  static bool loaded;
  size_t n = 0;
  if (loaded) return;
  for (const nl_lazylibrary *l = nl_lazylibraries; l->name != NULL; l++) {
    void *library = opened(L, l->name);
    for (; n < l->end; n++) nl_lazyslots[n] = found(L, library, nl_lazynames[n]);
  }
  loaded = true;
  if (sysconf(_SC_PAGESIZE) == NL_LAZYSIZE) {
    (void)mprotect(nl_lazyslots, NL_LAZYSIZE, PROT_READ); /* a failure leaves it as it was */
  }
}
