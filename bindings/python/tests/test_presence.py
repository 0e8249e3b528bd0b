"""Watching who is in a topic."""

import json

from app_case import CHANNEL, OTHER, AppCase


class PresenceTest(AppCase):
    def note(self, name):
        return lambda presence, id, label: self.events.append((name, id, label))

    def watch(self):
        presence = self.app.watch("rooms/a b", self.note("enter"), self.note("exit"))
        self.start()
        self.broker.expect("WATCH", "rooms/a%20b")
        return presence

    def show(self, n, *present):
        listed = [{"id": id, "label": label} for id, label in present]
        self.broker.send("PRESENT", "rooms/a%20b", n, "-",
                         payload=json.dumps({"present": listed}).encode())

    def test_a_watched_topic_is_kept_up_to_date(self):
        presence = self.watch()
        self.assertFalse(presence.ready)
        self.show(1, (CHANNEL, "amy%20smith"))
        self.broker.send("ENTER", "rooms/a%20b", 2, OTHER, payload=b"")
        self.broker.send("ENTER", "rooms/a%20b", 3, OTHER, payload=b"bob")
        self.broker.send("EXIT", "rooms/a%20b", 4, CHANNEL)
        self.broker.until(lambda: len(self.events) == 4)
        self.assertEqual(self.events, [
            ("enter", CHANNEL, "amy smith"), ("enter", OTHER, None), ("enter", OTHER, "bob"),
            ("exit", CHANNEL, "amy smith")])
        self.assertTrue(presence.ready)
        self.assertEqual(presence.members, {OTHER: "bob"})

    def test_after_a_restart_only_what_differs_is_told(self):
        self.watch()
        self.show(1, (CHANNEL, None), (OTHER, None))
        self.broker.until(lambda: len(self.events) == 2)
        self.broker.restart("00000000000000b2", "i2")
        self.broker.expect("JOIN")
        self.broker.expect("WATCH", "rooms/a%20b")
        self.show(1, (OTHER, None), ("third", "amy"))
        self.broker.until(lambda: len(self.events) == 4)
        self.assertEqual(self.events[2:], [("exit", CHANNEL, None), ("enter", "third", "amy")])

    def test_a_watch_is_said_again_until_it_is_answered_and_ends_when_it_is_closed(self):
        presence = self.watch()
        self.broker.expect("WATCH", "rooms/a%20b")
        with self.assertRaises(ValueError):
            self.app.watch("rooms/a b")
        presence.close()
        self.broker.expect("UNWATCH", "rooms/a%20b")
        self.show(1, (CHANNEL, None))
        self.open()
        self.assertEqual(self.events, [])

    def test_what_cannot_be_read_is_dropped(self):
        presence = self.watch()
        self.broker.send("PRESENT", "rooms/a%20b", 1, "-", payload=b"{")
        self.broker.send("ENTER", "rooms/a%20b", 2, OTHER, payload=b"%zz")
        self.show(3, (CHANNEL, None))
        self.broker.until(lambda: presence.members)
        self.assertEqual(presence.members, {CHANNEL: None})
