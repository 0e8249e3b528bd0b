"""docs/settings.md is what the programs say of themselves (--help), and --print-config is a
configuration that gives the same configuration.

    settings.py           compares; last line `N passed, N failed`
    settings.py --write   writes docs/settings.md anew

RINGWAY_BIN names the folder of the programs.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(os.environ.get("RINGWAY_BIN", ROOT))
PAGE = ROOT / "docs" / "settings.md"
PROGRAMS = ["ringway-gateway", "ringway-broker"]
SETTING = re.compile(
    r"^  --(?P<name>\S+) (?P<value>\S+)(?P<more> \(may be repeated\))?\n"
    r"      (?P<help>.+)\n      \((?P<range>.+)\)$",
    re.MULTILINE,
)
HEAD = """# Settings

Made from `--help` of the programs by `make settings`; do not edit.

Each setting is a flag (`--open-timeout 5s`), a variable of the environment
(`RINGWAY_OPEN_TIMEOUT=5s`) and a line of the file that `--config` or `RINGWAY_CONFIG` names
(`open-timeout = 5s`). The first of these counts. `--print-config` shows what is in effect,
`--check-config` says what is wrong. Durations have a unit (`500ms` `10s` `5m` `1h`), sizes too
(`4096` `16KiB` `4MiB`). `ringway` has the settings of both programs but `broker`, `key` and
`broker-key`: it is its own.
"""


def run(program, *words):
    """What the program prints."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("RINGWAY_")}
    done = subprocess.run([FOLDER / program, *words], capture_output=True, text=True, env=env,
                          timeout=20, check=True)
    return done.stdout


def settings_of(program):
    """Settings of a program, in the order of its --help."""
    return [match.groupdict() for match in SETTING.finditer(run(program, "--help"))]


def row(setting):
    """A line of the table."""
    default, _, bounds = setting["range"].partition("; ")
    default = default.removeprefix("default").strip() if default != "no default" else ""
    value = setting["value"].replace("|", " or ") + (", repeatable" if setting["more"] else "")
    bounds = f" ({bounds})" if bounds else ""
    return (f"| `{setting['name']}` | {value.lower()} | {f'`{default}`' if default else ''} "
            f"| {setting['help']}{bounds} |")


def page():
    """The whole document."""
    common = {one["name"] for one in settings_of("ringway-gateway")} & {
        one["name"] for one in settings_of("ringway-broker")}
    lines = [HEAD]
    for program in PROGRAMS:
        lines += [f"## {program}", "", "| setting | value | default | meaning |", "|---|---|---|---|"]
        lines += [row(setting) for setting in settings_of(program)] + [""]
    lines += ["Both have: " + ", ".join(f"`{name}`" for name in sorted(common)) + "."]
    return "\n".join(lines) + "\n"


def failures():
    """(name of the check, what is wrong or None) for each check."""
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    yield "docs/settings.md is in step", None if page() == written else "run: make settings"
    known = {one["name"] for program in PROGRAMS for one in settings_of(program)} - {
        "broker", "broker-key", "key"}
    for program in [*PROGRAMS, "ringway"]:
        listed = {one["name"] for one in settings_of(program)}
        missing = known - listed if program == "ringway" else set()
        yield f"{program} has its settings", f"without {sorted(missing)}" if missing else None
        first = run(program, "--print-config")
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(first)
            file.flush()
            again = run(program, "--config", file.name, "--print-config")
        yield (f"{program} --print-config is a configuration",
               None if first == again else "reading it gives another one")


def main():
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    bad = total = 0
    for name, wrong in failures():
        total += 1
        bad += wrong is not None
        print(f"not ok {name}: {wrong}" if wrong else f"ok {name}")
    print(f"{total - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
