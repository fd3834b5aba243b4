// A ServiceCIDR as the API or a YAML file has it → a ServiceCIDR of the model.

import { parseCIDR } from "./ip.ts";
import { listOf, ObjectReader, type Parsed } from "./json.ts";
import type { ServiceCIDR } from "./types.ts";

/** Returns no value without a name. Leaves out bad CIDRs, each with a problem. */
export function serviceCIDRFromObject(json: unknown): Parsed<ServiceCIDR> {
  const reader = new ObjectReader("ServiceCIDR", json, false);
  const cidrs = reader.parsedTexts("spec.cidrs", listOf(reader.spec.cidrs), parseCIDR);
  return reader.result({ name: reader.name, cidrs });
}
