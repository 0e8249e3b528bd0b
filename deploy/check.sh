#!/usr/bin/env bash
# Runs deploy/ on a real Docker engine: builds the images, brings docker-compose.yml up, chats
# through haproxy and nginx, kills an edge, adds one, stops one, and takes all down again.  Where no
# engine runs, root starts one for the time being.  Where no registry can be reached, the base image
# is made with debootstrap; that image is all that stays.  Last line: `N passed, N failed`, or
# `N passed, N failed, N skipped`.
set -u
cd "$(dirname "$0")/.." || exit 1
python=$(command -v /usr/bin/python3 || command -v python3)
base=${BASE:-debian:bookworm-slim}
project=ringway-check-$$
work=$(mktemp -d)
passed=0 failed=0 skipped=0
engine= # pid of the engine that we started
images=(ringway ringway-demo ringway-haproxy ringway-nginx)
export RINGWAY_TAG=$project RINGWAY_PUBLISH=127.0.0.1:0 RINGWAY_PUBLISH_NGINX=127.0.0.1:0

say() { # $1 sentence, $2 status
    if [ "$2" -eq 0 ]; then
        echo "ok       $1"
        passed=$((passed + 1))
    else
        echo "not ok   $1"
        failed=$((failed + 1))
    fi
}

# $1 sentence, the rest: a command, whose output is shown if it fails
check() {
    local sentence=$1 status=0
    shift
    timeout --foreground "${LIMIT:-120}" "$@" >"$work/out" 2>&1 || status=$?
    [ $status -eq 0 ] || tail -n 30 "$work/out"
    say "$sentence" $status
    return $status
}

skip() { echo "skipped  $1" && skipped=$((skipped + 1)); }

# $1 seconds, the rest: a command that shall become true
wait_until() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $until ] || return 1
        sleep 0.1
    done
}

# ---- The engine ----

answers() { timeout 10 docker info >/dev/null 2>&1; }
is_gone() { ! kill -0 "$1" 2>/dev/null; }

# Out of reach of Ctrl-C, since the containers go first.  What an engine changes in the network of the
# machine, ours changes back.
start_engine() {
    { iptables-save -t filter && iptables-save -t nat; } >"$work/iptables" 2>/dev/null
    forward=$(cat /proc/sys/net/ipv4/ip_forward)
    bridge=$(cat /sys/class/net/docker0/ifindex 2>/dev/null)
    setsid dockerd >"$work/dockerd.log" 2>&1 &
    engine=$!
    wait_until 60 answers_or_gone && answers
}
answers_or_gone() { answers || is_gone "$engine"; }

stop_engine() {
    kill -TERM "$engine" 2>/dev/null
    wait_until 30 is_gone "$engine" || kill -KILL "$engine"
    wait "$engine" 2>/dev/null
    [ -n "$bridge" ] || ip link delete docker0 2>/dev/null
    iptables-restore <"$work/iptables" 2>/dev/null
    echo "$forward" >/proc/sys/net/ipv4/ip_forward
    engine=
}

# ---- The base image ----

have_base() { docker image inspect "$base" >/dev/null 2>&1; }

make_base() {
    # From where this machine has its own packages.
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 2>/dev/null | head -n 1)
    debootstrap --variant=minbase bookworm "$work/root" ${mirror:+"$mirror"} >"$work/out" &&
        rm -rf "$work"/root/var/cache/apt/* "$work"/root/var/lib/apt/lists/* &&
        tar -C "$work/root" -c . | docker import -c 'CMD ["bash"]' - "$base" >>"$work/out"
}

# ---- The containers ----

compose() { "${compose[@]}" "$@"; }
labelled() { docker "$@" -q --filter "label=com.docker.compose.project=$project"; }

# $1 address:port; the status line of GET /
get() {
    timeout 5 bash -c 'exec 3<>"/dev/tcp/${0%:*}/${0##*:}" &&
        printf "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" "$0" >&3 &&
        head -n 1 <&3' "$1" 2>/dev/null
}
serves() { [[ $(get "$1") == *" 200 "* ]]; }

# $1 container; its page of metrics
metrics() {
    # shellcheck disable=SC2016 # the container's shell expands it
    docker exec "$1" bash -c 'exec 3<>"/dev/tcp/127.0.0.1/${RINGWAY_OPS_LISTEN##*:}" &&
        printf "GET /metrics HTTP/1.0\r\n\r\n" >&3 && cat <&3' | tr -d '\r'
}

# Requests go round until each running edge had one.  $1 how many edges there are
all_serve() {
    local edge serving=0
    serves "$haproxy"
    for edge in $(compose ps -q edge); do
        metrics "$edge" 2>/dev/null |
            grep -qE '^ringway_channels_opened_total\{.*\} [1-9]' && serving=$((serving + 1))
    done
    [ "$serving" -eq "$1" ]
}

# $1 address, the rest: arguments of chat_check.py; adds what it counted
chat() {
    local url=http://$1/ line
    shift
    timeout 180 "$python" deploy/chat_check.py "$url" "$@" >"$work/chat" 2>&1
    grep -vE '^[0-9]+ passed' "$work/chat" | sed -E "s/^((not )?ok +)/\1$name: /"
    line=$(tail -n 1 "$work/chat")
    if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    else
        say "$name: the chat finishes" 1
    fi
}

is_healthy() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$1")" = healthy ]; }

# Both ways: no panel asks for what is not there, and nothing is there that no panel shows.
dashboard() {
    local edge
    edge=$(compose ps -q edge | head -n 1)
    for container in "$edge" "$(compose ps -q broker)"; do metrics "$container"; done |
        sed -nE 's/^# TYPE (ringway_[a-z_]+|process_[a-z_]+) .*/\1/p' | sort -u >"$work/there"
    "$python" -c 'import json, sys
for panel in json.load(open("deploy/grafana/ringway.json"))["panels"]:
    for target in panel.get("targets", []): print(target["expr"])' >"$work/queries" || return 1
    grep -oE '\b(ringway|process)_[a-z_]+' "$work/queries" | sort -u >"$work/shown"
    [ -s "$work/there" ] && comm -23 "$work/shown" "$work/there" | sed 's/$/ is not there/' &&
        comm -13 "$work/shown" "$work/there" | grep '^ringway_' | sed 's/$/ is not shown/'
    [ -z "$(comm -23 "$work/shown" "$work/there")" ] && [ -s "$work/shown" ] &&
        ! comm -13 "$work/shown" "$work/there" | grep -q '^ringway_'
}

# $1 unit: its syntax, with the programs where they were built, and how much it may do.
unit() {
    local name=${1##*/}
    sed -E "s#^(Exec.*=)/usr/local/bin/#\1$work/bin/#" "$1" >"$work/$name"
    systemd-analyze verify "$work/$name" 2>&1 | grep -F "$name" && return 1
    systemd-analyze security --offline=true --threshold=20 "$work/$name" | tail -n 1
    return "${PIPESTATUS[0]}"
}

# Keys for everybody in the compose file, made by the user of its containers.  $1 folder
keys() {
    local ctl=(docker run --rm -v "$1:/keys" "ringway:$RINGWAY_TAG" ringwayctl keys)
    mkdir "$1" && docker run --rm --user 0 -v "$1:/keys" "ringway:$RINGWAY_TAG" chown 10001 /keys &&
        "${ctl[@]}" broker --dir /keys && "${ctl[@]}" edge edge --name '*' --dir /keys &&
        "${ctl[@]}" app demo --service demo --topic 'demo/*' --dir /keys
}
# The folder is not ours to remove.  $1 folder
remove_keys() {
    [ ! -d "$1" ] ||
        docker run --rm --user 0 -v "$1:/keys" "ringway:$RINGWAY_TAG" bash -c 'rm -rf /keys/*'
}

# $1 settings file, $2 program
config() {
    docker run --rm -v "$PWD/deploy/$1:/etc/ringway/$1:ro" "ringway:$RINGWAY_TAG" \
        "$2" --config "/etc/ringway/$1" --check-config
}

# ---- From the beginning to the end ----

clean() {
    trap '' INT TERM
    local image
    if [ -n "${compose-}" ] && answers; then
        compose down --volumes --remove-orphans --timeout 20 >/dev/null 2>&1
        remove_keys "$work/keys" >/dev/null 2>&1
        for image in "${images[@]}"; do docker rmi "$image:$RINGWAY_TAG" >/dev/null 2>&1; done
        # Stages of a build that carry no name.
        docker image prune --force --filter label=ringway.stage >/dev/null 2>&1
    fi
}

finish() {
    [ -z "$engine" ] || stop_engine
    rm -rf "$work"
    local line="$passed passed, $failed failed"
    [ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
    echo "$line"
    trap - INT TERM EXIT
    [ "$failed" -eq 0 ]
    exit
}
give_up() { clean && finish; }
trap 'failed=$((failed + 1)); give_up' INT TERM EXIT

if [ "$(id -u)" -eq 0 ]; then
    .ci/install deploy || true
fi
if ! command -v docker >/dev/null || { ! answers && [ "$(id -u)" -ne 0 ]; }; then
    skip "no Docker engine answers, and only root may start one"
    finish
fi
if ! answers; then
    start_engine || tail -n 20 "$work/dockerd.log"
    answers
    say "an engine starts" $?
    answers || finish
fi
if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
else
    say "docker compose, or docker-compose, is installed" 1
    finish
fi
compose+=(--profile nginx -p "$project" -f deploy/docker-compose.yml)

if ! have_base && ! timeout 120 docker pull "$base" >/dev/null 2>&1; then
    make_base || tail -n 20 "$work/out"
    have_base
    say "the base image is made with debootstrap" $?
    have_base || give_up
fi

# No more descriptors than the engine has itself.
RINGWAY_NOFILE=$(docker run --rm "$base" bash -c 'ulimit -Hn')
[[ $RINGWAY_NOFILE =~ ^[0-9]+$ ]] && [ "$RINGWAY_NOFILE" -le 65536 ] || RINGWAY_NOFILE=65536
export RINGWAY_NOFILE

LIMIT=900 check "the images are built" "${compose[@]}" build --build-arg "BASE=$base" || give_up

for program in ringway ringway-gateway ringway-broker ringwayctl; do
    check "the image has $program" docker run --rm "ringway:$RINGWAY_TAG" $program --version
done
for image in "${images[@]}"; do
    # shellcheck disable=SC2016 # the container's shell expands it
    check "$image is no root" docker run --rm "$image:$RINGWAY_TAG" bash -c '[ "$(id -u)" -ne 0 ]'
done
config gateway.conf ringway-gateway >"$work/out" 2>&1
say "gateway.conf is good" $?
config broker.conf ringway-broker >"$work/out" 2>&1
say "broker.conf is good" $?

if command -v systemd-analyze >/dev/null; then
    mkdir "$work/bin"
    for program in ringway ringway-gateway ringway-broker; do
        printf '#!/bin/sh\n' >"$work/bin/$program"
        chmod +x "$work/bin/$program"
        unit deploy/systemd/$program.service
        say "$program.service is right, and may do little" $?
    done
else
    skip "no systemd-analyze looks at the units"
fi

check "all containers start" "${compose[@]}" up -d --no-build || give_up
haproxy=$(compose port haproxy 8080) nginx=$(compose port nginx 8080)
wait_until 60 serves "$haproxy" && wait_until 30 all_serve 2
say "haproxy spreads requests over two edges" $?
wait_until 30 serves "$nginx"
say "nginx passes requests on" $?
mapfile -t edges < <(compose ps -q edge)
for service in broker edge; do
    wait_until 30 is_healthy "$(compose ps -q $service | head -n 1)"
    say "$service is healthy" $?
done
check "haproxy.cfg is good" docker exec "$(compose ps -q haproxy)" haproxy -c -f /etc/haproxy/haproxy.cfg
check "nginx.conf is good" docker exec "$(compose ps -q nginx)" nginx -t -e stderr
dashboard
say "the dashboard shows the metrics that there are" $?

name=nginx chat "$nginx"
name="an edge is killed" chat "$haproxy" docker kill "${edges[1]}"

compose up -d --no-build --no-recreate --scale edge=3 >"$work/out" 2>&1 && wait_until 60 all_serve 3
say "the killed edge and a third one get requests" $?
name="an edge is stopped" chat "$haproxy" docker stop --time 20 "${edges[0]}"

mapfile -t ours < <(compose ps -q broker && compose ps -q demo && compose ps -q edge)
LIMIT=60 check "all containers stop" "${compose[@]}" stop
docker inspect -f '{{.Name}} {{.State.ExitCode}}' "${ours[@]}" "${edges[0]}" | sort -u >"$work/codes"
grep -v ' 0$' "$work/codes"
[ "$(wc -l <"$work/codes")" -ge 5 ] && ! grep -qv ' 0$' "$work/codes"
say "each of ours ends with status 0" $?

export RINGWAY_KEYS_DIR=$work/keys
keys "$work/keys" >"$work/out" 2>&1 && made=0 || made=1
[ $made -eq 0 ] || tail -n 20 "$work/out"
say "the image makes keys" $made
[ $made -eq 0 ] || give_up
compose+=(-f deploy/docker-compose.keys.yml)
check "all containers start with keys" "${compose[@]}" up -d --no-build || give_up
haproxy=$(compose port haproxy 8080)
wait_until 60 serves "$haproxy" && wait_until 30 all_serve 2
say "two edges with a key get requests" $?
name="with keys" chat "$haproxy"

clean
[ -z "$(labelled ps -a)$(labelled network ls)$(docker images -q --filter "reference=*:$RINGWAY_TAG")" ]
say "nothing is left" $?
finish
