"""Connects with TLS, each closed at once, as handshake.lua: handshake_python.py COUNT PORT AUTHORITY."""
import socket
import ssl
import sys

count, port, authority = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=authority)
for _ in range(count):
    with socket.create_connection(("127.0.0.1", port)) as plain:
        with context.wrap_socket(plain, server_hostname="example.test"):
            pass
