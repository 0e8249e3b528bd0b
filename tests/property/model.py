"""What a subscriber must see, whatever happens to the parts: the judge of the property test.

A publication is known by its topic and its number, from 1 in each topic; what an application sends
to a session is a topic of its own (`direct`).  A subscriber has a history: what it read, in order,
over all its connections and carriers.  It promises:

- nothing twice, and the numbers of a topic only grow;
- between two messages of a topic every number that is missing was never acknowledged to its
  publisher, or a gap that covers the topic stands between them;
- every publication that was begun after its subscription was known to stand is there, or in a gap,
  up to the last marker; nothing from before it was asked for, or after it was known to be over;
- what was published and sent one after the other is read in that order.
"""

from dataclasses import dataclass, field


@dataclass
class Message:
    """A publication as a subscriber read it."""

    topic: str
    number: int
    cursor: str
    carrier: str = ""


@dataclass
class Gap:
    """Something may be missing here; topic None: of any, or a pattern."""

    topic: str | None
    reason: str
    count: int | None = None


@dataclass
class Span:
    """A subscription of one topic, in numbers of its publications: from `asked` on they may come,
    from `first` on they must (None: it was not answered); its end was asked for behind `last`, and
    behind `until` none may come (None: not yet)."""

    asked: int = 1
    first: int | None = None
    last: int | None = None
    until: int | None = None

    def must(self, number, reached):
        """Must this one be there, since the one at `reached` is?  None: at the end."""
        if self.first is None or number < self.first:
            return False
        # What was not fetched when the end was asked for need not come any more.
        return self.last is None or (reached is not None and reached <= self.last)

    def may(self, number):
        return number >= self.asked and (self.until is None or number <= self.until)


@dataclass
class Subscriber:
    """What one client asked for and read.

    first  the number of each topic from which on it must have everything
    spans  in its place, where subscriptions come and go: the Spans of each topic
    over   it ended early: what it lacks at its end is not asked for
    """

    name: str
    topics: tuple
    first: dict = field(default_factory=dict)
    items: list = field(default_factory=list)
    spans: dict | None = None
    over: bool = False

    def spans_of(self, topic):
        if self.spans is not None:
            return self.spans.get(topic, [])
        return [Span(first=self.first.get(topic, 1))] if topic in self.topics else []


def direct(sid):
    """The topic that stands for what is sent to a session."""
    return "@" + sid


class Publications:
    """What was published: how many of each topic, which were acknowledged, and in what order."""

    def __init__(self):
        self.begun = {}
        self.taken = {}  # (topic, number): its place among all that were acknowledged

    def begin(self, topic):
        """The number of the next publication of this topic."""
        self.begun[topic] = self.begun.get(topic, 0) + 1
        return self.begun[topic]

    def take(self, topic, number):
        """The broker has answered OK, before anything else was begun."""
        self.taken[topic, number] = len(self.taken)

    def next_number(self, topic):
        return self.begun.get(topic, 0) + 1

    def next_numbers(self, topics):
        """What a subscriber that is ready now must have everything from."""
        return {topic: self.next_number(topic) for topic in topics}


def _covers(gap, topic):
    """Does a gap of this topic, or of a pattern, speak of the topic?"""
    if gap.topic is None or gap.topic == topic:
        return True
    if gap.topic.endswith("/**"):
        return topic.startswith(gap.topic[:-2])
    above, _, last = topic.rpartition("/")
    return gap.topic.endswith("/*") and last and above == gap.topic[:-2]


def _holes(publications, subscriber, topic):
    """Sentences about what is missing of one topic without a gap."""
    spans = subscriber.spans_of(topic)
    expected, gap_since = 1, False

    def missing(end, reached):
        return [n for n in range(expected, end) if (topic, n) in publications.taken
                and any(span.must(n, reached) for span in spans)]

    for item in subscriber.items:
        if isinstance(item, Gap):
            gap_since = gap_since or _covers(item, topic)
        elif item.topic == topic:
            lost = missing(item.number, item.number)
            if lost and not gap_since:
                yield f"{subscriber.name}: {topic} {lost[0]}..{lost[-1]} missing before {item.number}"
            expected, gap_since = max(expected, item.number + 1), False
    lost = missing(publications.next_number(topic), None)
    if lost and not gap_since and not subscriber.over:
        yield f"{subscriber.name}: {topic} {lost[0]}..{lost[-1]} missing at the end"


def _order(publications, subscriber):
    """Sentences about doubles, disorder and what nobody has published."""
    seen, newest, position, place = set(), {}, {}, -1
    for item in subscriber.items:
        if not isinstance(item, Message):
            continue
        key = (item.topic, item.number)
        if not any(span.may(item.number) for span in subscriber.spans_of(item.topic)):
            yield f"{subscriber.name}: {key} was not asked for"
        if item.number > publications.begun.get(item.topic, 0):
            yield f"{subscriber.name}: {key} was never published"
        if key in seen:
            yield f"{subscriber.name}: {key} twice, the second time over {item.carrier}"
        elif item.number < newest.get(item.topic, 0):
            yield f"{subscriber.name}: {key} after {newest[item.topic]}"
        elif publications.taken.get(key, place) < place:
            yield f"{subscriber.name}: {key} after what was published later"
        seen.add(key)
        newest[item.topic] = max(newest.get(item.topic, 0), item.number)
        place = max(place, publications.taken.get(key, place))
        yield from _positions(subscriber, item, position)


def _positions(subscriber, item, position):
    """Positions of one epoch grow over all topics."""
    epoch, _, number = item.cursor.partition(":")
    if number.isdigit():
        if int(number) <= position.get(epoch, -1):
            yield f"{subscriber.name}: position {item.cursor} after {position[epoch]}"
        position[epoch] = int(number)


def judge(publications, subscribers):
    """All that is wrong, as sentences; an empty list is a pass."""
    wrong = []
    for subscriber in subscribers:
        wrong += _order(publications, subscriber)
        for topic in subscriber.topics:
            wrong += _holes(publications, subscriber, topic)
    return wrong
