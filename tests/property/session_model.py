"""What an application must be told of a session, whatever happens to the parts: the judge.

A session has a reader, whose history model.py judges, and a log: what the application was told.

- It begins once and ends once, and nothing is told before or after.
- What its client said arrives once and in order; where something is missing the application was
  told that before the next one.  What the client was told was taken has arrived.
"""

from dataclasses import dataclass, field

from model import Span, Subscriber, direct


@dataclass
class Session:
    """One session, from both ends.

    events   what the application was told: ("open",), ("adopt",), ("message", number),
             ("lost", why), ("close", status), ("stranger", text)
    said     how many messages its client has begun to say
    told     up to which of them it was told that they were taken
    settled  it lived to the end, and its client waited for everything
    excused  its client does not count, and the broker was killed: when a gateway dies as well,
             nobody is left who knows what was on its way
    """

    sid: str
    reader: Subscriber
    events: list = field(default_factory=list)
    said: int = 0
    told: int = 0
    settled: bool = False
    excused: bool = False

    @classmethod
    def of(cls, sid):
        """One that no client knows yet: perhaps it never hears of it."""
        topic = direct(sid)
        reader = Subscriber(sid, (topic,), spans={topic: [Span(first=1)]}, over=True)
        return cls(sid, reader)

    def span(self, topic):
        """The last span of a topic, or None."""
        spans = self.reader.spans.get(topic)
        return spans[-1] if spans else None


def _life(session):
    """Sentences about how it began and ended."""
    verbs = [event[0] for event in session.events]
    begun = [verb for verb in verbs if verb in ("open", "adopt")]
    if not verbs:
        if session.told or session.reader.items:
            yield f"{session.sid}: its application was never told of it"
        return
    if len(begun) != 1 or verbs[0] not in begun:
        yield f"{session.sid}: began {len(begun)} times, first {verbs[0]}"
    if verbs.count("close") != 1 or verbs[-1] != "close":
        yield f"{session.sid}: closed {verbs.count('close')} times, last {verbs[-1]}"


def _messages(session):
    """Sentences about what its client said."""
    newest, lost = 0, False
    for verb, *words in session.events:
        if verb == "stranger":
            yield f"{session.sid}: was told {words[0]!r}, which is of another one"
        lost = lost or verb == "lost"
        if verb != "message":
            continue
        number = words[0]
        if number > session.said:
            yield f"{session.sid}: message {number} was never said"
        if number <= newest:
            yield f"{session.sid}: message {number} twice, or after {newest}"
        elif number > newest + 1 and not (lost or session.excused):
            yield f"{session.sid}: messages {newest + 1}..{number - 1} missing before {number}"
        newest, lost = max(newest, number), False
    owed = session.said if session.settled else session.told
    if newest < owed and not (lost or session.excused):
        yield f"{session.sid}: messages {newest + 1}..{owed} missing at the end"


def judge_sessions(sessions):
    """All that is wrong with what applications were told, as sentences."""
    wrong = []
    for session in sessions:
        wrong += _life(session)
        wrong += _messages(session)
    return wrong
