"""A ZeroMQ socket of a test, for the ports of the broker."""

import zmq

from support.waiting import scaled


class Port:
    """A socket with a context of its own."""

    def __init__(self, kind, endpoint, subscribe=None, keys=None):
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.setsockopt(zmq.LINGER, 1000)
        if subscribe is not None:
            self.socket.setsockopt(zmq.SUBSCRIBE, subscribe)
        if keys:
            keys.apply(self.socket)
        self.socket.connect(endpoint)

    def send(self, *frames):
        assert self.socket.poll(scaled(5000), zmq.POLLOUT), "the port takes nothing"
        self.socket.send_multipart([f if isinstance(f, bytes) else f.encode() for f in frames])

    def receive(self, seconds=5):
        assert self.socket.poll(scaled(seconds) * 1000), "nothing came"
        return self.socket.recv_multipart()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.context.term()
