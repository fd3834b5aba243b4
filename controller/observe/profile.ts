// CPU and heap profiles of the controller, in V8's formats (.cpuprofile, .heapprofile: Chrome's
// DevTools open them). Only with profiling enabled: it costs, and shows what the process does.

import { Session } from "node:inspector/promises";
import { setTimeout as delay } from "node:timers/promises";
import { type Answer, JSON_TYPE, type Route, TEXT } from "./http-endpoint.ts";

const DEFAULT_SECONDS = 10;
const MOST_SECONDS = 120;

/** Under the paths that Go programs have them, e.g. /debug/pprof/profile?seconds=5. */
export function profileRoutes(): Record<string, Route> {
  let busy = false;
  const one = (take: (session: Session, seconds: number) => Promise<object>): Route => {
    return async (query) => {
      const seconds = Number(query.get("seconds") ?? DEFAULT_SECONDS);
      if (!(seconds > 0 && seconds <= MOST_SECONDS)) {
        return text(400, `seconds: from 0 to ${MOST_SECONDS}\n`);
      }
      if (busy) return text(409, "a profile is being taken; try again later\n");
      busy = true;
      const session = new Session();
      session.connect();
      try {
        const profile = await take(session, seconds);
        return { status: 200, type: JSON_TYPE, body: JSON.stringify(profile) };
      } finally {
        session.disconnect();
        busy = false;
      }
    };
  };
  return { "/debug/pprof/profile": one(cpuProfile), "/debug/pprof/heap": one(heapProfile) };
}

async function cpuProfile(session: Session, seconds: number): Promise<object> {
  await session.post("Profiler.enable");
  await session.post("Profiler.start");
  await delay(seconds * 1_000);
  return (await session.post("Profiler.stop")).profile;
}

/** What is allocated in the meantime and still there at the end, sampled. */
async function heapProfile(session: Session, seconds: number): Promise<object> {
  await session.post("HeapProfiler.startSampling");
  await delay(seconds * 1_000);
  return (await session.post("HeapProfiler.stopSampling")).profile;
}

function text(status: number, body: string): Answer {
  return { status, type: TEXT, body };
}
