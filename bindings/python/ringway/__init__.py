"""Ringway for Python: applications with web clients on WebSockets, streams and long polls.

    import ringway

    app = ringway.App("chat")

    @app.on_message
    def said(channel, text):
        channel.send(text)

    app.run()
"""

from .app import ENDPOINT, App
from .channel import Channel
from .errors import Error, Refuse
from .keys import Keys
from .presence import Presence
from .publisher import Message, Publisher
from .request import Headers, Request
from .result import Result
from .schedule import Timer
from .wire import event as sse_event

__version__ = "0.1.0"

__all__ = [
    "ENDPOINT", "App", "Channel", "Error", "Headers", "Keys", "Message", "Presence", "Publisher",
    "Refuse", "Request", "Result", "Timer", "sse_event",
]
