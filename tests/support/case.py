"""A small runner for the cases of one file.

    from support.case import case, run

    @case("H06", "W")
    def answer_reaches_the_client_as_sent(ctx): ...

    run(lambda: Deployment(), worker=True)

`ctx` is the shared deployment of the file; ctx.main is its worker.  A case that needs other
settings starts a Deployment of its own.  Results go to $RINGWAY_RESULTS as JSON lines.
"""

import json
import os
import pathlib
import re
import signal
import sys
import time
import traceback
from collections import Counter

from support.waiting import scaled, wait_until

VERDICTS = ("pass", "fail", "library", "differs", "skip")
_cases = []


class Skip(Exception):
    """The machine cannot run this case; the text says why."""


class Case:
    def __init__(self, function, ids, flags, verdict, shared, seconds):
        self.function, self.ids, self.flags = function, ids, flags
        self.verdict, self.shared, self.seconds = verdict, shared, seconds
        self.name = function.__name__


def case(*words, verdict="pass", shared=None, seconds=60):
    """Declares a case.

      words    ids (several rows may be covered by one case) and the flags W, B, D, I
      verdict  what a success is called: "pass", "library" (the HTTP library decides the exact
               answer, we test what that leads to) or "differs" (we chose other behaviour)
      shared   False: does not use ctx (the default is what the parameters say)
      seconds  the case is stopped after this time
    """
    flags = [word for word in words if len(word) == 1]
    ids = [word for word in words if len(word) > 1]

    def declare(function):
        takes = function.__code__.co_argcount > 0 if shared is None else shared
        _cases.append(Case(function, ids, flags, verdict, takes, seconds))
        return function

    return declare


def settle(deployment):
    """When all clients are gone every channel must be closed, and closed once.

    Returns a text that says what is wrong; None when all is well, or when a case acknowledged by
    hand or stopped a worker, so that nobody here can know.
    """
    workers = [worker for worker in deployment.workers if worker.services]
    if not all(worker.auto_ack for worker in workers):
        return None

    def count(verb):
        return Counter(record.chan for worker in workers for record in worker.find(verb))

    opened = set(count("OPEN"))
    try:
        wait_until(lambda: opened <= set(count("CLOSE")), 5, "the close of every channel")
    except AssertionError as error:
        return f"{error}: {sorted(opened - set(count('CLOSE')))[:5]}"
    twice = [chan for chan, times in count("CLOSE").items() if times > 1]
    return f"closed twice: {twice}" if twice else None


class _Shared:
    """The deployment that the cases of a file share; started when first needed."""

    def __init__(self, factory, worker):
        self.factory, self.worker = factory, worker
        self.deployment = None

    def get(self):
        if self.deployment is None:
            deployment = self.factory()
            try:
                deployment.start()
                if self.worker:
                    deployment.main = deployment.worker()
            except BaseException:
                deployment.abandon()
                raise
            self.deployment = deployment
        return self.deployment

    def after_case(self, failed):
        """Between cases nothing may be left; after a failure everything is new."""
        deployment = self.deployment
        if deployment is None:
            return None
        if failed or not deployment.are_running():
            died = [d.name for d in deployment.daemons() if not d.is_running()]
            text = "".join(f"\n{d.name} died: {d.log()[-1500:]}" for d in deployment.daemons()
                           if d.name in died)
            self.deployment = None
            deployment.abandon()
            return text or None
        deployment.close_clients()
        left = settle(deployment)
        for worker in deployment.workers[1 if self.worker else 0 :]:
            try:
                worker.retire() if worker.auto_ack else worker.stop()
            except AssertionError as error:
                left = left or f"a worker cannot leave: {error}"
                worker.stop()
        del deployment.workers[1 if self.worker else 0 :]
        errors = [error for worker in deployment.workers for error in worker.errors]
        for worker in deployment.workers:
            worker.forget()
        return f"handler failed: {errors}" if errors else left

    def stop(self):
        if self.deployment is not None:
            try:
                self.deployment.stop()
            finally:
                self.deployment.abandon()
                self.deployment = None


def _alarm(_number, _frame):
    raise TimeoutError("the case took too long")


def _run_one(item, shared):
    """(verdict, text)"""
    signal.signal(signal.SIGALRM, _alarm)
    signal.setitimer(signal.ITIMER_REAL, scaled(item.seconds))
    verdict, why = item.verdict, ""
    try:
        if item.shared:
            item.function(shared.get())
        else:
            item.function()
    except Skip as skip:
        verdict, why = "skip", str(skip)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        verdict, why = "fail", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return verdict, why


def _select(words):
    """Cases whose name or id is on the command line; all without one."""
    if not words:
        return _cases
    return [c for c in _cases if any(w in c.ids or re.search(w, c.name) for w in words)]


def _record(item, verdict, seconds, file, why):
    path = os.environ.get("RINGWAY_RESULTS")
    if not path:
        return
    with open(path, "a", encoding="utf-8") as results:
        for name in item.ids or [""]:
            line = {"id": name, "verdict": verdict, "test": item.name, "file": file,
                    "seconds": round(seconds, 3), "why": why.strip().split("\n")[-1]}
            results.write(json.dumps(line) + "\n")


def run(factory=None, worker=True):
    """Runs the cases of the calling file, prints a line for each, exits 0 or 1."""
    from support.harness import Deployment

    file = pathlib.Path(sys.argv[0]).stem
    shared = _Shared(factory or Deployment, worker)
    counts = {verdict: 0 for verdict in VERDICTS}
    for item in _select(sys.argv[1:]):
        began = time.monotonic()
        verdict, why = _run_one(item, shared)
        left = shared.after_case(verdict == "fail")
        if left:
            verdict, why = "fail", why + left
        seconds = time.monotonic() - began
        counts[verdict] += 1
        _record(item, verdict, seconds, file, why)
        label = " ".join(item.ids) or "-"
        print(f"{verdict:8} {label:12} {item.name.replace('_', ' ')} ({seconds:.2f} s)", flush=True)
        if why:
            print("    " + why.strip().replace("\n", "\n    "), flush=True)
    try:
        shared.stop()
    except AssertionError as error:
        counts["fail"] += 1
        print(f"fail     -            the shared deployment ends well\n    {error}")
    passed = counts["pass"] + counts["library"] + counts["differs"]
    print(f"{passed} passed, {counts['fail']} failed, {counts['skip']} skipped", flush=True)
    sys.exit(1 if counts["fail"] else 0)
