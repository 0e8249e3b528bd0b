#!/usr/bin/env bash
# names.sh FOLDER: what the name of a function or a file says.
here=$(cd "$(dirname "$0")" && pwd)
cd "$1" || exit 2
bad=0
say() {
    echo "$1   <- $2"
    bad=1
}

# Static functions start s_, so that a call shows whether it leaves the file.
while IFS= read -r line; do
    say "$line" 'a static function starts s_'
done < <(bash "$here/files.sh" . 'common/*.c' 'gateway/*.c' 'broker/*.c' 'allinone/*.c' 'ctl/*.c' 'bindings/c/*.c' |
    xargs -r grep -nHE '^static [^=;(]*[ *][a-z][a-z0-9_]*\(' | grep -vE '[ *]s_[a-z0-9_]*\(')

# A header is read once, and no type of ours hides that it is a struct.
while IFS= read -r file; do
    grep -q '^#pragma once' "$file" || say "$file" 'starts with its sentence and #pragma once'
    grep -nE '^typedef (struct|enum|union)' "$file" && say "$file" 'struct x, without typedef'
done < <(bash "$here/files.sh" . 'common/*.h' 'gateway/*.h' 'broker/*.h' 'ctl/*.h')

# One module, one test: a unit test is named for a module that exists.
while IFS= read -r file; do
    module=${file##*/test_}
    module=${module%.c}
    ls common/"$module".h gateway/"$module".h broker/"$module".h bindings/c/"$module".h \
        >/dev/null 2>&1 || compgen -G "[a-z]*/$module.c" >/dev/null ||
        say "$file" "there is no module $module"
done < <(bash "$here/files.sh" . 'tests/unit/test_*.c')
exit $bad
