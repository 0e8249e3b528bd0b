#!/usr/bin/env bash
# selftest.sh: plants what each rule of the house forbids into a small tree that keeps them all,
# and wants each found, by the rule that forbids it and with its reason.
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

clean_tree() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree"/{common,gateway,broker,docs/protocol,tests/{unit,vectors}}
    printf '/* a */\n#pragma once\n' >"$tree/common/a.h"
    printf '#include "common/a.h"\nstatic int s_one(void)\n{\n}\n' >"$tree/common/a.c"
    printf '#include "common/a.h"\n' >"$tree/gateway/utf8.c"
    printf '#include <microhttpd.h>\n' >"$tree/gateway/http_server.c"
    printf 'int main(void);\n' >"$tree/tests/unit/test_utf8.c"
    printf 'x = common/a.c common/a.h gateway/utf8.c gateway/http_server.c tests/unit/test_utf8\n' \
        >"$tree/Makefile.am"
    printf '# Bus\n\nProse = not grammar.\n\n    open = "OPEN" SP word\n    word = 1*ALPHA\n' \
        >"$tree/docs/protocol/1-bus.md"
    printf 'open\t4f50454e2061\tverb=OPEN\n' >"$tree/tests/vectors/wire.tsv"
    printf '\n## 11. Rules\n\n| rule | case | holds |\n|---|---|---|\n| `one` | a | b |\n' \
        >>"$tree/docs/protocol/1-bus.md"
    printf 'START_TEST(\n    it_holds)\n' >>"$tree/tests/unit/test_utf8.c"
    printf 'one\ttests/unit/test_utf8.c:it_holds\n' >"$tree/tests/rules.tsv"
    printf '/* reads wire.tsv */\n' >>"$tree/tests/unit/test_utf8.c"
}

apply() { # $1 rule
    if [ "$1" = grammar ]; then
        awk -f "$here/grammar.awk" "$tree/docs/protocol/1-bus.md"
    else
        bash "$here/$1.sh" "$tree" 2>&1
    fi
}

# $1 rule, $2 file, $3 text to add to it, $4 what must be said
finds() {
    clean_tree
    printf '%b' "$3" >>"$tree/$2"
    local said
    if said=$(apply "$1") || ! grep -qF -e "$4" <<<"$said"; then
        echo "planted in $2: $3"
        echo "not found by $1: $4"
        echo "${said:-nothing was found}"
        failed=1
    fi
}

clean_tree
for rule in includes names lists text vectors rules links grammar; do
    if ! said=$(apply "$rule") || [ -n "$said" ]; then
        echo "$said"
        echo "$rule finds something where nothing is wrong"
        failed=1
    fi
done

finds includes common/a.c '#include "a.h"\n' 'write the folder'
finds includes common/a.c '#include "gateway/loop.h"\n' 'common knows neither daemon'
finds includes gateway/utf8.c '#include "broker/front.h"\n' 'the daemons meet only on the wire'
finds includes broker/back.c '#include "gateway/loop.h"\n' 'the daemons meet only on the wire'
finds includes gateway/utf8.c '#include <time.h>\n' 'pure:'
finds includes gateway/utf8.c '#include "common/log.h"\n' 'pure:'
finds includes gateway/utf8.c '#include <sys/socket.h>\n' 'pure:'
finds includes gateway/channel.c '#include "gateway/ws_frame.h"\n' 'a channel does not know what carries it'
finds includes gateway/bus.c '#include "gateway/channel.h"\n' 'the bus knows records'
finds includes gateway/loop.c '#include "gateway/channel.h"\n' 'a door does not know'
finds includes broker/front.c '#include "broker/back.h"\n' 'the two sides meet'
finds includes gateway/utf8.c '#include <microhttpd.h>\n' 'its doors are'
finds includes common/a.c '#include <zmq.h>\n' 'its doors are'
finds includes gateway/utf8.c '#include <czmq.h>\n' 'its doors are'
finds includes gateway/utf8.c '#include <openssl/evp.h>\n' 'its doors are'
finds includes broker/back.c '#include <jansson.h>\n' 'its doors are'
finds includes gateway/utf8.c '#include <pthread.h>\n' 'its doors are'
finds names common/a.c 'static int two(void)\n' 'a static function starts s_'
finds names common/b.h '/* b */\n' '#pragma once'
finds names common/a.h 'typedef struct a a;\n' 'without typedef'
finds names tests/unit/test_nothing.c '\n' 'there is no module nothing'
finds lists common/c.c '\n' 'in no list'
finds lists Makefile.am 'y = gateway/gone.c\n' 'does not exist'
finds text common/a.c '// T''ODO\n' 'finish it'
finds text common/a.c 'int a; \n' 'white space'
finds text common/a.c '\tint a;\n' 'a tab'
finds text common/a.c 'int a;\r\n' 'a carriage return'
finds text common/a.c '// /ho''me/me\n' 'the path of one machine'
finds text common/a.c "$(printf '\\n%.0s' {1..600})" 'at most 600'
finds text package-lock.json '{"resolved": "x"}\n' 'names no registry'
finds vectors tests/vectors/wire.tsv 'open\t00\tx=1\n' 'stands twice'
finds vectors tests/vectors/wire.tsv 'odd\t000\tx=1\n' 'not whole bytes'
finds vectors tests/vectors/wire.tsv 'two\t00\n' 'fewer than three'
finds vectors tests/vectors/other.tsv 'one\t00\tx=1\n' 'no test reads it'
finds vectors docs/protocol/1-bus.md '\nSee `tests/vectors/gone.tsv`.\n' 'does not exist'
finds vectors docs/protocol/1-bus.md '    shut = "CLOSE"\n' 'CLOSE has no vector'
finds rules tests/rules.tsv 'one\ttests/unit/test_utf8.c:it_holds_not\n' 'has no test it_holds_not'
finds rules tests/rules.tsv 'one\ttests/unit/test_gone.c:it_holds\n' 'does not exist'
finds rules tests/rules.tsv 'two\ttests/unit/test_utf8.c:it_holds\n' 'two is no rule'
finds rules tests/rules.tsv 'one\ttests/unit/test_utf8.c:it_holds\n' 'stands twice'
finds rules tests/rules.tsv 'one\n' 'a row is'
finds rules docs/protocol/1-bus.md '| `three` | a | b |\n' 'no test shows three'
finds grammar docs/protocol/1-bus.md '    tag = stray\n' 'STRAY is used'
finds grammar docs/protocol/1-bus.md '    word = 2ALPHA\n' 'WORD is defined twice'
finds links docs/protocol/1-bus.md '[a](gone.md)\n' 'leads nowhere'
finds links docs/protocol/1-bus.md '[a](#gone)\n' 'no such heading'

# $1 the harness' result, $2 the log, $3 the sum that must come out
counts() {
    printf ':test-result: %s\n' "$1" >"$tree/a.trs"
    printf '%b' "$2" >"$tree/a.log"
    local said
    said=$(awk -f "$here/../support/count.awk" "$tree/a.log" | tail -n 1)
    if [ "$said" != "$3" ]; then
        echo "$1 with $2 is counted as $said, not $3"
        failed=1
    fi
}

counts PASS '100%: Checks: 12, Failures: 0, Errors: 0\n' '12 passed, 0 failed'
counts FAIL '75%: Checks: 12, Failures: 2, Errors: 1\n' '9 passed, 3 failed'
counts PASS 'ok a\n3 passed, 0 failed, 2 skipped\n' '3 passed, 0 failed, 2 skipped'
counts FAIL '3 passed, 1 failed\n' '3 passed, 1 failed'
counts FAIL '3 passed, 0 failed\n' '3 passed, 1 failed'
counts PASS 'nothing to say\n' '1 passed, 0 failed'
counts SKIP '' '0 passed, 0 failed, 1 skipped'
counts FAIL 'Segmentation fault\n' '0 passed, 1 failed'
exit $failed
