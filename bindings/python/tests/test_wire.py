"""Records, against the golden vectors."""

import os
import pathlib
import unittest

import ringway
from ringway import wire

ROOT = pathlib.Path(__file__).resolve().parents[3]
VECTORS = pathlib.Path(os.environ.get("VECTORS", ROOT / "tests" / "vectors"))


def read_vectors(name):
    with open(VECTORS / name, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                yield line.rstrip("\n").split("\t")


class WireTest(unittest.TestCase):
    def test_the_golden_vectors_are_read_as_they_say(self):
        rows = list(read_vectors("wire.tsv"))
        self.assertGreater(len(rows), 10)
        for name, data, outcome in rows:
            with self.subTest(name):
                self.check_vector(bytes.fromhex(data), outcome)

    def check_vector(self, data, outcome):
        wanted = dict(word.split("=", 1) for word in outcome.split())
        if "error" in wanted:
            with self.assertRaises(wire.WireError):
                wire.parse(data)
            return
        record = wire.parse(data)
        if "verb" in wanted:
            self.assertEqual(record.verb, wanted["verb"])
        if "tokens" in wanted:
            self.assertEqual(1 + len(record.tokens), int(wanted["tokens"]))
        if "last" in wanted:
            self.assertEqual(self.unescaped((record.tokens or [record.verb])[-1]),
                             wanted["last"])
        if "payload" in wanted:
            size = "none" if record.payload is None else str(len(record.payload))
            self.assertEqual(size, wanted["payload"])

    def unescaped(self, token):
        try:
            return wire.unescape(token).encode("utf-8", "surrogateescape").hex()
        except wire.WireError:
            return "EPROTO"

    def test_what_is_built_is_read_back(self):
        frame = wire.build("PUB", ["a b/%ü"], [("id", "r.1"), ("bin", None)], b"x\ny")
        self.assertEqual(frame, b"PUB a%20b/%25%C3%BC id=r.1\nx\ny")
        record = wire.parse(frame)
        self.assertEqual(wire.unescape(record.tokens[0]), "a b/%ü")
        self.assertEqual(record.option("id", 1), "r.1")
        self.assertIsNone(record.option("bin", 1))
        self.assertEqual(record.payload, b"x\ny")

    def test_a_header_that_is_too_long_is_not_built(self):
        with self.assertRaises(wire.WireError):
            wire.build("SUB", ["c", "t" * wire.HEADER_MAX])

    def test_an_event_has_a_line_for_each_line_of_data(self):
        text = ringway.sse_event("one\ntwo\r\nthree", event="said", id=7)
        self.assertEqual(text, "event: said\nid: 7\ndata: one\ndata: two\ndata: three\n\n")
        with self.assertRaises(ValueError):
            ringway.sse_event("x", id="1\ndata: forged")
