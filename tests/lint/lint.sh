#!/usr/bin/env bash
# lint.sh FOLDER: the rules of the house, one line each; what breaks a rule is printed with it.
# A rule whose tool is missing is skipped.  Last line: `N passed, N failed[, N skipped]`.
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-.}" || exit 2
passed=0 failed=0 skipped=0

# $1 what is checked, $2 the tool that it needs, the rest: the command, silent when all is well
rule() {
    local name=$1 tool=$2 out
    shift 2
    if ! command -v "$tool" >/dev/null; then
        echo "skipped  $name: $tool is not installed"
        skipped=$((skipped + 1))
    elif out=$("$@" 2>&1); then
        echo "ok       $name"
        passed=$((passed + 1))
    else
        echo "$out"
        echo "not ok   $name"
        failed=$((failed + 1))
    fi
}

files() { bash "$here/files.sh" . "$@"; }
scripts() {
    files '*.sh'
    files '*' | grep -v '\.' | xargs -r grep -lIE '^#!.*\b(ba)?sh\b'
    for file in .ci/*; do [ -f "$file" ] && echo "$file"; done
}
each() { # $1 command with its options, stdin: files; fails if it fails for one
    local file bad=0
    while IFS= read -r file; do $1 "$file" || bad=1; done
    return $bad
}

grammar() { files 'docs/protocol/*.md' | each "awk -f $here/grammar.awk"; }
format() { files '*.[ch]' | xargs -r clang-format --dry-run -Werror; }
shells() { scripts | sort -u | xargs -r shellcheck -x -S warning; }
python() { files '*.py' | xargs -r "$(command -v /usr/bin/python3 || command -v python3)" -m pyflakes; }
# All of it is modules; Node takes a .js without a package.json for something else.
module() { node --input-type=module --check <"$1"; }
javascript() { files '*.js' '*.mjs' | each module; }

rule 'who includes whom' bash bash "$here/includes.sh" .
rule 'names of functions and files' bash bash "$here/names.sh" .
rule 'every source is in a list' bash bash "$here/lists.sh" .
rule 'forbidden words, lengths, white space' bash bash "$here/text.sh" .
rule 'vectors are well formed and cited' bash bash "$here/vectors.sh" .
rule 'each rule of the bus has a test' bash bash "$here/rules.sh" .
rule 'links in the documents lead somewhere' bash bash "$here/links.sh" .
rule 'grammar of the specification' awk grammar
rule 'clang-format' clang-format format
rule 'clang-tidy' clang-tidy bash "$here/tidy.sh" .
rule 'shellcheck' shellcheck shells
rule 'pyflakes' pyflakes3 python
rule 'javascript parses' node javascript
rule 'the rules find planted violations' bash bash "$here/selftest.sh"

line="$passed passed, $failed failed"
[ "$skipped" -gt 0 ] && line="$line, $skipped skipped"
echo "$line"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
