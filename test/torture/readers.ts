/** Who follows what, from the first event on. Each comes back through the other node. */
export const readers = [
  { name: 'watch-sse', transport: 'sse', path: '/watch?status=received,normalized,validated,certified' },
  {
    name: 'watch-websocket',
    transport: 'websocket',
    path: '/watch?status=received,normalized,validated,certified',
  },
  { name: 'events-sse', transport: 'sse', path: '/overlay/events/stream?includeProcessingEvidence=false' },
  {
    name: 'events-websocket',
    transport: 'websocket',
    path: '/overlay/events/stream?includeProcessingEvidence=false',
  },
] as const
