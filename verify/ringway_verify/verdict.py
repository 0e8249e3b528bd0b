"""The judge: logs in, verdict out."""

from . import rules_down, rules_up
from .findings import Findings, Lost
from .history import History
from .log import LogError

HOLDS, VIOLATED, INCOMPLETE, EXCEPTION = 0, 1, 2, 3
NAMES = {HOLDS: "holds", VIOLATED: "violated", INCOMPLETE: "incomplete", EXCEPTION: "exception"}


class Verdict:
    """status, findings, and holes: why the logs do not suffice."""

    def __init__(self, findings, holes, history=None):
        self.findings, self.holes, self.history = findings, holes, history

    @property
    def status(self):
        if self.holes:
            return INCOMPLETE
        if self.findings.violations:
            return VIOLATED
        return EXCEPTION if self.findings.exceptions else HOLDS


def judge(options):
    """options: logs, lost_edge, window, no_check_workers."""
    findings = Findings()
    try:
        history = History().load(options.logs)
    except (OSError, LogError) as error:
        return Verdict(findings, [str(error)])
    for line in history.odd:
        findings.violation("odd", _Of(line), None, line.get("why"), [line])
    lost = Lost(options.lost_edge, history)
    rules_up.judge(history, lost, options, findings)
    rules_down.judge(history, lost, findings)
    return Verdict(findings, history.holes, history)


class _Of:
    def __init__(self, line):
        self.id, self.key = line.get("chan"), line.get("key")
