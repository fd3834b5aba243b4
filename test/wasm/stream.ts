// What the fake host knows of one stream context while a callback of it runs: what the guest may
// read, and what it did.

export interface LocalResponse {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** A text, or the bytes of what is no text. */
type Properties = Record<string, string | Buffer>;

export interface RootStream {
  kind: "root";
  properties: Properties;
  configuration: Buffer;
  /** As the guest asked for; 0 for no ticks. */
  tickMilliseconds: number;
}

export interface ConnectionStream {
  kind: "connection";
  root: RootStream;
  properties: Properties;
  /** By path; set through set_envoy_filter_state. */
  filterState: Map<string, { value: string; span: number }>;
  closed: boolean;
}

export interface RequestStream {
  kind: "request";
  root: RootStream;
  properties: Properties;
  headers: Record<string, string>;
  body: Buffer;
  response: LocalResponse | undefined;
}

export type Stream = RootStream | ConnectionStream | RequestStream;
