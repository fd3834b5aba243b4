// What a kubeconfig, or a Pod's service account, says about one API server: where it is, how it is
// recognised, and who asks. No I/O; credentials.ts reads the files that are named here.

/** PEM as text, or the path of its file. */
export type Material = { text: string } | { file: string };

export interface ApiAccess {
  /** For messages: "the kubeconfig /etc/portico/config". */
  source: string;
  /** A URL without a slash at its end; it may have a path. */
  server: string;
  /** Of the context; undefined when it names none. */
  namespace: string | undefined;
  tls: {
    /** Undefined: the server's own name or address. */
    serverName: string | undefined;
    /** Whether any certificate will do. */
    insecure: boolean;
    /** Undefined: the system's and Node's own list. */
    authority: Material | undefined;
  };
  user: ApiUser;
  /** From proxy-url, or from the environment; undefined: none. */
  proxy: URL | undefined;
}

/** At most one of token and basic; `exec` counts when there is none of the others. */
export interface ApiUser {
  certificate: { cert: Material; key: Material } | undefined;
  /** What the file says, once it was read, comes before the text. */
  token: { text: string; file: string | undefined } | undefined;
  basic: { username: string; password: string } | undefined;
  exec: ExecPlugin | undefined;
  /** Headers of impersonation; empty for none. */
  impersonation: Record<string, string | string[]>;
}

/** The fields of ExecConfig (client-go tools/clientcmd/api/v1/types.go). */
export interface ExecPlugin {
  apiVersion: string;
  /** A path when it has a slash, otherwise looked for on PATH. */
  command: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  interactiveMode: "Never" | "IfAvailable" | "Always";
  installHint: string;
  /** The cluster's description is handed over; undefined: not. Its CA is added when it runs. */
  clusterInfo: Record<string, unknown> | undefined;
}
