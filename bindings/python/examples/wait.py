#!/usr/bin/env python3
"""Wait: GET is held until somebody POSTs; then everybody who waits gets what was posted.

    path = /wait
    service = wait
    answer-timeout = 0
"""

import sys

import ringway

app = ringway.App("wait", *sys.argv[1:2])
waiting = {}


@app.on_open
def opened(channel):
    if channel.request.method == "POST":
        channel.read_body(posted)
    else:
        waiting[channel.id] = channel


@app.on_close
def closed(channel, status, cause, reason):
    waiting.pop(channel.id, None)


def posted(channel, body):
    for other in waiting.values():
        other.send(body, close=True)
    channel.send("%d got it\n" % len(waiting), close=True)
    waiting.clear()


app.run()
