"""Tests of ringway-verify without daemons: codecs, and the judge over small logs written by hand.

Run: python3 test_verify.py"""

import argparse
import contextlib
import io
import os
import pathlib
import sys
import tempfile
import unittest
import unittest.mock

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "bindings" / "python")]

from ringway_verify import (await_logs, cli, http_answer, log, naming, report, run,  # noqa: E402
                            verdict, websocket)

A, B, C = "a-1-000001", "b-2-000002", "clients-3-000003"  # two workers, the clients
RUN = "abcdef"
EDGE = "edge1.0123456789abcdef"
WS, STREAM = "abcdef-w1-0", "abcdef-s2-100"
CHAN = {WS: EDGE + ".1", STREAM: EDGE + ".2"}


class Step:
    """A line of a log to be."""

    def __init__(self, by, what, **fields):
        self.by, self.what, self.fields = by, what, fields

    def is_like(self, by, what, **fields):
        return (by in (None, self.by) and what == self.what
                and all(self.fields.get(name) == value for name, value in fields.items()))


PAUSE = Step(None, "pause")  # a second in which nobody writes


def worker(by, **fields):
    return Step(by, "start", **{"kind": "binding", "service": "verify", "window": 2, "check": 1,
                                **fields})


def joined(by, inc, boot="b1"):
    return Step(by, "joined", boot=boot, inc=inc)


def event(by, what, key, **fields):
    return Step(by, what, chan=CHAN[key], key=key, **fields)


def told(what, key, **fields):
    return Step(C, what, key=key, **fields)


def talk(by=A, count=3):
    """A WebSocket from open to close."""
    steps = [told("try", WS, gateway="127.0.0.1:80", carrier="ws"), told("opened", WS, status=101),
             event(by, "open", WS, seq=1)]
    for n in range(1, count + 1):
        steps += [told("sent", WS, n=n), event(by, "message", WS, n=n, m=n, seq=n + 1),
                  told("got", WS, **{"n": n, "from": by, "m": n})]
    return steps + [
        told("end", WS, who="client", code=1000, clean=1, flushed=count, waited=1),
        event(by, "close", WS, status=1000, cause="client"),
    ]


def stream(by=A, count=3):
    """A stream from open to close."""
    steps = [told("try", STREAM, gateway="127.0.0.1:80", carrier="stream"),
             event(by, "open", STREAM, seq=1)]
    for m in range(1, count + 1):
        steps += [event(by, "send", STREAM, m=m),
                  Step(by, "answer", chan=CHAN[STREAM], m=m, error="-"),
                  told("got", STREAM, **{"n": "-", "from": by, "m": m})]
    return steps + [told("opened", STREAM, status=200),
                    told("end", STREAM, who="client", code=-1, clean=1),
                    event(by, "close", STREAM, status=-1, cause="client")]


def whole(*steps, a=None, b=None, left=1):
    """The logs of two workers and the clients around what happened."""
    return [a or worker(A), joined(A, 1), b or worker(B), joined(B, 1), Step(C, "start", run=RUN),
            *steps, Step(C, "done"), Step(A, "stop", left=left), Step(B, "stop", left=1)]


def at(steps, by, what, **fields):
    """Where the first such step is."""
    return next(i for i, step in enumerate(steps) if step.is_like(by, what, **fields))


def without(steps, *like, **fields):
    where = at(steps, *like, **fields)
    return steps[:where] + steps[where + 1:]


def inserted(steps, where, *more):
    return steps[:where] + list(more) + steps[where:]


def swapped(steps, one, other):
    steps = list(steps)
    steps[one], steps[other] = steps[other], steps[one]
    return steps


def write(folder, steps):
    """The steps as files, one for each process, a second apart."""
    files = {}
    for t, step in enumerate(steps):
        if step is PAUSE:
            continue
        words = "".join(" %s=%s" % (key, log.escape(value)) for key, value in step.fields.items())
        files.setdefault(step.by, []).append("t=%d.0 what=%s by=%s%s\n" % (
            t, step.what, step.by, words))
    for by, lines in files.items():
        (pathlib.Path(folder) / (by + ".log")).write_text("".join(lines), "ascii")
    return sorted(str(path) for path in pathlib.Path(folder).glob("*.log"))


def judge(steps, *words):
    with tempfile.TemporaryDirectory() as folder:
        options = cli.parser().parse_args(["judge", *write(folder, steps), *words])
        return verdict.judge(options)


def kinds(found):
    return {one.kind for one in found.findings.violations}


class JudgeCase(unittest.TestCase):
    def assert_holds(self, steps, *words):
        found = judge(steps, *words)
        self.assertEqual((found.status, kinds(found), found.holes), (verdict.HOLDS, set(), []),
                         report.as_text(found))
        return found

    def assert_finds(self, kind, steps, *words):
        found = judge(steps, *words)
        self.assertEqual((found.status, kinds(found)), (verdict.VIOLATED, {kind}),
                         report.as_text(found))
        return found


class UpTest(JudgeCase):
    def test_a_whole_conversation_holds(self):
        found = self.assert_holds(whole(*talk(), *stream()))
        self.assertEqual(found.findings.counts["sent"], 3)
        self.assertEqual(found.findings.counts["received"], 6)

    def test_a_message_that_nobody_handled_is_missing(self):
        steps = whole(*talk(count=4))
        # Without its echo, else that would be an echo of something that was never handled.
        for like in ((A, "message"), (C, "got")):
            steps = without(steps, *like, n=4)
        found = self.assert_finds("missing", steps)
        one = found.findings.violations[0]
        self.assertEqual((one.channel, one.key, one.n), (CHAN[WS], WS, 4))
        self.assertIn("what=sent", one.lines[0].text)

    def test_a_hole_is_missing_even_on_a_lost_gateway(self):
        steps = without(without(whole(*talk()), A, "message", n=2), C, "got", n=2)
        steps = without(steps, C, "end")
        end = told("end", WS, who="cut", code=1006, clean=0, flushed=3, waited=0)
        steps = inserted(steps, at(steps, A, "close"), end)
        # What its worker had sent as number 2 is missing at the client too.
        self.assertIn("missing", kinds(judge(steps, "--lost-edge", "edge1")))

    def test_an_open_that_nobody_handled_is_missing(self):
        steps = [step for step in whole(*talk(), *stream())
                 if not (step.by == A and step.fields.get("key") == WS)]
        steps = [step for step in steps if not step.is_like(C, "got", key=WS)]
        self.assert_finds("missing", steps)

    def test_the_tail_is_not_judged_when_the_gateway_was_lost(self):
        steps = without(without(whole(*talk()), A, "message", n=3), C, "got", n=3)
        where = at(steps, C, "end")
        steps[where] = told("end", WS, who="cut", code=1006, clean=0, flushed=3, waited=0)
        steps[at(steps, A, "close")] = event(A, "close", WS, status=1006, cause="edge-lost")
        for name in ("edge1", EDGE, "127.0.0.1:80"):
            found = self.assert_holds(steps, "--lost-edge", name)
            self.assertEqual(found.findings.counts["unjudged"], 1)
        self.assertEqual(kinds(judge(steps, "--lost-edge", "edge2")), {"cut", "edge-lost"})

    def test_a_channel_of_a_lost_gateway_from_another_time_is_judged_in_full(self):
        steps = without(without(whole(*talk()), A, "message", n=3), C, "got", n=3)
        self.assert_finds("missing", steps, "--lost-edge", "edge1")

    def test_a_close_by_the_gateway_is_an_announcement(self):
        steps = without(without(whole(*talk()), A, "message", n=3), C, "got", n=3)
        where = at(steps, C, "end")
        steps[where] = told("end", WS, who="gateway", code=1011, clean=1, flushed=3, waited=0)
        found = self.assert_holds(steps)
        self.assertEqual(found.findings.announced, {"1011": 1})

    def test_a_connection_that_breaks_is_none(self):
        steps = whole(*talk())
        steps[at(steps, C, "end")] = told("end", WS, who="cut", code=1006, clean=0, flushed=3)
        self.assert_finds("cut", steps)

    def test_messages_in_another_order_are_disordered(self):
        steps = whole(*talk())
        one, other = at(steps, A, "message", n=2), at(steps, A, "message", n=3)
        self.assertIn("disordered", kinds(judge(swapped(steps, one, other))))

    def test_the_order_of_the_file_counts_not_its_clock(self):
        steps = whole(*talk())
        with tempfile.TemporaryDirectory() as folder:
            paths = write(folder, steps)
            file = pathlib.Path(folder) / (A + ".log")
            lines = file.read_text().splitlines(keepends=True)
            two, three = (next(i for i, line in enumerate(lines) if " n=%d " % n in line)
                          for n in (2, 3))
            lines[two], lines[three] = lines[three], lines[two]
            file.write_text("".join(lines))
            found = verdict.judge(cli.parser().parse_args(["judge", *paths]))
        self.assertIn("disordered", kinds(found))

    def test_a_message_that_was_never_sent_is_unknown(self):
        steps = without(whole(*talk()), C, "sent", n=2)
        self.assert_finds("unknown", steps)

    def test_a_channel_that_no_client_opened_is_unknown(self):
        steps = whole(*talk(), event(B, "open", STREAM), event(B, "close", STREAM))
        self.assert_finds("unknown", steps)

    def test_channels_of_other_clients_are_not_judged(self):
        other = [Step(A, what, chan=EDGE + ".9", key="012345-w1-0") for what in ("adopt", "close")]
        found = self.assert_holds(whole(*other, *talk()))
        self.assertEqual(found.findings.counts["foreign"], 1)

    def test_what_a_process_calls_odd_is_odd(self):
        self.assert_finds("odd", whole(*talk(), Step(A, "odd", chan=CHAN[WS], why="payload")))


class BodyTest(JudgeCase):
    def posted(self, *parts, end=1):
        """A stream that was opened with a body of 300 bytes; parts: (at, bytes)."""
        steps = stream()
        steps[0].fields["body"] = 300
        more = [event(A, "body", STREAM, at=at, bytes=count, end=int(end and at + count == 300))
                for at, count in parts]
        return whole(*inserted(steps, at(steps, A, "open") + 1, *more))

    def test_a_body_in_parts_holds(self):
        self.assert_holds(self.posted((0, 300)))
        self.assert_holds(self.posted((0, 100), (100, 200)))

    def test_a_body_that_was_not_handled_whole_is_missing(self):
        for parts in ((), ((0, 100),)):
            self.assert_finds("missing", self.posted(*parts))
        self.assert_finds("missing", self.posted((0, 300), end=0))

    def test_parts_in_another_order_are_disordered(self):
        self.assertIn("disordered", kinds(judge(self.posted((100, 200), (0, 100)))))

    def refused(self, cause):
        steps = [told("try", STREAM, gateway="127.0.0.1:80", carrier="stream", body=300),
                 told("refused", STREAM, status=502),
                 event(B, "adopt", STREAM, seq=1),
                 event(B, "close", STREAM, status=-1, cause=cause)]
        return whole(*steps, *talk())

    def test_a_request_whose_worker_died_with_it_is_refused_and_closed(self):
        found = self.assert_holds(self.refused("worker-lost"))
        self.assertEqual(found.findings.refused, {"502": 1})
        self.assert_finds("opens", self.refused("client"))


class DuplicateTest(JudgeCase):
    def moved_to_b(self, count, **more):
        """A handles three and dies or joins again; B handles the last `count` of them again."""
        steps = talk()
        where = at(steps, C, "end")
        again = [event(B, "adopt", WS, seq=3 - count)]
        again += [event(B, "message", WS, n=n, m=n, seq=n + 1)
                  for n in range(4 - count, 4)]
        steps = inserted(steps, where, *again)
        steps[at(steps, A, "close")] = event(B, "close", WS, status=1000, cause="client")
        return whole(*steps, **more)

    def test_twice_by_one_worker_is_a_duplicate(self):
        steps = whole(*talk())
        where = at(steps, A, "message", n=2) + 1
        again = event(A, "message", WS, n=2, m=2)
        self.assert_finds("duplicate", inserted(steps, where, again))

    def test_by_another_worker_too_while_the_first_lives(self):
        self.assert_finds("duplicate", self.moved_to_b(1))

    def test_within_the_window_of_a_worker_that_died_it_is_allowed(self):
        found = self.assert_holds(without(self.moved_to_b(2), A, "stop"))
        self.assertEqual(found.findings.counts["duplicates"], 2)

    def test_a_worker_that_stopped_without_taking_its_leave_died(self):
        self.assert_holds(self.moved_to_b(2, left=0))

    def test_beyond_the_window_it_is_not(self):
        steps = without(self.moved_to_b(3), A, "stop")
        self.assert_finds("duplicate", steps)
        self.assert_holds(steps, "--window", "3")

    def test_a_worker_that_never_acknowledges_leaves_everything_to_be_handled_again(self):
        self.assert_holds(self.moved_to_b(3, a=worker(A, **{"never-ack": 1})))

    def test_a_worker_that_joins_again_has_lost_what_it_had_not_acknowledged(self):
        steps = self.moved_to_b(2)
        self.assert_holds(inserted(steps, at(steps, B, "close"), joined(A, 2)))

    def test_one_that_handles_it_again_itself_must_have_joined_in_between(self):
        steps = whole(*talk())
        where = at(steps, A, "message", n=3) + 1
        again = event(A, "message", WS, n=3, m=4)
        self.assert_holds(inserted(steps, where, joined(A, 2, "b2"), again))
        later = inserted(steps, where, again)
        self.assert_finds("duplicate", inserted(later, at(later, A, "close"), joined(A, 2, "b2")))

    def test_a_channel_that_was_taken_away_may_be_handled_again(self):
        steps = self.moved_to_b(2)
        where = at(steps, B, "adopt") + 1
        self.assert_holds(inserted(steps, where, event(A, "moved", WS)))
        other = [event(A, "open", STREAM), event(A, "moved", STREAM)]
        self.assertIn("duplicate", kinds(judge(inserted(steps, where, *other))))


class CloseTest(JudgeCase):
    def test_a_channel_without_a_close_is_a_violation(self):
        self.assert_finds("closes", without(whole(*talk()), A, "close"))

    def test_so_is_one_with_two(self):
        steps = whole(*talk())
        where = at(steps, A, "close") + 1
        self.assert_finds("closes", inserted(steps, where, event(A, "close", WS)))

    def test_and_one_that_two_workers_closed(self):
        steps = whole(*talk())
        where = at(steps, A, "close") + 1
        more = [event(B, "adopt", WS, seq=4), event(B, "close", WS)]
        self.assert_finds("closes", inserted(steps, where, *more))

    def test_unless_the_first_died_before_it_could_acknowledge(self):
        steps = without(whole(*talk()), A, "stop")
        where = at(steps, A, "close") + 1
        more = [event(B, "adopt", WS, seq=4), event(B, "close", WS)]
        found = self.assert_holds(inserted(steps, where, *more))
        self.assertEqual(found.findings.counts["closes_repeated"], 1)

    def test_nothing_comes_after_the_close(self):
        steps = whole(*talk())
        late, close = at(steps, A, "message", n=3), at(steps, A, "close")
        moved = without(inserted(steps, close + 1, steps[late]), A, "message", n=3)
        self.assert_finds("closes", moved)

    def test_a_close_without_an_open_is_a_lost_open(self):
        self.assertIn("opens", kinds(judge(without(whole(*talk()), A, "open"))))

    def test_a_worker_needs_open_or_adopt_before_a_message(self):
        steps = whole(*talk())
        steps[at(steps, A, "message", n=3)] = event(B, "message", WS, n=3, m=3)
        steps[at(steps, C, "got", n=3)] = told("got", WS, **{"n": 3, "from": B, "m": 3})
        self.assertIn("opens", kinds(judge(steps)))

    def nameless(self, *more):
        """A channel whose open nobody wrote down: its worker and its gateway were killed."""
        chan = EDGE + ".9"
        steps = whole(*talk())
        return inserted(steps, at(steps, C, "done"), Step(B, "adopt", chan=chan, seq=1),
                        Step(B, "close", chan=chan, status=1006, cause="edge-lost"), *more)

    def test_a_lost_gateway_may_have_a_channel_whose_open_died_with_its_worker(self):
        found = self.assert_holds(self.nameless(), "--lost-edge", "edge1")
        self.assertEqual(found.findings.counts["unborn"], 1)

    def test_it_too_is_closed_once_and_only_a_lost_gateway_has_it(self):
        self.assert_finds("unknown", self.nameless())
        again = Step(B, "close", chan=EDGE + ".9", status=1006, cause="edge-lost")
        self.assert_finds("closes", self.nameless(again), "--lost-edge", "edge1")

    def lost_with_broker_and_gateway(self, boots=2, check=0):
        steps = whole(*talk(), a=worker(A, kind="raw", check=check))
        steps[at(steps, C, "end")] = told("end", WS, who="cut", code=1006, clean=0, flushed=3)
        steps = without(steps, A, "close")
        again = [joined(A, 2, "b2"), joined(B, 2, "b2")]
        return inserted(steps, at(steps, C, "done"), *again[:2 * (boots - 1)])

    def test_broker_and_gateway_together_under_workers_that_do_not_check_is_the_exception(self):
        found = judge(self.lost_with_broker_and_gateway(), "--lost-edge", "edge1")
        self.assertEqual((found.status, len(found.findings.exceptions)), (verdict.EXCEPTION, 1))
        self.assertIn("verdict: exception", report.as_text(found))

    def test_workers_that_check_have_no_exception(self):
        steps = self.lost_with_broker_and_gateway(check=1)
        self.assert_finds("closes", steps, "--lost-edge", "edge1")
        found = judge(steps, "--lost-edge", "edge1", "--no-check-workers")
        self.assertEqual(found.status, verdict.EXCEPTION)

    def test_the_gateway_alone_is_no_exception(self):
        self.assert_finds("closes", self.lost_with_broker_and_gateway(boots=1),
                          "--lost-edge", "edge1")

    def test_nor_is_a_gateway_that_nobody_named(self):
        self.assertIn("closes", kinds(judge(self.lost_with_broker_and_gateway())))


class DownTest(JudgeCase):
    def test_a_hole_in_a_stream_is_a_gap(self):
        found = self.assert_finds("gap", without(whole(*stream()), C, "got", m=2))
        self.assertEqual(found.findings.violations[0].n, 2)

    def test_a_hole_that_the_worker_was_told_of_is_none(self):
        steps = without(whole(*stream()), C, "got", m=2)
        steps[at(steps, A, "answer", m=2)] = Step(A, "answer", chan=CHAN[STREAM], m=2, error="full")
        found = self.assert_holds(steps)
        self.assertEqual(found.findings.counts["sends_refused"], 1)

    def test_what_was_taken_long_before_the_client_went_has_come(self):
        steps = without(whole(*stream(count=5)), C, "got", m=5)
        self.assert_holds(steps)
        self.assert_finds("gap", inserted(steps, at(steps, C, "end"), *[PAUSE] * 6))

    def test_twice_is_a_duplicate(self):
        steps = whole(*stream())
        again = told("got", STREAM, **{"n": "-", "from": A, "m": 2})
        self.assert_finds("duplicate", inserted(steps, at(steps, C, "got", m=3), again))

    def test_in_another_order_is_disordered(self):
        steps = whole(*stream())
        one, other = at(steps, C, "got", m=2), at(steps, C, "got", m=3)
        found = judge(swapped(steps, one, other))
        self.assertEqual(kinds(found), {"disordered"})

    def test_an_echo_that_never_came_is_a_gap(self):
        self.assert_finds("gap", without(whole(*talk()), C, "got", n=3))

    def test_a_channel_closed_in_flight_owes_no_echo(self):
        steps = without(whole(*talk()), C, "got", n=3)
        steps[at(steps, C, "end")].fields["waited"] = 0
        self.assert_holds(steps)

    def test_plain_sends_may_be_lost_with_the_broker_only(self):
        steps = without(whole(*talk(), a=worker(A, kind="raw", check=0)), C, "got", n=3)
        self.assert_finds("gap", steps)
        found = self.assert_holds(inserted(steps, at(steps, C, "done"), joined(A, 2, "b2")))
        self.assertEqual(found.findings.counts["at_most_once"], 1)

    def test_what_no_worker_sent_is_unknown(self):
        steps = whole(*stream())
        more = told("got", STREAM, **{"n": "-", "from": A, "m": 4})
        self.assertIn("unknown", kinds(judge(inserted(steps, at(steps, C, "opened"), more))))


class IncompleteTest(JudgeCase):
    def assert_incomplete(self, steps):
        found = judge(steps)
        self.assertEqual(found.status, verdict.INCOMPLETE, report.as_text(found))

    def test_without_clients_or_workers_there_is_no_verdict(self):
        steps = whole(*talk())
        self.assert_incomplete([step for step in steps if step.by != C])
        self.assert_incomplete([step for step in steps if step.by == C])

    def test_clients_that_did_not_finish_are_none(self):
        self.assert_incomplete(without(whole(*talk()), C, "done"))

    def test_a_run_in_which_nothing_happened_shows_nothing(self):
        self.assert_incomplete(whole())

    def test_a_line_that_is_not_whole_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = write(folder, whole(*talk()))
            with open(paths[0], "a", encoding="ascii") as file:
                file.write("t=99.0 what=mess")
            found = verdict.judge(cli.parser().parse_args(["judge", *paths]))
        self.assertEqual(found.status, verdict.INCOMPLETE)
        self.assertIn("not whole", found.holes[0])

    def test_logs_are_complete_when_all_is_closed(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertTrue(await_logs.wait(write(folder, whole(*talk())), 0))
            self.assertFalse(await_logs.wait(write(folder, without(whole(*talk()), A, "close")),
                                             0.1))


class CodecTest(unittest.TestCase):
    def test_payloads_are_read_as_they_were_made(self):
        for size in (0, 10, 40, 300):
            text = naming.make_up(WS, 7, size)
            self.assertGreaterEqual(len(text), size)
            self.assertEqual(naming.parse_up(text), (WS, 7))
            self.assertIsNone(naming.parse_up(text + "x"))
            down = naming.make_down(A, 3, 7, WS, size)
            self.assertEqual(naming.parse_down(down), (A, 3, 7, WS))
            self.assertIsNone(naming.parse_down(down[:-1]))
        self.assertEqual(naming.parse_down(naming.make_down(A, 3, None, WS)), (A, 3, None, WS))

    def test_any_part_of_a_body_can_be_made(self):
        whole_body = naming.body_part(0, 1000)
        self.assertEqual((len(whole_body), whole_body[16:32]), (1000, b"000000000000001\n"))
        for first, size in ((0, 1), (15, 2), (16, 16), (333, 500), (999, 1), (10, 0)):
            self.assertEqual(naming.body_part(first, size), whole_body[first:first + size])

    def test_keys_are_read_as_they_were_made(self):
        key = naming.make_key("abcdef", "s", 12, 200)
        self.assertEqual(naming.parse_key(key), ("abcdef", "s", 12, 200))
        for bad in (None, "", "x", key + "-", "abcdef-x1-2"):
            self.assertIsNone(naming.parse_key(bad))

    def test_frames_are_read_at_every_split(self):
        texts = [b"", b"hello", b"x" * 125, b"y" * 126, b"z" * 70000]
        wire = b"".join(server_frame(text) for text in texts)
        for step in (1, 7, len(wire)):
            frames, out = websocket.Frames(), []
            for start in range(0, len(wire), step):
                out += frames.feed(wire[start:start + step])
            self.assertEqual(out, [(websocket.TEXT, text) for text in texts])

    def test_fragments_are_one_message(self):
        frames = websocket.Frames()
        out = frames.feed(b"\x01\x02he" + b"\x89\x01p" + b"\x80\x03llo")
        self.assertEqual(out, [(websocket.PING, b"p"), (websocket.TEXT, b"hello")])

    def test_a_frame_of_ours_is_masked(self):
        made = websocket.frame(websocket.TEXT, b"hello")
        self.assertEqual(made[1], 0x85)
        self.assertEqual(bytes(b ^ made[2 + i % 4] for i, b in enumerate(made[6:])), b"hello")

    def test_answers_are_read_at_every_split(self):
        sized = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        chunked = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")
        for wire in (sized, chunked):
            for step in (1, 3, len(wire)):
                answer, out = http_answer.Answer(), b""
                for start in range(0, len(wire), step):
                    out += b"".join(answer.feed(wire[start:start + step]))
                self.assertEqual((answer.status, answer.done, out), (200, True, b"hello"))

    def test_what_follows_the_head_of_an_upgrade_is_not_lost(self):
        answer = http_answer.Answer()
        answer.feed(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n\x81\x02hi")
        self.assertEqual((answer.status, answer.rest), (101, b"\x81\x02hi"))


def server_frame(payload):
    """A frame as a gateway sends it, not masked."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class CommandLineTest(unittest.TestCase):
    def test_faults_have_a_time(self):
        action = run.Action.kill("4711:STOP@2.5")
        self.assertEqual((action.target, str(action), action.at), ("4711", "SIGSTOP to 4711", 2.5))
        self.assertEqual(run.Action.kill("worker1@3").signal, 9)
        self.assertEqual(run.Action.fault("mail a@b@4").command, "mail a@b")
        for bad in ("4711", "4711@", "@3", "4711@-1", "4711:NOPE@1"):
            with self.assertRaises(argparse.ArgumentTypeError, msg=bad):
                run.Action.kill(bad)

    def test_a_key_needs_the_one_of_the_broker(self):
        with open(os.devnull, "w", encoding="ascii") as null, contextlib.redirect_stderr(null):
            with self.assertRaises(SystemExit):
                cli.main(["worker", "--log", os.devnull, "--key", "x.secret"])

    def test_a_fault_of_the_checker_is_no_verdict(self):
        def fails(_options):
            raise KeyError("ours")

        with unittest.mock.patch.object(cli.verdict, "judge", fails), \
                contextlib.redirect_stderr(io.StringIO()) as told:
            self.assertEqual(cli.main(["judge", os.devnull]), 2)
        self.assertIn("ours", told.getvalue())

    def test_a_gateway_is_a_host_and_a_port(self):
        self.assertEqual(cli.addresses("a:1,b:2"), [("a", 1), ("b", 2)])
        for bad in ("a", "a:", "a:x", "a:70000"):
            with self.assertRaises(argparse.ArgumentTypeError, msg=bad):
                cli.address(bad)

    def test_lines_come_back_as_they_were_written(self):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/x.log"
            one = log.Log(path, "w")
            one.write("odd", why="two words, 100%", none=None, number=7)
            one.close()
            line, = log.read(path)
        self.assertEqual((line.what, line.by), ("odd", one.by))
        self.assertEqual((line.get("why"), line.get("none"), line.number_of("number")),
                         ("two words, 100%", "-", 7))


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    if sys.argv[1:]:
        suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:], sys.modules["__main__"])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = min(len(result.failures) + len(result.errors), result.testsRun)
    print("%d passed, %d failed" % (result.testsRun - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
