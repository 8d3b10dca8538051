import { sayToSubscribers } from './event-messages.ts'
import type { LiveRoute } from './ports.ts'
import { sayToWatchers } from './watch-messages.ts'

/** Every stage, briefly. */
export const watchRoute: LiveRoute = {
  name: 'watch',
  say: sayToWatchers,
  canReduce: true,
  hello: (clientId, ts) => ({ type: 'hello', ts, clientId }),
  heartbeat: ({ ts }) => ({ type: 'heartbeat', ts }),
}

/** What is certified, whole. */
export const eventsRoute: LiveRoute = {
  name: 'events',
  say: sayToSubscribers,
  canReduce: false,
  hello: (clientId, ts) => ({ type: 'hello', ts, clientId }),
  heartbeat: ({ ts, clients, events }) => ({
    type: 'heartbeat',
    timestamp: new Date(ts).toISOString(),
    activeSubscriptions: clients,
    eventsProcessed: events,
  }),
}
