"""Handlers that are not done when they return: coroutines, and Futures of other threads."""

import asyncio
import concurrent.futures

import ringway
from app_case import CHANNEL, OTHER, AppCase


class Gates:
    """Coroutines wait here until the test lets them pass."""

    def __init__(self):
        self.loop = None
        self.events = {}

    async def wait(self, name):
        self.loop = asyncio.get_running_loop()
        await self.events.setdefault(name, asyncio.Event()).wait()

    def open(self, name):
        self.loop.call_soon_threadsafe(
            lambda: self.events.setdefault(name, asyncio.Event()).set())


class CoroutinesTest(AppCase):
    def setUp(self):
        super().setUp()
        self.gates = Gates()

    async def message(self, channel, text):
        self.events.append(("begin", text))
        await self.gates.wait(text)
        self.events.append(("end", text))

    def begin(self, *texts, channel=CHANNEL, seq=2):
        """Deliver these messages; returns their tags."""
        return [self.broker.event("TEXT", channel, seq + at, payload=text.encode())
                for at, text in enumerate(texts)]

    def wait_begin(self, text):
        self.broker.until(lambda: ("begin", text) in self.events, text)

    def test_an_event_is_acknowledged_when_its_coroutine_is_done(self):
        self.start(on_message=self.message)
        self.open(carrier="ws")
        tag, = self.begin("a")
        self.wait_begin("a")
        self.broker.pump(0.3)
        self.assertNotIn("ACK", [r.verb for r in self.broker.seen])
        self.gates.open("a")
        self.broker.expect("ACK", tag)

    def test_a_slow_coroutine_holds_up_no_other_channel(self):
        self.start(on_message=self.message)
        self.open(carrier="ws")
        self.open(OTHER, carrier="ws")
        slow, = self.begin("slow")
        quick, = self.begin("quick", channel=OTHER)
        self.wait_begin("quick")
        self.gates.open("quick")
        self.broker.expect("DONE", quick)
        self.gates.open("slow")
        self.broker.expect("ACK", slow)

    def test_events_of_a_channel_are_handled_one_after_another(self):
        self.start(on_message=self.message)
        self.open(carrier="ws")
        tags = self.begin("a", "b", "c")
        self.wait_begin("a")
        self.assertEqual(self.events, [("begin", "a")])
        for text in "cba":
            self.gates.open(text)
        self.broker.expect("ACK", tags[-1])
        self.assertEqual(self.events, [(what, text) for text in "abc" for what in ("begin", "end")])

    def test_an_event_that_comes_again_meanwhile_is_handled_once(self):
        self.start(on_message=self.message)
        self.open(carrier="ws")
        self.begin("a")
        self.wait_begin("a")
        again = self.broker.event("TEXT", CHANNEL, 2, payload=b"a")
        self.broker.pump(0.3)
        self.assertNotIn("ACK", [r.verb for r in self.broker.seen])
        self.gates.open("a")
        self.broker.expect("ACK", again)
        self.assertEqual(self.events, [("begin", "a"), ("end", "a")])

    def test_after_a_restart_of_the_broker_it_is_acknowledged_with_its_new_tag(self):
        self.start(on_message=self.message)
        self.open(carrier="ws")
        self.begin("a")
        self.wait_begin("a")
        self.broker.restart("00000000000000a2", "i2")
        self.broker.expect("CHECK", CHANNEL)
        self.broker.expect("ACK", self.broker.event("ADOPT", CHANNEL, 1, payload=b"{}"))
        again, = self.begin("a")
        self.gates.open("a")
        self.broker.expect("ACK", again)
        self.assertEqual(self.events, [("begin", "a"), ("end", "a")])

    def test_a_channel_that_closes_meanwhile_is_closed_at_once_and_told_in_order(self):
        self.start(on_message=self.message, on_close=self.record("close"))
        channel = self.open(carrier="ws")
        self.begin("a")
        self.wait_begin("a")
        tag = self.broker.event("CLOSE", CHANNEL, 3, 1001, "cause=client")
        self.broker.until(lambda: not channel.is_open())
        self.assertEqual(channel.send("x").error, "gone")
        self.gates.open("a")
        self.broker.expect("ACK", tag)
        self.assertEqual(self.events, [("begin", "a"), ("end", "a"),
                                       ("close", CHANNEL, 1001, "client", "")])

    def test_a_channel_that_moves_meanwhile_has_no_more_events(self):
        self.start(on_message=self.message, on_moved=self.record("moved"))
        self.open(carrier="ws")
        self.begin("a", "b")
        self.wait_begin("a")
        self.broker.send("MOVED", CHANNEL, "-", "-")
        self.broker.until(lambda: ("moved", CHANNEL) in self.events)
        self.gates.open("a")
        self.broker.until(lambda: ("end", "a") in self.events)
        self.open(OTHER, carrier="ws")
        self.assertNotIn(("begin", "b"), self.events)

    def test_a_coroutine_that_fails_ends_its_channel(self):
        async def fails(channel, text):
            await asyncio.sleep(0)
            raise RuntimeError("a bug of the application")

        self.start(on_message=fails)
        self.open(carrier="ws")
        tag, = self.begin("a")
        self.broker.expect("CLOSE", CHANNEL, 500)
        self.broker.expect("ACK", tag)

    def test_a_coroutine_may_refuse_its_channel(self):
        async def refuses(channel):
            await asyncio.sleep(0)
            raise ringway.Refuse

        self.start(on_open=refuses)
        self.broker.expect("NACK", self.broker.open_channel(CHANNEL))
        self.assertEqual(self.app.channels, {})

    def test_the_answer_of_a_send_can_be_awaited(self):
        async def said(channel, text):
            result = await channel.send("x")
            self.events.append((result.done, bool(result)))

        self.start(on_message=said)
        self.open(carrier="ws")
        tag, = self.begin("a")
        self.broker.expect("ACK", tag)
        self.assertEqual(self.events, [(True, True)])

    def test_a_coroutine_that_is_under_way_is_finished_before_the_end(self):
        self.start(on_message=self.message)
        self.open(carrier="ws")
        self.begin("a")
        self.wait_begin("a")
        self.app.stop()
        self.broker.expect("LEAVE", "test")  # and LEFT at once, as after a broken connection
        self.broker.expect("LEAVE", "test")
        self.assertTrue(self.thread.is_alive())
        self.gates.open("a")
        self.broker.until(lambda: not self.thread.is_alive())
        self.assertEqual(self.events, [("begin", "a"), ("end", "a")])

    def test_a_coroutine_that_takes_longer_than_the_grace_is_not_acknowledged(self):
        self.start(on_message=self.message)
        self.open(carrier="ws")
        tag, = self.begin("a")
        self.wait_begin("a")
        self.app.stop(grace=0.2)
        self.broker.until(lambda: not self.thread.is_alive())
        self.assertNotIn(tag, [r.tokens[-1] for r in self.broker.seen if r.verb != "LEAVE"])
        self.assertEqual(self.events, [("begin", "a")])

    def test_other_handlers_may_be_coroutines_too(self):
        async def ready(app):
            await asyncio.sleep(0)
            self.events.append("ready")

        self.start(on_ready=ready)
        self.broker.until(lambda: self.events == ["ready"])

    def test_it_serves_in_a_loop_that_is_there_already(self):
        ticks = []

        async def main():
            async def tick():
                while self.app._state != "stopped":
                    ticks.append(1)
                    await asyncio.sleep(0.01)

            await asyncio.gather(self.app.serve(), tick())

        self.run_app = lambda: asyncio.run(main())
        self.start(on_message=self.record("message"))
        self.open(carrier="ws")
        tags = self.begin(*[str(number) for number in range(200)])
        self.broker.expect("ACK", tags[-1])
        self.assertEqual([event[2] for event in self.events], [str(n) for n in range(200)])
        self.broker.until(lambda: len(ticks) > 5)

    def test_a_coroutine_without_a_loop_ends_its_channel(self):
        def opened(channel):
            channel.on_message = self.message

        self.start(on_open=opened)
        self.open(carrier="ws")
        self.begin("a")
        self.broker.expect("CLOSE", CHANNEL, 500)


class FuturesTest(AppCase):
    def test_an_event_is_acknowledged_when_its_future_is_done(self):
        futures = []

        def said(channel, text):
            futures.append(concurrent.futures.Future())
            return futures[-1]

        self.start(on_message=said)
        self.open(carrier="ws")
        tags = [self.broker.event("TEXT", CHANNEL, seq) for seq in (2, 3)]
        self.broker.until(lambda: futures)
        self.broker.pump(0.3)
        self.assertNotIn("ACK", [r.verb for r in self.broker.seen])
        futures[0].set_result(None)
        self.broker.expect("ACK", tags[0])
        self.broker.until(lambda: len(futures) == 2)
        futures[1].set_exception(RuntimeError("a bug of the application"))
        self.broker.expect("CLOSE", CHANNEL, 500)
        self.broker.expect("ACK", tags[1])

    def test_work_of_a_pool_of_threads_is_done_out_of_order(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            release = concurrent.futures.Future()

            def work(channel, text):
                if channel.id == CHANNEL:
                    release.result(8)
                channel.send("done " + text)

            self.start(on_message=lambda channel, text: pool.submit(work, channel, text))
            self.open(carrier="ws")
            self.open(OTHER, carrier="ws")
            slow = self.broker.event("TEXT", CHANNEL, 2, payload=b"slow")
            quick = self.broker.event("TEXT", OTHER, 2, payload=b"quick")
            self.broker.expect("DONE", quick)
            self.assertEqual(self.broker.expect("SEND", OTHER).payload, b"done quick")
            release.set_result(None)
            self.broker.expect("ACK", slow)

    def test_a_whole_body_may_be_worked_on_elsewhere(self):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            bodies = []

            def opened(channel):
                return channel.read_body(lambda channel, body: pool.submit(bodies.append, body))

            self.start(on_open=opened)
            tag = self.broker.open_channel(CHANNEL, b"body", body="whole")
            self.broker.expect("ACK", tag)
            self.assertEqual(bodies, [b"body"])
