"""The command line."""

import argparse
import asyncio
import os
import pathlib
import sys
import traceback

from . import await_logs, report, run, verdict
from .fleet import Fleet, FleetError
from .log import Log

ENDPOINT = "tcp://127.0.0.1:7702"


def address(text):
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError("%r is no HOST:PORT" % text)
    return host.strip("[]") or "127.0.0.1", int(port)


def addresses(text):
    return [address(one) for one in text.split(",")]


def carriers(text):
    words = text.split(",")
    for word in words:
        if word not in ("ws", "stream", "poll"):
            raise argparse.ArgumentTypeError("%r is none of ws, stream, poll" % word)
    return words


def between(kind, least, most):
    """A type for a number between two."""
    def number(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError("%r is no number from %s to %s" % (text, least, most))
        return value
    return number


def parser():
    top = argparse.ArgumentParser(
        prog="ringway-verify", description="Shows whether a deployment loses, repeats or "
        "disorders anything while its parts die.  docs/verify.md explains it.")
    commands = top.add_subparsers(dest="command", required=True)
    _worker(commands.add_parser("worker", help="one worker process, which logs what it handles"))
    _clients(commands.add_parser("clients", help="clients, which log what they send and get"))
    _judge(commands.add_parser(
        "judge", help="reads logs, says what they show",
        description="Exit status: 0 holds, 1 violated, 2 the logs do not suffice, 3 holds but for "
        "the named exception (broker and gateway killed together under workers that do not "
        "CHECK)."))
    _run(commands.add_parser(
        "run", help="workers, clients, faults and the verdict at once",
        description="The gateway needs a route `path = /verify/{key}`, `service = verify`."))
    return top


def _bus(one):
    one.add_argument("--bus", default=ENDPOINT, help="the broker's application port")
    one.add_argument("--key", metavar="FILE", help="our .secret of `ringwayctl keys app`, where the "
                     "broker has keys")
    one.add_argument("--broker-key", metavar="FILE", help="the broker's .key")


def _worker(one):
    _bus(one)
    one.add_argument("--service", default="verify")
    one.add_argument("--log", required=True, help="file; lines are appended")
    one.add_argument("--kind", choices=("binding", "raw"), default="binding",
                     help="with the Python binding, or as plain as in README.md")
    one.add_argument("--name", help="a name that outlives the process, for JOIN")
    one.add_argument("--window", type=between(int, 1, 10000), default=64)
    one.add_argument("--delay-ms", type=between(float, 0, 60000), default=0,
                     help="time that each message takes")
    one.add_argument("--never-ack", action="store_true", help="acknowledge nothing")
    one.add_argument("--no-check", action="store_true",
                     help="binding: never ask what became of channels")
    one.set_defaults(run=worker)


def _clients(one):
    one.add_argument("--gateway", type=addresses, required=True, metavar="HOST:PORT[,…]")
    one.add_argument("--log", required=True, help="file; lines are appended")
    one.add_argument("--name", default="clients", help="for the log")
    _load(one)
    one.add_argument("--seconds", type=between(float, 0, 1e6), default=0,
                     help="send at least so long")
    one.set_defaults(run=clients)


def _judge(one):
    one.add_argument("logs", nargs="+", metavar="LOG")
    _verdict(one)
    one.add_argument("--await", dest="patience", type=between(float, 0, 3600), default=0,
                     metavar="SECONDS", help="wait so long for the clients to be done and every "
                     "channel to be closed")
    one.add_argument("--json", action="store_true")
    one.set_defaults(run=judge)


def _run(one):
    one.add_argument("--gateway", type=addresses, required=True, metavar="HOST:PORT[,…]")
    _bus(one)
    one.add_argument("--service", default="verify", help="where the route leads")
    one.add_argument("--workers", type=between(int, 1, 100), default=3)
    one.add_argument("--kind", choices=("binding", "raw"), default="binding")
    one.add_argument("--named", action="store_true",
                     help="workers join with names that outlive their processes")
    one.add_argument("--fault", type=run.Action.fault, action="append", default=[],
                     metavar="COMMAND@SECONDS", help="a command for the shell, and when")
    one.add_argument("--kill", type=run.Action.kill, action="append", default=[],
                     metavar="PID[:SIGNAL]@SECONDS",
                     help="a signal, KILL if none is named, to a process or to worker1 …")
    one.add_argument("--wait", action="store_true", help="go on until Enter is pressed")
    one.add_argument("--log", metavar="DIR", help="keep the logs here")
    one.add_argument("--json", action="store_true")
    _load(one, events=5000)
    _verdict(one)
    one.set_defaults(run=run_all)


def _verdict(one):
    one.add_argument("--lost-edge", action="append", default=[], metavar="NAME",
                     help="a gateway that was killed or declared dead: its edge-name, "
                     "name.epoch, or HOST:PORT; may be repeated")
    one.add_argument("--window", type=between(int, 1, 10000),
                     help="how many events a worker may leave to be handled again; default: what "
                     "it joined with")
    one.add_argument("--no-check-workers", action="store_true",
                     help="these workers do not CHECK, whatever their logs say")


def _load(one, events=0):
    one.add_argument("--carriers", type=carriers, default="ws,stream,poll",
                     metavar="ws,stream,poll")
    one.add_argument("--channels", type=between(int, 1, 20000), default=300)
    one.add_argument("--rate", type=between(float, 0.1, 1e5), default=500,
                     help="events in a second, over all channels")
    one.add_argument("--events", type=between(int, 0, 10**9), default=events,
                     help="send at least so many")
    one.add_argument("--churn", type=between(float, 0, 100), default=0,
                     help="part of the channels that is closed and opened again each second")
    one.add_argument("--size", type=between(int, 0, 1 << 20), default=100,
                     help="bytes of a message")
    one.add_argument("--body", type=between(int, 0, 1 << 26), default=0,
                     help="bytes of the body of each HTTP request, which is a POST then")
    one.add_argument("--path", default="/verify", help="of the route, without its {key}")
    one.add_argument("--settle", type=between(float, 0, 3600), default=40,
                     help="seconds to wait for what has not come back")


def say(text):
    print(text, flush=True)


def say_aside(text):
    """Where stdout is for JSON alone."""
    print(text, file=sys.stderr, flush=True)


def worker(options):
    from . import worker_binding, worker_raw  # they need ZeroMQ, the rest does not
    kind = worker_raw if options.kind == "raw" else worker_binding
    log = Log(options.log, options.name or pathlib.Path(options.log).stem)
    check = options.kind == "binding" and not options.no_check
    log.write("start", kind=options.kind, service=options.service, name=options.name,
              window=options.window, check=int(check), pid=os.getpid(),
              **{"never-ack": int(options.never_ack)})
    try:
        left = kind.run(log, options, lambda: say("ready by=%s" % log.by))
    except ValueError as error:  # of the binding: a service, a name or a key that cannot be
        print("ringway-verify: %s" % error, file=sys.stderr)
        return 2
    log.write("stop", left=int(left))
    log.close()
    return 0


def clients(options):
    try:
        asyncio.run(Fleet(options, say).run())
    except FleetError as error:
        print("ringway-verify: %s" % error, file=sys.stderr)
        return 2
    say("done")
    return 0


def judge(options):
    if options.patience:
        await_logs.wait(options.logs, options.patience)
    found = verdict.judge(options)
    say(report.of(found, options.json))
    return found.status


def run_all(options):
    return run.run(options, say_aside if options.json else say)


def main(words=None):
    top = parser()
    options = top.parse_args(words)
    if bool(getattr(options, "key", None)) != bool(getattr(options, "broker_key", None)):
        top.error("--key and --broker-key need each other")
    try:
        return options.run(options)
    except OSError as error:
        print("ringway-verify: %s" % error, file=sys.stderr)
        return 2
    except Exception:  # a fault of our own: no verdict, and never Python's 1, which is one
        traceback.print_exc()
        return 2
