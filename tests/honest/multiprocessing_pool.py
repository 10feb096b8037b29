# Program: Python's multiprocessing: pool, queue, lock, shared memory (POSIX semaphores in /dev/shm)
# Demand: visibility
# Expect: ok
# Prints: ^285 4 7$
# Needs: python3
import multiprocessing
from multiprocessing import shared_memory


def square(number):
    return number * number


def put(queue):
    queue.put(4)


if __name__ == "__main__":
    with multiprocessing.Pool(4) as pool:
        total = sum(pool.map(square, range(10)))
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=put, args=(queue,))
    process.start()
    from_child = queue.get()
    process.join()
    block = shared_memory.SharedMemory(create=True, size=10)
    block.buf[0] = 7
    same = shared_memory.SharedMemory(name=block.name)
    print(total, from_child, same.buf[0])
    same.close()
    block.unlink()
