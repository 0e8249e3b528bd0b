#!/usr/bin/env bash
# includes.sh FOLDER: who may include whom.  The picture is in CONTRIBUTING.md, "The map".
# Prints each violation with its reason; exit 1 if there was any.
cd "$1" || exit 2
shopt -s nullglob
bad=0

# $1 files (globs), $2 pattern of what they may not include, $3 why
forbid() {
    local files found
    # shellcheck disable=SC2206 # globs are meant
    files=($1)
    [ ${#files[@]} -gt 0 ] || return 0
    found=$(grep -nHE "^#include [<\"]($2)" "${files[@]}") || return 0
    sed "s|\$|   <- $3|" <<<"$found"
    bad=1
}

# $1 pattern of a library's header, $2 pattern of the files that may include it: its doors
door() {
    local file
    while IFS= read -r file; do
        [[ $file =~ ^($2)$ ]] && continue
        echo "$file: includes $1   <- its doors are $2"
        bad=1
    done < <(grep -rlE --include='*.[ch]' "^#include <($1)" common gateway broker allinone ctl 2>/dev/null)
}

# The include line shows the layer: no name without a folder.
forbid 'common/*.[ch] gateway/*.[ch] broker/*.[ch] allinone/*.[ch] ctl/*.[ch] tests/*/*.[ch]' \
    '[^/>"]+"' 'write the folder: "common/wire.h"'

# The daemons share common/ and meet only on the wire.
forbid 'common/*.[ch]' '(gateway|broker|allinone|ctl)/' 'common knows neither daemon'
forbid 'gateway/*.[ch]' '(broker|allinone)/' 'the daemons meet only on the wire'
forbid 'broker/*.[ch]' '(gateway|allinone)/' 'the daemons meet only on the wire'
forbid 'ctl/*.[ch]' '(gateway|allinone|bindings)/|broker/([^a]|a[^u])' \
    'ctl knows of the daemons only what a key may allow: broker/authority.h'

# Pure modules: bytes in, bytes out; time is an argument.
pure='common/bytes.[ch] common/wire.[ch] common/topic_pattern.[ch]
    gateway/http_request.[ch] gateway/http_head.[ch] gateway/route.[ch] gateway/utf8.[ch]
    gateway/ws_frame.[ch] gateway/ws_message.[ch] gateway/ws_handshake.[ch]
    gateway/session_token.[ch] gateway/session_request.[ch]
    gateway/sse_event.[ch] gateway/topic_message.[ch] gateway/meta.[ch]
    gateway/cursor.[ch] gateway/follower.[ch] gateway/event_queue.[ch] gateway/timer.[ch]
    broker/authority.[ch] broker/permit.[ch]'
forbid "$pure" 'common/(log|clock|metric|conf|ops_server)|sys/[^u]|unistd|time\.h|pthread|poll\.h' \
    'pure: no input or output, no clock, no log'

# Neighbours on the way do not know each other; what joins them is a carrier, a worker or main.
forbid 'gateway/channel.[ch] gateway/channel_table.[ch]' \
    'gateway/(http_server|ws_|sse_|topic_|bus|worker|acceptor)' 'a channel does not know what carries it'
forbid 'gateway/bus*.[ch]' 'gateway/(http_|channel|ws_|sse_|topic_|worker)' \
    'the bus knows records, not channels'
forbid 'gateway/http_server*.[ch] gateway/loop.[ch] gateway/transport.[ch] gateway/acceptor.[ch]' \
    'gateway/(channel|bus|worker)' 'a door does not know who stands behind it'
forbid 'broker/front.[ch]' 'broker/back' 'the two sides meet in main.c'
forbid 'broker/back.[ch]' 'broker/front' 'the two sides meet in main.c'

# One outside library, its doors.
door 'microhttpd\.h' 'gateway/http_server[a-z_]*\.[ch]|common/ops_server\.c'
door 'c?zmq\.h' 'gateway/bus[a-z_]*\.[ch]|broker/(batch|front|back|tap|feed|socket|zap|watch)\.[ch]|common/conf\.c|ctl/keys\.c'
door 'openssl/' 'gateway/(ws_handshake|session_token)\.c'
door 'jansson\.h' 'gateway/(meta|topic_message)\.c|broker/(query[a-z_]*|tap_record|session_meta|session_query)\.[ch]'
door 'sqlite3\.h' 'broker/store_database\.c'
door 'sys/epoll\.h' 'gateway/(loop|http_server[a-z_]*|acceptor|worker|channel_[a-z_]+)\.[ch]'
door '(pthread|threads)\.h' \
    'gateway/(worker[a-z_]*|bus[a-z_]*|admission)\.[ch]|broker/store_writer\.c|common/(log|ops_server|metric)\.c|allinone/main\.c'
door 'check\.h' ''
exit $bad
