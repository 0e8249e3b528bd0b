#!/usr/bin/env bash
# vectors.sh FOLDER: golden vectors are `name <tab> hex bytes <tab> outcome`, names are used once,
# and specification and vectors know each other: a file that the one names exists, a file of
# vectors is read by a test, and each verb of the bus has a vector.
cd "$1" || exit 2
shopt -s nullglob
bad=0
say() {
    echo "$1"
    bad=1
}

for file in tests/vectors/*.tsv; do
    awk -F '\t' -v file="$file" '
        /^#/ || /^$/ { next }
        NF < 3 { print file ":" FNR ": fewer than three columns"; bad = 1; next }
        $1 in seen { print file ":" FNR ": " $1 " stands twice"; bad = 1 }
        { seen[$1] = 1; count++ }
        $1 !~ /^[a-z0-9_]+$/ { print file ":" FNR ": a name is lower case, digits and _"; bad = 1 }
        $2 !~ /^([0-9a-f][0-9a-f])*$/ { print file ":" FNR ": not whole bytes in lower hex"; bad = 1 }
        END { if (!count) { print file ": no vectors"; bad = 1 } exit bad }' "$file" || bad=1
    name=${file##*/}
    grep -rqsF --include='*.c' --include='*.py' --include='*.js' --include='*.mjs' -e "$name" \
        -e "\"${name%.tsv}\"" tests/unit bindings || say "$file: no test reads it"
done

while IFS=: read -r spec named; do
    [ -f "$named" ] || say "$spec: $named does not exist"
done < <(grep -oE 'tests/vectors/[a-z0-9_]+\.tsv' docs/protocol/*.md /dev/null | sort -u)

# Verbs of records: what the grammar has in capitals and quotes.
wire=tests/vectors/wire.tsv
if [ -f "$wire" ] && [ -f docs/protocol/1-bus.md ]; then
    used=$(grep -v '^#' "$wire" | cut -f2 | grep . | while IFS= read -r hex; do
        # The bytes before the first space or line feed, where they are capitals.
        printf '%s\n' "$hex" | grep -oE '^(4[1-9a-f]|5[0-9a])+' | sed 's/../\\x&/g'
    done | sort -u | while IFS= read -r escaped; do printf '%b\n' "$escaped"; done)
    for verb in $(grep -E '^    ' docs/protocol/1-bus.md | sed 's/;.*//' |
        grep -oE '"[A-Z]{2,}"' | tr -d '"' | sort -u); do
        grep -qx "$verb" <<<"$used" || say "$wire: the specification's $verb has no vector"
    done
fi
exit $bad
