#!/usr/bin/env python3
"""Echo: a WebSocket gets back what it sends; an HTTP request is answered with its body.

    path = /echo
    service = echo
"""

import sys

import ringway

app = ringway.App("echo", *sys.argv[1:2])


@app.on_open
def opened(channel):
    if not channel.request.is_websocket:
        channel.read_body(lambda channel, body: channel.send(body, close=True))


@app.on_message
def said(channel, message):
    channel.send(message)


app.run()
