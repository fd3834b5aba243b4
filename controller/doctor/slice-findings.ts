// Do the EndpointSlices of a Service match its Pods, and can a proxy use them? Pure.

import { familyOf } from "../model/ip.ts";
import type { Endpoint, EndpointSlice } from "../model/types.ts";
import { count, portText, readSlices, type ServiceCase, some } from "./case.ts";
import { allSlices, getSlice, getSlices } from "./kubectl.ts";
import { SLICE_CONTROLLER } from "./objects.ts";
import type { DoctorPod, Finding } from "./types.ts";

/**
 * Reports slices that a proxy cannot read, that others made, or that list other Pods than the
 * selector matches; one finding says that they are right.
 */
export function sliceFindings(of: ServiceCase): Finding[] {
  const foreign = [...unreadable(of), ...byOthers(of)];
  if (of.selectorText === "") return [...foreign, ...portsByHand(of), ...readinessOfSlices(of)];
  if (!of.pods) return [...foreign, ...withoutPods(of)];
  const isOfFamily = (address: string) => of.families.includes(familyOf(address));
  const addressed = of.pods.filter(({ pod }) => pod.podIPs.some(isOfFamily));
  if (addressed.length === 0) {
    return of.pods.some(({ pod }) => pod.podIPs.length > 0)
      ? [...foreign, ...families(of)]
      : foreign;
  }
  if (readSlices(of).length === 0) return [...foreign, noSlices(of)];
  const stale = staleness(of, addressed);
  const { service } = of;
  const text = `its EndpointSlices list every Pod that its selector matches`;
  const fresh = of.find("ok", "slices", text, getSlices(service));
  return [...foreign, ...(stale.length > 0 ? stale : [fresh]), ...families(of)];
}

function noSlices(of: ServiceCase): Finding {
  const text =
    "it has no EndpointSlice, although its selector matches Pods with addresses: is " +
    "kube-controller-manager running, with its endpointslice-controller?";
  return of.find("error", "no-slices", text, allSlices(of.service.namespace));
}

/** Reports slices of host names, which no proxy reads, and slices that are hidden from proxies. */
function unreadable(of: ServiceCase): Finding[] {
  const { service } = of;
  return of.slices.flatMap(({ namespace, name, slice }) => {
    const command = getSlice(namespace, name);
    if (!slice) {
      const text = `its EndpointSlice ${name} has an addressType that no proxy serves (IPv4, IPv6)`;
      return of.find("warning", "slice-address-type", text, command);
    }
    if (service.headless || !slice.headlessLabel) return [];
    const label = "service.kubernetes.io/headless";
    const text = `its EndpointSlice ${name} has the label ${label}: no proxy reads it`;
    return of.find("warning", "slice-headless-label", text, command);
  });
}

/** Slices of another author, for a Service with a selector, add endpoints to those of its Pods. */
function byOthers(of: ServiceCase): Finding[] {
  if (of.selectorText === "") return [];
  const others = of.slices.filter(({ managedBy }) => managedBy !== SLICE_CONTROLLER);
  return others.flatMap(({ namespace, name, managedBy, slice }) => {
    const addresses = (slice?.endpoints ?? []).map(({ address }) => address);
    if (addresses.length === 0) return [];
    const author = managedBy === "" ? "nobody" : managedBy;
    const text =
      `EndpointSlice ${name} (managed by ${author}) adds ${some(addresses)} to the endpoints ` +
      "of its selector; they get connections too";
    return of.find("warning", "foreign-slice", text, getSlice(namespace, name));
  });
}

/** In hand-written slices, names and protocols of ports must be the Service's. */
function portsByHand(of: ServiceCase): Finding[] {
  const slices = readSlices(of).filter(({ endpoints }) => endpoints.length > 0);
  if (slices.length === 0) return [];
  const { service } = of;
  return service.ports.flatMap((port) => {
    const { name, protocol } = port;
    const isThere = slices.some(({ ports }) => {
      return ports.some((each) => each.name === name && each.protocol === protocol);
    });
    if (isThere) return [];
    const present = slices
      .flatMap(({ ports }) => ports)
      .map((each) => {
        return `${JSON.stringify(each.name)} (${each.protocol})`;
      });
    const text =
      `no EndpointSlice has its port ${portText(port)}: a slice's port must have the same name, ` +
      `${JSON.stringify(name)}, and protocol; they have ${some([...new Set(present)])}`;
    return of.find("error", "slice-port-unknown", text, getSlices(service));
  });
}

/** For hand-written slices, and where Pods could not be read. */
function readinessOfSlices(of: ServiceCase): Finding[] {
  const endpoints = readSlices(of).flatMap((slice) => slice.endpoints);
  const usable = endpoints.filter(isUsable);
  if (endpoints.length === 0) return [];
  const command = getSlices(of.service);
  if (usable.length === 0) {
    const isOne = endpoints.length === 1;
    const text = isOne
      ? "its only endpoint is not ready"
      : `none of its ${endpoints.length} endpoints is ready`;
    return [of.find("error", "no-ready-endpoints", text, command)];
  }
  const text = `${usable.length} of ${count(endpoints.length, "endpoint")} ready`;
  return [of.find("ok", "endpoints", text, command)];
}

function isUsable({ ready, serving, terminating }: Endpoint): boolean {
  return ready || (serving && terminating);
}

/** Reports what slices alone show. */
function withoutPods(of: ServiceCase): Finding[] {
  const slices = readSlices(of);
  if (slices.length === 0) return [noSlices(of)];
  if (slices.some(({ endpoints }) => endpoints.length > 0)) {
    return [...unnamedPorts(of, slices), ...readinessOfSlices(of)];
  }
  const text = `no Pod that has an address matches its selector ${of.selectorText}`;
  return [of.find("error", "selector-matches-nothing", text, getSlices(of.service))];
}

function unnamedPorts(of: ServiceCase, slices: readonly EndpointSlice[]): Finding[] {
  const missing = of.service.ports.filter(({ name, protocol }) => {
    const has = ({ ports, endpoints }: EndpointSlice) =>
      endpoints.length > 0 && ports.some((e) => e.name === name && e.protocol === protocol);
    return !slices.some(has);
  });
  return missing.map((port) => {
    const target = of.targetPortOf(port);
    const which = `its port ${portText(port)}`;
    const text = `no endpoint has ${which}: no Pod knows targetPort ${target}`;
    return of.find("error", "target-port-unknown", text, getSlices(of.service));
  });
}

/** Reports Pods that should be in slices and are not, and the reverse. */
function staleness(of: ServiceCase, pods: readonly DoctorPod[]): Finding[] {
  const wanted = new Set<string>(of.families);
  const isListed = new Map<string, Endpoint>();
  for (const { addressType, endpoints } of readSlices(of)) {
    if (!wanted.has(addressType)) continue;
    for (const endpoint of endpoints) isListed.set(endpoint.address, endpoint);
  }
  const command = getSlices(of.service);
  const missing: string[] = [];
  const unready: string[] = [];
  for (const { pod, trouble } of pods) {
    const own = pod.podIPs.filter((address) => wanted.has(familyOf(address)));
    if (own.length === 0 || pod.terminating) continue;
    const endpoints = own.map((address) => isListed.get(address));
    if (endpoints.includes(undefined)) missing.push(pod.name);
    else if (!trouble && endpoints.some((each) => each?.ready === false)) unready.push(pod.name);
  }
  const findings: Finding[] = [];
  const late = "kube-controller-manager is late, or not running";
  if (missing.length > 0) {
    const text = `no EndpointSlice lists ${some(missing)}, although its selector matches: ${late}`;
    findings.push(of.find("error", "stale-slices", text, command));
  }
  if (unready.length > 0) {
    const text = `its EndpointSlices mark ${some(unready)} as not ready, but it is ready: ${late}`;
    findings.push(of.find("error", "stale-slices", text, command));
  }
  return [...findings, ...leftovers(of, late)];
}

/** Reports endpoints of the controller's own slices that no Pod has any more. */
function leftovers(of: ServiceCase, late: string): Finding[] {
  const matched = [...(of.pods ?? []), ...of.finishedPods];
  const present = new Set(matched.flatMap(({ pod }) => pod.podIPs));
  const controlled = of.slices.filter(({ managedBy }) => managedBy === SLICE_CONTROLLER);
  const addresses = controlled.flatMap(({ slice }) => slice?.endpoints ?? []).map((e) => e.address);
  const gone = addresses.filter((address) => !present.has(address));
  if (gone.length === 0) return [];
  const which = `${some(gone)}, which no selected Pod has`;
  const text = `its EndpointSlices list ${which}: ${late}`;
  return [of.find("error", "stale-slices", text, getSlices(of.service))];
}

/** An address of a family that the Pods lack leads nowhere. */
function families(of: ServiceCase): Finding[] {
  const { service } = of;
  const slices = readSlices(of);
  return service.clusterIPs.flatMap((address) => {
    const family = familyOf(address);
    const own = slices.filter(({ addressType }) => addressType === family);
    if (own.some(({ endpoints }) => endpoints.length > 0)) return [];
    const isOnly = service.clusterIPs.length === 1;
    const text = `its Pods have no ${family} address, and its cluster IP ${address} is ${family}`;
    const level = isOnly ? "error" : "warning";
    return of.find(level, "family-without-endpoints", text, getSlices(service));
  });
}
