"""docs/metrics.md is what the programs serve on /metrics: name, kind, labels, help.

    metrics.py           compares; last line `N passed, N failed`
    metrics.py --write   writes docs/metrics.md anew
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.harness import Deployment  # noqa: E402

PAGE = ROOT / "docs" / "metrics.md"
SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? [0-9.eE+-]+$')
LABEL = re.compile(r'(\w+)="([^"]*)"')
HEAD = """# Metrics

Made from `/metrics` of the programs by `make metrics`; do not edit.

Each program serves them in the Prometheus text format on its operations port (`--ops-listen`), with
`/healthz` and `/readyz` beside. `ringway` serves those of both programs. Counters end in `_total`
and only grow; all others are gauges.
"""


class Metric:
    """One name of a page."""

    def __init__(self, name):
        self.name, self.kind, self.help, self.labels = name, "", "", {}

    def row(self):
        labels = "; ".join(f"`{key}`: {', '.join(sorted(values))}"
                           for key, values in sorted(self.labels.items()))
        return f"| `{self.name}` | {self.kind} | {labels} | {self.help} |"


def parse(text):
    """Metrics of a page by name, and the lines that are none."""
    metrics, strays = {}, []
    for line in text.splitlines():
        words = line.split(" ", 3)
        if words[0] == "#" and words[1] in ("HELP", "TYPE"):
            metric = metrics.setdefault(words[2], Metric(words[2]))
            setattr(metric, "help" if words[1] == "HELP" else "kind", words[3])
            continue
        match = SAMPLE.match(line)
        if not match or match[1] not in metrics:
            strays.append(line)
            continue
        for key, value in LABEL.findall(match[2] or ""):
            metrics[match[1]].labels.setdefault(key, set()).add(value)
    return metrics, strays


def read_pages():
    """{program: page of metrics}"""
    deployment = Deployment()
    try:
        deployment.start()
        pages = {"ringway-gateway": deployment.edge.get_ops("/metrics")[1],
                 "ringway-broker": deployment.broker.get_ops("/metrics")[1]}
        deployment.stop()
    except BaseException:
        deployment.abandon()
        raise
    return pages


def document(pages):
    """The whole of docs/metrics.md."""
    parsed = {program: parse(text)[0] for program, text in pages.items()}
    both = set.intersection(*(set(metrics) for metrics in parsed.values()))
    lines = [HEAD]
    for program, metrics in [*parsed.items(), ("both", next(iter(parsed.values())))]:
        lines += [f"## {program}", "", "| metric | kind | labels | meaning |", "|---|---|---|---|"]
        lines += [metric.row() for name, metric in sorted(metrics.items())
                  if (name in both) == (program == "both")] + [""]
    return "\n".join(lines)


def failures(pages):
    """(name of the check, what is wrong or None) for each check."""
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    yield "docs/metrics.md is in step", None if document(pages) == written else "run: make metrics"
    for program, text in pages.items():
        metrics, strays = parse(text)
        yield f"{program}: every line is a metric", strays[0] if strays else None
        for metric in metrics.values():
            wrong = None
            if not metric.help or metric.kind not in ("counter", "gauge", "histogram"):
                wrong = "without HELP or TYPE"
            elif (metric.kind == "counter") != metric.name.endswith("_total"):
                wrong = "a counter ends in _total, and nothing else does"
            if wrong or not metric.name.startswith(("ringway_", "process_")):
                yield f"{program}: {metric.name}", wrong or "starts neither ringway_ nor process_"


def main():
    pages = read_pages()
    if "--write" in sys.argv[1:]:
        PAGE.write_text(document(pages), encoding="utf-8")
        return 0
    bad = total = 0
    for name, wrong in failures(pages):
        total += 1
        bad += wrong is not None
        print(f"not ok {name}: {wrong}" if wrong else f"ok {name}")
    print(f"{total - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
