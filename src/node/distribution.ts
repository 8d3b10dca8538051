import { eventTopics, topicOf } from '../contract/names.ts'
import { orThrow } from '../core/fault.ts'
import type { Settings } from '../runtime/settings.ts'

/**
 * Which of our topics other hosts are told of, and which they find us by. Those of adverts are not the operator's to
 * choose: without them nobody finds a host, an agent or content.
 */
export type Distribution = {
  isDistributed(topic: string): boolean
  isAdvertised(topic: string): boolean
}

export function distributionOf({
  OVERLAY_EVENT_DISTRIBUTION_ENABLED: isOn,
  OVERLAY_EVENT_TOPICS: names,
}: Pick<Settings, 'OVERLAY_EVENT_DISTRIBUTION_ENABLED' | 'OVERLAY_EVENT_TOPICS'>): Distribution {
  const ofEvents = new Set(eventTopics)
  const named = new Set(names.map(name => orThrow(topicOf(name))))
  return {
    isDistributed: topic => isOn || !ofEvents.has(topic),
    isAdvertised: topic => !ofEvents.has(topic) || (isOn && named.has(topic)),
  }
}
