#!/bin/sh
# Linux 6.18, nftables 1.0.6: with net.bridge.bridge-nf-call-iptables=1, `tproxy` does nothing for
# TCP that comes in by a port of a bridge: the rule matches and counts, the packet is routed to this
# host, and meets no socket; the client connects in vain. With the sysctl at 0 it works.
#
# A guess from memory: the sysctl shows more packets to iptables, so what works at 0 works at 1. The
# hook runs while the bridge has the packet; when the bridge hands it up, ip_rcv drops the socket
# that tproxy gave it, and br_netfilter skips the hook the second time. Mark and route survive.
# (So every transparent proxy on a node of flannel, k3s or Docker fails where kubeadm set the
# sysctl; a Pod that is routed, behind the same rules, works.)
#
# Uses nftables and python3 in network namespaces of its own.
set -eu
dir=$(mktemp -d)
ns="finding-tproxy-$$"
trap 'ip netns del "$ns" 2>/dev/null || true; ip netns del "$ns-p" 2>/dev/null || true
  rm -rf "$dir"' EXIT
cd "$dir"
apt-get -o APT::Sandbox::User=root download -q nftables=1.0.6-2+deb12u2 \
  libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 >/dev/null
for package in ./*.deb; do dpkg-deb -x "$package" "$dir/root"; done
nft="$dir/root/usr/sbin/nft"
LD_LIBRARY_PATH=$(dirname "$(find "$dir/root" -name 'libnftables.so.1')")
export LD_LIBRARY_PATH
echo "Linux $(uname -r), $("$nft" --version)"
[ -e /proc/sys/net/bridge ] || { echo "no br_netfilter here: modprobe br_netfilter"; exit 1; }

in_ns() { ip netns exec "$ns" "$@"; }
ip netns add "$ns"
ip netns add "$ns-p"
ip -n "$ns" link set lo up
ip -n "$ns" link add br0 type bridge
ip -n "$ns" link set br0 up
ip -n "$ns" address add 10.1.7.1/24 dev br0
ip -n "$ns" link add port type veth peer name eth0 netns "$ns-p"
ip -n "$ns" link set port master br0 up
ip -n "$ns-p" address add 10.1.7.2/24 dev eth0
ip -n "$ns-p" link set eth0 up
ip -n "$ns-p" route add default via 10.1.7.1
ip -n "$ns" rule add fwmark 1 lookup 100
ip -n "$ns" route add local default dev lo table 100
in_ns "$nft" -f - <<'NFT'
table ip t {
  chain capture {
    type filter hook prerouting priority mangle;
    ip daddr 203.0.113.9 tcp dport 80 counter tproxy to 127.0.0.1:15001 meta mark set 1
  }
}
NFT
in_ns python3 -c '
import socket
server = socket.socket()
server.setsockopt(socket.SOL_IP, 19, 1) # IP_TRANSPARENT
server.bind(("127.0.0.1", 15001))
server.listen()
print("listening", flush=True)
while True:
    server.accept()[0].send(b"hello")
' >"$dir/listening" &
until [ -s "$dir/listening" ]; do sleep 0.1; done
ask() { # value of the sysctl
  in_ns sh -c "echo $1 >/proc/sys/net/bridge/bridge-nf-call-iptables"
  ip netns exec "$ns-p" python3 -c '
import socket
try:
    with socket.create_connection(("203.0.113.9", 80), 5) as s:
        print(s.recv(10).decode())
except OSError as error:
    print(type(error).__name__)'
}
off=$(ask 0)
on=$(ask 1)
matched=$(in_ns "$nft" list table ip t | sed -n 's/.*packets \([0-9]*\).*/\1/p')
echo "bridge-nf-call-iptables=0: $off; 1: $on; the rule matched $matched packets"
[ "$off" = hello ] && [ "$on" != hello ] || { echo CHANGED >&2; exit 1; }
