"""The table of results in docs/guarantees.md."""

import pathlib

BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"
_HEAD = (
    "| scenario | what is done | events | channels | missing | disorder | again | doubled "
    "| not once | seconds |\n|---|---|---|---|---|---|---|---|---|---|\n"
)


def columns(verdict):
    """The figures of a verdict, by column."""
    counts, broken = verdict["counts"], verdict["violations"]
    return {
        "events": counts["events"],
        "channels": counts["channels"],
        "missing": broken["missing"] + broken["gap"],
        "disorder": broken["disordered"] + broken["opens"],
        "again": counts["duplicates"],
        "doubled": broken["duplicate"],
        "closes": broken["closes"] + verdict["exceptions"],
        "other": sum(broken[kind] for kind in ("cut", "edge-lost", "unknown", "odd")),
    }


def _row(outcome):
    scenario, figures = outcome.scenario, outcome.columns
    words = [scenario.name, scenario.what + (f"; {scenario.promise}" if scenario.promise else "")]
    if outcome.reason:
        words += ["skipped: " + outcome.reason, *[""] * 7]
    elif outcome.complaint:
        words += ["**fails**", *[""] * 7]
    else:
        words += [str(figures[name]) for name in (
            "events", "channels", "missing", "disorder", "again", "doubled", "closes")]
        words += [f"{outcome.seconds:.0f}"]
    return "| " + " | ".join(words) + " |\n"


def write(path, outcomes):
    """Puts the table between the marks of the page."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = _HEAD + "".join(_row(outcome) for outcome in outcomes)
    pathlib.Path(path).write_text(before + BEGIN + table + END + after, encoding="utf-8")
