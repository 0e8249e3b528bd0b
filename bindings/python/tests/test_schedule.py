"""Timers."""

from app_case import AppCase


class TimersTest(AppCase):
    def test_timers_fire_once_or_again_and_again_until_cancelled(self):
        fired = []
        self.start()
        self.in_app(lambda: self.app.later(0.01, lambda: fired.append("once")))
        timer = self.app.every(0.01, lambda: fired.append("again"))
        never = self.app.later(0.05, lambda: fired.append("never"))
        never.cancel()
        self.broker.until(lambda: fired.count("again") >= 8)
        timer.cancel()
        self.assertEqual((fired.count("once"), fired.count("never")), (1, 0))

    def test_a_timer_that_fails_goes_on(self):
        fired = []

        def fails():
            fired.append(1)
            raise RuntimeError("a bug of the application")

        self.start()
        self.app.every(0.01, fails)
        self.broker.until(lambda: len(fired) >= 3)
