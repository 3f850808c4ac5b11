"""Looks one name up COUNT times in LIMIT threads: names_python.py NAME COUNT LIMIT."""
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

name, count, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def look_up(_):
    return socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)


with ThreadPoolExecutor(limit) as pool:
    assert len(list(pool.map(look_up, range(count)))) == count
