"""Makes docs/conformance.md from the list of cases and the result files of a run.

    conformance.py RESULTS... > docs/conformance.md

Fails when a row marked W or B has no result, when a result has no row, or when a row failed.
"""

import csv
import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "system"
LISTS = ("cases.tsv", "rfc6455.tsv", "rfc9112.tsv")
TITLES = {
    "channel": "Channel cases",
    "rfc6455": "RFC 6455, requirements on a server",
    "rfc9112": "RFC 9112 and 9110, requirements on a server",
}
# The worst verdict of several tests of one row is the row's.
ORDER = ["fail", "skip", "differs", "library", "pass"]
HEAD = """# Conformance

Made by `tests/support/conformance.py` from a run of `tests/system`; do not edit. Verdicts: `pass`;
`library`: libmicrohttpd decides how the answer looks, we test that one request at most reaches the
application and that the connection ends; `differs`: the row's source has other behaviour, we chose
the sentence that stands here and test it; `unit`: a property of a module, covered by its unit test
or absent because the feature is; `skip`: the machine of this run could not.
"""


def read_list():
    """Rows of the lists."""
    rows = []
    for name in LISTS:
        with open(FOLDER / name, encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    return rows


def read_results(paths):
    """Results by id: a list of (verdict, "file: test")."""
    results = {}
    for path in paths:
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            item = json.loads(line)
            if item["id"]:
                test = f"{item['file']}: {item['test'].replace('_', ' ')}"
                results.setdefault(item["id"], []).append((item["verdict"], test))
    return results


def found_for(row, results):
    """Results of a row: its own, or those of the rows that it says to see."""
    others = (row.get("see") or "").split()
    return results.get(row["id"], []) + [item for name in others for item in results.get(name, [])]


def is_required(row):
    return bool(set(row["flags"].split()) & {"W", "B"})


def verdict_of(row, found):
    """The verdict of a row from the results of its tests."""
    if not found:
        return "missing" if is_required(row) else "unit"
    worst = min((verdict for verdict, _ in found), key=ORDER.index)
    if row["group"] != "channel" and worst == "differs":
        return "pass"  # we differ from the model of the channel cases, not from the RFC
    return "differs" if worst == "pass" and "D" in row["flags"].split() else worst


def table(rows, results):
    """The lines of one table, and (id, verdict) of each row."""
    lines = ["| id | what holds | verdict | test |", "|---|---|---|---|"]
    verdicts = []
    for row in rows:
        found = found_for(row, results)
        verdict = verdict_of(row, found)
        verdicts.append((row["id"], verdict))
        tests = "; ".join(dict.fromkeys(test for _, test in found)) or "-"
        sentence = row["sentence"].replace("|", "\\|")
        lines.append(f"| {row['id']} | {sentence} | {verdict} | {tests} |")
    return lines, verdicts


def main(paths):
    rows, results = read_list(), read_results(paths)
    unknown = sorted(set(results) - {row["id"] for row in rows})
    print(HEAD)
    bad = [f"{name}: in no list" for name in unknown]
    for group, title in TITLES.items():
        lines, verdicts = table([row for row in rows if row["group"] == group], results)
        counts = {}
        for name, verdict in verdicts:
            counts[verdict] = counts.get(verdict, 0) + 1
            if verdict in ("missing", "fail"):
                bad.append(f"{name}: {verdict}")
        summary = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        print(f"## {title}\n\n{len(verdicts)} rows: {summary}.\n")
        print("\n".join(lines) + "\n")
    for line in bad:
        print(line, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
