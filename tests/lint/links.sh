#!/usr/bin/env bash
# links.sh FOLDER: a relative link in a document leads to a file that exists, and a `#part` to a
# heading of it.
here=$(cd "$(dirname "$0")" && pwd)
cd "$1" || exit 2
bad=0

# Headings of a document as the names that a link uses.
anchors() {
    grep -E '^#+ ' "$1" | sed -E 's/^#+ +//' | tr '[:upper:]' '[:lower:]' |
        sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}

while IFS= read -r document; do
    while IFS= read -r link; do
        case $link in http:* | https:* | mailto:*) continue ;; esac
        target=${link%%#*} part=
        [[ $link == *'#'* ]] && part=${link#*#}
        path=$document
        [ -n "$target" ] && path=$(dirname "$document")/$target
        if ! [ -e "$path" ]; then
            echo "$document: $link leads nowhere"
            bad=1
        elif [ -n "$part" ] && ! anchors "$path" | grep -qxF -e "$part"; then
            echo "$document: $link: no such heading"
            bad=1
        fi
    done < <(grep -oE '\]\([^) ]+\)' "$document" | sed -E 's/^\]\(//; s/\)$//')
done < <(bash "$here/files.sh" . '*.md')
exit $bad
