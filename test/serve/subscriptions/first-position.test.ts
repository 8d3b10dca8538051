import { expect, test } from 'vitest'
import { filterOf } from '../../../src/serve/subscriptions/filter-criteria.ts'
import { firstPosition } from '../../../src/serve/subscriptions/first-position.ts'

test.each(['2030-13-01T00:00:00Z', '2030-01-01T25:00:00Z'])(
  'a subscription cannot begin at %s',
  async from => {
    const filter = filterOf({ topics: [], filter: {} })
    if (!filter.ok) throw new Error(filter.fault.detail)
    const position = await firstPosition(
      from,
      { filter: filter.value, reader: { tenantIds: [] } },
      {
        readPartitions: async () => [],
        readEnds: async () => [],
        placesSince: async () => new Map(),
        positions: { seal: bytes => bytes, unseal: bytes => bytes },
        partitionsMax: 200,
      },
    )
    expect(position).toMatchObject({ ok: false, fault: { code: 'query-invalid' } })
  },
)
