#!/usr/bin/env bash
# tidy.sh FOLDER [FILE.c...]: clang-tidy (size, complexity, bugs; .clang-tidy has the limits) over
# all C files.  What was found clean is remembered in .tidy/ by a sum over the file, the headers of
# ours that it includes, and the limits, and not looked at again until one of them changes.
here=$(cd "$(dirname "$0")" && pwd)
cd "$1" || exit 2
shift
# Headers of the stand-in hide what macros of libraries contain.
read -ra flags <<<"-std=gnu11 -Itests/lint/stand-in -I. -D_GNU_SOURCE $(pkg-config --cflags libmicrohttpd libczmq jansson libcrypto sqlite3 check)"
export CLANG_TIDY_FLAGS="${flags[*]}"

one() {
    local file=$1 stamp=.tidy/${1//\//__} sum out
    read -ra flags <<<"$CLANG_TIDY_FLAGS"
    # The dependencies of the file, without the rule's target and line joints.
    mapfile -t parts < <(cc -MM "${flags[@]}" "$file" 2>/dev/null | sed 's/^[^:]*://; s/\\$//' | tr -s ' ' '\n' | grep .)
    sum=$(cat "${parts[@]}" .clang-tidy tests/.clang-tidy 2>/dev/null | sha256sum)
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sum" ] && return 0
    if out=$(clang-tidy --quiet "$file" -- "${flags[@]}" 2>/dev/null); then
        mkdir -p .tidy
        echo "$sum" >"$stamp"
    else
        echo "$out" | grep -E '(error|warning):' || echo "$file: clang-tidy failed"
        return 1
    fi
}
export -f one

if [ $# -gt 0 ]; then printf '%s\n' "$@"; else bash "$here/files.sh" . '*.c'; fi |
    xargs -r -P "$(nproc)" -I{} bash -c 'one {}'
