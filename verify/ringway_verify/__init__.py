"""ringway-verify: numbers everything that passes a deployment, and judges what became of it.

    log.py        lines of a log          naming.py     keys and payloads, both ways
    service.py    what a worker does      worker_binding.py, worker_raw.py   two kinds of worker
    websocket.py, http_answer.py          codecs, pure
    talk.py, fleet.py                     the clients
    history.py    what logs say           rules_up.py, rules_down.py, verdict.py   the judge
    report.py     the verdict as text     await_logs.py when the logs are complete
    run.py        all of it at once
    cli.py        the command line
"""
