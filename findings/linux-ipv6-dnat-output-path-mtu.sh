#!/bin/sh
# A host process sends UDP over IPv6 to an address that nftables translates in the output hook (DNAT,
# as kube-proxy does for Services). A router on the way to the backend has a smaller MTU. The ICMP
# error is translated back, and the socket learns the path MTU: of the address that it dialled. It
# fragments to that, but DNAT routes the datagram again, to the backend, for which nothing was
# learnt; and the pieces together are not longer than the interface's MTU, so the kernel sends them
# as one packet again. Such datagrams never arrive. Longer ones than the interface's MTU do, and
# over IPv4 all do, since routers fragment what left without DF.
#
# Needs root, ip (iproute2), nft, python3. Everything is in network namespaces of its own.
set -eu
id=pmtu-dnat-$$
trap 'for n in host router end; do ip netns del $id-$n 2>/dev/null || true; done' EXIT
for n in host router end; do ip netns add $id-$n; ip -n $id-$n link set lo up; done
ip link add eth0 netns $id-host type veth peer name host0 netns $id-router
ip link add eth0 mtu 1300 netns $id-end type veth peer name e mtu 1300 netns $id-router
ip -n $id-host addr add 192.0.2.1/24 dev eth0
ip -n $id-host addr add fd00:2::1/64 dev eth0 nodad
ip -n $id-router addr add 192.0.2.2/24 dev host0
ip -n $id-router addr add fd00:2::2/64 dev host0 nodad
ip -n $id-router addr add 198.51.100.2/24 dev e
ip -n $id-router addr add fd00:3::2/64 dev e nodad
ip -n $id-end addr add 198.51.100.1/24 dev eth0
ip -n $id-end addr add fd00:3::1/64 dev eth0 nodad
for end in host:eth0 router:host0 router:e end:eth0; do
  ip -n $id-${end%:*} link set "${end#*:}" up
done
ip -n $id-host route add default via 192.0.2.2
ip -n $id-host -6 route add default via fd00:2::2
ip -n $id-end route add default via 198.51.100.2
ip -n $id-end -6 route add default via fd00:3::2
ip netns exec $id-router sh -c \
  'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
ip netns exec $id-host nft -f - <<'N'
table inet t {
  chain c {
    type nat hook output priority -100;
    ip daddr 10.96.0.1 udp dport 9 dnat ip to 198.51.100.1:9
    ip6 daddr fd00:96::1 udp dport 9 dnat ip6 to [fd00:3::1]:9
  }
}
N
ip netns exec $id-end python3 - <<'P' &
import select, socket
sockets = [socket.socket(f, socket.SOCK_DGRAM) for f in (socket.AF_INET, socket.AF_INET6)]
for s, address in zip(sockets, ("198.51.100.1", "fd00:3::1")): s.bind((address, 9))
while True:
    for s in select.select(sockets, [], [], 30)[0] or exit():
        data, sender = s.recvfrom(65535)
        s.sendto(str(len(data)).encode(), sender)
P
server=$!
# How many of 8 datagrams of each size are answered; the first may be lost.
seen=$(ip netns exec $id-host python3 - <<'P'
import socket, time
time.sleep(0.5)
for family, address in ((socket.AF_INET, "10.96.0.1"), (socket.AF_INET6, "fd00:96::1")):
    for size in (1200, 1400, 2000):
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.settimeout(0.3)
        s.connect((address, 9))
        answers = 0
        for _ in range(8):
            try:
                s.send(b"x" * size)
                answers += s.recv(99) == str(size).encode()
            except OSError:
                pass
        name = "IPv6" if family == socket.AF_INET6 else "IPv4"
        print(name, size, "none" if answers == 0 else "most" if answers > 5 else answers)
P
)
kill $server
printf 'Linux %s, %s\nOf 8 datagrams through DNAT, MTU 1300 on the way, were answered:\n%s\n' \
  "$(uname -r)" "$(nft --version)" "$seen"
[ "$seen" = "IPv4 1200 most
IPv4 1400 most
IPv4 2000 most
IPv6 1200 most
IPv6 1400 none
IPv6 2000 most" ] || { echo "It has changed."; exit 1; }
