import {
  newlySealed,
  type PacketStanding,
  type Version,
} from '../../../src/core/rounds/coordinating/standing.ts'

/** `b3` is packet 3 of partition b: sealed, never tried, enhanced, public. */
export function packet(name: string, more: Partial<PacketStanding> = {}): PacketStanding {
  const sealed = newlySealed({
    packetId: idOf(name),
    partition: `stream/${name.charAt(0)}`,
    packetNo: Number(name.slice(1)),
    level: 'enhanced',
    audience: 'public',
    bytes: 1_000,
    documentBytes: 1_000,
  })
  return { ...sealed, ...more }
}

export function certified(name: string, more: Partial<PacketStanding> = {}): PacketStanding {
  return packet(name, {
    status: 'certified',
    roundId: 'an earlier round',
    certificate: `certificate of ${name}`,
    version: versionOf(name),
    ...more,
  })
}

export function versionOf(name: string): Version {
  return { versionId: idOf(`version ${name}`), parent: null, stateIn: null, stateOut: idOf(`state ${name}`) }
}

export function idOf(name: string): string {
  return [...name]
    .map(letter => letter.charCodeAt(0).toString(16))
    .join('')
    .padEnd(64, '0')
}
