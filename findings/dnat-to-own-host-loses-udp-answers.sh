#!/bin/sh
# Linux 6.18, nftables 1.0.6: UDP that a Pod on a bridge sends to an address of its node, and that
# DNAT leads to a server of the node itself (a host-network DNS server behind a Service, say), is
# received and answered, and the Pod gets no answer. A Pod with a routed link, whose route says
# `src <node address>`, does; TCP works for both; SNAT or `masquerade` in postrouting does not help.
#
# A guess from memory: connection tracking turns back whatever answers a translated flow. It turns
# back what comes from the address that it translated to. A server on 0.0.0.0 without IP_PKTINFO
# answers from the source address of the route to the Pod, which is the bridge's: another flow, and
# postrouting is not passed on the way in. (What does help: a source address that is the node's own,
# in the nat input hook.)
#
# Uses nftables and python3 in network namespaces of its own.
set -eu
dir=$(mktemp -d)
ns="finding-host-udp-$$"
trap 'ip netns pids "$ns" 2>/dev/null | xargs -r kill 2>/dev/null || true
  ip netns del "$ns" 2>/dev/null || true; ip netns del "$ns-b" 2>/dev/null || true
  ip netns del "$ns-r" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
apt-get -o APT::Sandbox::User=root download -q nftables=1.0.6-2+deb12u2 \
  libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 >/dev/null
for package in ./*.deb; do dpkg-deb -x "$package" "$dir/root"; done
nft="$dir/root/usr/sbin/nft"
LD_LIBRARY_PATH=$(dirname "$(find "$dir/root" -name 'libnftables.so.1')")
export LD_LIBRARY_PATH
echo "Linux $(uname -r), $("$nft" --version)"

in_ns() { ip netns exec "$ns" "$@"; }
ip netns add "$ns"
ip -n "$ns" link set lo up
ip -n "$ns" address add 192.0.2.1/32 dev lo
ip netns add "$ns-b" # a Pod on a bridge
ip -n "$ns" link add br0 type bridge
ip -n "$ns" link set br0 up
ip -n "$ns" address add 10.1.7.1/24 dev br0
ip -n "$ns" link add port type veth peer name eth0 netns "$ns-b"
ip -n "$ns" link set port master br0 up
ip -n "$ns-b" address add 10.1.7.2/24 dev eth0
ip -n "$ns-b" link set eth0 up
ip -n "$ns-b" route add default via 10.1.7.1
ip netns add "$ns-r" # a Pod with a link of its own
ip -n "$ns" link add routed type veth peer name eth0 netns "$ns-r"
ip -n "$ns" address add 169.254.1.1/32 dev routed scope link
ip -n "$ns" link set routed up
ip -n "$ns" route add 10.1.8.2 dev routed src 192.0.2.1
ip -n "$ns-r" address add 10.1.8.2/32 dev eth0
ip -n "$ns-r" link set eth0 up
ip -n "$ns-r" route add 169.254.1.1 dev eth0 scope link
ip -n "$ns-r" route add default via 169.254.1.1
in_ns "$nft" -f - <<'NFT'
table ip t {
  chain to_backend {
    type nat hook prerouting priority dstnat;
    ip daddr 192.0.2.1 meta l4proto { tcp, udp } th dport 30080 dnat to 192.0.2.1:8080
  }
  chain from_node {
    type nat hook postrouting priority srcnat;
    ip saddr 10.1.0.0/16 counter masquerade
  }
}
NFT
in_ns python3 -c '
import socket, threading
listener = socket.create_server(("0.0.0.0", 8080))
def accept():
    while True:
        listener.accept()[0].sendall(b"hello")
threading.Thread(target=accept, daemon=True).start()
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 8080))
print("listening", flush=True)
while True:
    _, client = server.recvfrom(100)
    print("asked by", client[0], flush=True)
    server.sendto(b"hello", client)
' >"$dir/server" &
until [ -s "$dir/server" ]; do sleep 0.1; done
ask() { # namespace, type of socket
  ip netns exec "$1" python3 -c '
import socket, sys
with socket.socket(socket.AF_INET, getattr(socket, sys.argv[1])) as s:
    s.settimeout(2)
    try:
        s.connect(("192.0.2.1", 30080))
        s.send(b"?")
        print(s.recv(10).decode())
    except OSError as error:
        print(type(error).__name__)' "$2"
}
bridged="$(ask "$ns-b" SOCK_DGRAM) by UDP, $(ask "$ns-b" SOCK_STREAM) by TCP"
routed="$(ask "$ns-r" SOCK_DGRAM) by UDP, $(ask "$ns-r" SOCK_STREAM) by TCP"
echo "to the Pod on a bridge: $bridged; to the routed one: $routed"
sed -n 2p "$dir/server"
in_ns "$nft" -f - <<'NFT'
table ip t {
  chain to_self {
    type nat hook input priority 100;
    ip saddr 10.1.0.0/16 meta l4proto { tcp, udp } th dport 8080 snat to 192.0.2.1
  }
}
NFT
mended=$(ask "$ns-b" SOCK_DGRAM)
echo "with snat in the input hook: $mended"
[ "$bridged" = "TimeoutError by UDP, hello by TCP" ] &&
  [ "$routed" = "hello by UDP, hello by TCP" ] &&
  [ "$(sed -n 2p "$dir/server")" = "asked by 10.1.7.2" ] && [ "$mended" = hello ] ||
  { echo CHANGED >&2; exit 1; }
