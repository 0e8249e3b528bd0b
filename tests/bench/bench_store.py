"""What a publication costs the broker: history in memory, stored too, and stored before it is answered.

One topic without subscribers, 100 bytes, from one socket; WINDOW unanswered at a time.  CPU is that of
the whole process, the store's thread and ZeroMQ's included.  No limits: the rate depends on the disk.
"""

import time

import zmq
from bench import cpu_seconds, finish, line
from support.harness import Deployment
from support.waiting import scaled

PUBLICATIONS = 30000  # of one round
ROUNDS = 3
WINDOW = 500
PAYLOAD = b"x" * 100
FORMS = (
    ("in memory", {}, b"", b""),
    ("stored", {"data": "data"}, b"", b"durable=1 "),
    ("durable=1", {"data": "data"}, b"durable=1 ", b"durable=1 "),
)


def answers(socket):
    """How many came since; waits for one."""
    assert socket.poll(int(scaled(20000))), "no answer"
    count = 0
    while socket.poll(0):
        head = socket.recv()
        assert head.startswith(b"OK "), head[:100]
        count += 1
    return count


def publish(socket, options, last_options, first):
    """All of a round; the last one is answered when all before it are where they belong."""
    sent = answered = 0
    while answered < PUBLICATIONS:
        while sent < PUBLICATIONS and sent - answered < WINDOW:
            sent += 1
            those = last_options if sent == PUBLICATIONS else options
            socket.send(b"PUB bench/store %bid=%d\n%b" % (those, first + sent, PAYLOAD))
        answered += answers(socket)


def measure(name, broker, options, last_options):
    """The best of some rounds."""
    best_rate, best_cpu = 0.0, float("inf")
    with Deployment(edges=0, broker={"log_level": "error", **broker}) as own:
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.connect(own.endpoint("apps"))
            for number in range(ROUNDS):
                began, used = time.monotonic(), cpu_seconds(own.broker.pid)
                publish(socket, options, last_options, number * PUBLICATIONS)
                best_rate = max(best_rate, PUBLICATIONS / (time.monotonic() - began))
                used = (cpu_seconds(own.broker.pid) - used) / PUBLICATIONS * 1e6
                best_cpu = min(best_cpu, used)
    line(f"store: publications, {name}", best_rate, "publications/s")
    line(f"store: CPU of one, {name}", best_cpu, "us")


def main():
    for form in FORMS:
        measure(*form)
    finish()


if __name__ == "__main__":
    main()
