"""Labels of channels, and sending to sets of them."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.talk import opened_ws
from support.waiting import wait_until


def label_of(sender, channel):
    """The label that GET info shows; "" while the channel is not known."""
    answer = sender.ask("GET", "info", channel)
    return json.loads(answer.payload)["label"] if answer.verb == "INFO" else ""


@case()
def a_label_is_set_changed_and_taken_away(ctx):
    _, event = opened_ws(ctx, "label")
    for name, shown in (("amy", "amy"), ("bob", "bob"), ("-", None)):
        assert ctx.main.ask("LABEL", event.chan, name).verb == "OK"
        assert label_of(ctx.main, event.chan) == shown
    answer = ctx.main.ask("LABEL", event.chan, "x" * 129)
    assert answer.verb == "ERR" and answer.code == "value", answer


@case()
def a_label_outlives_the_broker(ctx):
    with Deployment(ipc=True) as own:
        worker = own.worker("default")
        client = own.ws("/labelled")
        event = worker.wait_open("/labelled")
        assert worker.ask("LABEL", event.chan, "amy").verb == "OK"
        own.broker.kill()
        own.start_broker()
        wait_until(lambda: label_of(worker, event.chan) == "amy", 20)
        client.close()


def cast(worker, lines, data, **options):
    """The answer to a CAST."""
    payload = "".join(line + "\n" for line in lines).encode() + data
    return worker.ask("CAST", str(len(lines)), payload=payload, **options)


@case(shared=False)
def a_set_is_reached_once_each_over_two_gateways():
    with Deployment(edges=2) as own:
        worker = own.worker("default")
        clients, channels = [], []
        for number in range(6):
            clients.append(own.ws(f"/{number}", edge=number % 2))
            channels.append(worker.wait_open(f"/{number}").chan)
        for channel in channels[:4]:
            assert worker.ask("LABEL", channel, "amy").verb == "OK"
        lines = ["u:amy", f"c:{channels[0]}", f"c:{channels[4]}", f"-c:{channels[1]}"]
        answer = cast(worker, lines, b"\x00set", bin=1)
        assert answer.verb == "OK" and answer.options["sent"] == "4", answer
        for number in (0, 2, 3, 4):
            assert clients[number].read_message() == (2, b"\x00set"), number
        clients[5].close()
        worker.wait_close(channels[5])
        answer = cast(worker, ["u:amy", f"c:{channels[5]}"], b"again")
        assert answer.options["sent"] == "4" and answer.options["gone"] == "1", answer
        for number in range(4):
            assert clients[number].read_text() == "again", number


@case()
def a_large_set_is_reached(ctx):
    clients = [opened_ws(ctx, "large") for _ in range(200)]
    for _, event in clients:
        ctx.main.record("LABEL", event.chan, "crowd")
    answer = cast(ctx.main, ["u:crowd"], b"to all of you")
    assert answer.verb == "OK" and answer.options["sent"] == "200", answer
    for client, _ in clients:
        assert client.read_text() == "to all of you"


@case()
def a_set_with_a_bad_line_reaches_nobody(ctx):
    client, event = opened_ws(ctx, "bad")
    answer = cast(ctx.main, [f"c:{event.chan}", "q:1"], b"never")
    assert answer.verb == "ERR" and answer.code == "value", answer
    assert answer.payload.startswith(b"line 2:"), answer
    ctx.main.send(event.chan, "alive")
    assert client.read_text() == "alive"


if __name__ == "__main__":
    run(lambda: Deployment())
