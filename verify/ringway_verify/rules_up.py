"""From the clients to the workers: everything once, in order, from open to close."""


def judge(history, lost, options, findings):
    again = {}  # by -> lines that another handling of the same event followed
    for channel in history.channels.values():
        client = history.clients.get(channel.key)
        if history.is_foreign(channel):
            findings.counts["foreign"] += 1
            continue
        if _is_nameless(channel, lost):
            findings.counts["unborn"] += 1
            _closes(history, channel, True, options, findings)
            continue
        if client is None or history.of_key[channel.key][0] is not channel:
            findings.violation("unknown", channel, None, "no client opened this channel",
                               channel.lines[:2])
            continue
        findings.counts["channels"] += 1
        findings.counts["events"] += len(channel.lines)
        _order(channel, findings)
        _lives(channel, findings)
        for n, lines in [(0, channel.opens), *channel.messages.items()]:
            _repeats(history, channel, n, lines, again, findings)
        _closes(history, channel, lost.is_named(channel, client), options, findings)
        _missing(channel, client, lost.is_lost(channel, client), findings)
        _body(channel, client, findings)
        _edge(channel, client, lost, findings)
    _budgets(history, again, options, findings)
    for client in history.clients.values():
        if client.key not in history.of_key:
            _never_seen(client, lost.is_named(None, client), findings)


def _is_nameless(channel, lost):
    """Did its only worker die before it could write down the open?  What the broker tells of the
    channel of a dead gateway names no client."""
    return channel.key is None and lost.is_named(channel, None) and all(
        line.what == "adopt" or line.what == "close" and line.get("cause") == "edge-lost"
        for line in channel.lines)


def _order(channel, findings):
    """The first handlings of all messages ascend; nothing new comes after the close."""
    top, last, closed, seen = 0, None, None, set()
    for line in channel.lines:
        if line.what == "close":
            closed = closed or line
        n = line.number_of("n") if line.what == "message" else None
        if n is None or n in seen:
            continue
        seen.add(n)
        if closed:
            findings.violation("closes", channel, n, "handled after the close", [closed, line])
        if n < top:
            findings.violation("disordered", channel, n, "handled after %d" % top, [last, line])
        else:
            top, last = n, line


def _lives(channel, findings):
    """For each worker: open or adopt, messages that ascend, close or moved."""
    lives = {}  # by -> [greatest n, its line, numbers seen]
    gone = {}  # by -> its close or moved
    # A request that is not safe to repeat goes to nobody else, once a worker may have had it.
    if not channel.opens and "worker-lost" not in channel.causes():
        findings.violation("opens", channel, 0, "no worker handled its open", channel.lines[:1])
    for line in channel.lines:
        if line.what in ("open", "adopt"):
            lives[line.by] = [0, line, set()]
        elif line.by not in lives:
            if line.what != "moved":
                after = gone.get(line.by)
                findings.violation(
                    "closes" if after and after.what == "close" else "opens", channel,
                    line.number_of("n"), "%s %s" % (line.what, "after its %s" % after.what if after
                                                    else "without open or adopt"), [after, line])
        elif line.what == "body":
            continue
        elif line.what == "message":
            _ascends(channel, lives[line.by], line, findings)
        else:
            del lives[line.by]
            gone[line.by] = line


def _ascends(channel, life, line, findings):
    n = line.number_of("n")
    if n < life[0] and n not in life[2] and channel.messages[n][0] is not line:
        findings.violation("disordered", channel, n, "handled by the same worker after %d"
                           % life[0], [life[1], line])
    life[2].add(n)
    if n >= life[0]:
        life[0], life[1] = n, line


def _repeats(history, channel, n, lines, again, findings):
    """A second handling is allowed where the first one's acknowledgement may have been lost."""
    for before, line in zip(lines, lines[1:]):
        if _may_follow(history, channel, before, line):
            again.setdefault(before.by, []).append((channel, n, before, line))
        else:
            findings.violation("duplicate", channel, n, "handled again though the worker that had "
                               "it neither died nor joined again", [before, line])


def _may_follow(history, channel, before, line):
    worker = history.workers[before.by]
    if before.by != line.by:
        return worker.lost_after(before)
    return any(before.t <= join.t <= line.t for join in worker.joins[1:]) or any(
        other.by == line.by and other.what in ("open", "adopt") and before.t <= other.t <= line.t
        and other is not before and other is not line
        for other in channel.lines) and worker.lost_after(before)


def _budgets(history, again, options, findings):
    for by, pairs in again.items():
        findings.counts["duplicates"] += len(pairs)
        allowed = history.workers[by].budget(options.window)
        for channel, n, before, line in pairs[min(allowed, len(pairs)):]:
            findings.violation("duplicate", channel, n, "%d events of %s were handled again, its "
                               "window allows %d" % (len(pairs), by, allowed), [before, line])


def _closes(history, channel, is_named, options, findings):
    if not channel.closes:
        last = channel.lines[-1]
        unchecked = options.no_check_workers or not history.workers[last.by].checks
        # However its client ended: it may have gone a moment before the kill.
        if is_named and unchecked and len(history.boots) > 1:
            findings.exceptions.append((channel, last))
        else:
            findings.violation("closes", channel, None, "never closed", [last])
    for before, line in zip(channel.closes, channel.closes[1:]):
        if _may_follow(history, channel, before, line):
            findings.counts["closes_repeated"] += 1
        else:
            findings.violation("closes", channel, None, "closed twice", [before, line])


def _missing(channel, client, is_lost, findings):
    top = max(channel.messages, default=0)
    end = client.end
    upto = top
    if end and end.get("who") == "client" and not is_lost:
        upto = max(top, end.number_of("flushed") or 0)
    elif is_lost:
        findings.counts["on_lost_edges"] += 1
    findings.counts["sent"] += len(client.sent)
    findings.counts["unjudged"] += max(0, len(client.sent) - upto)
    for n in range(1, upto + 1):
        if n not in channel.messages:
            findings.violation("missing", channel, n, "never handled",
                               [client.sent.get(n), *channel.messages.get(n + 1, ())[:1]])
        elif n not in client.sent:
            findings.violation("unknown", channel, n, "never sent", channel.messages[n][:1])
    _end(channel, client, is_lost, findings)


def _body(channel, client, findings):
    """A request that was answered: one worker has handled its whole body, in order."""
    size = client.first.number_of("body")
    if not size or not client.opened:
        return
    read = {}  # by -> bytes
    for line in channel.bodies:
        at, count = line.number_of("at"), line.number_of("bytes")
        if at != 0 and read.get(line.by) != at:
            findings.violation("disordered", channel, at, "part of the body", [line])
        read[line.by] = at + count
        if line.get("end") == "1" and at + count == size:
            return
    findings.violation("missing", channel, None, "answered before its body of %d bytes was handled"
                       % size, [client.first, *channel.bodies[-1:], client.opened])


def _end(channel, client, is_lost, findings):
    """What the client saw of the end."""
    end = client.end or client.refused
    if end is None or is_lost:
        return
    if end.get("who") == "cut" and "worker-lost" in channel.causes():
        findings.announced["worker-lost"] += 1  # an answer that nobody can continue
    elif end.get("who") == "cut" or end.get("error") == "cut":
        findings.violation("cut", channel, None, "the connection broke", [end])
    elif end is client.refused:
        findings.refused[end.get("status") or end.get("error")] += 1
    elif end.get("who") == "client" and end.get("clean") == "0":
        findings.counts["unanswered"] += 1
    elif end.get("who") == "gateway" and client.carrier != "poll":
        findings.announced[end.get("code")] += 1


def _edge(channel, client, lost, findings):
    for line in channel.closes[:1]:
        if line.get("cause") in ("edge-lost", "bus-lost") and not lost.is_named(channel, client):
            findings.violation("edge-lost", channel, None, "cause %s" % line.get("cause"), [line])


def _never_seen(client, is_named, findings):
    """A conversation of which no worker heard."""
    end = client.end
    if client.refused:
        findings.refused[client.refused.get("status") or client.refused.get("error")] += 1
    elif end is None:
        findings.violation("odd", client, None, "its conversation has no end", [client.first])
    elif is_named and (end.get("who") == "cut" or end.get("code") == "1013"):
        findings.counts["unborn"] += 1
    elif end.get("who") == "gateway":
        findings.announced[end.get("code")] += 1
        findings.counts["unborn"] += 1
    elif end.get("who") == "cut":
        findings.violation("cut", client, None, "the connection broke", [end])
    else:
        findings.violation("missing", client, 0, "no worker handled its open",
                           [client.opened or client.first, *list(client.sent.values())[:1]])
