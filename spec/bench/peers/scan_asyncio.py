# The scan of closed ports with asyncio: 256 at a time.
import asyncio
import sys


async def worker(ports, closed):
    for port in ports:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
        except ConnectionRefusedError:
            closed.append(port)
        except OSError:
            pass


async def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 65535
    ports, closed = iter(range(1, count + 1)), []
    await asyncio.gather(*(worker(ports, closed) for _ in range(256)))
    print("closed=%d" % len(closed))


asyncio.run(main())
