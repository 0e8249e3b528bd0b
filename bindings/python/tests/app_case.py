"""An application against a broker in the test."""

import threading
import unittest

import ringway
from fake_broker import DEADLINE, FakeBroker

CHANNEL = "edge-1.00000000000000e1.1f"
OTHER = "edge-1.00000000000000e1.20"


class AppCase(unittest.TestCase):
    """Each test has a broker and an application `self.app` that has not been started."""

    def setUp(self):
        self.broker = FakeBroker()
        self.app = ringway.App("test", self.broker.endpoint, retry=0.2)
        self.events = []
        self.thread = None
        self.failure = None

    def tearDown(self):
        if self.thread:
            self.app.call_soon(self.app._set_stopped)
            self.thread.join(DEADLINE)
            self.assertFalse(self.thread.is_alive())
        self.broker.close()

    def start(self, **handlers):
        for name, handler in handlers.items():
            self.app.handlers[name] = handler
        self.thread = threading.Thread(target=self.run_app)
        self.thread.start()
        return self.broker.expect("JOIN")

    def run_app(self):
        try:
            self.app.run()
        except ringway.Error as error:
            self.failure = error

    def open(self, channel=CHANNEL, **meta):
        """Open a channel, wait until it was handled, return it."""
        self.broker.expect("ACK", self.broker.open_channel(channel, **meta))
        return self.app.channels.get(channel)

    def record(self, name):
        """A handler that notes how it was called."""
        def handler(channel, *arguments):
            self.events.append((name, channel.id, *arguments))
        return handler

    def in_app(self, function):
        """Run function on the application's thread and return its result."""
        done = []
        self.app.call_soon(lambda: done.append(function()))
        self.broker.until(lambda: done, "the application's thread")
        return done[0]
