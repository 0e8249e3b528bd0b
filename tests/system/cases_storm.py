"""A storm: 5,000 clients come over all carriers and leave in random states, most of them abruptly.

Each channel that was opened has exactly one close, after its open and after its last message, and
numbers without a hole.  The seed is printed; RINGWAY_SEED repeats a run."""

import os
import pathlib
import random
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.waiting import wait_until
from support.ws_client import CLOSE, TEXT, make_frame

CLIENTS = 5000
AT_ONCE = 250
SEED = int(os.environ.get("RINGWAY_SEED", random.SystemRandom().randrange(1 << 32)))

HANDSHAKE = (
    "GET /storm/ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def request(kind):
    return f"GET /storm/{kind} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def script(dice):
    """What one client says before it leaves: a list of byte strings, each sent on its own."""
    shape = dice.randrange(10)
    if shape == 0:
        return []
    if shape == 1:
        return [HANDSHAKE[: dice.randrange(1, len(HANDSHAKE))].encode()]
    if shape == 2:
        return [request("hold"), request("hold")]
    if shape == 3:
        return [request("hold")]
    if shape == 4:
        return [request("answer")] * dice.randrange(1, 4)
    if shape == 5:
        return [request("stream")]
    if shape == 6:
        body = b"POST /storm/hold HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
        return [body + b"x" * dice.randrange(100001)]
    frames = [make_frame(TEXT, f"{number}") for number in range(dice.randrange(8))]
    if shape == 7:
        frames.append(make_frame(CLOSE, b"\x03\xe8"))
    if shape == 8:
        frames.append(make_frame(TEXT, "cut short")[: dice.randrange(1, 12)])
    return [HANDSHAKE.encode(), *frames]


def leave(client, dice):
    """With a reset, a half-close and a close, or a close."""
    way = dice.randrange(3)
    if way == 0:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif way == 1:
        try:
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the gateway was faster
    client.close()


def play(address, count, dice):
    """`count` clients at the same time, their steps mixed."""
    clients = []
    for number in range(count):
        client = socket.create_connection(address, source_address=(f"127.0.0.{2 + number % 5}", 0))
        clients.append((client, script(dice)))
    while clients:
        at = dice.randrange(len(clients))
        client, words = clients[at]
        try:
            if words:
                client.sendall(words.pop(0))
                continue
        except OSError:
            pass  # answered with a close: that is how this one ends
        leave(client, dice)
        clients[at] = clients[-1]
        clients.pop()


def behave(worker, event):
    """Answers, streams, holds or echoes, by the path."""
    if event.verb == "TEXT":
        worker.send(event.chan, event.payload)
    elif event.verb == "OPEN" and event.target.endswith("/answer"):
        worker.send(event.chan, b"done", close=1)
    elif event.verb == "OPEN" and event.target.endswith("/stream"):
        worker.send(event.chan, b"begun")


def judge(events):
    """What is wrong with the events of one channel, in the order in which they came; or None."""
    verbs = [event.verb for event in events]
    numbers = [int(event.seq) for event in events]
    if verbs[0] != "OPEN" or verbs.count("OPEN") != 1:
        return "does not begin with one OPEN"
    if verbs[-1] != "CLOSE" or verbs.count("CLOSE") != 1:
        return "does not end with one CLOSE"
    if numbers != list(range(1, len(numbers) + 1)):
        return "has a hole in its numbers"
    texts = [event.payload for event in events if event.verb == "TEXT"]
    if texts != [str(number).encode() for number in range(len(texts))]:
        return "has its messages out of order"
    return None


@case(seconds=240)
def a_storm_of_clients_leaves_exactly_one_close_for_each_open():
    print(f"seed {SEED}", flush=True)
    dice = random.Random(SEED)
    with Deployment(settings={"answer_timeout": "60s", "workers": 2}) as own:
        worker = own.worker("default", handler=behave, window=1000)
        own.main = worker
        address = own.address
        for _ in range(CLIENTS // AT_ONCE):
            play(address, AT_ONCE, dice)
        channels = {}

        def all_closed():
            channels.clear()
            for event in worker.find():
                if event.verb in ("OPEN", "TEXT", "BODY", "CLOSE"):
                    channels.setdefault(event.chan, []).append(event)
            return all(events[-1].verb == "CLOSE" for events in channels.values())

        wait_until(all_closed, 60, "the close of every channel")
        wrong = [(chan, why) for chan, events in channels.items() if (why := judge(events))]
        assert not wrong, f"{len(wrong)} of {len(channels)} channels: {wrong[:5]}"
        assert len(channels) > CLIENTS // 3, f"only {len(channels)} channels were opened"
        wait_until(lambda: own.edge.metric("ringway_connections") == 0, 30, "no connection left")
        opened = own.edge.metric("ringway_channels_opened_total")
        assert opened >= len(channels), (opened, len(channels))
        assert own.edge.metric("ringway_channels_closed_total") == opened
        assert own.edge.metric("ringway_channels_live") == 0


@case()
def the_judge_of_the_storm_sees_each_kind_of_fault():
    class Event:
        def __init__(self, verb, seq, payload=b""):
            self.verb, self.seq, self.payload = verb, str(seq), payload

    good = [Event("OPEN", 1), Event("TEXT", 2, b"0"), Event("TEXT", 3, b"1"), Event("CLOSE", 4)]
    assert judge(good) is None
    assert judge(good[1:])
    assert judge(good[:-1])
    assert judge(good + [Event("CLOSE", 5)])
    assert judge([good[0], good[2], good[1], good[3]])
    assert judge([good[0], good[1], good[3]])
    assert judge([good[0], Event("TEXT", 2, b"1"), Event("TEXT", 3, b"0"), good[3]])


if __name__ == "__main__":
    run()
