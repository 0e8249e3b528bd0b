"""The application's socket to the broker: a DEALER that is watched, so that no command overtakes
an earlier one that was lost with a connection."""

import zmq
from zmq.utils.monitor import recv_monitor_message

BATCH_MAX = 64  # messages taken in one turn

_OPTIONS = (
    (zmq.IMMEDIATE, 1),
    (zmq.LINGER, 0),
    (zmq.RECONNECT_IVL, 100),
    (zmq.RECONNECT_IVL_MAX, 1000),
    (zmq.RCVHWM, 0),
    (zmq.SNDHWM, 100000),
    (zmq.MAXMSGSIZE, 4 * 1024 * 1024 + 64 * 1024),
    (zmq.HANDSHAKE_IVL, 5000),
    (zmq.TCP_KEEPALIVE, 1),
    (zmq.TCP_KEEPALIVE_IDLE, 2),
    (zmq.TCP_KEEPALIVE_INTVL, 1),
    (zmq.TCP_KEEPALIVE_CNT, 3),
    (zmq.TCP_MAXRT, 4000),
)


def dealer(context, keys=None):
    """A DEALER with the options of docs/protocol/1-bus.md section 2, and perhaps Keys."""
    socket = context.socket(zmq.DEALER)
    for option, value in _OPTIONS:
        socket.setsockopt(option, value)
    if keys:
        keys.show(socket)
    return socket


class Connection:
    """`is_up` is true from a handshake until the connection breaks; `renewed` turns true with
    each handshake and is for the owner to clear."""

    def __init__(self, context, endpoint, keys=None):
        self._context = context
        self._keys = keys
        self._endpoint = endpoint
        self.socket = self.monitor = None
        self.is_up = self.renewed = False

    def open(self):
        self.close()
        self.socket = dealer(self._context, self._keys)
        self.monitor = self.socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        self.socket.connect(self._endpoint)

    def close(self):
        if self.socket:
            self.socket.disable_monitor()
            self.monitor.close(0)
            self.socket.close(0)
        self.socket = self.monitor = None
        self.is_up = False

    def descriptors(self):
        """What becomes readable when something comes; see has_come()."""
        return [self.socket.getsockopt(zmq.FD), self.monitor.getsockopt(zmq.FD)]

    def has_come(self):
        """Is something there to be read?"""
        return any(s.getsockopt(zmq.EVENTS) & zmq.POLLIN for s in (self.socket, self.monitor))

    def watch(self):
        """Read what happened to the connection."""
        while self.monitor.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            event = recv_monitor_message(self.monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.is_up = self.renewed = True
            elif event == zmq.EVENT_DISCONNECTED:
                self.is_up = False

    def send(self, frame):
        """False when it cannot leave now.  After a new handshake nothing leaves until the owner
        has cleared `renewed`: what was lost goes first."""
        self.watch()
        if not self.is_up or self.renewed:
            return False
        try:
            self.socket.send(frame, zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

    def receive(self):
        """The frames that have come, at most BATCH_MAX messages of them."""
        for _ in range(BATCH_MAX):
            try:
                yield from self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
