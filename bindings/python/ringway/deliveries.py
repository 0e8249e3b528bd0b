"""Deliveries until they are acknowledged: which are done, and how the broker is told.  Pure."""

import collections

OPEN, DONE, TOLD = range(3)
DONE_BATCH = 64  # tags in one DONE: they fit a header


class Delivery:
    __slots__ = ("tag", "state")

    def __init__(self, tag):
        self.tag = tag
        self.state = OPEN


class Deliveries:
    """ACK covers what was delivered up to a tag, so it may only name the end of the finished
    prefix; what is finished beyond an event that is not gets DONE, which names each."""

    def __init__(self):
        self._waiting = collections.deque()  # in the order in which they came
        self._finished = []  # not told yet
        self._ack = None

    def __len__(self):
        return len(self._waiting)

    def take(self, tag):
        """A delivery has come.  One without a tag ("-") is not acknowledged."""
        delivery = Delivery(tag)
        if tag == "-":
            delivery.state = TOLD
        else:
            self._waiting.append(delivery)
        return delivery

    def finish(self, delivery):
        """Its handler has returned."""
        if delivery.state == OPEN:
            delivery.state = DONE
            self._finished.append(delivery)

    def refuse(self, delivery, send):
        """Another worker is to have its channel.  False when the frame cannot leave now."""
        if delivery.state != OPEN:
            return True
        if not send(b"NACK " + delivery.tag.encode("ascii")):
            return False
        delivery.state = TOLD
        return True

    def forget(self):
        """Their tags belong to a JOIN of before, and count for nothing."""
        for delivery in self._waiting:
            delivery.state = TOLD
        self._waiting.clear()
        self._finished.clear()
        self._ack = None

    def flush(self, send):
        """Tell what is done; true when something was told.  send(frame) returns False when the
        frame cannot leave now."""
        while self._waiting and self._waiting[0].state != OPEN:
            delivery = self._waiting.popleft()
            if delivery.state == DONE:
                delivery.state = TOLD
                self._ack = delivery.tag
        told = False
        if self._ack:
            if not send(b"ACK " + self._ack.encode("ascii")):
                return False
            self._ack, told = None, True
        early = [delivery for delivery in self._finished if delivery.state == DONE]
        for start in range(0, len(early), DONE_BATCH):
            batch = early[start:start + DONE_BATCH]
            if not send(" ".join(["DONE"] + [d.tag for d in batch]).encode("ascii")):
                break
            for delivery in batch:
                delivery.state = TOLD
            told = True
        self._finished = [delivery for delivery in early if delivery.state == DONE]
        return told
