# Adds up what test programs counted: awk -f count.awk LOG...
#
# A log of libcheck has a line `100%: Checks: 12, Failures: 0, Errors: 0`; a script's last line is
# `N passed, N failed` or `N passed, N failed, N skipped`.  A log without either counts as one
# test, whose result stands in the harness' LOG.trs.  A failure that nobody counted (a crash at the
# end, a time-out) and a run that counted nothing count as one failed test.
BEGIN {
    for (at = 1; at < ARGC; at++)
        read_log(ARGV[at])
    line = passed + 0 " passed, " failed + 0 " failed"
    print skipped ? line ", " skipped " skipped" : line
    exit failed > 0 || passed == 0
}

function read_log(path,   line, field, good, bad, left, result) {
    good = bad = left = 0
    while ((getline line < path) > 0) {
        if (line ~ /^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/) {
            gsub(/[^0-9]+/, " ", line)
            split(line, field, " ")
            good += field[2] - field[3] - field[4]
            bad += field[3] + field[4]
        } else if (line ~ /^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/) {
            gsub(/[^0-9]+/, " ", line)
            split(line, field, " ")
            good = field[1]
            bad = field[2]
            left = field[3]
        }
    }
    close(path)
    result = harness_result(path)
    if (good + bad + left == 0) {
        good = result == "PASS"
        left = result == "SKIP"
        bad = !good && !left
    } else if (result != "PASS" && result != "SKIP" && bad == 0)
        bad = 1
    if (bad)
        print "failed: " path
    passed += good
    failed += bad
    skipped += left
}

function harness_result(path,   line, result) {
    sub(/\.log$/, ".trs", path)
    while ((getline line < path) > 0)
        if (line ~ /^:test-result: /)
            result = substr(line, 15)
    close(path)
    return result
}
