/*
 * embedded.h: the Lua files inside the program, written at build time by embed.lua.
 */
#ifndef NETLUA_EMBEDDED_H
#define NETLUA_EMBEDDED_H

#include <stddef.h>

typedef struct nl_embedded {
  const char *name; /* net.dial, scripts.tour */
  const unsigned char *data;
  size_t size;
} nl_embedded;

extern const nl_embedded nl_embeddedfiles[]; /* ends with a NULL name */

#endif
