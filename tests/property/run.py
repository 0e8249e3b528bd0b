"""The property test against the real daemons.

    run.py [--runs N] [--seed N] [-j N] [--minutes M]

  --runs     how many plays (default 3), with seeds that follow each other
  --seed     the first one (default 1)
  -j         plays at a time (default 1)
  --minutes  begin no further play after that time (default 60)

A line for each play; what was wrong, with the seed that shows it again.  Last line:
`N passed, N failed`.  Exit 1 when anything was wrong.
"""

import argparse
import concurrent.futures
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]


def play(seed):
    """One play in this process: 0 or 1."""
    from play import Play

    began = time.monotonic()
    one = Play(seed)
    try:
        wrong = one.run()
    except Exception as error:
        wrong = [f"{type(error).__name__}: {error}"]
    messages = sum(len(reader.subscriber.items) for reader in one.readers)
    deeds = {name: one.deeds.count(name) for name in sorted(set(one.deeds))}
    print(
        f"{'FAIL' if wrong else 'pass'} seed {seed}: {len(one.publications.taken)} publications, "
        f"{messages} read, {deeds} ({time.monotonic() - began:.0f} s)"
    )
    for line in wrong[:10]:
        print(f"    {line}")
    return 1 if wrong else 0


def play_apart(seed):
    """A play in a process of its own: (status, output)."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(seed)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("-j", type=int, default=1)
    parser.add_argument("--one", type=int)
    options = parser.parse_args()
    if options.one is not None:
        return play(options.one)
    end = time.monotonic() + 60 * options.minutes
    passed = failed = 0

    def guarded(seed):
        return play_apart(seed) if time.monotonic() < end else None

    with concurrent.futures.ThreadPoolExecutor(options.j) as pool:
        for result in pool.map(guarded, range(options.seed, options.seed + options.runs)):
            if result is None:
                continue
            print(result[1], end="", flush=True)
            passed += result[0] == 0
            failed += result[0] != 0
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed < options.runs else 0


if __name__ == "__main__":
    sys.exit(main())
