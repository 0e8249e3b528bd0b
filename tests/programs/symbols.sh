#!/usr/bin/env bash
# symbols.sh: `ringway` has gateway and broker in one program, so no function may stand in two of
# the libraries: the linker would take one of them for both.  Last line `N passed, N failed`.
cd "${RINGWAY_BIN:-.}" || exit 2
twice=$(for library in libgateway.a libbroker.a libcommon.a; do
    nm --defined-only "$library" 2>/dev/null | awk '$2 ~ /^[TDBR]$/ { print $3 }' | sort -u
done | sort | uniq -d)
if [ -n "$twice" ]; then
    echo "in two libraries:" "$twice"
    echo "0 passed, 1 failed"
    exit 1
fi
echo "1 passed, 0 failed"
