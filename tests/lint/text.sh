#!/usr/bin/env bash
# text.sh FOLDER: what no file of ours may hold, and how long a source may be.
here=$(cd "$(dirname "$0")" && pwd)
cd "$1" || exit 2
bad=0

# $1 pattern (extended), $2 why, the rest: names of files
forbid() {
    local pattern=$1 why=$2 found
    shift 2
    # What generators and licences write is not ours.
    mapfile -t files < <(bash "$here/files.sh" . "$@" | grep -vE '(^|/)(package-lock\.json|LICENSE)$')
    [ ${#files[@]} -gt 0 ] || return 0
    found=$(grep -nHIE -e "$pattern" "${files[@]}") || return 0
    sed "s|\$|   <- $why|" <<<"$found" | cut -c1-200
    bad=1
}

# The brackets keep this file from finding itself.
forbid '\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b|[Nn]ot [i]mplemented|Not[I]mplemented' \
    'finish it, or take the claim away' '*'
forbid '(^|[^A-Za-z0-9._/"}-]|[ =(,:]")/(work|home|root)/[a-z]' 'the path of one machine' '*'
forbid '[[:space:]]$' 'white space at the end of the line' '*.[ch]' '*.py' '*.sh' '*.md' '*.js' '*.mjs' '*.awk' '*.ac' '*.am'
forbid $'\t' 'a tab' '*.[ch]' '*.py' '*.md'
forbid $'\r' 'a carriage return' '*.[ch]' '*.py' '*.sh' '*.md' '*.tsv'

while IFS= read -r file; do
    lines=$(wc -l <"$file")
    if [ "$lines" -gt 600 ]; then
        echo "$file: $lines lines   <- at most 600: one noun, one file"
        bad=1
    fi
done < <(bash "$here/files.sh" . '*.[ch]' '*.py' '*.js' '*.mjs' '*.sh' |
    # A file of tests in a language of one file a test may be a long list.
    grep -vE '^tests/.*\.py$|(^|/)(test_[^/]*|[^/]*[._]test)\.(py|m?js)$')

if bash "$here/files.sh" . '*package-lock.json' | xargs -r grep -nH '"resolved"' | head -n 3 | grep .; then
    echo "<- a lock file names no registry: npm config set omit-lockfile-registry-resolved true"
    bad=1
fi
exit $bad
