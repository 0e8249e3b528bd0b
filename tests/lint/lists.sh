#!/usr/bin/env bash
# lists.sh FOLDER: every source file stands in Makefile.am, and what stands there exists.
here=$(cd "$(dirname "$0")" && pwd)
cd "$1" || exit 2
bad=0

words=$(sed 's/#.*//; s/[\\=]/ /g' Makefile.am | tr -s ' \t' '\n' | sort -u)
while IFS= read -r file; do
    name=$file
    # Test programs are listed without the ending.
    [[ $file == tests/@(unit|fuzz|bench)/*.c || $file == */test_*.c || $file == */examples/*.c ]] && name=${file%.c}
    if ! grep -qxF -e "$name" -e "$file" <<<"$words"; then
        echo "$file: in no list of Makefile.am"
        bad=1
    fi
done < <(bash "$here/files.sh" . 'common/*.[ch]' 'gateway/*.[ch]' 'broker/*.[ch]' 'allinone/*.[ch]' \
    'ctl/*.[ch]' 'bindings/c/*.[ch]' 'tests/unit/*.c' 'tests/sim/*.[ch]' 'tests/fuzz/*.c' 'tests/bench/*.c' \
    'tests/system/*.py' 'tests/browser/*.py' 'tests/clients/*.py' 'tests/programs/*.py' \
    'tests/faults/*.py' 'tests/property/*.py' 'tests/store/*.py')

while IFS= read -r name; do
    if ! [ -e "$name" ] && ! [ -e "$name.c" ]; then
        echo "Makefile.am: $name does not exist"
        bad=1
    fi
done < <(grep -E '^(common|gateway|broker|allinone|bindings|tests|docs|deploy|demo)/' <<<"$words" | grep -v '[$()%]')
exit $bad
