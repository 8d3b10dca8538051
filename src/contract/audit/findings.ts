/** What can be wrong with a log, by what was done to it. */
export const findingKinds = [
  /** An event, a packet or a seal mark is not there, though what is around it says that it was. */
  'omission',
  /** Events stand in another order than the one that was sealed. */
  'reorder',
  /** Bytes are not those that were sealed, or agreed on. */
  'edit',
  /** A header that is not the one its packet is named by, or does not follow the one before. */
  'forged-header',
  /** A certificate or a manifest that does not stand for the packet it is shown with. */
  'forged-certificate',
  /** A block proof or a chain of block headers that does not hold. */
  'forged-block',
  /** Numbers that do not add up. */
  'wrong-count',
  /** Lines or certified output that are not there any more. */
  'missing-payload',
  /** A packet is said to be certified, and nothing certifies it. */
  'missing-certificate',
] as const
export type FindingKind = (typeof findingKinds)[number]

export type Finding = {
  readonly kind: FindingKind
  readonly streamId: string
  readonly partition: number
  /** Null where it is about the partition, or the chain. */
  readonly packetNo: number | null
  /** Null where it is not about one event. */
  readonly seq: number | null
  /** What was seen, and what was wanted. */
  readonly detail: string
}

/** What one look has found; where, whoever asked for it knows. */
export type Flaw = Pick<Finding, 'kind' | 'detail'> & { readonly seq?: number }

export function inWords({ kind, streamId, partition, packetNo, seq, detail }: Finding): string {
  const place = [
    ...(streamId === '' ? [] : [`stream "${streamId}", partition ${partition}`]),
    ...(packetNo === null ? [] : [`packet ${packetNo}`]),
    ...(seq === null ? [] : [`sequence ${seq}`]),
  ].join(', ')
  return `${kind}: ${place === '' ? '' : `${place}: `}${detail}`
}
