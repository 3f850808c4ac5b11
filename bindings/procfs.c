/*
 * procfs.c: which processes hold which sockets, from the links in /proc/PID/fd. Processes come and go while
 * it reads: one that is gone is passed over, one that may not be looked at is counted.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netlua.h"

static void closefolder (void *folder) {
  (void)closedir(folder); /* it was only read */
}

/* The inode of a descriptor that is a socket, or 0. */
static unsigned long long socketof (int folder, const char *name) {
  static const char prefix[] = "socket:[";
  char link[64];
  ssize_t n = readlinkat(folder, name, link, sizeof link - 1);
  if (n <= 0) return 0;
  link[n] = '\0';
  return strncmp(link, prefix, sizeof prefix - 1) == 0 ? strtoull(link + sizeof prefix - 1, NULL, 10) : 0;
}

/* Adds the process to the list of that inode, once, if the table `wanted` has the inode or is none. Leaves
 * rubbish on the stack. */
static void note (lua_State *L, int wanted, int found, unsigned long long inode, lua_Integer pid) {
  if (lua_istable(L, wanted) && lua_rawgeti(L, wanted, (lua_Integer)inode) == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  if (lua_rawgeti(L, found, (lua_Integer)inode) == LUA_TNIL) {
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, -1);
    lua_rawseti(L, found, (lua_Integer)inode);
  }
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  lua_rawgeti(L, -1, n);
  bool same = lua_tointeger(L, -1) == pid; /* no process has number 0 */
  lua_pop(L, 1);
  if (same) return;
  lua_pushinteger(L, pid);
  lua_rawseti(L, -2, n + 1);
}

/* The descriptors of one process; false: it may not be looked at. */
static bool readprocess (lua_State *L, int proc, const char *pid, int wanted, int found) {
  char path[32];
  int top = lua_gettop(L);
  (void)snprintf(path, sizeof path, "%.20s/fd", pid);
  nl_guard *g = nl_newguard(L, closefolder);
  int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int number = errno;
  DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
  if (fd >= 0 && folder == NULL) (void)close(fd); /* out of memory: as if it were gone */
  g->ptr = folder;
  for (struct dirent *e; folder != NULL && (e = readdir(folder)) != NULL;) {
    unsigned long long inode = isdigit((unsigned char)e->d_name[0]) ? socketof(fd, e->d_name) : 0;
    int before = lua_gettop(L);
    if (inode != 0) note(L, wanted, found, inode, strtoll(pid, NULL, 10));
    lua_settop(L, before);
  }
  lua_closeslot(L, top + 1);
  lua_settop(L, top);
  return fd >= 0 || (number != EACCES && number != EPERM);
}

/* holders([wanted]) -> {[inode] = {pid, ...}}, count of processes that may not be looked at | nil, err.
 * wanted: a table with those inodes as keys; all sockets if absent */
static int procfs_holders (lua_State *L) {
  lua_Integer hidden = 0;
  if (!lua_isnoneornil(L, 1)) luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_newtable(L);
  nl_guard *g = nl_newguard(L, closefolder);
  DIR *proc = opendir("/proc");
  if (proc == NULL) return nl_errno(L, "opendir", errno);
  g->ptr = proc;
  for (struct dirent *e; (e = readdir(proc)) != NULL;) {
    bool process = isdigit((unsigned char)e->d_name[0]);
    if (process && !readprocess(L, dirfd(proc), e->d_name, 1, 2)) hidden++;
  }
  lua_pushvalue(L, 2);
  lua_pushinteger(L, hidden);
  return 2;
}

int luaopen_net_procfs (lua_State *L) {
  static const luaL_Reg functions[] = {{"holders", procfs_holders}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
