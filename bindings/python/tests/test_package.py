"""What the package says of itself."""

import inspect
import pathlib
import re
import unittest

import ringway

LIBRARY = pathlib.Path(__file__).resolve().parents[1]


class PackageTest(unittest.TestCase):
    def test_its_version_is_the_version_of_the_programs(self):
        project = (LIBRARY / "pyproject.toml").read_text(encoding="utf-8")
        configure = (LIBRARY.parents[1] / "configure.ac").read_text(encoding="utf-8")
        version = re.search(r"AC_INIT\(\[ringway\], \[(.+?)\]\)", configure).group(1)
        self.assertIn('\nversion = "%s"\n' % version, project)
        self.assertEqual(ringway.__version__, version)

    def test_everything_public_has_types_and_says_what_it_does(self):
        for kind in (ringway.App, ringway.Channel, ringway.Publisher, ringway.Result):
            for name, function in inspect.getmembers(kind, inspect.isfunction):
                if name.startswith("_") or function.__qualname__ in INTERNAL:
                    continue
                with self.subTest(function.__qualname__):
                    self.assertIn("return", function.__annotations__)
                    self.assertEqual(self.unannotated(function), [])

    def unannotated(self, function):
        names = list(inspect.signature(function).parameters)[1:]
        return [name for name in names if name not in function.__annotations__]

    def test_types_are_installed_with_it(self):
        project = (LIBRARY / "pyproject.toml").read_text(encoding="utf-8")
        self.assertTrue((LIBRARY / "ringway" / "py.typed").exists())
        self.assertIn('ringway = ["py.typed"]', project)


# For the parts of the binding among each other.
INTERNAL = set("""
    App.command App.settle App.guard App.acknowledge App.refuse Membership.ask_about
    Membership.checked Channel.handler Channel.doubt Channel.confirm Channel.set_slow Channel.unfinished Channel.is_busy
    Channel.has_sized_body     Channel.pump Channel.fail Channel.drop Result.settle
""".split())
