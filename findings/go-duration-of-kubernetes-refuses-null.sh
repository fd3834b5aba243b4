#!/bin/sh
# k8s.io/apimachinery 0.37.2: null in place of a metav1.Duration is an error, and in place of a
# *metav1.Duration, an int or a section it is as if nothing were there.
#
# A guess from memory: null and absent are the same in the configuration of Kubernetes' components,
# as in the files that kubeadm writes (tcpCloseWaitTimeout: null, oomScoreAdj: null). But in
# KubeProxyConfiguration iptables.syncPeriod, configSyncPeriod and conntrack.udpTimeout are no
# pointers: "syncPeriod: null", which a template gives for a value that is not set, ends kube-proxy
# with `time: invalid duration ""`. encoding/json calls UnmarshalJSON with null there.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
)

type section struct {
	Value   metav1.Duration  `json:"value"`
	Pointer *metav1.Duration `json:"pointer"`
	Number  int32            `json:"number"`
}

func main() {
	for _, text := range []string{`{}`, `{"pointer": null}`, `{"number": null}`, `{"value": null}`} {
		fmt.Println(text, json.UnmarshalCaseSensitivePreserveInts([]byte(text), &section{}))
	}
}
GO
cat >go.mod <<'MOD'
module finding

go 1.26.0

require k8s.io/apimachinery v0.37.2
MOD
GOFLAGS=-mod=mod go mod tidy >tidy.log 2>&1 || { cat tidy.log; exit 1; }
go run . | tee seen
test "$(grep -c '<nil>$' seen)" = 3
grep -q '^{"value": null} time: invalid duration ""$' seen
