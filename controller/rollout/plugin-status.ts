// What the controller reports about the plugin in service. A type only.

export interface PluginStatus {
  /** First 12 hex digits of the module's SHA-256; empty while none is active. */
  build: string;
  bytes: number;
  /** "shipped", or the file it was loaded from. */
  source: string;
  /** ISO 8601; empty while none is active. */
  activeSince: string;
  /** The last module that was refused, and why. */
  lastRejection: { build: string; reason: string; at: string } | null;
}
