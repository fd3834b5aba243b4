import { expect, it } from "vitest";
import { functionChoice } from "./function-choice.ts";
import { ObjectReader } from "./json.ts";

function read(annotations: Record<string, string>) {
  const reader = new ObjectReader(
    "Service",
    { metadata: { name: "web", namespace: "shop", annotations } },
    true,
  );
  const choice = functionChoice(reader);
  return { choice, problems: reader.problems.map(({ message }) => message) };
}

it("is a name and parameters, in the order of their names", () => {
  expect(read({})).toEqual({ choice: undefined, problems: [] });
  expect(read({ "portico.dev/pick": " split " })).toEqual({
    choice: { name: "split", parameters: {} },
    problems: [],
  });
  const both = {
    "portico.dev/pick": "split",
    "portico.dev/pick-parameters": '{"share": 10, "always": true, "high": -1.5}',
  };
  const { choice, problems } = read(both);
  expect(JSON.stringify(choice?.parameters)).toBe('{"always":true,"high":-1.5,"share":10}');
  expect(problems).toEqual([]);
});

it.each([
  ["no name", { "portico.dev/pick": "Split!" }, "it must be the name of a function"],
  ["a path", { "portico.dev/pick": "../split" }, "it must be the name of a function"],
  ["no JSON", parameters("share=10"), "it must be a JSON object"],
  ["a list", parameters("[1]"), "it must be a JSON object"],
  ["a text", parameters('{"share": "10"}'), "it must be a JSON object"],
  ["another name", parameters('{"a b": 1}'), "it must be a JSON object"],
  ["no function", { "portico.dev/pick-parameters": '{"share": 1}' }, "it needs portico.dev/pick"],
])("is refused with %s, and balancing applies", (_what, annotations, words) => {
  const { choice, problems } = read(annotations);
  expect(choice).toBeUndefined();
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(words);
});

function parameters(text: string) {
  return { "portico.dev/pick": "split", "portico.dev/pick-parameters": text };
}
