"""A client with a session, in two threads: one reads over one carrier after another, one says."""

import hashlib
import random
import threading
import time

from carriers import Ended
from model import Gap, Message
from session_carriers import SESSION_CARRIERS, Over

from support.http_client import Closed, HttpClient

POST_S = 5.0
REPEAT = 0.15  # the share of messages that are posted again although they were taken


def sid_of(token):
    """The id of a session, which applications know, from its token, which clients know."""
    digest = hashlib.sha256(token.encode()).hexdigest()[:32]
    return f"session.{digest[:16]}.{digest[16:]}"


class Visitor:
    """counts: it numbers its messages, and repeats them until it is told that they were taken;
    else it only has WebSockets, and says each once."""

    def __init__(self, play, name, counts=True):
        self.play, self.name, self.counts = play, name, counts
        self.path = f"/chat/{name}"
        self.token = self.cursor = self.session = None
        self.error = None
        self.done = False
        self._leaving = self._gone = False
        self._away_until = 0
        self._random = random.Random(f"{play.seed}/{name}")
        self._carrier = None
        self._speaks = self._next = None  # the WebSocket that is there, and what it says next
        self._wishes = 0  # for one that does not count: what it will say while that is there
        self._changed = threading.Condition(play.lock)
        self._threads = [threading.Thread(target=self._guarded, args=(work,), daemon=True)
                         for work in (self._read, self._speak)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop(self):
        self.done = True
        self.drop()
        for thread in self._threads:
            thread.join(20)

    def _guarded(self, work):
        try:
            while not self.done:
                work()
        except BaseException as error:
            self.error = error

    def address(self):
        """Each request goes to another gateway than the one before."""
        return self.play.next_address()

    # Reading.

    def _read(self):
        if time.monotonic() < self._away_until or (self._gone and not self.session):
            time.sleep(0.02)
            return
        name = self._random.choice(sorted(SESSION_CARRIERS)) if self.counts else "ws"
        carrier = self._carrier = SESSION_CARRIERS[name](self)
        try:
            for told in carrier.objects():
                self._take(carrier, name, told)
        except Over as over:
            self._over(carrier.session, over.whole)
        except Ended:
            pass
        with self._changed:
            self._next = None
        time.sleep(self._random.uniform(0.0, 0.1))

    def next_number(self):
        """For a WebSocket: the first message that it will say."""
        with self._changed:
            if not self.counts:
                return None
            return self.session.told + 1 if self.session else 1

    def take_token(self, head, shown):
        """Of an answer: from here on the session is known.  Returns it."""
        token = head.get("Ringway-Session", shown)
        session = self.play.application.session(sid_of(token))
        with self._changed:
            if self.token is None:
                self.token, self.session = token, session
                session.reader.over = False
        return session

    def _take(self, carrier, name, told):
        with self._changed:
            session = carrier.session
            if session is not self.session:
                raise Ended("it has another session now")
            if "session" in told:
                assert told["session"] == self.token, "the token has changed"
                if name == "ws":
                    self._speaks = carrier
                    self._next = carrier.first if self.counts else session.said + 1
                    self._wishes = 0
            if self.counts:
                session.told = max(session.told, told.get("up", 0))
            if "gap" in told:
                gap = told["gap"]
                session.reader.items.append(Gap(gap.get("topic"), gap["reason"], gap.get("count")))
                if gap["reason"] in ("restart", "reset"):
                    self.cursor = gap["to"]
            elif "data" in told:
                topic, _, number = told["data"].partition(" ")
                assert told.get("topic", topic) == topic, told
                message = Message(topic, int(number), told["cursor"], name)
                session.reader.items.append(message)
            self.cursor = told.get("cursor", self.cursor)
            self._changed.notify_all()

    def _over(self, session, whole=False):
        """It has ended; the next request begins a new one."""
        with self._changed:
            if session:
                session.reader.over = not whole
            if session is self.session:
                self.token = self.cursor = self.session = self._next = None
                self._leaving = False

    # Speaking.

    def _speak(self):
        with self._changed:
            session, token = self.session, self.token
            upto = self._next
            if not session or not (self._owed(session) or self._leaving):
                self._changed.wait(0.1)
                return
            if self.counts and upto is None:
                number = session.told + 1
                if number > session.said:
                    number = 0
        if not self.counts and self._owed(session):
            self._say_once(session)
        elif self.counts and upto is not None and session.said >= upto:
            self._say(session, upto)
        elif self.counts and upto is None and number:
            self._post(session, token, number)
        elif self._leaving:
            self._end(session, token)
        else:
            with self._changed:
                self._changed.wait(0.1)

    def _owed(self, session):
        """Is there something to say, or that it does not know to be taken?"""
        if not self.counts:
            return self._next is not None and self._wishes > 0
        return session.told < session.said

    def _say(self, session, number):
        """Over the WebSocket that is there, if it still is: another one counts from elsewhere."""
        with self._changed:
            if self._next != number or self.session is not session:
                return
            try:
                self._speaks.say(f"{session.sid} {number}")
                self._next = number + 1
            except Ended:
                self._next = None
                self._speaks.close()

    def _say_once(self, session):
        """The next one of a visitor that does not count: said only when a WebSocket took it."""
        with self._changed:
            if self._next is None or self.session is not session:
                return
            session.said = self._next
            try:
                self._speaks.say(f"{session.sid} {self._next}")
                self._next += 1
                self._wishes -= 1
            except Ended:
                session.said -= 1
                self._next = None
                self._speaks.close(gently=True)

    def _ask(self, method, where, body=None):
        """The status of a request; 0 when there was no answer."""
        try:
            with HttpClient(self.address(), timeout=POST_S) as client:
                client.request(method, where, body=body)
                return client.read_response().status
        except (OSError, Closed, AssertionError):
            return 0

    def _post(self, session, token, number):
        where = f"{self.path}?session={token}&n={number}"
        text = f"{session.sid} {number}".encode()
        status = self._ask("POST", where, text)
        assert status in (0, 204, 410, 429, 502, 503, 504), status  # 502, 504: of the balancer
        if status == 204:
            with self._changed:
                session.told = max(session.told, number)
            if self._random.random() < REPEAT:
                self._ask("POST", where, text)
        elif status == 410:
            self._over(session)
            self.drop()
        else:
            time.sleep(0.02)

    def _end(self, session, token):
        status = self._ask("DELETE", f"{self.path}?session={token}")
        if status in (204, 410):
            self._over(session, session.settled)
            self.drop()

    # What is done to it; from the play's thread.

    def say(self):
        """One more message; one that does not count only where a WebSocket is there."""
        with self._changed:
            if not self.session:
                return
            if self.counts:
                self.session.said += 1
            elif self._next is not None:
                self._wishes += 1
            self._changed.notify_all()

    def drop(self):
        """Its connection ends without a word."""
        if self._carrier:
            self._carrier.close(gently=not self.counts)

    def leave(self, for_good=False):
        """It ends its session, when all it has said is taken."""
        with self._changed:
            self._leaving, self._gone = self.session is not None, for_good

    def stay_away(self, seconds):
        self._away_until = time.monotonic() + seconds
        self.drop()

    def is_silent(self):
        """Was all that it said taken, as far as it can know?"""
        with self._changed:
            return self.session is not None and not self._owed(self.session)

    def has(self, topic, number):
        """Has it read this one, or begun another session meanwhile?"""
        return any(isinstance(item, Message) and (item.topic, item.number) == (topic, number)
                   for item in reversed(self.session.reader.items))
