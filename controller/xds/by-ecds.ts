// A filter of a listener whose configuration comes by ECDS, so that it can change in a running
// listener.

/** Returns a placeholder for what comes by ECDS. No timeout: without it no connection is served. */
export function byEcds(name: string, typeUrl: string): object {
  return {
    name,
    config_discovery: {
      config_source: {
        ads: {},
        resource_api_version: "V3",
        initial_fetch_timeout: { seconds: 0 },
      },
      type_urls: [typeUrl],
    },
  };
}
