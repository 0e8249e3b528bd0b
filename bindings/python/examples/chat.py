#!/usr/bin/env python3
"""Chat: what a WebSocket client of a room says, everybody in the room hears.

    path = /chat/{room}
    service = chat
"""

import json
import sys

import ringway

app = ringway.App("chat", *sys.argv[1:2])


@app.on_open
def opened(channel):
    if not channel.request.is_websocket:
        channel.send("This is for WebSockets.\n", status=426, close=True)
        return
    topic = "rooms/" + channel.request.params.get("room", "all")
    channel.data = topic
    channel.subscribe(topic)
    app.publish(topic, json.dumps({"joined": channel.request.peer}))


@app.on_message
def said(channel, message):
    if isinstance(message, str):
        app.publish(channel.data, json.dumps({"from": channel.request.peer, "text": message}))


@app.on_close
def closed(channel, status, cause, reason):
    if channel.data:
        app.publish(channel.data, json.dumps({"left": channel.request.peer}))


app.run()
