"""Makes connections to 127.0.0.1, each closed at once: dial_python.py COUNT PORT."""
import socket
import sys

count, port = int(sys.argv[1]), int(sys.argv[2])
for _ in range(count):
    with socket.create_connection(("127.0.0.1", port)):
        pass
