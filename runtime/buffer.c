/*
 * buffer.c: the bytes a stream has received and nobody has read. A buffer takes its first block from
 * the runtime's spare and gives it back when it is empty, so an idle stream owns no memory; what stays
 * behind while a task waits is cut to size.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define BLOCK ((size_t)16384)

static void recycle (nl_runtime *rt, nl_buffer *b) {
  if (b->size == BLOCK && rt->spare == NULL) rt->spare = b->data;
  else free(b->data);
  *b = (nl_buffer){0};
}

static char *firstblock (nl_runtime *rt, size_t size) {
  char *block = rt->spare;
  if (size != BLOCK || block == NULL) return malloc(size);
  rt->spare = NULL;
  return block;
}

bool nl_reserve (lua_State *L, nl_buffer *b, size_t room) {
  size_t used = b->tail - b->head;
  if (b->size - b->tail >= room) return true;
  if (b->data == NULL) {
    size_t size = room <= BLOCK ? BLOCK : room;
    b->data = firstblock(nl_rt(L), size);
    b->size = b->data != NULL ? size : 0;
    return b->data != NULL;
  }
  if (b->head > 0) memmove(b->data, b->data + b->head, used);
  b->head = 0;
  b->tail = used;
  if (b->size - used >= room) return true;
  size_t size = used + room > 2 * b->size ? used + room : 2 * b->size;
  char *data = realloc(b->data, size);
  if (data == NULL) return false;
  b->data = data;
  b->size = size;
  return true;
}

void nl_consume (lua_State *L, nl_buffer *b, size_t n) {
  b->head += n;
  if (b->head == b->tail && b->data != NULL) recycle(nl_rt(L), b);
}

void nl_settle (lua_State *L, nl_buffer *b) {
  size_t used = b->tail - b->head;
  if (b->data == NULL || b->size < 1024 || used * 4 > b->size) return;
  if (used == 0) {
    recycle(nl_rt(L), b);
    return;
  }
  char *data = malloc(used);
  if (data == NULL) return;
  memcpy(data, b->data + b->head, used);
  recycle(nl_rt(L), b);
  b->data = data;
  b->tail = b->size = used;
}

void nl_discard (nl_buffer *b) {
  free(b->data);
  *b = (nl_buffer){0};
}
