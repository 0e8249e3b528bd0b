#!/bin/bash
# Health check of a container: is the program alive?  Asks /healthz of the operations port.
# /readyz is for load balancers: a gateway that waits for its broker is not broken.
set -u
port=${RINGWAY_OPS_LISTEN:-127.0.0.1:8081}
port=${port##*:}
exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
printf 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
read -r -t 3 line <&3 && [[ $line == *" 200 "* ]]
