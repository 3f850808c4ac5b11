"""Datagram echo server, one recvfrom and one sendto for each."""
import socket

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
while True:
    data, address = s.recvfrom(2048)
    s.sendto(data, address)
