"""Runs every cases_*.py of this folder and sums up.

    run.py [-j N] [--results FOLDER] [--page FILE] [NAME...]

  -j N       files that run at the same time (default 2)
  --results  where the result files go (default: a temporary folder)
  --page     also makes the conformance page; rows without a result are then failures
  NAME       only files whose name contains it

Last line: `N passed, N failed, N skipped`.  Exit 1 when anything failed.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent / "support" / "conformance.py"
SUM = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped")


def run_file(path, folder):
    """(path, output, counts, seconds) of one file of cases."""
    results = folder / f"{path.stem}.jsonl"
    results.unlink(missing_ok=True)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "RINGWAY_RESULTS": str(results)},
        check=False,
    )
    text = done.stdout.decode("utf-8", "replace")
    found = SUM.search(text.rstrip().rsplit("\n", 1)[-1])
    counts = [int(word) for word in found.groups()] if found else [0, 1, 0]
    return path, text, counts, time.monotonic() - began


def make_page(folder, target):
    """Writes the conformance page; returns the number of rows that fail."""
    results = sorted(folder.glob("*.jsonl"))
    done = subprocess.run([sys.executable, str(PAGE), *results], capture_output=True, check=False)
    pathlib.Path(target).write_bytes(done.stdout)
    sys.stdout.write(done.stderr.decode("utf-8", "replace"))
    return 1 if done.returncode else 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("-j", type=int, default=2)
    parser.add_argument("--results")
    parser.add_argument("--page")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(options.results or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        files = [path for path in sorted(HERE.glob("cases_*.py"))
                 if not options.names or any(name in path.stem for name in options.names)]
        total = [0, 0, 0]
        with concurrent.futures.ThreadPoolExecutor(options.j) as pool:
            for path, text, counts, seconds in pool.map(lambda p: run_file(p, folder), files):
                print(f"== {path.stem} ({seconds:.0f} s)\n{text}", end="", flush=True)
                total = [one + more for one, more in zip(total, counts)]
        if options.page:
            total[1] += make_page(folder, options.page)
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
