"""CURVE: files of keys, and a broker that asks for them."""

import os
import pathlib
import tempfile
import threading
import time
import unittest

import zmq

import ringway
from fake_broker import DEADLINE, FakeBroker


class KeysTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.own = pathlib.Path(folder.name, "chat.secret")
        self.public = pathlib.Path(folder.name, "broker.key")
        self.public_key, self.secret_key = zmq.curve_keypair()
        self.write(self.own, *zmq.curve_keypair())
        self.write(self.public, self.public_key)
        self.broker = FakeBroker(secret=self.secret_key)
        self.addCleanup(self.broker.close)

    def write(self, path, public, secret=None):
        lines = ["curve", '    public-key = "%s"' % public.decode()]
        if secret:
            lines.append('    secret-key = "%s"' % secret.decode())
        path.write_text("\n".join(lines) + "\n", encoding="ascii")
        os.chmod(path, 0o600)

    def run_app(self, app, act):
        thread = threading.Thread(target=app.run)
        thread.start()
        try:
            act()
        finally:
            app.call_soon(app._set_stopped)
            thread.join(DEADLINE)

    def test_an_application_joins(self):
        app = ringway.App("test", self.broker.endpoint, keys=ringway.Keys(self.own, self.public))
        self.run_app(app, lambda: self.broker.expect("JOIN", "test"))

    def test_a_publisher_publishes(self):
        keys = ringway.Keys(str(self.own), str(self.public))
        done = []
        with ringway.Publisher(self.broker.endpoint, keys=keys) as publisher:
            thread = threading.Thread(
                target=lambda: done.append(publisher.publish("t", "hello")))
            thread.start()
            self.broker.until(lambda: done)
            thread.join(DEADLINE)
        self.assertEqual(self.broker.expect("PUB", "t").payload, b"hello")

    def test_without_keys_nothing_is_heard(self):
        def look():
            end = time.monotonic() + 0.5  # several attempts long
            while time.monotonic() < end:
                self.broker.pump()
            self.assertEqual(self.broker.seen, [])

        self.run_app(ringway.App("test", self.broker.endpoint), look)

    def test_files_that_cannot_be_used_are_refused(self):
        with self.assertRaises(OSError):
            ringway.Keys("no/such", self.public)
        with self.assertRaisesRegex(ValueError, "no secret-key"):
            ringway.Keys(self.public, self.public)
        os.chmod(self.own, 0o604)
        with self.assertRaisesRegex(ValueError, "chmod 600"):
            ringway.Keys(self.own, self.public)
