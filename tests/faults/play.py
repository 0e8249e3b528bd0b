"""Plays one scenario inside fresh namespaces; run.py starts it there.

    play.py NAME FOLDER

Writes FOLDER/result.json: the judge's verdict, what happened when, and the error if it did not get
that far.
"""

import json
import os
import pathlib
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from scenarios import SCENARIOS  # noqa: E402


def play(scenario, folder):
    """What came out, as a dictionary."""
    began = time.monotonic()
    stage = scenario.stage(folder, scenario)
    result = {"name": scenario.name}
    try:
        stage.start()
        stage.wait_traffic()
        scenario.act(stage)
        stage.finish()
        result["verdict"] = stage.judge()
    except BaseException:  # whatever it was, the table shows it
        result["error"] = traceback.format_exc()
    result["notes"] = stage.notes
    result["seconds"] = time.monotonic() - began
    return result


def main():
    name, folder = sys.argv[1:]
    scenario = next(row for row in SCENARIOS if row.name == name)
    result = play(scenario, folder)
    path = pathlib.Path(folder) / "result.json"
    path.write_text(json.dumps(result, indent=1), encoding="utf-8")
    # What still runs is the kernel's to end: we are the first process of this namespace.
    os._exit(0)


if __name__ == "__main__":
    main()
