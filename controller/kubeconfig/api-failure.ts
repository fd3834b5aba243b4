// What failed between the controller and the API server → a code to act on, a message and a hint.

export type FailureCode =
  /** No connection: refused, no route, unknown name, no answer in time. */
  | "unreachable"
  | "certificate"
  /** The controller's own credentials cannot be read or made. */
  | "credentials"
  | "unauthorized"
  | "forbidden"
  /** The resource does not exist on this server. */
  | "absent"
  /** The server has forgotten the resource version: list again. */
  | "gone"
  /** The server rejects the request (400, 422). */
  | "refused"
  /** 429 or 5xx. */
  | "unwell"
  /** The connection broke in the middle. */
  | "cut"
  /** Nothing arrived for longer than the limit. */
  | "silent"
  /** The answer does not follow the API. */
  | "garbled";

/** What is requested, in the words of RBAC. */
export interface Asked {
  verb: "list" | "watch";
  /** Plural, such as "endpointslices". */
  resource: string;
  /** Empty for the core group. */
  apiGroup: string;
}

export class ApiFailure extends Error {
  readonly code: FailureCode;
  /** What an operator can do about it. */
  readonly hint: string;
  /** The server's Retry-After; 0 without one. */
  readonly retryAfterMs: number;

  constructor(code: FailureCode, message: string, hint: string, retryAfterMs = 0) {
    super(message);
    this.name = "ApiFailure";
    this.code = code;
    this.hint = hint;
    this.retryAfterMs = retryAfterMs;
  }
}

const WAIT = "Portico retries, and keeps serving what it has.";

/**
 * Returns the failure for an HTTP status other than 200, or the code of a Status object in a watch.
 * `message` is the Status object's; empty when there is none.
 */
export function failureFromStatus(
  asked: Asked,
  status: number,
  message: string,
  retryAfterMs = 0,
): ApiFailure {
  const what = `${asked.verb} ${resourceName(asked)}`;
  const said = message === "" ? "" : `: ${message}`;
  const fail = (code: FailureCode, text: string, hint: string) =>
    new ApiFailure(code, `${text}${said}`, hint, retryAfterMs);
  if (status === 401) {
    return fail(
      "unauthorized",
      `The API server does not accept Portico's credentials (401, ${what})`,
      "Check the token or client certificate of the kubeconfig or service account: expired, " +
        "or of another cluster?",
    );
  }
  if (status === 403) {
    return fail("forbidden", `Portico may not ${what} (403)`, rightsHint(asked));
  }
  if (status === 404) {
    return fail(
      "absent",
      `The API server has no ${resourceName(asked)} (404)`,
      "Is its version older?",
    );
  }
  // Our version is ahead of this server: it was restored, or lags behind another server.
  const isAhead = status === 504 && /too large resource version/i.test(message);
  if (status === 410 || isAhead) {
    return fail("gone", `The API server requires a new list (${status}, ${what})`, WAIT);
  }
  if (status === 429 || status >= 500) {
    const text = `The API server could not ${what} (${status})`;
    return fail("unwell", text, `Check kube-apiserver and etcd. ${WAIT}`);
  }
  return fail(
    "refused",
    `The API server refuses to ${what} (${status})`,
    "Is this the address of a Kubernetes API server, and of a supported version?",
  );
}

function resourceName({ resource, apiGroup }: Asked): string {
  return apiGroup === "" ? resource : `${resource}.${apiGroup}`;
}

function rightsHint({ resource, apiGroup }: Asked): string {
  const rule = `apiGroups: ["${apiGroup}"], resources: ["${resource}"], verbs: ["list", "watch"]`;
  return `Bind it to a ClusterRole with the rule {${rule}}.`;
}

/** Returns the failure for an answer that is not from a Kubernetes API server. */
export function garbledAnswer(message: string): ApiFailure {
  const hint = "Is this the address of a Kubernetes API server, or is there a proxy in between?";
  return new ApiFailure("garbled", message, hint);
}

const UNREACHABLE: Record<string, [text: string, hint: string]> = {
  ECONNREFUSED: ["refuses the connection", "Is kube-apiserver running, and is the address right?"],
  ENOTFOUND: ["has a name that does not resolve", "Use a name the node itself can resolve."],
  EAI_AGAIN: ["has a name that does not resolve now", "Use a name the node itself can resolve."],
  ETIMEDOUT: ["does not answer", "Is there a route to it, or does a firewall block it?"],
  EHOSTUNREACH: ["cannot be reached: no route to its host", "Look at the node's routes."],
  ENETUNREACH: ["cannot be reached: no route to its network", "Look at the node's routes."],
};

/** In a Pod the address is a Service's, which does not work before Portico serves it. */
export const ADDRESS_HINT =
  "In a cluster, configure the API server's own address (KUBERNETES_SERVICE_HOST and " +
  "KUBERNETES_SERVICE_PORT, or --kubeconfig), not that of the Service kubernetes.";

/**
 * Returns the failure for what a request or its stream threw. `server` is its URL. An error without
 * a code does not come from a connection: it is a bug, and rethrown.
 */
export function failureFromError(server: string, error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (typeof code !== "string") throw error;
  const unreachable = UNREACHABLE[code];
  if (unreachable) {
    const [text, hint] = unreachable;
    return new ApiFailure("unreachable", `${server} ${text}.`, `${hint} ${ADDRESS_HINT}`);
  }
  const certificate = certificateProblem(code, message);
  if (certificate) {
    const [text, hint] = certificate;
    return new ApiFailure("certificate", `${server}: ${text} (${code}).`, hint);
  }
  if (code === "EPROTO") {
    const hint = "Does the address start with https:// while the server speaks http?";
    return new ApiFailure("certificate", `${server}: TLS failed: ${message}.`, hint);
  }
  return new ApiFailure("cut", `The connection to ${server} broke: ${message || code}.`, WAIT);
}

function certificateProblem(code: string, message: string): [string, string] | undefined {
  if (code === "CERT_HAS_EXPIRED") {
    return ["the server's certificate has expired", "Renew it, or fix this node's clock."];
  }
  if (code === "CERT_NOT_YET_VALID") {
    return ["the server's certificate is not valid yet", "Check the clocks of both machines."];
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const hint = "Use an address that the certificate names, or tls-server-name in the kubeconfig.";
    return [`the server's certificate is for another name: ${message}`, hint];
  }
  if (/ALERT/.test(code)) {
    return ["the server does not accept our client certificate", "Has it expired, or another CA?"];
  }
  if (/CERT|SIGNATURE|CRL/.test(code)) {
    const hint = "Is certificate-authority in the kubeconfig the one of this cluster?";
    return ["the server's certificate is not signed by the expected authority", hint];
  }
  return undefined;
}
