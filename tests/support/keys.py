"""CURVE keys for a test: a folder of them made by the real ringwayctl, and sockets that show them."""

import pathlib
import shutil

import zmq
import zmq.auth

from support.harness import run_program


class ClientKeys:
    """What a peer needs: its own pair and the broker's public key."""

    def __init__(self, broker, public, secret):
        self.broker, self.public, self.secret = broker, public, secret

    def apply(self, socket):
        socket.setsockopt(zmq.CURVE_SERVERKEY, self.broker)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.secret)


class Keys:
    """The folder of a broker, with its own pair."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.make("broker")

    def make(self, *words):
        """ringwayctl keys WORDS; returns the paths of the public and the secret file."""
        status, out, errors, _ = run_program("ringwayctl", "keys", *words, "--dir", self.folder)
        assert status == 0, errors
        return out.split()

    def edge(self, name, *words):
        return self.make("edge", name, *words)

    def app(self, name, services=(), topics=()):
        words = [w for s in services for w in ("--service", s)]
        words += [w for t in topics for w in ("--topic", t)]
        return self.make("app", name, *words)

    def path(self, name):
        return self.folder / name

    @property
    def broker_public(self):
        return zmq.auth.load_certificate(str(self.path("broker.key")))[0]

    def of(self, name):
        """The keys of "apps/chat" or "edges/edge1"."""
        public, secret = zmq.auth.load_certificate(str(self.path(name + ".secret")))
        return ClientKeys(self.broker_public, public, secret)

    def stranger(self, broker=None):
        """A pair that nobody knows; broker: another public key to expect."""
        public, secret = zmq.curve_keypair()
        return ClientKeys(broker or self.broker_public, public, secret)

    def take_away(self, name):
        self.path(name + ".key").unlink()

    def renew_broker(self):
        """Another pair for the broker itself."""
        for name in ("broker.key", "broker.secret"):
            self.path(name).unlink()
        self.make("broker")

    def copy_to(self, name, target):
        shutil.copy(self.path(name), target)
