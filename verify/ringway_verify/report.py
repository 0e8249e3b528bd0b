"""The verdict as text, and as JSON."""

import json

from .findings import KINDS
from .verdict import EXCEPTION, HOLDS, INCOMPLETE, NAMES

SHOWN = 20  # violations that are printed in full

SENTENCES = {
    HOLDS: "holds: nothing missing, nothing disordered, every channel closed once",
    EXCEPTION: "exception: broker and gateway were killed together under workers that do not "
               "CHECK; %d channels were never closed",
    INCOMPLETE: "cannot judge: the logs are incomplete",
}


def of(verdict, as_object):
    return as_json(verdict) if as_object else as_text(verdict)


def as_text(verdict):
    findings = verdict.findings
    lines = ["%-12s %d" % (name, findings.counts[key]) for key, name in (
        ("channels", "channels"), ("sent", "sent up"), ("events", "handled"),
        ("received", "received"))]
    lines += ["%-12s %d   %s" % (kind, sum(1 for v in findings.violations if v.kind == kind), text)
              for kind, text in KINDS.items()]
    lines += _allowed(findings)
    lines += [""] + _violations(findings.violations)
    lines += ["incomplete: " + hole for hole in verdict.holes[:SHOWN]]
    lines.append("verdict: " + _sentence(verdict))
    return "\n".join(lines)


def _allowed(findings):
    counts = findings.counts
    rows = [
        (counts["duplicates"], "events handled again within the window of a worker that died or "
         "joined again"),
        (counts["closes_repeated"], "closes handled again, for the same reason"),
        (counts["foreign"], "channels of other clients than these, which are not judged"),
        (counts["on_lost_edges"], "channels of gateways that were lost"),
        (counts["unjudged"], "messages sent too late for the gateway to have read them"),
        (counts["unanswered"], "closes of clients that the gateway did not answer in 40 s"),
        (counts["unborn"], "channels that ended before any worker heard of them"),
        (counts["sends_refused"], "sends to clients that were refused, and the worker told"),
        (counts["at_most_once"], "plain sends lost with the broker"),
    ]
    rows += [(n, "channels ended by the gateway with %s" % code)
             for code, n in sorted(findings.announced.items())]
    rows += [(n, "attempts refused: %s" % why) for why, n in sorted(findings.refused.items())]
    return ["%-12s %d   %s" % ("allowed", n, text) for n, text in rows if n]


def _violations(violations):
    lines = []
    for one in violations[:SHOWN]:
        number = "" if one.n is None else " n=%d" % one.n
        lines.append("%s: channel %s key %s%s: %s" % (one.kind, one.channel or "-", one.key or "-",
                                                       number, one.text))
        lines += ["    %s" % line for line in one.lines]
    if len(violations) > SHOWN:
        lines.append("… and %d more" % (len(violations) - SHOWN))
    return lines


def _sentence(verdict):
    if verdict.status in SENTENCES:
        text = SENTENCES[verdict.status]
        return text % len(verdict.findings.exceptions) if "%d" in text else text
    return "violated: %d times" % len(verdict.findings.violations)


def as_json(verdict):
    findings = verdict.findings
    kinds = {kind: 0 for kind in KINDS}
    for one in findings.violations:
        kinds[one.kind] += 1
    return json.dumps({
        "verdict": NAMES[verdict.status],
        "status": verdict.status,
        "violations": kinds,
        "exceptions": len(findings.exceptions),
        "counts": {name: findings.counts[name] for name in (
            "channels", "sent", "events", "received", "duplicates", "closes_repeated", "foreign",
            "on_lost_edges", "unjudged", "unanswered", "unborn", "sends_refused", "at_most_once")},
        "announced": dict(findings.announced),
        "refused": dict(findings.refused),
        "holes": verdict.holes,
        "details": [{
            "kind": one.kind, "channel": one.channel, "key": one.key, "n": one.n,
            "text": one.text, "lines": [str(line) for line in one.lines],
        } for one in findings.violations[:1000]],
    }, indent=1)
