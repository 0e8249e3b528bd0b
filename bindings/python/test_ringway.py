"""Tests of the Python binding against a broker in the test.

    python3 test_ringway.py [NAME...]     NAME: test_wire, test_events.EventsTest.test_..., ...
"""

import logging
import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "tests")]


def main():
    if not os.environ.get("VERBOSE"):
        logging.disable(logging.CRITICAL)
    loader = unittest.defaultTestLoader
    suite = loader.discover(str(HERE / "tests"), "test_*.py")
    if sys.argv[1:]:
        suite = loader.loadTestsFromNames(sys.argv[1:])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    failed = min(failed, result.testsRun)
    print("%d passed, %d failed" % (result.testsRun - failed, failed))
    return 1 if failed or not result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
