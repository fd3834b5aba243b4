// One Service → the rules that kube-proxy's nftables mode has for it, chain for chain (1.37,
// pkg/proxy/nftables/proxier.go), less the sets that are empty. Text for `nft -f`.

interface KubeProxyService {
  protocol: "tcp" | "udp";
  address: string;
  port: number;
  targetPort: number;
  backends: readonly string[];
}

export function rulesOfKubeProxy({
  protocol,
  address,
  port,
  targetPort,
  backends,
}: KubeProxyService): string {
  const picks = backends.map((_, index) => `${index} : goto endpoint-${index}`);
  const endpoints = backends.map(
    (backend, index) => `
  chain endpoint-${index} {
    ip saddr ${backend} jump mark-for-masquerade
    meta l4proto ${protocol} dnat to ${backend}:${targetPort}
  }`,
  );
  return `
table ip kube-proxy {
  set cluster-ips { type ipv4_addr; elements = { ${address} } }
  set nodeport-ips { type ipv4_addr; elements = { 192.0.2.1 } }
  map service-ips {
    type ipv4_addr . inet_proto . inet_service : verdict
    elements = { ${address} . ${protocol} . ${port} : goto service-dialled }
  }
  map service-nodeports { type inet_proto . inet_service : verdict; }
  map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; }
  map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }
  map firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict; }

  chain mark-for-masquerade { meta mark set meta mark or 0x4000; }
  chain masquerading {
    meta mark & 0x4000 == 0 return
    meta mark set meta mark xor 0x4000
    masquerade fully-random
  }${endpoints.join("")}
  chain service-dialled {
    ip daddr ${address} ${protocol} dport ${port} ip saddr != 10.1.0.0/16 jump mark-for-masquerade
    numgen random mod ${backends.length} vmap { ${picks.join(", ")} }
  }
  chain services {
    ip daddr . meta l4proto . th dport vmap @service-ips
    ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
  }
  chain service-endpoints-check {
    ip daddr . meta l4proto . th dport vmap @no-endpoint-services
    ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
  }
  chain firewall-check { ip daddr . meta l4proto . th dport vmap @firewall-ips; }
  chain cluster-ips-check { ip daddr @cluster-ips reject; }

  chain filter-prerouting {
    type filter hook prerouting priority dstnat - 10
    ct state new jump firewall-check
  }
  chain filter-input {
    type filter hook input priority -110
    ct state new jump service-endpoints-check
  }
  chain filter-forward {
    type filter hook forward priority -110
    ct state new jump service-endpoints-check
  }
  chain filter-output {
    type filter hook output priority -110
    ct state new jump service-endpoints-check
    ct state new jump firewall-check
  }
  chain filter-output-post-dnat {
    type filter hook output priority -90
    ct state new jump cluster-ips-check
  }
  chain filter-forward-post-dnat {
    type filter hook forward priority 0
    ct state new jump cluster-ips-check
  }
  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
  chain nat-postrouting { type nat hook postrouting priority srcnat; jump masquerading; }
}
`;
}
