"""Runs the fault scenarios, each in network namespaces of its own, and sums up.

    run.py [--brief] [-j N] [--folder FOLDER] [--page FILE] [--list] [NAME...]

  --brief   only those of the short form
  -j N      scenarios that run at the same time (default 2)
  --folder  where logs stay; default: a temporary folder, kept only for what failed
  --page    writes the table of results into this file, between its marks
  --list    only names the scenarios
  NAME      only these scenarios

Last line: `N passed, N failed[, N skipped]`.  Exit 1 when anything failed.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import page  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402
from stage import FAKETIME  # noqa: E402

DEADLINE = 240  # seconds for one scenario


def namespaces():
    """The command before a program that gives it namespaces of its own, or ends it with us."""
    words = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        words[1:1] = ["--user", "--map-root-user"]
    return ["setpriv", "--pdeathsig", "KILL", *words]


def why_not():
    """What is missing here to run them, or None."""
    for tool in ("unshare", "setpriv", "ip", "ss", "mount", "prlimit"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "no access to /dev/net/tun"
    script = "mount -t tmpfs tmpfs /run && ip netns add try && ip tuntap add tap0 mode tap"
    done = subprocess.run([*namespaces(), "sh", "-c", script], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        return f"no network namespaces ({(done.stderr.strip() or 'refused').splitlines()[-1]})"
    return None


class Outcome:
    """What came of one scenario."""

    def __init__(self, scenario, result):
        self.scenario = scenario
        self.reason = result.get("skipped")
        self.error = result.get("error")
        self.verdict = result.get("verdict") or {}
        self.notes = result.get("notes", [])
        self.seconds = result.get("seconds", 0.0)
        self.complaint = None if self.reason else self.error or scenario.complaint(self.verdict)
        self.columns = page.columns(self.verdict) if self.verdict else {}

    def line(self):
        if self.reason:
            return f"skip {self.scenario.name}: {self.reason}"
        words = [f"{'FAIL' if self.complaint else 'ok':<4} {self.scenario.name:<24}"]
        words += [f"{name}={value}" for name, value in self.columns.items()]
        return " ".join([*words, f"({self.seconds:.0f} s)"])


def play(scenario, folder):
    """The outcome of one scenario, in namespaces of its own."""
    if scenario.clocks and not os.path.exists(FAKETIME):
        return Outcome(scenario, {"skipped": "libfaketime is not installed"})
    folder.mkdir(parents=True)
    words = [*namespaces(), sys.executable, str(HERE / "play.py"), scenario.name, str(folder)]
    with open(folder / "play.log", "wb") as log:
        try:
            subprocess.run(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                           timeout=DEADLINE, check=False)
        except subprocess.TimeoutExpired:
            return Outcome(scenario, {"error": f"did not end within {DEADLINE} s"})
    try:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        result = {"error": (folder / "play.log").read_text(encoding="utf-8", errors="replace")}
    return Outcome(scenario, result)


def play_all(scenarios, jobs, folder):
    """All outcomes, in the order of the table; prints a line for each as it comes."""
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for outcome in pool.map(lambda s: play(s, folder / s.name), scenarios):
            print(outcome.line(), flush=True)
            if outcome.complaint:
                print("    " + "\n    ".join([*outcome.complaint.splitlines(), *outcome.notes]))
                print(f"    logs: {folder / outcome.scenario.name}", flush=True)
            outcomes.append(outcome)
    return outcomes


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("-j", type=int, default=2)
    parser.add_argument("--folder")
    parser.add_argument("--page")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS
              if (scenario.is_brief or not options.brief)
              and (not options.names or scenario.name in options.names)]
    if options.list:
        for scenario in chosen:
            print(f"{scenario.name:<24} {scenario.what}")
        return 0
    reason = why_not()
    if reason:
        print(f"skip fault scenarios: {reason}")
        print(f"0 passed, 0 failed, {len(chosen)} skipped")
        return 0
    folder = pathlib.Path(options.folder or tempfile.mkdtemp(prefix="ringway-faults-"))
    outcomes = play_all(chosen, options.j, folder)
    failed = sum(1 for outcome in outcomes if outcome.complaint)
    skipped = sum(1 for outcome in outcomes if outcome.reason)
    if options.page:
        page.write(options.page, outcomes)
    if not failed and not options.folder and os.environ.get("RINGWAY_KEEP") != "1":
        shutil.rmtree(folder, ignore_errors=True)
    line = f"{len(outcomes) - failed - skipped} passed, {failed} failed"
    print(line + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
