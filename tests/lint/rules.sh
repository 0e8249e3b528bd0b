#!/usr/bin/env bash
# rules.sh FOLDER: each row of tests/rules.tsv names a rule of the bus protocol's section 11 and a
# test that exists, once; each rule has a test.
cd "$1" || exit 2
spec=docs/protocol/1-bus.md list=tests/rules.tsv
[ -f "$list" ] || exit 0
bad=0
say() {
    echo "$1"
    bad=1
}

rules=$(sed -n '/^## 11\./,/^## 12\./s/^| `\([a-z-]*\)` |.*/\1/p' "$spec")
# $1 file, $2 test
exists() {
    case $1 in
    *.c) tr -d '\n' <"$1" | grep -qE "START_TEST\( *$2\)" ;;
    *.py) grep -qE "^ *(async )?def $2\(" "$1" ;;
    *.tsv) cut -f 1 "$1" | grep -qxF -e "$2" ;;
    *) false ;;
    esac
}

shown='' seen=''
while IFS=$'\t' read -r rule test more; do
    [[ $rule == '#'* || -z $rule ]] && continue
    file=${test%%:*} name=${test#*:}
    if [ -n "$more" ] || [ -z "$test" ] || [ "$file" = "$test" ]; then
        say "$list: $rule: a row is rule <tab> file:test"
        continue
    fi
    grep -qxF -e "$rule" <<<"$rules" || say "$list: $rule is no rule of $spec"
    grep -qxF -e "$rule $test" <<<"$seen" && say "$list: $rule $test stands twice"
    if ! [ -f "$file" ]; then
        say "$list: $file does not exist"
    elif ! exists "$file" "$name"; then
        say "$list: $file has no test $name"
    fi
    shown+="$rule"$'\n' seen+="$rule $test"$'\n'
done <"$list"
for rule in $rules; do
    grep -qxF -e "$rule" <<<"$shown" || say "$list: no test shows $rule"
done
exit $bad
