#!/usr/bin/env bash
# The checks of the simulations can fail: with one message of the broker dropped, doubled or
# swapped with the next (sim_doctor in sim_common.h) one of 20 runs must say what is wrong.
# Last line: `N passed, N failed`.
here=${RINGWAY_BIN:-.}/tests/sim
passed=0 failed=0

# $1 simulation, $2 what the doctor does, $3 words of the verdict
spoilt() {
    local out
    if out=$(SIM_DOCTOR=$2 SIM_SEED=1 SIM_RUNS=20 "$here/$1") || ! grep -qE "$3" <<<"$out"; then
        echo "$1, $2: expected a verdict '$3', got: $out"
        failed=$((failed + 1))
    else
        echo "$1, $2: $(head -n 1 <<<"$out")"
        passed=$((passed + 1))
    fi
}

spoilt sim_core 'drop HIST' 'is missing'
spoilt sim_core 'double HIST' 'gets [0-9]+ of .* after'
spoilt sim_core 'swap HIST' 'is missing'
spoilt sim_core 'drop PUB' 'is missing'
spoilt sim_core 'double PUB' 'gets [0-9]+ of .* after'
spoilt sim_session 'drop SEND' 'and no gap|and got'
spoilt sim_session 'double SEND' 'gets ([0-9]+) after \1'
spoilt sim_session 'swap SEND' 'and no gap|gets [0-9]+ after'
spoilt sim_session 'drop HIST' 'and no gap|and got'
spoilt sim_session 'double HIST' 'gets ([0-9]+) after \1'
spoilt sim_session 'drop TEXT' 'is handled after|was handled'
spoilt sim_session 'swap TEXT' 'is handled after|was handled'
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
