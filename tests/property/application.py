"""The application of the sessions: the Python binding in a thread, and what it was told."""

import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bindings" / "python"))

import ringway
from model import Span, direct
from session_model import Session

CLOSED = 4001  # with which the application ends a session
ANSWER_S = 1.0  # how long a command is waited for; longer, and nobody knows what became of it


class Application(threading.Thread):
    """Keeps the Sessions of a play, by id; all under the play's lock."""

    def __init__(self, play, endpoint):
        super().__init__(daemon=True, name="application")
        self.play = play
        self.sessions = {}
        self.error = None
        self.app = ringway.App("default", endpoint, retry=1.0)
        self._channels = {}
        self._done = False
        for name in ("open", "adopt", "message", "lost", "close"):
            self.app.handlers["on_" + name] = getattr(self, "_" + name)

    def run(self):
        try:
            self.app.start()
            while not self._done:
                self.app.poll(0.25)
            self.app.end()
        except BaseException as error:
            self.error = error

    def stop(self):
        self._done = True
        self.join(20)

    def session(self, sid):
        """What is known of a session; whoever hears of it first begins that."""
        with self.play.lock:
            return self.sessions.setdefault(sid, Session.of(sid))

    def channels(self):
        """Those that are open, in the order in which they began."""
        with self.play.lock:
            return list(self._channels.values())

    # What it is told.

    def _note(self, channel, *event):
        session = self.session(channel.id)
        with self.play.lock:
            session.events.append(event)

    def _open(self, channel):
        self._note(channel, "open")
        self._begin(channel)

    def _adopt(self, channel):
        self._note(channel, "adopt")
        self._begin(channel)

    def _begin(self, channel):
        with self.play.lock:
            self._channels[channel.id] = channel

    def _message(self, channel, text):
        sid, _, number = text.partition(" ")
        if sid == channel.id:
            self._note(channel, "message", int(number))
        else:
            self._note(channel, "stranger", text)

    def _lost(self, channel, why):
        self._note(channel, "lost", why)

    def _close(self, channel, status, _cause, _reason):
        self._note(channel, "close", status)
        with self.play.lock:
            self._channels.pop(channel.id, None)

    # What it does.

    def send(self, channel):
        """A message to one session; returns its number."""
        topic = direct(channel.id)
        with self.play.lock:
            number = self.play.publications.begin(topic)
        if self._is_done(channel.send(f"{topic} {number}")):
            with self.play.lock:
                self.play.publications.take(topic, number)
        return number

    def subscribe(self, channel, topic):
        """Where it is not subscribed yet."""
        session, publications = self.session(channel.id), self.play.publications
        with self.play.lock:
            span = session.span(topic)
            if span and span.until is None:
                return
            span = Span(publications.next_number(topic))
            session.reader.spans.setdefault(topic, []).append(span)
            session.reader.topics = tuple(session.reader.spans)

        def stands(result):
            if result:
                with self.play.lock:
                    span.first = publications.next_number(topic)

        channel.subscribe(topic).then(stands)

    def unsubscribe(self, channel, topic):
        """Where it is known to be subscribed."""
        session, publications = self.session(channel.id), self.play.publications
        with self.play.lock:
            span = session.span(topic)
            if not span or span.first is None or span.last is not None:
                return
            span.last = publications.begun.get(topic, 0)

        def ended(result):
            if result:
                with self.play.lock:
                    span.until = publications.begun.get(topic, 0)

        channel.unsubscribe(topic).then(ended)

    def close(self, channel):
        """What was sent before still comes; what was published before need not."""
        session = self.session(channel.id)
        with self.play.lock:
            for topic in session.reader.topics:
                span = session.span(topic)
                if topic != direct(channel.id) and span.last is None:
                    span.last = self.play.publications.begun.get(topic, 0)
        channel.close(CLOSED)

    @staticmethod
    def _is_done(result):
        try:
            return bool(result.wait(ANSWER_S)) and result.done
        except TimeoutError:
            return False
