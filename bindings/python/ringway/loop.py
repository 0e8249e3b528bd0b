"""Waiting: for the connection, for what other threads want, for signals.  In a loop of our own or
in asyncio's."""

import asyncio
import signal
import threading

import zmq


def wait(connection, schedule, timeout):
    """Until something is there to do, at most `timeout` seconds."""
    poller = zmq.Poller()
    poller.register(connection.socket, zmq.POLLIN)
    poller.register(connection.monitor, zmq.POLLIN)
    poller.register(schedule, zmq.POLLIN)
    poller.poll(int(timeout * 1000 + 0.999))


async def wait_in_asyncio(connection, schedule, timeout):
    """The same; other tasks of the loop run meanwhile."""
    # Descriptors of ZeroMQ tell of what is new, not of what is there.
    if timeout <= 0 or connection.has_come():
        await asyncio.sleep(0)
        return
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    descriptors = [*connection.descriptors(), schedule.fileno()]
    for descriptor in descriptors:
        loop.add_reader(descriptor, woken.set)
    try:
        await asyncio.wait_for(woken.wait(), timeout)
    except asyncio.TimeoutError:
        pass
    finally:
        for descriptor in descriptors:
            loop.remove_reader(descriptor)


class Signals:
    """While it is entered, the first SIGTERM or SIGINT calls stop(); the second one does what it
    did before, which ends the process at once.  Does nothing outside the main thread."""

    def __init__(self, stop):
        self._stop = stop
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, *_):
        self._restore()

    def _caught(self, number, frame):
        self._restore()
        self._stop()

    def _restore(self):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
