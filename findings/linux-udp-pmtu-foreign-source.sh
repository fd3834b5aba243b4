#!/bin/sh
# Linux does not note the IPv4 path MTU for what an unconnected UDP socket sends from an address that
# the machine does not have (IP_TRANSPARENT and IP_PKTINFO, as Envoy's udp_proxy with
# use_original_src_ip does). The ICMP error arrives and finds the socket; then the route is looked up
# from the quoted source without FLOWI_FLAG_ANYSRC (__ipv4_sk_update_pmtu), which fails. From an
# address of its own it is noted, and over IPv6 from both. So datagrams between the path's MTU and
# the interface's are lost for good.
#
# Needs root, ip (iproute2), python3. Everything is in network namespaces of its own.
set -eu
id=pmtu-src-$$
trap 'for n in sender router end; do ip netns del $id-$n 2>/dev/null || true; done' EXIT
for n in sender router end; do ip netns add $id-$n; ip -n $id-$n link set lo up; done
ip link add eth0 netns $id-sender type veth peer name s netns $id-router
ip link add eth0 mtu 1300 netns $id-end type veth peer name e mtu 1300 netns $id-router
ip -n $id-sender addr add 192.0.2.1/24 dev eth0
ip -n $id-sender addr add fd00:2::1/64 dev eth0 nodad
ip -n $id-router addr add 192.0.2.2/24 dev s
ip -n $id-router addr add fd00:2::2/64 dev s nodad
ip -n $id-router addr add 198.51.100.2/24 dev e
ip -n $id-router addr add fd00:3::2/64 dev e nodad
for n in 1 5; do
  ip -n $id-end addr add 198.51.100.$n/24 dev eth0
  ip -n $id-end addr add fd00:3::$n/64 dev eth0 nodad
done
ip -n $id-sender link set eth0 up
ip -n $id-router link set s up
ip -n $id-router link set e up
ip -n $id-end link set eth0 up
ip -n $id-sender route add default via 192.0.2.2
ip -n $id-sender -6 route add default via fd00:2::2
# What is not the sender's: a Pod's address, say. Errors to it come back, and are delivered.
ip -n $id-router route add 10.1.1.10/32 via 192.0.2.1
ip -n $id-router -6 route add fd00:1::10/128 via fd00:2::1
for family in -4 -6; do
  ip -n $id-sender $family rule add fwmark 1 table 100
  ip -n $id-sender $family route add local default dev lo table 100
done
ip netns exec $id-sender nft -f - <<'N'
table inet t {
  chain c {
    type filter hook prerouting priority mangle;
    icmp type destination-unreachable meta mark set 1
    icmpv6 type packet-too-big meta mark set 1
  }
}
N
ip netns exec $id-router sh -c \
  'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'

# FAMILY SOURCE DESTINATION: three datagrams of 1,400 bytes.
send() {
  ip netns exec $id-sender python3 - "$@" <<'P'
import socket, sys, time
family, source, destination = sys.argv[1:]
six = family == "6"
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(41 if six else 0, 75 if six else 19, 1)  # transparent
if six:
    control = (41, 50, socket.inet_pton(socket.AF_INET6, source) + bytes(4))
else:
    control = (0, 8, bytes(4) + socket.inet_aton(source) + bytes(4))
for _ in range(3):
    s.sendmsg([b"x" * 1400], [control], 0, (destination, 9))
    time.sleep(0.2)
P
}
learnt() { ip -n $id-sender route get "$1" | grep -o 'mtu 1300' || echo nothing; }
send 4 192.0.2.1 198.51.100.1
send 4 10.1.1.10 198.51.100.5
send 6 fd00:2::1 fd00:3::1
send 6 fd00:1::10 fd00:3::5
seen="IPv4, own source: $(learnt 198.51.100.1)
IPv4, foreign source: $(learnt 198.51.100.5)
IPv6, own source: $(learnt fd00:3::1)
IPv6, foreign source: $(learnt fd00:3::5)"
printf 'Linux %s\nThe route to the destination has learnt:\n%s\n' "$(uname -r)" "$seen"
[ "$seen" = "IPv4, own source: mtu 1300
IPv4, foreign source: nothing
IPv6, own source: mtu 1300
IPv6, foreign source: mtu 1300" ] || { echo "It has changed."; exit 1; }
