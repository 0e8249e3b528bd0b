"""Keys of CURVE, for a broker that asks for them."""

from __future__ import annotations

import os
import pathlib

import zmq
import zmq.auth


class Keys:
    """Our own secret key and the broker's public one, from files of `ringwayctl keys`.

        app = ringway.App("chat", keys=ringway.Keys("chat.secret", "broker.key"))

    OSError or ValueError when a file cannot be used.
    """

    def __init__(self, key_file: str | os.PathLike[str],
                 broker_key_file: str | os.PathLike[str]) -> None:
        self._public, self._secret = zmq.auth.load_certificate(os.fspath(key_file))
        if not self._secret:
            raise ValueError("%s: it has no secret-key" % os.fspath(key_file))
        if pathlib.Path(key_file).stat().st_mode & 0o007:
            raise ValueError("%s: a secret that everybody may read: chmod 600"
                             % os.fspath(key_file))
        self._broker = zmq.auth.load_certificate(os.fspath(broker_key_file))[0]

    def show(self, socket: zmq.Socket) -> None:
        """Set the options of a socket, before it connects."""
        socket.setsockopt(zmq.CURVE_SERVERKEY, self._broker)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self._public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._secret)
