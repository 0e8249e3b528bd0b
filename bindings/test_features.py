#!/usr/bin/env python3
"""Each test that features.tsv names exists, and the table of README.md is made from it.

    test_features.py           compares; last line `N passed, N failed`
    test_features.py --write   writes the table anew
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
README = HERE / "README.md"
SYSTEM = HERE.parent / "tests" / "system" / "cases_bindings.py"
LANGUAGES = {"C": "c", "Python": "python"}
TABLE = re.compile(r"(?<=<!-- features -->\n).*?(?=<!-- end -->)", re.DOTALL)


def features():
    """(feature, cell for C, cell for Python) of each row."""
    for line in (HERE / "features.tsv").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


def is_shown(language, cell):
    """Does the test exist that shows it?"""
    file, _, name = cell.partition(":")
    path = SYSTEM if file == "system" else HERE / LANGUAGES[language] / file
    if not path.is_file():
        return False
    text = path.read_text(encoding="utf-8")
    pattern = r"START_TEST\(\s*%s\)" if path.suffix == ".c" else r"\n *(?:async )?def %s\("
    return re.search(pattern % re.escape(name), text) is not None


def table():
    rows = ["| | " + " | ".join(LANGUAGES) + " |", "|---|" + "---|" * len(LANGUAGES)]
    for feature, *cells in features():
        words = ["no: " + cell[2:] if cell.startswith("- ") else "yes" for cell in cells]
        rows.append(f"| {feature} | " + " | ".join(words) + " |")
    return "\n".join(rows) + "\n"


def checks():
    """(what is checked, whether it holds)."""
    for row in features():
        yield f"three columns: {row[0]}", len(row) == 1 + len(LANGUAGES)
        for language, cell in zip(LANGUAGES, row[1:]):
            if not cell.startswith("- "):
                yield f"{language}: {row[0]}: {cell}", is_shown(language, cell)
    found = TABLE.search(README.read_text(encoding="utf-8"))
    yield "the table of README.md", found is not None and found.group(0) == table()


def main():
    if sys.argv[1:] == ["--write"]:
        text = README.read_text(encoding="utf-8")
        README.write_text(TABLE.sub(lambda _: table(), text), encoding="utf-8")
        return 0
    results = list(checks())
    failed = [what for what, holds in results if not holds]
    for what in failed:
        print("not ok", what)
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
