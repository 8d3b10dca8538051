/** Who sends what, whatever the seed. Two publishers share a stream and come through different nodes. */

export const publishers = [
  { sourceId: 'torture-0', node: 0 },
  { sourceId: 'torture-1', node: 1 },
  { sourceId: 'torture-2', node: 0 },
] as const

export const hostileSource = 'torture-hostile'

export const sources = [
  { id: 'torture-0', type: 'webhook', shape: 'overlay', streams: ['shared'] },
  { id: 'torture-1', type: 'webhook', shape: 'overlay', streams: ['shared'] },
  { id: 'torture-2', type: 'webhook', shape: 'overlay', streams: ['alone'] },
  { id: hostileSource, type: 'webhook', shape: 'overlay', streams: ['hostile'] },
]
