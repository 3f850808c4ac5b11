/*
 * noroom.c: linked into netlua, it lets the second descriptor that is to be watched find no room in the
 * kernel, as where fs.epoll.max_user_watches is reached. The first is the event loop's own.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

int epoll_ctl (int epfd, int op, int fd, struct epoll_event *event) {
  static int added;
  if (op == EPOLL_CTL_ADD && ++added == 2) {
    errno = ENOSPC;
    return -1;
  }
  return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
}
