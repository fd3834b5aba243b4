// Requests to the page's server. It does not send again what has not changed since the last answer.

class Lost extends Error {
  override readonly name = "Lost";
}

/** The server does not know this name. */
export class Unknown extends Error {
  override readonly name = "Unknown";
}

interface Known {
  etag: string;
  body: unknown;
}

const PATIENCE_MS = 10_000;
/** How many answers are kept, for repeated questions. */
const MOST_KEPT = 16;
const kept = new Map<string, Known>();
let clockAheadMs = 0;

/** Returns the time of the server's clock, by which the page shows ages. */
export function serverNow(): number {
  return Date.now() + clockAheadMs;
}

/** Returns the same object as last time when nothing changed. Rejects with Lost, or Unknown. */
export async function ask<T>(path: string, query: Record<string, string> = {}): Promise<T> {
  const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ""));
  const url = words.size === 0 ? path : `${path}?${words}`;
  const known = kept.get(url);
  const response = await fetch(url, {
    cache: "no-store",
    headers: known ? { "if-none-match": known.etag } : {},
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).catch(() => {
    throw new Lost();
  });
  readClock(response);
  if (response.status === 304 && known) return known.body as T;
  if (response.status === 404) throw new Unknown(url);
  if (!response.ok) throw new Lost((await response.text()).trim());
  const body = (await response.json()) as T;
  keep(url, { etag: response.headers.get("etag") ?? "", body });
  return body;
}

function readClock(response: Response): void {
  const date = Date.parse(response.headers.get("date") ?? "");
  // The header has whole seconds; a difference below two seconds counts as none.
  const ahead = date + 500 - Date.now();
  if (!Number.isNaN(date)) clockAheadMs = Math.abs(ahead) < 2_000 ? 0 : ahead;
}

function keep(url: string, known: Known): void {
  kept.delete(url);
  kept.set(url, known);
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST_KEPT) return;
    kept.delete(oldest);
  }
}
