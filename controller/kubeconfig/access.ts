// What a kubeconfig, or a Pod's service account, says about one API server: its address, how to
// verify it, and the user. No I/O; credentials.ts reads the files named here.

/** PEM as text, or the path of its file. */
export type Material = { text: string } | { file: string };

export interface ApiAccess {
  /** For messages: "the kubeconfig /etc/portico/config". */
  source: string;
  /** A URL without a slash at its end; it may have a path. */
  server: string;
  /** The context's; undefined when it names none. */
  namespace: string | undefined;
  tls: {
    /** Undefined: the server's own name or address. */
    serverName: string | undefined;
    /** Whether any certificate is accepted. */
    insecure: boolean;
    /** Undefined: the system's list and Node's own. */
    authority: Material | undefined;
  };
  user: ApiUser;
  /** From proxy-url, or from the environment; undefined: none. */
  proxy: URL | undefined;
}

/** At most one of token and basic; `exec` counts only without the others. */
export interface ApiUser {
  certificate: { cert: Material; key: Material } | undefined;
  /** The file's content, once it was read, wins over the text. */
  token: { text: string; file: string | undefined } | undefined;
  basic: { username: string; password: string } | undefined;
  exec: ExecPlugin | undefined;
  /** Impersonation headers; empty for none. */
  impersonation: Record<string, string | string[]>;
}

/** The fields of ExecConfig (client-go tools/clientcmd/api/v1/types.go). */
export interface ExecPlugin {
  apiVersion: string;
  /** A path when it contains a slash, otherwise searched on PATH. */
  command: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  interactiveMode: "Never" | "IfAvailable" | "Always";
  installHint: string;
  /** The cluster's description for the plugin; undefined: none. Its CA is added when it runs. */
  clusterInfo: Record<string, unknown> | undefined;
}
