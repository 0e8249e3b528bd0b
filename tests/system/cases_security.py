"""Keys on the bus: who may connect, what a key allows, what happens when keys change."""

import json
import os
import pathlib
import signal
import stat
import sys
import threading
import time

import zmq
import zmq.auth

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bindings" / "python")]

import ringway
from support.case import case, run
from support.harness import Deployment, run_program
from support.keys import Keys
from support.port import Port
from support.talk import opened_ws
from support.waiting import scaled, stays_true, wait_until
from support.worker import Record, echo, make_record

ROUTES = [
    ("game", {"path": "/game/**", "service": "game"}),
    ("chat", {"path": "/**", "service": "chat"}),
]
KINDS = {"edges": zmq.DEALER, "apps": zmq.DEALER, "tap": zmq.SUB, "pull": zmq.PUSH, "sub": zmq.PUB}
BIG = 60  # seconds


class Secured(Deployment):
    """With keys: edge1; applications `all`, which may do everything, and `chat`, which may serve
    chat and publish to rooms/* and news."""

    def __init__(self, **options):
        super().__init__(routes=ROUTES, **options)
        self.keys = Keys(self.folder.path / "keys")
        self.keys.edge("edge1")
        self.keys.app("all", ["*"], ["*"])
        self.keys.app("chat", ["chat"], ["rooms/*", "news"])
        self.broker_settings["keys"] = self.keys.folder
        self.settings["key"] = self.keys.path("edges/edge1.secret")
        self.settings["broker_key"] = self.keys.path("broker.key")

    def worker(self, service="chat", **options):
        options.setdefault("keys", self.keys.of("apps/all"))
        return super().worker(service, **options)

    def port(self, name, keys="apps/all", subscribe=None):
        chosen = self.keys.of(keys) if isinstance(keys, str) else keys
        subscribe = b"" if name == "tap" and subscribe is None else subscribe
        return Port(KINDS[name], self.endpoint(name), subscribe, chosen)

    def peer(self, keys="apps/chat"):
        """A sender with these keys."""
        return self.worker(None, keys=self.keys.of(keys))

    def reload(self, *, logged="keys_loaded"):
        """SIGHUP to the broker, and wait until it says what it did."""
        before = self.broker.log().count(f"event={logged}")
        self.broker.signal(signal.SIGHUP)
        wait_until(lambda: self.broker.log().count(f"event={logged}") > before, 5, logged)

    def stats(self):
        """What the broker has counted by now; its metrics are a second old."""
        return json.loads(self.main.ask("GET", "stats").payload)

    def taken(self):
        """How many records of peers that are nobody's the broker was given."""
        stats = self.stats()
        return sum(stats["dropped"].values()) + sum(
            stats[name] for name in ("commands", "publications", "workers", "edges"))

    def refused(self, **labels):
        return self.broker.metric("ringway_broker_refused_connections_total", **labels)

    def denied(self):
        return self.stats()["dropped"]["denied"]


class Own(Secured):
    """With a worker, for one case."""

    def start(self):
        super().start()
        self.main = self.worker()
        return self


def says_hello(port, name):
    """Tries to be heard on a port, and hears nothing."""
    for record in (b"JOIN chat id=1", b"GET stats id=2", b"PUB news\nhello",
                   b"HELLO edge1 0123456789abcdef - 0 proto=RW/1"):
        try:
            if name != "tap":
                port.socket.send_multipart([b"news", record] if name == "sub" else [record],
                                           zmq.DONTWAIT)
        except zmq.Again:
            pass
    return port


def one_line_a_second(daemon, event, seconds, log_from=0):
    def look():
        return [line for line in daemon.log()[log_from:].splitlines() if f"event={event}" in line]

    lines = wait_until(look, 5, f"a line of {event}")
    assert len(lines) <= seconds + 1, f"{len(lines)} lines of {event} in {seconds:.1f} s"
    return lines


def refuses_all(ctx, keys, reason, ports=tuple(KINDS)):
    """Nobody with these keys gets through a port; it is counted and said once a second at most.
    reason None: whichever, where both ends see what is wrong and either may hang up first."""
    log_from, before, began = len(ctx.broker.log()), ctx.taken(), time.monotonic()
    labels = {"reason": reason} if reason else {}
    counted = {name: ctx.refused(port=name, **labels) for name in ports}
    opened = []
    try:
        for name in ports:
            opened += [says_hello(ctx.port(name, keys), name) for _ in range(5)]
        for name in ports:
            wait_until(lambda: ctx.refused(port=name, **labels) >= counted[name] + 5, 15,
                       f"refused connections on {name}")
        for port in opened:
            if port.socket.type not in (zmq.PUSH, zmq.PUB):
                assert not port.socket.poll(0), port.socket.recv_multipart()
        assert ctx.taken() == before, "a record got through"
    finally:
        for port in opened:
            port.socket.close(0)
            port.context.term()
    seconds = time.monotonic() - began
    return one_line_a_second(ctx.broker, "connections_refused", seconds, log_from)


@case()
def all_ports_serve_who_has_a_key(ctx):
    ctx.main.handler = echo
    with ctx.port("tap") as tap:
        def woken():
            ctx.main.pub("wake", "up")
            return tap.socket.poll(100)

        wait_until(woken, 10, "the tap")
    client, event = opened_ws(ctx, "keys")
    client.text("hello")
    assert client.read_text() == "hello"
    with ctx.port("pull") as pull:
        pull.send(make_record("SEND", event.chan, payload="pushed"))
        assert client.read_text() == "pushed"
    ctx.main.sub(event.chan, "news")
    assert ctx.main.ask("GET", "stats").verb == "INFO"
    with ctx.port("sub") as publisher:
        end = time.monotonic() + scaled(10)
        client.sock.settimeout(0.05)
        while not client.buffer:
            publisher.send("news", "published")
            try:
                client.buffer += client.sock.recv(1)
            except TimeoutError:
                assert time.monotonic() < end, "nothing was published"
        client.sock.settimeout(scaled(5))
        assert client.read_text() == "published"


@case(seconds=BIG)
def nobody_gets_in_without_a_key(ctx):
    lines = refuses_all(ctx, None, None)
    assert "protocol=" in lines[-1] and "unfinished=" in lines[-1]


@case(seconds=BIG)
def nobody_gets_in_with_a_key_that_is_not_known(ctx):
    log_from = len(ctx.broker.log())
    stranger = ctx.keys.stranger()
    refuses_all(ctx, stranger, "key")
    log = ctx.broker.log()[log_from:]
    assert "event=key_refused" in log and "reason=unknown_key" in log
    assert stranger.public.decode() in log, "the log shows which key"


@case(seconds=BIG)
def nobody_gets_in_who_expects_another_broker(ctx):
    other = ctx.keys.of("apps/all")
    other.broker = zmq.curve_keypair()[0]
    refuses_all(ctx, other, "protocol")


@case(seconds=BIG)
def the_key_of_one_side_does_not_open_the_other(ctx):
    refuses_all(ctx, ctx.keys.of("edges/edge1"), "key", ("apps", "tap", "pull", "sub"))
    refuses_all(ctx, ctx.keys.of("apps/all"), "key", ("edges",))
    log = ctx.broker.log()
    assert "reason=not_an_edge domain=edge name=all" in log.replace('"', ""), log[-1500:]
    # One line a second tells of the newest only, of whichever port that was.
    assert any(f"reason=not_an_application domain={domain} name=edge1" in log.replace('"', "")
               for domain in ("app", "tap")), log[-1500:]


@case(seconds=BIG)
def the_tap_is_for_keys_that_may_do_everything(ctx):
    refuses_all(ctx, ctx.keys.of("apps/chat"), "key", ("tap",))
    assert "reason=not_allowed_everything" in ctx.broker.log()


@case()
def a_limited_key_serves_its_service_and_nothing_else(ctx):
    worker = ctx.worker("chat", keys=ctx.keys.of("apps/chat"))
    answer = worker.ask("JOIN", "game")
    assert answer.verb == "ERR" and answer.code == "denied", answer
    gamer = ctx.worker("game")
    client, event = opened_ws(ctx, "limited", target="/game/limited", worker=gamer)
    chats, chat = [], None
    while chat is None:  # the channels of chat go to both workers in turn
        chats.append(ctx.ws(f"/chat/{len(chats)}"))
        chat = wait_until(lambda: (worker.find("OPEN") or ctx.main.find("OPEN"))[-1:], 5)[0]
    before = ctx.denied()
    attempts = [
        ("SEND", (event.chan,), "stolen"), ("CLOSE", (event.chan,), None),
        ("SUB", (event.chan, "news"), None), ("SUB", (chat.chan, "secret"), None),
        ("ACCEPT", (event.chan,), None), ("PUB", ("secret",), "x"), ("PUB", ("rooms/1/2",), "x"),
        ("SEND", (f"{chat.chan},{event.chan}",), "stolen"), ("GET", ("stats",), None),
        ("GET", ("info", event.chan), None), ("GET", ("list", "game"), None),
        ("CHECK", (event.chan,), None), ("LEAVE", ("game",), None),
    ]
    for verb, tokens, payload in attempts:
        answer = worker.ask(verb, *tokens, payload=payload)
        assert answer.verb == "ERR" and answer.code == "denied", (verb, answer)
    assert ctx.denied() == before + len(attempts)
    for chosen in (event.chan, "channel/" + event.chan + "/send"):
        name = "pull" if chosen is event.chan else "sub"
        with ctx.port(name, "apps/chat") as port:
            count = ctx.denied()

            def tried():
                if name == "pull":
                    port.send(make_record("SEND", chosen, payload="stolen"))
                else:
                    port.send(chosen, "stolen")
                return ctx.denied() > count

            wait_until(tried, 10, f"a denied record of the {name} port")
    assert worker.ask("SEND", chat.chan, payload="own").verb == "OK"
    assert worker.ask("PUB", "rooms/1", payload="own").verb == "OK"
    assert worker.ask("GET", "list", "chat").verb == "INFO"
    gamer.send(event.chan, "first")
    assert client.read_text() == "first", "something of a denied record reached the client"
    assert not worker.find("OPEN", event.chan)
    lines = one_line_a_second(ctx.broker, "denied", BIG)
    assert "key=chat" in lines[-1], lines[-1]


@case()
def a_publisher_needs_a_topic_and_no_service(ctx):
    ctx.keys.app("press", topics=["press/**"])
    ctx.reload()
    peer = ctx.peer("apps/press")
    assert peer.ask("PUB", "press/a/b", payload="x").verb == "OK"
    assert peer.ask("PUB", "press", payload="x").code == "denied"
    assert peer.ask("JOIN", "chat").code == "denied"


@case()
def the_binding_shows_its_keys_and_is_told_what_is_denied():
    with Own() as own:
        binding_serves(own)


def binding_serves(ctx):
    files = ctx.keys.path("apps/chat.secret"), ctx.keys.path("broker.key")
    app = ringway.App("chat", ctx.endpoint("apps"), keys=ringway.Keys(*files))
    app.on_open(lambda channel: channel.send("by the binding"))
    thread = threading.Thread(target=app.run)
    thread.start()
    try:
        ctx.main.leave()  # the channels go to the binding then
        ctx.main.wait_for("LEFT", "chat")
        assert ctx.ws("/binding").read_text() == "by the binding"
        with ringway.Publisher(ctx.endpoint("apps"), keys=ringway.Keys(*files)) as publisher:
            publisher.publish("news", "allowed")
            try:
                publisher.publish("secret", "denied")
                raise AssertionError("it was published")
            except ringway.Error as error:
                assert error.code == "denied", error
    finally:
        app.stop(0)
        thread.join(scaled(10))


@case(seconds=BIG)
def a_gateway_has_the_names_of_its_key_only():
    with Own() as own:
        before = own.denied()
        own.edge_count = 0
        began = time.monotonic()
        second = own.start_edge(edge_name="edge2")  # with the key of edge1
        wait_until(lambda: own.denied() >= before + 3, 15, "denied greetings")
        seconds = time.monotonic() - began
        assert not second.is_ready()
        lines = one_line_a_second(own.broker, "denied", seconds)
        assert "key=edge1" in lines[0] and "edge2" in lines[0], lines[0]
        assert "code=denied" in second.log()
        assert own.stats()["edges"] == 1
        own.keys.edge("both", "--name", "edge*")
        own.reload()
        third = own.start_edge(key=own.keys.path("edges/both.secret"))
        wait_until(third.is_ready, 10, "a gateway with a key of many names")


@case(seconds=BIG)
def a_gateway_says_why_it_cannot_join():
    with Own() as own:
        own.edge_count = 0
        strangers = Keys(own.folder.path / "strangers")
        strangers.edge("edge9")
        unknown = own.start_edge(edge_name="edge9", key=strangers.path("edges/edge9.secret"))
        wait_until(lambda: "event=bus_refused" in unknown.log(), 10, "a line in its log")
        other = own.start_edge(broker_key=strangers.path("broker.key"))
        wait_until(lambda: "event=bus_refused" in other.log(), 20, "a line in its log")
        plain = own.start_edge(key="", broker_key="")
        wait_until(lambda: "event=bus_refused" in plain.log(), 20, "a line in its log")
        assert not any(edge.is_ready() for edge in (unknown, other, plain))
        assert own.edge.is_ready()


@case(seconds=BIG)
def a_key_that_is_added_counts_after_sighup(ctx):
    ctx.keys.app("late", ["late"])
    late = ctx.keys.of("apps/late")
    with ctx.port("apps", late) as port:
        says_hello(port, "apps")
        stays_true(lambda: not port.socket.poll(0), 0.5, "silence")
    ctx.reload()
    assert ctx.worker("late", keys=late).find("JOINED")


@case(seconds=BIG)
def a_key_that_is_taken_away_counts_no_more_at_once():
    with Own() as own:
        own.main.retire()
        own.workers.remove(own.main)
        cut = own.worker("chat", keys=own.keys.of("apps/chat"))
        client, event = opened_ws(own, "cut", worker=cut)
        other = own.worker("chat", keys=own.keys.of("apps/all"))
        own.keys.app("watcher", ["*"], ["*"])
        own.reload()
        with own.port("tap", "apps/watcher") as tap, own.port("tap") as kept:
            for port in (tap, kept):
                def woken():
                    other.pub("wake", "up")
                    return port.socket.poll(100)
                wait_until(woken, 10, "the tap")
            own.keys.take_away("apps/chat")
            own.keys.take_away("apps/watcher")
            own.reload()
            adopted = other.wait_for(("ADOPT", "OPEN"), event.chan, timeout=10)
            client.text("after")
            other.wait_for("TEXT", event.chan)
            assert not cut.find("TEXT"), "an event went to a worker without a key"
            assert cut.ask("JOIN", "chat").code == "denied"
            assert cut.ask("SEND", adopted.chan, payload="x").code == "denied"

            def seen_again():
                other.pub("after", "cut")
                while kept.socket.poll(50):
                    if kept.receive()[0] == b"topic/after":
                        return True
                return False

            wait_until(seen_again, 15, "the tap for who still has a key")
            while tap.socket.poll(0):
                assert tap.receive()[0] != b"topic/after", "the tap shows what came after the cut"


@case(seconds=BIG)
def a_gateway_whose_key_is_taken_away_is_gone_at_once():
    with Own() as own:
        client, event = opened_ws(own, "gone")
        own.keys.take_away("edges/edge1")
        own.reload()
        closed = own.main.wait_close(event.chan)
        assert closed.cause == "edge-lost", closed
        wait_until(lambda: "code=denied" in own.edge.log(), 3, "the gateway to be told")
        assert not own.edge.is_ready()


@case()
def a_bad_file_keeps_the_keys_as_they_were(ctx):
    bad = ctx.keys.path("apps/zz.key")
    for text, why in (("nonsense", "public-key"), ("metadata\n topics = a/*/b\n", "public-key")):
        bad.write_text(text, encoding="ascii")
        ctx.keys.app("new" + str(len(text)), ["chat"])
        ctx.reload(logged="keys_kept")
        last = ctx.broker.log().rsplit("event=keys_kept", 1)[1].split("\n")[0]
        assert "apps/zz.key" in last and why in last, last
        assert ctx.peer("apps/chat").ask("PUB", "news", payload="x").verb == "OK"
        with ctx.port("apps", "apps/new" + str(len(text))) as port:
            says_hello(port, "apps")
            stays_true(lambda: not port.socket.poll(0), 0.3, "silence")
    bad.unlink()
    ctx.reload()
    assert ctx.peer(f"apps/new{len(text)}").ask("GET", "list", "chat").verb == "INFO"


@case(seconds=BIG)
def a_gateway_takes_another_key_and_keeps_its_clients():
    with Own() as own:
        mine = own.folder.path / "mine.secret"
        own.keys.copy_to("edges/edge1.secret", mine)
        own.edge_count = 0
        own.keys.edge("edge2")
        own.keys.copy_to("edges/edge2.secret", mine)
        own.reload()
        edge = own.start_edge(edge_name="edge2", key=mine)
        own.wait_joined()
        client, event = opened_ws(own, "rotate", edge=1)
        own.keys.edge("edge2-b", "--name", "edge2")
        own.reload()
        mine.write_text("nonsense", encoding="ascii")
        edge.signal(signal.SIGHUP)
        wait_until(lambda: "event=keys_kept" in edge.log(), 5, "bad keys to be refused")
        own.keys.copy_to("edges/edge2-b.secret", mine)
        edge.signal(signal.SIGHUP)
        wait_until(lambda: edge.log().count("to=joined") >= 2, 10, "the gateway to join anew")
        own.keys.take_away("edges/edge2")
        own.reload()
        client.text("still here")
        assert own.main.wait_for("TEXT", event.chan).payload == b"still here"
        assert not own.main.find("CLOSE", event.chan)


@case(seconds=BIG)
def the_broker_takes_another_key_and_the_clients_stay():
    with Own(ipc=True) as own:
        client, event = opened_ws(own, "renew")
        own.broker.stop()
        own.keys.renew_broker()
        own.start_broker()
        own.edge.signal(signal.SIGHUP)
        own.main.stop()
        own.workers.clear()
        worker = own.worker("chat", keys=own.keys.of("apps/all"))
        worker.wait_for(("ADOPT", "OPEN"), event.chan, timeout=20)
        client.text("after")
        assert worker.wait_for("TEXT", event.chan).payload == b"after"


@case()
def ringway_itself_has_a_key_that_is_in_no_file():
    folder = Deployment().folder
    from support.harness import Gateway, flags

    keys = Keys(folder.path / "keys")
    keys.app("all", ["*"], ["*"])
    settings = {"listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0", "keys": keys.folder,
                **{f"bus_{name}": "tcp://127.0.0.1:*" for name in KINDS}}
    ringway = Gateway("ringway", flags(settings), folder.path)
    try:
        ringway.start().wait_ready()
        wait_until(ringway.is_ready, 10, "/readyz")
        ringway.signal(signal.SIGHUP)
        wait_until(lambda: "event=keys_loaded" in ringway.log(), 5, "a reload")
        apps = ringway.ready.values["apps"]
        with Port(zmq.DEALER, apps, keys=keys.of("apps/all")) as port:
            port.send(b"GET stats id=1")
            assert Record(port.receive()[0]).verb == "INFO"
        assert ringway.is_ready()
        ringway.stop()
    finally:
        ringway.kill()
        folder.remove()


@case()
def with_keys_the_bus_may_leave_loopback():
    own = Secured()
    try:
        words = ["--keys", own.keys.folder, "--bus-apps", "tcp://0.0.0.0:0", "--check-config"]
        status, _, errors, _ = run_program("ringway-broker", *words)
        assert status == 0, errors
        status, _, errors, _ = run_program("ringway-broker", *words[2:])
        assert status == 2 and "bus-apps" in errors and "keys" in errors, errors
    finally:
        own.abandon()


def refuses(program, words, *expected):
    """Exit 2 and one line that has these words."""
    status, _, errors, _ = run_program(program, *words, "--check-config")
    assert status == 2, (status, errors)
    assert len(errors.splitlines()) == 1, errors
    for text in expected:
        assert str(text) in errors, (text, errors)


@case()
def keys_that_cannot_be_used_are_one_line_and_status_2():
    own = Secured()
    try:
        keys, path = own.keys, own.keys.path
        refuses("ringway-broker", ["--keys", "no/such"], "keys: ", "no/such", "broker.secret")
        secret, public = path("edges/edge1.secret"), path("broker.key")
        refuses("ringway-gateway", ["--key", secret], "broker-key: ", "key and broker-key")
        refuses("ringway-gateway", ["--broker-key", public], "key: ", "key and broker-key")
        both = ["--key", secret, "--broker-key"]
        refuses("ringway-gateway", [*both, "no/such"], "broker-key: ", "no/such", "No such file")
        refuses("ringway-gateway", [*both, path("broker.secret")], "broker-key: ", "secret")
        refuses("ringway-gateway", ["--key", public, "--broker-key", public], "key: ",
                "no secret-key")
        os.chmod(secret, 0o644)
        refuses("ringway-gateway", [*both, public], "key: ", secret, "chmod 600")
        os.chmod(path("broker.secret"), 0o604)
        refuses("ringway-broker", ["--keys", keys.folder], "keys: ", "broker.secret", "chmod 600")
        os.chmod(path("broker.secret"), 0o600)
        keys.copy_to("apps/all.key", path("apps/twin.key"))
        refuses("ringway-broker", ["--keys", keys.folder], "keys: ", "another file")
        path("apps/twin.key").write_text("curve\n public-key = x\n", encoding="ascii")
        refuses("ringway-broker", ["--keys", keys.folder], "keys: ", "twin.key", "Z85")
    finally:
        own.abandon()


@case()
def ringwayctl_makes_keys_and_never_overwrites_one():
    own = Secured()
    try:
        public, secret = own.keys.app("fresh", ["a", "b"], ["t/*"])
        assert stat.S_IMODE(os.stat(secret).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(own.keys.path("broker.secret")).st_mode) == 0o600
        text = pathlib.Path(public).read_text(encoding="ascii")
        assert 'services = "a b"' in text and 'topics = "t/*"' in text and "secret" not in text
        assert zmq.auth.load_certificate(public)[0] == zmq.auth.load_certificate(secret)[0]
        before = pathlib.Path(secret).read_bytes()
        wrong = [
            (1, ["app", "fresh", "--service", "a"], "never overwritten"),
            (1, ["broker"], "never overwritten"),
            (2, ["app", "x"], "--service"),
            (2, ["app", "--service", "a"], "a name is needed"),
            (2, ["app", "../x", "--service", "a"], "a name is needed"),
            (2, ["app", "x", "--service", "a,b"], "services:"),
            (2, ["app", "x", "--topic", "a/*/b"], "topics:"),
            (2, ["app", "x", "--topic", "a b"], "--topic"),
            (2, ["edge", "x", "--service", "a"], "--service"),
            (2, ["edge", "x.y"], "names:"),
            (2, ["edge", "x", "y"], "one argument too many"),
            (2, ["edge", "x", "--nothing"], "--nothing"),
            (2, ["nobody"], "broker, edge NAME or app NAME"),
        ]
        for expected, words, why in wrong:
            status, out, errors, _ = run_program("ringwayctl", "keys", *words, "--dir",
                                                 own.keys.folder)
            assert status == expected and why in errors and not out, (words, status, errors)
            assert len(errors.splitlines()) == 1, errors
        assert pathlib.Path(secret).read_bytes() == before
        status, out, _, _ = run_program("ringwayctl", "--help")
        assert status == 0 and "keys app NAME" in out
    finally:
        own.abandon()


if __name__ == "__main__":
    run(Secured)
