#!/bin/sh
# Linux 6.18, nftables 1.0.6: `masquerade fully-random` gives a client's SYN a source port that the
# server still has in TIME_WAIT from another client. The server finds the new client's TCP timestamp
# older, drops the SYN (TcpExtPAWSTimewait), and the client waits 1 s for its next one.
#
# A guess from memory: connection tracking keeps a masqueraded port for 120 s after the end
# (nf_conntrack_tcp_timeout_time_wait), longer than a server's TIME_WAIT of 60 s, so no port comes
# back too early. In truth a client that uses its own port again, as it may when the server closed
# first, reopens its entry: the old one goes with the port it had, and the new connection gets
# another. Each client's timestamps begin at an offset of its own (tcp_timestamps=1), so half of the
# others are behind. Node ports and external traffic policy Cluster are such masquerading, in
# kube-proxy's rules too: at 470 connections a second from one client it begins.
#
# Uses nftables (a Debian package) in network namespaces of its own.
set -eu
dir=$(mktemp -d)
id="f$$"
all="a router server"
trap 'for n in $all; do ip netns del "$id-$n" 2>/dev/null || true; done; rm -rf "$dir"' EXIT
cd "$dir"
# apt's sandbox user cannot write into the folder; the packages are only unpacked, not installed.
apt-get -o APT::Sandbox::User=root download -q nftables=1.0.6-2+deb12u2 \
  libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 >/dev/null
for package in ./*.deb; do dpkg-deb -x "$package" "$dir/root"; done
LD_LIBRARY_PATH=$(dirname "$(find "$dir/root" -name 'libnftables.so.1')")
export LD_LIBRARY_PATH
nft="$dir/root/usr/sbin/nft"
echo "Linux $(uname -r), $("$nft" --version)"

in_ns() { name=$1; shift; ip netns exec "$id-$name" "$@"; }
for n in $all; do ip netns add "$id-$n"; ip -n "$id-$n" link set lo up; done
ip link add c netns "$id-router" type veth peer name eth0 netns "$id-a"
ip link add s netns "$id-router" type veth peer name eth0 netns "$id-server"
for pair in router:c:10.0.1.1 router:s:10.0.2.1 a:eth0:10.0.1.2 server:eth0:10.0.2.2; do
  IFS=: read -r n link address <<PAIR
$pair
PAIR
  ip -n "$id-$n" address add "$address/24" dev "$link"
  ip -n "$id-$n" link set "$link" up
done
# The first client, and ten others of the same machine: an offset goes by the address.
for last in 11 12 13 14 15 16 17 18 19 20; do ip -n "$id-a" address add 10.0.1.$last/24 dev eth0; done
ip -n "$id-a" route add default via 10.0.1.1
in_ns router sysctl -qw net.ipv4.ip_forward=1
# Few ports, so that few connections show it.
in_ns router "$nft" -f - <<'NFT'
add table ip t
add chain ip t post { type nat hook postrouting priority srcnat; }
add rule ip t post oifname "s" meta l4proto tcp masquerade to :40000-40199 fully-random
NFT

# Closes first, as an HTTP server with Connection: close does.
in_ns server python3 -c '
import socket
server = socket.create_server(("", 80), backlog=64)
while True:
    connection, _ = server.accept()
    connection.close()
' &
server=$!
trap 'kill $server; for n in $all; do ip netns del "$id-$n" 2>/dev/null || true; done; rm -rf "$dir"' EXIT
cat > dial.py <<'PY'
import socket, sys, time
address, ports = sys.argv[1], [int(port) for port in sys.argv[2].split("-")]
count, slow = int(sys.argv[3]), 0
for number in range(count):
    dialled = socket.socket()
    dialled.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    dialled.bind((address, ports[0] + number % (ports[1] - ports[0] + 1)))
    dialled.settimeout(10)
    begin = time.monotonic()
    dialled.connect(("10.0.2.2", 80))
    slow += time.monotonic() - begin > 0.9
    dialled.recv(1)
    dialled.close()
    time.sleep(0.01)
print(slow)
PY
sleep 1
echo "of 150 by the first client, from one port, waited: $(in_ns a python3 dial.py 10.0.1.2 5000-5000 150)"
slow=0
for last in 11 12 13 14 15 16 17 18 19 20; do
  one=$(in_ns a python3 dial.py 10.0.1.$last 6000-6005 6)
  slow=$((slow + one))
done
echo "of 60 by others, each from ports of its own, waited: $slow"
counter() { in_ns server awk '/^TcpExt:/ { if (!n) n = split($0, names); else split($0, values) }
  END { for (i = 2; i <= n; i++) if (names[i] == "PAWSTimewait") print values[i] }' /proc/net/netstat; }
echo "SYNs that the server dropped, PAWSTimewait: $(counter)"
[ "$slow" -gt 0 ] && [ "$(counter)" -gt 0 ]
