#!/bin/sh
# Linux 6.18, iptables 1.8.9, nftables 1.0.6: a rule in the output hook that goes by the outgoing
# interface (`-o`, `oifname`) at mangle's priority (-150) sees the interface of the address that a
# process dialled, not of the one that NAT chooses at -100, although both are in the same hook and
# the packet leaves by the second.
#
# A guess from memory: OUTPUT comes after routing, so that `-o` says by which interface the packet
# leaves. In truth NAT in the same hook routes it again. Programs that mark what the node itself
# sends to its Pods, so that NetworkPolicies let probes in (Antrea's "mark LOCAL output packets", by
# `-o antrea-gw0`), mark a process that dials a Pod, and not one that dials its Service behind
# kube-proxy's DNAT. A Service proxy that connects to the Pod itself gets the mark.
#
# Uses iptables and nftables (Debian packages) in network namespaces of its own.
set -eu
dir=$(mktemp -d)
id="f$$"
trap 'for n in node pod; do ip netns del "$id-$n" 2>/dev/null || true; done; rm -rf "$dir"' EXIT
cd "$dir"
# apt's sandbox user cannot write into the folder; the packages are only unpacked, not installed.
apt-get -o APT::Sandbox::User=root download -q nftables=1.0.6-2+deb12u2 \
  libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 iptables=1.8.9-2 libxtables12=1.8.9-2 >/dev/null
for package in ./*.deb; do dpkg-deb -x "$package" "$dir/root"; done
libraries=$(dirname "$(find "$dir/root" -name 'libnftables.so.1')")
export LD_LIBRARY_PATH="$libraries" XTABLES_LIBDIR="$libraries/xtables"
nft="$dir/root/usr/sbin/nft"
iptables="$dir/root/usr/sbin/xtables-nft-multi iptables"
echo "Linux $(uname -r), $("$nft" --version), $($iptables --version)"

in_node() { ip netns exec "$id-node" "$@"; }
for n in node pod; do ip netns add "$id-$n"; ip -n "$id-$n" link set lo up; done
ip link add gw netns "$id-node" type veth peer name eth0 netns "$id-pod"
ip link add uplink netns "$id-node" type veth peer name far netns "$id-pod"
ip -n "$id-node" address add 10.1.1.1/24 dev gw
ip -n "$id-node" address add 192.0.2.1/24 dev uplink
ip -n "$id-pod" address add 10.1.1.10/24 dev eth0
ip -n "$id-pod" link set eth0 up
ip -n "$id-pod" link set far up
for link in gw uplink; do ip -n "$id-node" link set $link up; done
ip -n "$id-node" route add default dev uplink
ip -n "$id-pod" route add default via 10.1.1.1

in_node $iptables -t mangle -A OUTPUT -o gw -j MARK --or-mark 0x8000
in_node $iptables -t nat -A OUTPUT -d 10.96.0.10 -p udp --dport 53 -j DNAT --to-destination 10.1.1.10
in_node "$nft" -f - <<'NFT'
add table ip t
add chain ip t marked
add chain ip t plain
add rule ip t marked counter
add rule ip t plain counter
add chain ip t post { type filter hook postrouting priority 0; }
add rule ip t post oifname "gw" udp dport 53 mark and 0x8000 == 0x8000 jump marked
add rule ip t post oifname "gw" udp dport 53 mark and 0x8000 == 0 jump plain
NFT
packets() { in_node "$nft" list chain ip t "$1" | grep -o 'packets [0-9]*'; }
send() { in_node python3 -c "import socket
socket.socket(type=socket.SOCK_DGRAM).sendto(b'?', ('$1', 53))"; }

send 10.1.1.10
echo "the Pod dialled:        marked $(packets marked), unmarked $(packets plain)" | tee -a seen
send 10.96.0.10
echo "its Service dialled:    marked $(packets marked), unmarked $(packets plain)" | tee -a seen
grep -qx 'the Pod dialled:        marked packets 1, unmarked packets 0' seen
grep -qx 'its Service dialled:    marked packets 1, unmarked packets 1' seen
