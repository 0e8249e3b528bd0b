#!/usr/bin/env python3
"""Clock: a stream of server-sent events, one each second.

    path = /clock
    service = clock
    answer-timeout = 0
"""

import sys
import time

import ringway

app = ringway.App("clock", *sys.argv[1:2])


@app.on_open
def opened(channel):
    channel.send(event(), status=200, headers={"Content-Type": "text/event-stream"})


def event():
    now = time.time()
    return ringway.sse_event(time.strftime("%H:%M:%S", time.localtime(now)), id=int(now))


def tick():
    text = event()
    for channel in list(app.channels.values()):
        channel.send(text)


app.every(1.0, tick)
app.run()
