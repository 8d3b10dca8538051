/** Metrics as a scrape asks for them; a registry of prom-client is such. */
export type ShownMetrics = {
  metrics(): Promise<string>
  getMetricsAsJSON(): Promise<readonly object[]>
}

/** What several have, one after the other: no name is in two of them. */
export function showAll(parts: readonly ShownMetrics[]): ShownMetrics {
  return {
    async metrics() {
      return (await Promise.all(parts.map(part => part.metrics()))).join('\n')
    },
    async getMetricsAsJSON() {
      return (await Promise.all(parts.map(part => part.getMetricsAsJSON()))).flat()
    },
  }
}
