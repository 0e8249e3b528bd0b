"""Publishers in threads, each with a socket of its own, for whom the broker may die at any time."""

import threading
import time

import zmq

ANSWER_S = 0.25  # then it is asked again


class Publisher(threading.Thread):
    """Numbers from 1 in one topic.  With `durable` each is repeated, with one `key=`, until it is
    answered OK; without, it is sent once, and nobody knows what became of it when no answer comes.

      publications  the judge's book (property/model.py); `lock` is its
      pause_s       between two
    """

    def __init__(self, endpoint, topic, publications, lock, durable, pause_s=0.0005, size=200):
        super().__init__(daemon=True, name=f"publisher {topic}")
        self.endpoint, self.topic, self.durable = endpoint, topic, durable
        self.publications, self.lock = publications, lock
        self.pause_s, self.filler = pause_s, " " * size
        self.done, self.error = False, None
        self.refused = {}  # code of ERR -> how often
        self.longest_s = 0.0  # from the first attempt to the answer
        self._asked = 0

    def run(self):
        try:
            with zmq.Context() as context:
                self._context = context
                self._connect()
                while not self.done:
                    self._publish()
                    time.sleep(self.pause_s)
                self._socket.close(0)
        except BaseException as error:
            self.error = error

    def _connect(self):
        """Anew: what waits in the old socket for a broker that comes back is forgotten."""
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(self.endpoint)

    def _publish(self):
        with self.lock:
            number = self.publications.begin(self.topic)
        began = time.monotonic()
        while not self._attempt(number) and self.durable and not self.done:
            pass
        self.longest_s = max(self.longest_s, time.monotonic() - began)

    def _attempt(self, number):
        """True when it was answered OK."""
        self._asked += 1
        request = f"{id(self):x}.{self._asked}"
        options = f"durable=1 key={self.topic}-{number} " if self.durable else ""
        self._socket.send(
            f"PUB {self.topic} {options}id={request}\n{self.topic} {number}{self.filler}".encode())
        end = time.monotonic() + ANSWER_S
        while time.monotonic() < end:
            if not self._socket.poll(50):
                continue
            words = self._socket.recv().partition(b"\n")[0].decode().split()
            if request not in words:
                continue
            if words[0] == "OK":
                with self.lock:
                    self.publications.take(self.topic, number)
                return True
            code = words[words.index(request) + 1]
            self.refused[code] = self.refused.get(code, 0) + 1
            time.sleep(0.02)
            return False
        self._socket.close(0)
        self._connect()
        return False
