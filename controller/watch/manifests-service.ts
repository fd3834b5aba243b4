// A Service as a YAML file has it → a Service of the model, and what the API server would refuse in
// it that a proxy has no eye for: in a cluster no such Service exists.

import { serviceFromObject } from "../model/from-service.ts";
import { listOf, type Parsed, recordOf, shown, textOf } from "../model/json.ts";
import type { Problem, Service } from "../model/types.ts";

/** As serviceFromObject; with more problems. */
export function manifestServiceFromObject(json: unknown): Parsed<Service> {
  const { value, problems } = serviceFromObject(json);
  if (!value) return { value, problems };
  const object = `Service ${value.namespace}/${value.name}`;
  const { spec } = recordOf(json);
  const found = [...selectorFaults(spec), ...targetPortFaults(spec), ...nameFaults(value)];
  return { value, problems: [...problems, ...found.map((message) => ({ object, message }))] };
}

/** A number that fell out of the selector would have it select more. */
function selectorFaults(spec: unknown): Problem["message"][] {
  const { selector } = recordOf(spec);
  const wrong = Object.entries(recordOf(selector)).filter(([, value]) => {
    return typeof value !== "string" && value !== null;
  });
  return wrong.map(([key, value]) => {
    return `spec.selector.${key} is ${shown(value)}; it must be a text: put it in quotes`;
  });
}

/** A name has a letter (ValidatePortNumOrName); a number in quotes is no number. */
function targetPortFaults(spec: unknown): Problem["message"][] {
  return listOf(recordOf(spec).ports).flatMap((port, index) => {
    const { targetPort } = recordOf(port);
    const text = textOf(targetPort);
    if (text === "" || /[a-z]/.test(text)) return [];
    const given = `spec.ports[${index}].targetPort is ${shown(targetPort)}`;
    return [`${given}; write a number without quotes, or the name of a container's port`];
  });
}

/** Several ports are known by their names. */
function nameFaults({ ports }: Service): Problem["message"][] {
  if (ports.length < 2) return [];
  const names = ports.map(({ name }) => name);
  if (names.includes("")) return ["spec.ports: of several ports, each must have a name"];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined ? [] : [`spec.ports: two have the name ${JSON.stringify(twice)}`];
}
