"""From the workers to the clients: in order, not twice, without a hole that nobody announced."""

GRACE = 5.0  # seconds from the gateway's "taken" to a client that reads


def judge(history, lost, findings):
    for client in history.clients.values():
        channel = (history.of_key.get(client.key) or [None])[0]
        findings.counts["received"] += len(client.got)
        if channel is None:
            continue
        numbers = {}  # by -> set of m
        for line in client.got:
            _received(channel, numbers, line, findings)
        for by, seen in numbers.items():
            _holes(history, channel, by, seen, client, findings)
        is_lost = lost.is_lost(channel, client)
        if client.carrier == "ws":
            _echoes(history, channel, client, is_lost, findings)
        elif client.carrier == "stream" and not is_lost:
            _tail(channel, client, numbers, findings)
        elif client.end and client.end.get("code") == "200" and not client.got:
            findings.violation("gap", channel, 1, "an answer without what the worker sent",
                               [client.end, *channel.sends.values()])


def _received(channel, numbers, line, findings):
    by, m = line.get("from"), line.number_of("m")
    seen = numbers.setdefault(by, set())
    if (by, m) not in channel.sends:
        findings.violation("unknown", channel, m, "received, and sent by no worker", [line])
    elif m in seen:
        findings.violation("duplicate", channel, m, "received twice",
                           [channel.sends[by, m], line])
    elif seen and m < max(seen):
        findings.violation("disordered", channel, m, "received after %d of the same worker"
                           % max(seen), [channel.sends[by, m], line])
    seen.add(m)


def _holes(history, channel, by, seen, client, findings):
    for m in range(1, max(seen)):
        if m not in seen:
            _not_received(history, channel, (by, m), client.end or client.first, findings)


def _not_received(history, channel, sent, line, findings):
    answer = channel.answers.get(sent)
    if answer and answer.get("error") != "-":
        findings.counts["sends_refused"] += 1
    elif history.workers[sent[0]].is_raw and len(history.boots) > 1:
        findings.counts["at_most_once"] += 1
    else:
        findings.violation("gap", channel, sent[1], "sent, never received",
                           [channel.sends.get(sent), answer, line])


def _echoes(history, channel, client, is_lost, findings):
    top, last, seen = 0, None, set()
    for line in client.got:
        n = line.number_of("n")
        if n is None or n in seen:
            continue
        seen.add(n)
        if n < top:
            findings.violation("disordered", channel, n, "its echo came after that of %d" % top,
                               [last, line])
        else:
            top, last = n, line
    end = client.end
    if is_lost or not end or end.get("who") != "client" or end.get("waited") != "1":
        return
    for n in range(1, (end.number_of("flushed") or 0) + 1):
        handled = channel.messages.get(n)
        if n not in seen and handled:
            sent = (handled[-1].by, handled[-1].number_of("m"))
            _not_received(history, channel, sent, end, findings)


def _tail(channel, client, numbers, findings):
    """Taken by the gateway long before the client went, and never received."""
    end = client.end
    if not end or end.get("who") != "client":
        return
    for (by, m), answer in channel.answers.items():
        seen = numbers.get(by, ())
        if answer.get("error") == "-" and m not in seen and m > max(seen, default=0) \
                and answer.t + GRACE < end.t:
            findings.violation("gap", channel, m, "taken, never received",
                               [channel.sends.get((by, m)), answer, end])
