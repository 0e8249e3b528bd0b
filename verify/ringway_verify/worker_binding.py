"""A worker made with the Python binding: acknowledges after the handler, sends with id= and
repeats, drops what it has seen, asks with CHECK what became of its channels.
"""

import ringway

from .service import Service


class _App(ringway.App):
    """The binding, looked into: which JOIN is in force, and how it left."""

    def __init__(self, log, options):
        super().__init__(options.service, options.bus, window=options.window, name=options.name,
                         keys=keys_of(options))
        self.log = log
        self._options = options

    def _take(self, record):
        if record.verb == "JOINED":
            boot, incarnation = record.option("boot", 3), record.option("inc", 3)
            if incarnation != self._incarnation:
                self.log.write("joined", boot=boot, inc=incarnation)
        super()._take(record)

    def _flush_ack(self):
        if not self._options.never_ack:
            super()._flush_ack()

    def _ask_checks(self, now):
        if not self._options.no_check:
            super()._ask_checks(now)

    def has_left(self):
        return self._left


def keys_of(options):
    """The keys that the command line names, or None."""
    return ringway.Keys(options.key, options.broker_key) if options.key else None


def run(log, options, ready):
    """Serve until SIGTERM.  Returns whether the broker let us go in order."""
    app = _App(log, options)
    service = Service(log, lambda *send: _send(app, *send), options.delay_ms / 1000.0)

    @app.on_open
    def opened(channel):
        key = channel.request.params.get("key") or channel.request.query.get("key")
        request = channel.request
        service.opened(channel.id, key, *_numbers(channel), channel.adopted, request.body_follows)
        if request.body:
            service.body(channel.id, request.body, *_numbers(channel), True, False)

    @app.on_body
    def read(channel, chunk, last):
        service.body(channel.id, chunk, *_numbers(channel), last)

    @app.on_message
    def said(channel, data):
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        service.message(channel.id, text, *_numbers(channel))

    @app.on_close
    def closed(channel, status, cause, reason):
        service.closed(channel.id, *_numbers(channel), status, cause)

    @app.on_moved
    def moved(channel):
        service.moved(channel.id)

    @app.on_ready
    def joined(app):
        ready()

    app.every(0.02, service.tick)
    app.run()
    return app.has_left()


def _numbers(channel):
    """seq and try of the event that is being handled."""
    record = channel.event.record
    return record.token(1), record.option("try", 3, "1")


def _send(app, chan, text, close, answered):
    channel = app.channels.get(chan)
    if channel is None:
        answered("gone")
        return
    result = channel.send(text, close=close)
    result.then(lambda result: answered(result.error))
