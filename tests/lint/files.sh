#!/usr/bin/env bash
# files.sh FOLDER PATTERN...: the project's own files whose name matches a pattern, one per line,
# relative to the folder.  In a clone what git knows or would add, else what lies there.
cd "$1" || exit 2
shift
if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ]; then
    git ls-files -co --exclude-standard
else
    find . \( -name .git -o -name node_modules -o -name __pycache__ -o -name .deps \
        -o -path './san-*' -o -path ./corpus -o -path ./.check -o -path ./.tidy \
        -o -path ./autom4te.cache -o -path ./build-aux \) -prune -o -type f -print | cut -c3- |
        grep -vxE 'configure~?|config\.(log|status)|aclocal\.m4|Makefile(\.in)?|.*\.(o|a|log|trs)|.*\.dirstamp'
fi | sort | while IFS= read -r path; do
    [ -f "$path" ] || continue
    for pattern; do
        # shellcheck disable=SC2053 # a pattern is meant
        [[ $path == $pattern || ${path##*/} == $pattern ]] && printf '%s\n' "$path" && break
    done
done
