# Program: Python's asyncio: a server and 100 clients on loopback, subprocesses, signals
# Demand: network
# Expect: ok
# Prints: ^100 echoes, subprocess said hello$
# Needs: python3
import asyncio


async def echo(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


async def ask(port, number):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{number}\n".encode())
    answer = await reader.readline()
    writer.close()
    return int(answer) == number


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answers = await asyncio.gather(*(ask(port, number) for number in range(100)))
    process = await asyncio.create_subprocess_exec("echo", "hello", stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    print(f"{sum(answers)} echoes, subprocess said {said.decode().strip()}")


asyncio.run(main())
