#!/usr/bin/env python3
"""Is the chat of demo/ alive behind a load balancer?

    chat_check.py URL [COMMAND [ARGUMENT]...]

Two clients on each carrier (WebSocket, server-sent events, long poll) meet in the room, and each
reads what each of them says.  Then COMMAND takes an edge away; those who were on it come back by
URL, and all chat on.  Last line: `N passed, N failed`.
"""

import asyncio
import http.client
import json
import secrets
import subprocess
import sys
import threading
import time
import urllib.parse

import websockets

DEADLINE = 30.0  # seconds for each step
SILENCE = 40.0  # of a connection; the application says something every 15 s
PAUSE = 0.2  # before the next try
CARRIERS = ("ws", "sse", "poll")


class Client(threading.Thread):
    """A visitor on one carrier, as the page of the chat is: it comes back with the number of the
    last event that it has."""

    def __init__(self, host, carrier, name):
        super().__init__(name=name, daemon=True)
        self.host, self.carrier = host, carrier
        self.id = secrets.token_hex(16)
        self.since = 0
        self.said = set()  # texts that were read
        self.connects = self.losses = 0
        self.trouble = None  # why the last connection was lost
        self.changed = threading.Condition()
        self.stopped = False
        self.waiting = {}  # key -> text: said and not yet read

    # Connections

    def run(self):
        connect = {"ws": lambda: asyncio.run(self.ws()), "sse": self.sse, "poll": self.poll}
        while not self.stopped:
            try:
                connect[self.carrier]()
            except (OSError, ValueError, http.client.HTTPException, asyncio.TimeoutError,
                    websockets.exceptions.WebSocketException) as trouble:
                self.trouble = repr(trouble)
            with self.changed:
                self.losses += 1
                self.changed.notify_all()
                self.changed.wait(PAUSE)

    def target(self, path):
        query = {"id": self.id, "name": self.name, "since": self.since}
        return "/chat/%s?%s" % (path, urllib.parse.urlencode(query))

    async def ws(self):
        # With an Origin, as a browser does: the gateway compares it with the Host that it sees.
        url = "ws://" + self.host + self.target("ws")
        async with websockets.connect(url, origin="http://" + self.host, open_timeout=5,
                                      close_timeout=1) as socket:
            teller = asyncio.create_task(self.tell_by(socket))
            try:
                while self.happened(await asyncio.wait_for(socket.recv(), SILENCE)):
                    pass
            finally:
                teller.cancel()

    async def tell_by(self, socket):
        told = {}
        while True:
            with self.changed:
                waiting = dict(self.waiting)
            for key, text in waiting.items():
                if time.monotonic() - told.get(key, 0) > 1:
                    told[key] = time.monotonic()
                    await socket.send(json.dumps({"text": text, "key": key}))
            await asyncio.sleep(0.02)

    def request(self, method, target, body=None, timeout=SILENCE):
        connection = http.client.HTTPConnection(self.host, timeout=timeout)
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        if answer.status != 200 and method == "GET":
            connection.close()
            raise http.client.HTTPException("status %d" % answer.status)
        return connection, answer

    def sse(self):
        connection, answer = self.request("GET", self.target("events"))
        try:
            for line in answer:
                if line.startswith(b"data: ") and not self.happened(line[6:].decode()):
                    break
        finally:
            connection.close()

    def poll(self):
        while not self.stopped:
            connection, answer = self.request("GET", self.target("poll"))
            try:
                self.happened(answer.read().decode())
            finally:
                connection.close()

    # What comes and goes

    def happened(self, text):
        """Takes an event; False if one is missing, then the next connection has it."""
        event = json.loads(text)
        with self.changed:
            if event["kind"] == "hello":
                self.connects += 1
                for each in event["events"]:
                    self.read(each)
                self.since = max(self.since, event["last"])
            elif event.get("n", 0) > self.since + 1:
                return False
            else:
                self.read(event)
                self.since = max(self.since, event.get("n", 0))
            self.changed.notify_all()
        return not self.stopped

    def read(self, event):
        if event["kind"] == "said":
            self.said.add(event["text"])
            self.waiting.pop(event.get("key"), None)

    def say(self, text):
        """Says it until it is read."""
        key = secrets.token_hex(8)
        with self.changed:
            self.waiting[key] = text
        if self.carrier != "ws":
            threading.Thread(target=self.post, args=(key, text), daemon=True).start()

    def post(self, key, text):
        body = json.dumps({"id": self.id, "text": text, "key": key})
        end = time.monotonic() + DEADLINE
        while key in self.waiting and time.monotonic() < end:
            try:
                connection, answer = self.request("POST", "/chat/say", body, 5)
                answer.read()
                connection.close()
            except (OSError, http.client.HTTPException) as trouble:
                self.trouble = repr(trouble)
            with self.changed:
                self.changed.wait_for(lambda: key not in self.waiting, 1)

    def wait(self, condition):
        with self.changed:
            return self.changed.wait_for(condition, DEADLINE)


passed = failed = 0


def check(sentence, holds, why=""):
    global passed, failed
    if holds:
        passed += 1
        print("ok       " + sentence, flush=True)
    else:
        failed += 1
        print("not ok   %s%s" % (sentence, why and ": " + why), flush=True)


def troubles(clients):
    return "; ".join("%s %s" % (client.name, client.trouble) for client in clients)


def talk(clients, word):
    """Each says something, and each reads all of it."""
    texts = {client.name: "%s from %s" % (word, client.name) for client in clients}
    for client in clients:
        client.say(texts[client.name])
    for client in clients:
        client.wait(lambda: client.said.issuperset(texts.values()))
        missing = set(texts.values()) - client.said
        check("%s: %s reads all of it" % (word, client.name), not missing,
              "missing %s; last trouble: %s" % (sorted(missing), client.trouble))


def main(url, command):
    host = urllib.parse.urlsplit(url).netloc
    clients = []
    for carrier in CARRIERS:
        for number in (1, 2):
            client = Client(host, carrier, "%s%d" % (carrier, number))
            clients.append(client)
            client.start()
            # One after the other, so that round-robin gives each carrier two edges.
            client.wait(lambda: client.connects)
    check("all enter the room", all(client.connects for client in clients),
          troubles(clients))
    talk(clients, "hello")
    if command:
        # A poll is lost only if it was being held.
        held = [client for client in clients if client.carrier != "poll"]
        before = {client: client.connects for client in held}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        end = time.monotonic() + DEADLINE
        while not any(client.losses for client in held) and time.monotonic() < end:
            time.sleep(0.02)
        lost = [client for client in held if client.losses]
        check("the edge's clients lose it", lost)
        for client in lost:
            client.wait(lambda: client.connects > before[client])
        check("they come back by another edge",
              all(client.connects > before[client] for client in lost), troubles(lost))
        talk(clients, "again")
    for client in clients:
        client.stopped = True
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
