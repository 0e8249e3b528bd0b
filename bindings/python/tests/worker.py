#!/usr/bin/env python3
"""A worker for tests with real programs; bindings/c/test_worker.c is the same in C.

    worker.py ENDPOINT SERVICE [FILE]

It says in lines on stdout what happens to it.  A request for /big is answered with FILE, any other
with "hello".  A message of a WebSocket is a command:

    count N     sends 1 to N, one every 5 ms
    flood N     sends N messages of 64 KiB
    busy N      takes N seconds, then sends "done"
    receipt     sends "receipt", wanting it received
    other text  comes back
"""

import pathlib
import sys
import time

LIBRARY = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(LIBRARY))

import ringway  # noqa: E402

app = ringway.App(sys.argv[2], sys.argv[1])


def say(*words):
    print(*words, flush=True)


@app.on_ready
def ready(_):
    say("ready")


@app.on_restart
def restart(_):
    say("restart")


@app.on_open
def opened(channel):
    say("open", channel.id)
    if channel.request.is_websocket:
        return
    if channel.request.path == "/big":
        channel.send(pathlib.Path(sys.argv[3]), close=True)
    else:
        channel.send("hello", close=True)


@app.on_adopt
def adopted(channel):
    say("adopt", channel.id)


def count(channel, last):
    def step():
        nonlocal number
        number += 1
        channel.send(str(number))
        if number == last:
            timer.cancel()

    number = 0
    timer = app.every(0.005, step)


@app.on_message
def said(channel, text):
    say("text", channel.id, text)
    command, _, number = text.partition(" ")
    if command == "count":
        count(channel, int(number))
    elif command == "flood":
        for _ in range(int(number)):
            channel.send("x" * 65536)
    elif command == "busy":
        time.sleep(int(number))
        channel.send("done")
    elif command == "receipt":
        result = channel.send(text, want="received")
        result.then(lambda answer: say("receipt", channel.id, answer.error or "ok"))
    else:
        channel.send(text)


@app.on_slow
def slow(channel, queued):
    say("slow", channel.id, "is_slow" if channel.is_slow() else "")


@app.on_drain
def drained(channel):
    say("drain", channel.id, "is_slow" if channel.is_slow() else "")


@app.on_close
def closed(channel, status, cause, reason):
    say("close", channel.id, status, cause)


@app.on_moved
def moved(channel):
    say("moved", channel.id)


app.run()
say("left")
