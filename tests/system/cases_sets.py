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


if __name__ == "__main__":
    run(lambda: Deployment())
