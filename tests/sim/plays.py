#!/usr/bin/env python3
"""Plays the simulations many times: half of the plays each, over so many processes at a time.

plays.py [--plays 10000] [--seed 1] [-j 2] PROGRAM...
Every failed play is printed with its seed and its verdict.  Last line: `N passed, N failed`.
"""

import argparse
import concurrent.futures
import os
import subprocess
import sys
import time

PIECE = 50  # plays of one process


def play(program: str, seed: int, runs: int) -> list[str]:
    """The verdicts of the plays that failed; a play that crashes or hangs has failed."""
    setting = dict(os.environ, SIM_SEED=str(seed), SIM_RUNS=str(runs))
    try:
        done = subprocess.run([program], env=setting, capture_output=True, text=True, timeout=600)
        good, said = done.returncode == 0, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        good, said = False, "no end in 600 s"
    if good:
        return []
    if runs == 1:
        return [f"{program}, seed {seed}: {said.strip()}"]
    half = runs // 2
    return play(program, seed, half) + play(program, seed + half, runs - half)


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--plays", type=int, default=10000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("-j", type=int, default=2)
    options.add_argument("program", nargs="+")
    asked = options.parse_args()
    began = time.monotonic()
    pieces = []
    for at, program in enumerate(asked.program):
        runs = (asked.plays + at) // len(asked.program)
        pieces += [(program, asked.seed + first, min(PIECE, runs - first))
                   for first in range(0, runs, PIECE)]
    verdicts = []
    with concurrent.futures.ThreadPoolExecutor(asked.j) as pool:
        for failed in pool.map(lambda piece: play(*piece), pieces):
            verdicts += failed
            for verdict in failed:
                print(verdict, flush=True)
    print(f"{asked.plays} plays from seed {asked.seed} in {time.monotonic() - began:.0f} s")
    print(f"{asked.plays - len(verdicts)} passed, {len(verdicts)} failed")
    return 1 if verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
