// A Service in a YAML file → a Service of the model, and what the API server would refuse in it but
// a proxy does not check: in a cluster no such Service exists.

import { serviceFromObject } from "../model/from-service.ts";
import { listOf, type Parsed, recordOf, shown, textOf } from "../model/json.ts";
import type { Problem, Service } from "../model/types.ts";

/** As serviceFromObject, with more problems. */
export function manifestServiceFromObject(json: unknown): Parsed<Service> {
  const { value, problems } = serviceFromObject(json);
  if (!value) return { value, problems };
  const object = `Service ${value.namespace}/${value.name}`;
  const { spec } = recordOf(json);
  const found = [...selectorFaults(spec), ...targetPortFaults(spec), ...nameFaults(value)];
  return { value, problems: [...problems, ...found.map((message) => ({ object, message }))] };
}

/** A selector without its faulty value would select more Pods. */
function selectorFaults(spec: unknown): Problem["message"][] {
  const { selector } = recordOf(spec);
  const wrong = Object.entries(recordOf(selector)).filter(([, value]) => {
    return typeof value !== "string" && value !== null;
  });
  return wrong.map(([key, value]) => {
    return `spec.selector.${key} is ${shown(value)}; it must be a text: put it in quotes`;
  });
}

/** A name has a letter (ValidatePortNumOrName); a number in quotes is not a number. */
function targetPortFaults(spec: unknown): Problem["message"][] {
  return listOf(recordOf(spec).ports).flatMap((port, index) => {
    const { targetPort } = recordOf(port);
    const text = textOf(targetPort);
    if (text === "" || /[a-z]/.test(text)) return [];
    const given = `spec.ports[${index}].targetPort is ${shown(targetPort)}`;
    return [`${given}; write a number without quotes, or the name of a container's port`];
  });
}

/** Several ports need names to distinguish them. */
function nameFaults({ ports }: Service): Problem["message"][] {
  if (ports.length < 2) return [];
  const names = ports.map(({ name }) => name);
  if (names.includes("")) return ["spec.ports: with several ports, each must have a name"];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined
    ? []
    : [`spec.ports: two ports have the name ${JSON.stringify(twice)}`];
}
