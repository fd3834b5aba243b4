// Rules of a VM's start and end: roles, configuration, the first answer.

import { WIRE_VERSION } from "../../plugin/wire/layout.ts";
import { Broken, BUILD, expectSame, Lacks, type Rule } from "./rule.ts";
import { objectIn, versionOf } from "./table.ts";

/** What controller/daemon writes after the build (plugin/contexts/configuration.ts). */
const OPTIONS = ["", ",stats=off", ",stats=service", ",stats=backend", ",names"];

export const START_RULES: readonly Rule[] = [
  {
    name: 'takes the roles "connection" and "table" in one VM, "connection-local" in another',
    otherwise: "Envoy refuses the filter, and `portico plugin load` with it",
    isGround: true,
    async judge(trial) {
      await trial.host();
    },
  },
  {
    name: "takes the options that the controller may write after the build",
    otherwise: "it loads until a flag of `portico run` is set (--service-metrics, a flow log)",
    async judge(trial) {
      const host = await trial.host();
      for (const role of ["connection", "table", "connection-local"]) {
        for (const options of [...OPTIONS, ",stats=backend,names"]) {
          if (await host.wouldConfigure(role, `${BUILD}${options}`)) continue;
          const said = host.logs.at(-1)?.message ?? "nothing is logged";
          throw new Broken(`${role} refuses the configuration "${BUILD}${options}": ${said}`);
        }
      }
    },
  },
  {
    name: "refuses a root_id, and a configuration, that it does not know",
    otherwise: "an Envoy with a slip in its bootstrap starts, and serves something else",
    async judge(trial) {
      const host = await trial.host();
      const taken = [
        ...((await host.wouldConfigure("conection")) ? ['the root_id "conection"'] : []),
        ...((await host.wouldConfigure("table", `${BUILD},stts=off`)) ? ['the option "stts"'] : []),
      ];
      if (taken.length > 0) throw new Lacks(`it takes ${taken.join(" and ")}`);
    },
  },
  {
    name: "answers GET /v1/version with the build of its configuration and this wire version",
    otherwise:
      "`portico plugin load` waits 5 s for that build and goes back to the old one; " +
      "`portico table` refuses another wire version",
    async judge(trial) {
      const { build, wireVersion } = versionOf(await trial.host());
      expectSame('"build" in GET /v1/version', build, BUILD);
      expectSame('"wireVersion" in GET /v1/version', wireVersion, WIRE_VERSION);
    },
  },
  {
    name: "answers each request, with an error where it does not know the path",
    otherwise: "the controller waits 5 s for each request that is not answered",
    async judge(trial) {
      const host = await trial.host();
      for (const path of ["/", "", "/v1/nothing", `/v1/${"x".repeat(10_000)}`, "/v1/versions"]) {
        for (const body of [undefined, new Uint8Array(100)]) {
          const answer = host.request(body ? "POST" : "GET", path, body);
          const shownPath = JSON.stringify(path.slice(0, 40));
          expectSame(`the status of a request to ${shownPath}`, answer.status, 404);
        }
      }
      for (const [method, path] of [
        ["GET", "/v1/frames"],
        ["PUT", "/v1/frames"],
        ["POST", "/v1/version"],
      ] as const) {
        const answer = host.request(method, path);
        if (answer.status >= 400 && objectIn(`${method} ${path}`, answer).error) continue;
        throw new Broken(`${method} ${path} is answered by ${answer.status}, not by an error`);
      }
    },
  },
  {
    name: "ends with its contexts",
    otherwise: "Envoy keeps the VM of the old code after each load",
    async judge(trial) {
      const host = await trial.host({ workers: 2 });
      versionOf(host);
      host.close();
    },
  },
];
