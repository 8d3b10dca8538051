/** What may be accepted within a window of time, by all nodes together; what is not named has no bound. */
export type Limits = {
  readonly requestsPerSecond?: number
  readonly eventsPerSecond?: number
  readonly eventsPerDay?: number
  readonly bytesPerDay?: number
  readonly eventsPerMonth?: number
  readonly bytesPerMonth?: number
}
