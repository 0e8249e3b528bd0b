"""The table of results in docs/guarantees.md."""

import pathlib

BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"
TOPICS_BEGIN, TOPICS_END = "<!-- topics -->\n", "<!-- end of topics -->\n"
_HEAD = (
    "| scenario | what is done | events | channels | missing | disorder | again | doubled "
    "| not once | seconds |\n|---|---|---|---|---|---|---|---|---|---|\n"
)


def columns(verdict):
    """The figures of a verdict, by column."""
    if "topics" in verdict:
        return verdict["topics"]
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


_FIGURES = ("events", "channels", "missing", "disorder", "again", "doubled", "closes")
_TOPIC_HEAD = (
    "| scenario | what is done | published | read | sessions | sent | said | gaps | lost | wrong | seconds |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|\n"
)
_TOPIC_FIGURES = ("published", "read", "sessions", "sent", "said", "gaps", "lost", "wrong")


def _row(outcome, names):
    scenario, figures = outcome.scenario, {**outcome.columns, "wrong": 0}
    words = [scenario.name, scenario.what + (f"; {scenario.promise}" if scenario.promise else "")]
    if outcome.reason:
        words += ["skipped: " + outcome.reason, *[""] * len(names)]
    elif outcome.complaint:
        words += ["**fails**", *[""] * len(names)]
    else:
        words += [str(figures[name]) for name in names]
        words += [f"{outcome.seconds:.0f}"]
    return "| " + " | ".join(words) + " |\n"


def _put(path, marks, table):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    before, _, rest = text.partition(marks[0])
    _, _, after = rest.partition(marks[1])
    pathlib.Path(path).write_text(before + marks[0] + table + marks[1] + after, encoding="utf-8")


def write(path, outcomes):
    """Puts the tables of these outcomes between their marks of the page."""
    channels = [outcome for outcome in outcomes if not outcome.scenario.of_topics]
    topics = [outcome for outcome in outcomes if outcome.scenario.of_topics]
    if channels:
        _put(path, (BEGIN, END), _HEAD + "".join(_row(o, _FIGURES) for o in channels))
    if topics:
        rows = "".join(_row(o, _TOPIC_FIGURES) for o in topics)
        _put(path, (TOPICS_BEGIN, TOPICS_END), _TOPIC_HEAD + rows)
