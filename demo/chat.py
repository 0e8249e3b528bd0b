#!/usr/bin/env python3
"""A chat room.  Each visitor chooses a carrier: WebSocket, server-sent events, or long poll; all
of them meet in one room.  The page itself is served by this application too.

    GET  /                      the page
    GET  /files/{name}          its script, style and icon
    GET  /chat/ws      WebSocket: JSON both ways
    GET  /chat/events  server-sent events
    GET  /chat/poll    long poll: answered when there is news, or after 25 s
    POST /chat/say     JSON {"id", "text", "key"}
    GET  /live         a topic, served by the gateway: how many are here, and how much was said
    GET  /clock        a stream, one line or event each second
         /echo         what comes goes back: request, body, or WebSocket message

The chat's targets take id= (who it is, made up by the page), name=, and since= (the number of the
last event that the page has seen; server-sent events also show it as Last-Event-ID).
"""

import argparse
import collections
import json
import os
import pathlib
import re
import time

import ringway

HERE = pathlib.Path(__file__).resolve().parent

HISTORY_MAX = 500  # events that are kept for those who come back
SHOWN_MAX = 50  # events that a newcomer gets
MEMBERS_MAX = 1000
NAME_MAX = 24  # characters
TEXT_MAX = 500  # characters
SAY_MAX = 4096  # bytes of one message in JSON
BURST, PER_SECOND = 5, 1.0  # messages that one visitor may send
ADDRESS_BURST, ADDRESS_PER_SECOND = 30, 10.0  # and one address
POLL_SECONDS = 25.0
AWAY_SECONDS = 8.0  # who is back within these has not left
ALIVE_SECONDS = 15.0

LIVE_SECONDS = 2.0

CLIENT = HERE.parent / "bindings" / "javascript-client"
FILES = {
    "index.html": "text/html; charset=utf-8",
    "chat.js": "text/javascript; charset=utf-8",
    "ringway.js": "text/javascript; charset=utf-8",
    "chat.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
SAFE = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
                               "img-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; "
                               "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Bucket:
    """So many at once, and so many each second afterwards."""

    def __init__(self, burst, per_second):
        self.burst, self.per_second = burst, per_second
        self.level, self.at = float(burst), time.monotonic()

    def take(self):
        now = time.monotonic()
        self.level = min(self.burst, self.level + (now - self.at) * self.per_second)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


class Member:
    """A visitor.  `channel` is the one that is open now; None between two polls, or while the
    page connects again."""

    def __init__(self, number, name, carrier):
        self.number = number
        self.name = name
        self.carrier = carrier
        self.channel = None
        self.away_since = time.monotonic()
        self.bucket = Bucket(BURST, PER_SECOND)
        self.keys = collections.deque(maxlen=50)  # of messages that were taken

    def public(self):
        return {"who": self.number, "name": self.name, "carrier": self.carrier}


class Refused(Exception):
    """A message that is not taken: HTTP status and a sentence."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Room:
    """Who is here and what was said.  Events are numbered; the first number is the time in
    milliseconds, so that numbers grow across a restart too."""

    def __init__(self, tell):
        self.tell = tell  # called with each new event
        self.members = {}  # id -> Member
        self.events = collections.deque(maxlen=HISTORY_MAX)
        self.last = int(time.time() * 1000)
        self.count = 0
        self.said = 0
        self.began = self.last

    def add(self, kind, member, **more):
        self.last += 1
        event = {"n": self.last, "kind": kind, "at": int(time.time() * 1000),
                 **member.public(), **more}
        self.events.append(event)
        self.tell(event)
        return event

    def since(self, number):
        if not number:
            return list(self.events)[-SHOWN_MAX:]
        return [event for event in self.events if event["n"] > number]

    def people(self):
        return [member.public() for member in self.members.values()]

    def enter(self, id, name, carrier):
        member = self.members.get(id)
        if member is None:
            if len(self.members) >= MEMBERS_MAX:
                raise Refused(503, "The room is full.")
            self.count += 1
            name = name or "Guest %d" % self.count
            member = self.members[id] = Member(self.count, name, carrier)
            self.add("joined", member)
        elif (name and name != member.name) or carrier != member.carrier:
            before, member.name = member.name, name or member.name
            member.carrier = carrier
            self.add("changed", member, before=before)
        return member

    def say(self, id, text, key):
        member = self.members.get(id)
        if member is None:
            raise Refused(409, "You are not in the room.")
        text = clean(text)
        if not text:
            raise Refused(400, "There is no text.")
        if len(text) > TEXT_MAX:
            raise Refused(413, "A message has at most %d characters." % TEXT_MAX)
        if key and key in member.keys:
            return  # it was repeated after a broken connection
        if not member.bucket.take():
            raise Refused(429, "You write too fast.")
        member.keys.append(key)
        self.said += 1
        self.add("said", member, text=text, key=key)

    def sweep(self):
        """Who has been away for too long has left."""
        limit = time.monotonic() - AWAY_SECONDS
        for id, member in list(self.members.items()):
            if member.channel is None and member.away_since < limit:
                del self.members[id]
                self.add("left", member)


def clean(text):
    """Text without control characters and without space around it."""
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "",
                  text if isinstance(text, str) else "").strip()


def number(text):
    return int(text) if text and re.fullmatch("[0-9]{1,15}", text) else 0


class Chat:
    def __init__(self, app):
        self.app = app
        self.room = Room(self.tell)
        self.polls = {}  # channel id -> (Channel, since, Timer)
        self.clocks = {}  # channel id -> Channel
        self.addresses = {}  # address -> Bucket
        self.files = {name: (CLIENT if name == "ringway.js" else HERE).joinpath(name).read_bytes()
                      for name in FILES}
        app.on_open(self.opened)
        app.on_adopt(self.adopted)
        app.every(1.0, self.each_second)
        app.every(LIVE_SECONDS, self.say_live)
        app.every(ALIVE_SECONDS, self.say_alive)

    # Requests

    def opened(self, channel):
        request = channel.request
        if request.path in ("/chat/ws", "/echo") and request.is_websocket:
            handler, methods = self.ws if request.path == "/chat/ws" else self.echo, ("GET",)
        elif request.is_websocket:
            channel.close(1008, "no WebSocket is here")
            return
        elif request.path.startswith("/files/"):
            handler, methods = self.file, ("GET", "HEAD")
        else:
            handler, methods = {
                "/": (self.page, ("GET", "HEAD")),
                "/chat/events": (self.sse, ("GET",)),
                "/chat/poll": (self.poll, ("GET",)),
                "/chat/say": (self.say, ("POST",)),
                "/clock": (self.clock, ("GET",)),
                "/echo": (self.echo, ("GET", "POST", "PUT")),
            }.get(request.path, (None, ()))
        if handler is None:
            answer(channel, 404, {"error": "Nothing is here."})
        elif request.method not in methods:
            answer(channel, 405, {"error": "Not with this method."}, Allow=", ".join(methods))
        else:
            try:
                handler(channel)
            except Refused as refused:
                self.refuse(channel, refused)

    def refuse(self, channel, refused):
        if channel.request.is_websocket:
            channel.close(1013 if refused.status == 503 else 1008, str(refused))
        else:
            answer(channel, refused.status, {"error": str(refused)})

    def adopted(self, channel):
        """A channel of a worker that died: what it had said is not known here.  The page comes
        back by itself."""
        channel.close(1012 if channel.request.is_websocket else None)

    def page(self, channel):
        self.send_file(channel, "index.html")

    def file(self, channel):
        name = channel.request.path[len("/files/"):]
        if name in FILES:
            self.send_file(channel, name)
        else:
            answer(channel, 404, {"error": "Nothing is here."})

    def send_file(self, channel, name):
        headers = {"Content-Type": FILES[name], **SAFE}
        channel.send(self.files[name], status=200, headers=headers, close=True)

    # The three carriers

    def enter(self, channel, carrier):
        """The visitor of this request, and the last event that it has."""
        query = channel.request.query
        id, name = query.get("id", ""), clean(query.get("name", ""))[:NAME_MAX]
        if not re.fullmatch("[0-9a-zA-Z]{16,64}", id):
            raise Refused(400, "An id is 16 to 64 letters and digits.")
        member = self.room.enter(id, name, carrier)
        before, member.channel = member.channel, channel
        if before is not None:
            self.polls.pop(before.id, None)
            before.close()
        channel.data = id
        channel.on_close = self.closed
        seen = channel.request.headers.get("last-event-id", "")
        return member, max(number(seen), number(query.get("since")))

    def hello(self, member, since):
        """Everything that happened since, and who is here."""
        return {"kind": "hello", "who": member.number, "name": member.name,
                "last": self.room.last, "events": self.room.since(since),
                "people": self.room.people()}

    def ws(self, channel):
        member, since = self.enter(channel, "ws")
        channel.on_message = self.heard
        channel.on_send = json.dumps
        channel.send(self.hello(member, since))
        channel.subscribe("demo/ws")

    def sse(self, channel):
        member, since = self.enter(channel, "sse")
        hello = self.hello(member, since)
        # A new life of the page takes up here, so the hello has the number of its last event.
        channel.send(
            ringway.sse_event(json.dumps(hello), id=hello["last"], retry=1000), status=200,
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        channel.subscribe("demo/sse")

    def poll(self, channel):
        member, since = self.enter(channel, "poll")
        if not since or self.room.since(since):
            answer(channel, 200, self.hello(member, since))
            return
        timer = self.app.later(POLL_SECONDS, lambda: self.end_poll(channel.id))
        self.polls[channel.id] = (channel, since, timer)

    def end_poll(self, id):
        channel, since, timer = self.polls.pop(id, (None, 0, None))
        if channel is None:
            return
        timer.cancel()
        member = self.room.members.get(channel.data)
        if member:
            answer(channel, 200, self.hello(member, since))

    def closed(self, channel, status, cause, reason):
        _, _, timer = self.polls.pop(channel.id, (None, 0, None))
        if timer:
            timer.cancel()
        member = self.room.members.get(channel.data)
        if member and member.channel is channel:
            member.channel = None
            member.away_since = time.monotonic()

    def tell(self, event):
        text = json.dumps(event)
        self.app.publish("demo/ws", text)
        self.app.publish("demo/sse", ringway.sse_event(text, id=event["n"]))
        for id in list(self.polls):
            self.app.call_soon(self.end_poll, id)

    # What visitors say

    def heard(self, channel, message):
        try:
            if not isinstance(message, str) or len(message) > SAY_MAX:
                raise Refused(413, "The message is too long.")
            said = parse(message)
            self.check_address(channel)
            self.room.say(channel.data, said.get("text"), key_of(said))
        except Refused as refused:
            channel.send({"kind": "refused", "text": str(refused), "status": refused.status})

    def say(self, channel):
        request = channel.request
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            raise Refused(415, "Only application/json.")
        origin = request.headers.get("origin")
        if origin and origin.split("://")[-1] != request.headers.get("host"):
            raise Refused(403, "Not from another site.")
        if request.body is None or len(request.body) > SAY_MAX:
            raise Refused(413, "The message is too long.")
        said = parse(request.body)
        self.check_address(channel)
        self.room.say(said.get("id"), said.get("text"), key_of(said))
        answer(channel, 200, {"ok": True})

    def check_address(self, channel):
        address = channel.request.peer.rpartition(":")[0]
        bucket = self.addresses.get(address)
        if bucket is None:
            bucket = self.addresses[address] = Bucket(ADDRESS_BURST, ADDRESS_PER_SECOND)
        if not bucket.take():
            raise Refused(429, "Too many messages from your address.")

    # Clock and echo

    def clock(self, channel):
        channel.data = "text/event-stream" in channel.request.headers.get("accept", "")
        kind = "text/event-stream" if channel.data else "text/plain; charset=utf-8"
        channel.on_close = lambda channel, *_: self.clocks.pop(channel.id, None)
        self.clocks[channel.id] = channel
        channel.send(self.time(channel), status=200,
                     headers={"Content-Type": kind, "X-Content-Type-Options": "nosniff"})

    def time(self, channel):
        text = time.strftime("%H:%M:%S")
        return ringway.sse_event(text) if channel.data else text + "\n"

    def echo(self, channel):
        request = channel.request
        if request.is_websocket:
            channel.on_message = lambda channel, message: channel.send(message)
        elif request.method == "GET":
            lines = ["%s %s HTTP/%s" % (request.method, request.target, request.version)]
            lines += ["%s: %s" % pair for pair in request.headers]
            channel.send("\n".join(lines) + "\n", close=True)
        else:
            channel.read_body(lambda channel, body: channel.send(body, close=True))

    # Time

    def each_second(self):
        self.room.sweep()
        for channel in list(self.clocks.values()):
            channel.send(self.time(channel))
        full = [a for a, b in self.addresses.items() if time.monotonic() - b.at > 60]
        for address in full:
            del self.addresses[address]

    def say_live(self):
        room = self.room
        self.app.publish("demo/live", json.dumps(
            {"people": len(room.members), "said": room.said, "since": room.began}))

    def say_alive(self):
        """A page that hears nothing for a while connects again."""
        self.app.publish("demo/ws", '{"kind":"alive"}')
        self.app.publish("demo/sse", ringway.sse_event('{"kind":"alive"}'))


def parse(text):
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refused(400, "That is no JSON object.")
    return value


def key_of(said):
    key = said.get("key")
    return key if isinstance(key, str) and len(key) <= 64 else None


def answer(channel, status, value, **headers):
    channel.on_send = None
    channel.send(json.dumps(value) + "\n", close=True, status=status,
                 headers={"Content-Type": "application/json", "Cache-Control": "no-store",
                          "X-Content-Type-Options": "nosniff", **headers})


def main():
    parser = argparse.ArgumentParser(description="The demo application of Ringway: a chat.")
    parser.add_argument("--endpoint", help="the broker's application port",
                        default=os.environ.get("RINGWAY_BUS_APPS", ringway.ENDPOINT))
    parser.add_argument("--key", help="file with its secret key, where the broker has keys",
                        default=os.environ.get("RINGWAY_KEY"))
    parser.add_argument("--broker-key", help="file with the broker's public key",
                        default=os.environ.get("RINGWAY_BROKER_KEY"))
    options = parser.parse_args()
    if bool(options.key) != bool(options.broker_key):
        parser.error("--key and --broker-key go together")
    keys = ringway.Keys(options.key, options.broker_key) if options.key else None
    app = ringway.App("demo", options.endpoint, keys=keys)
    Chat(app)
    app.run()


if __name__ == "__main__":
    main()
