"""select.poll over idle descriptors and one that is ready, as select.lua: select_python.py COUNT CALLS."""
import resource
import select
import socket
import sys
import threading
import time

count, calls = int(sys.argv[1]), int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
pairs = [socket.socketpair() for _ in range(count // 2)]
reader, writer = socket.socketpair()
poll = select.poll()
for idle in [end for pair in pairs for end in pair] + [reader]:
    poll.register(idle, select.POLLIN)
order = threading.Semaphore(0)


def make_ready():
    while True:
        order.acquire()
        writer.send(b"x")


def microseconds(prompt):
    start = time.process_time()
    for _ in range(calls):
        prompt()
        assert poll.poll() == [(reader.fileno(), select.POLLIN)]
        reader.recv(1)
    return (time.process_time() - start) / calls * 1e6


threading.Thread(target=make_ready, daemon=True).start()
print("ready_us=%.1f waiting_us=%.1f" % (microseconds(lambda: writer.send(b"x")), microseconds(order.release)))
