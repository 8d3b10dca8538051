import type { Track, TrackStage } from '../../core/live/track.ts'
import { mayRead, type Reader } from '../../core/registry/may-read.ts'
import { type LiveFilter, wantsPartition } from './live-filter.ts'
import type { KnownPartition } from './ports.ts'

/** What somebody follows: what they ask for, as far as they may read it. */
export function tracksFor(
  filter: LiveFilter,
  reader: Reader,
  partitions: ReadonlyMap<number, KnownPartition>,
): Track[] {
  const stages: TrackStage[] = [...filter.stages]
  // Nothing is told of packets to those who hear only of what is received.
  if (stages.some(stage => stage !== 'received')) stages.push('news')
  return [...partitions.values()]
    .filter(partition => mayRead(reader, partition.stream) && wantsPartition(filter, partition))
    .flatMap(({ partitionId }) => stages.map(stage => ({ partitionId, stage })))
}
