import { canonicalJson } from '../core/canonical-json.ts'
import { ENVELOPE_VERSION } from '../core/event/envelope.ts'
import type { LineConstants } from '../core/event/line.ts'
import { lineWriter, type SharedByLines, type WriteLine } from '../core/event/line-writer.ts'
import type { Source } from '../core/registry/source.ts'
import type { Stream } from '../core/registry/stream.ts'
import type { Arrived } from './arrived.ts'

/** How the events of one source are written into one stream. */
export type LineStyle = {
  readonly constants: LineConstants
  /** The same, canonical. */
  readonly constantsText: string
  readonly streamKey?: Uint8Array
  readonly write: WriteLine
}

type Connector = Arrived['connector']

const styles = new WeakMap<Source, WeakMap<Stream, Map<string, LineStyle>>>()

export function lineStyleOf(source: Source, stream: Stream, connector: Connector): LineStyle {
  let ofSource = styles.get(source)
  if (ofSource === undefined) {
    ofSource = new WeakMap()
    styles.set(source, ofSource)
  }
  let ofStream = ofSource.get(stream)
  // Connectors are ours, and few.
  if (ofStream === undefined) {
    ofStream = new Map()
    ofSource.set(stream, ofStream)
  }
  const name = JSON.stringify([connector.connectorId, connector.connectorVersion])
  let style = ofStream.get(name)
  if (style === undefined) {
    style = makeStyle(source, stream, connector)
    ofStream.set(name, style)
  }
  return style
}

function makeStyle(source: Source, stream: Stream, connector: Connector): LineStyle {
  const { blindKey } = stream
  const shared: SharedByLines = {
    sourceId: source.sourceId,
    sourceVersion: source.sourceVersion,
    connectorId: connector.connectorId,
    connectorVersion: connector.connectorVersion,
    streamId: stream.streamId,
    domain: stream.domain,
    type: source.eventType,
    payloadType: source.payloadType,
    dataVersion: source.dataVersion,
    ...(blindKey !== undefined && { streamKey: blindKey }),
  }
  const constants = constantsOf(shared, stream)
  return {
    constants,
    constantsText: canonicalJson(constants),
    ...(blindKey !== undefined && { streamKey: blindKey }),
    write: lineWriter(shared, constants),
  }
}

/** Those of the members that a policy declares constant which this node fills in; others it leaves in the lines. */
function constantsOf({ streamKey: _key, ...assigned }: SharedByLines, stream: Stream): LineConstants {
  const known: LineConstants = { schemaVersion: ENVELOPE_VERSION, ...assigned }
  const declared = (stream.policy.constants ?? []).filter(member => known[member] !== undefined)
  return Object.fromEntries(declared.map(member => [member, known[member]]))
}
