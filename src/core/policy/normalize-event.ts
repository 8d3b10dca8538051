import { isObject, JSON_DEPTH_MAX, type Json, nestsWithin } from '../canonical-json.ts'
import type { Envelope } from '../event/envelope.ts'
import { qualityFlags } from '../event/quality-flags.ts'
import { type Issue, setsAside, shown } from '../issue.ts'
import { compilePath, fieldName, isArrayIndex, type PathReader, type Pointer, tokensOf } from '../path.ts'
import { coercions } from './coercion.ts'
import { NORMALIZE_SEVERITY, type NormalizeIssue, type SourcePolicy } from './policy-set.ts'

type NormalizedEvent = {
  readonly payload: Json
  readonly issues: readonly Issue[]
  /** Bits to add to the event's qualityFlags. */
  readonly flags: number
}

/** One thing that was done to, or found about, a field; `before` and `after` are absent where the field was. */
export type Step = {
  readonly rule: string
  readonly field: Pointer
  /** Where a mapped value was taken from. */
  readonly from?: Pointer
  readonly before?: Json
  readonly after?: Json
  readonly issue?: Issue
}

export type Normalize = (event: Envelope, note?: Note) => NormalizedEvent
type Note = (step: Step) => void

/**
 * Compiles a source's policy to closures, once. What they do, in this order: map (or take the payload as it was
 * sent), set constants, fill defaults, look for required fields, coerce. The event given is never changed.
 */
export function compileSource(policy: SourcePolicy): Normalize {
  const start = policy.map === undefined ? takeAsSent : mapping(policy.map, policy)
  const work: Work[] = [
    ...Object.entries(policy.constants ?? {}).map(([field, value]) => constant(field, value, policy)),
    ...Object.entries(policy.defaults ?? {}).map(([field, value]) => fallback(field, value, policy)),
    ...(policy.required ?? []).map(field => requirement(field, policy)),
    ...Object.entries(policy.coercion ?? {}).map(([field, kind]) => coercion(field, kind, policy)),
  ]
  return (event, note) => {
    const draft: Draft = { payload: event.payload, lists: new Map(), objects: new Map(), issues: [], note }
    start(draft)
    for (const act of work) act(draft)

    let flags = setsAside(draft.issues) ? qualityFlags.QUARANTINED : 0
    for (const issue of draft.issues) flags |= issue.flag
    return { payload: draft.payload, issues: draft.issues, flags }
  }
}

type Draft = {
  payload: Json
  /** What we made ourselves and may still change: copying for each of 512 fields would take seconds. */
  readonly lists: Map<Json, Json[]>
  readonly objects: Map<Json, Members>
  readonly issues: Issue[]
  readonly note: Note | undefined
}
type Members = { [key: string]: Json }
type Work = (draft: Draft) => void

const takeAsSent: Work = draft => {
  draft.note?.({ rule: 'as-sent', field: '', after: draft.payload })
}

/** Targets form a tree whose inner nodes are objects that we make; a node none of whose sources is there is left out. */
type Branch = { readonly leaves: Leaf[]; readonly branches: Map<string, Branch> }
type Leaf = {
  readonly key: string
  readonly field: Pointer
  readonly from: Pointer
  readonly read: PathReader
  /** Set where the value moves deeper than it was: nesting that it may have there at most. */
  readonly levelsMax: number | undefined
}

function mapping(map: NonNullable<SourcePolicy['map']>, policy: SourcePolicy): Work {
  const complain = complaint('mapping-failed', policy)
  const root: Branch = { leaves: [], branches: new Map() }
  for (const [field, from] of Object.entries(map)) {
    const tokens = tokensOf(field)
    const key = tokens.pop() ?? ''
    let branch = root
    for (const token of tokens) {
      const next: Branch = branch.branches.get(token) ?? { leaves: [], branches: new Map() }
      branch.branches.set(token, next)
      branch = next
    }
    const deeper = tokens.length + 1 > tokensOf(from).length
    const levelsMax = deeper ? JSON_DEPTH_MAX - 2 - tokens.length : undefined
    branch.leaves.push({ key, field, from, read: compilePath(from), levelsMax })
  }
  return draft => {
    draft.payload = grow(root, draft.payload, draft, complain) ?? {}
  }
}

function grow(branch: Branch, sent: Json, draft: Draft, complain: Complain): Members | undefined {
  const grown: Members = {}
  let empty = true
  for (const leaf of branch.leaves) {
    const value = leaf.read(sent)
    if (value !== undefined && leaf.levelsMax !== undefined && !nestsWithin(value, leaf.levelsMax)) {
      const issue = complain(draft, leaf.field, 'too-deep')
      draft.note?.({ rule: 'map', field: leaf.field, from: leaf.from, issue })
      continue
    }
    draft.note?.({ rule: 'map', field: leaf.field, from: leaf.from, ...present('after', value) })
    if (value === undefined) continue
    grown[leaf.key] = value
    empty = false
  }
  for (const [key, inner] of branch.branches) {
    const value = grow(inner, sent, draft, complain)
    if (value === undefined) continue
    grown[key] = value
    empty = false
  }
  if (empty) return undefined
  return keep(draft.objects, grown, draft)
}

function constant(field: Pointer, value: Json, policy: SourcePolicy): Work {
  return placement('constant', field, value, policy, () => true)
}

/** Null counts as missing, as it does for required fields. */
function fallback(field: Pointer, value: Json, policy: SourcePolicy): Work {
  return placement('default', field, value, policy, before => (before ?? null) === null)
}

function placement(
  rule: string,
  field: Pointer,
  value: Json,
  policy: SourcePolicy,
  applies: (before: Json | undefined) => boolean,
): Work {
  const tokens = tokensOf(field)
  const read = compilePath(field)
  const complain = complaint('mapping-failed', policy)
  return draft => {
    const before = read(draft.payload)
    if (!applies(before)) return
    if (place(draft, tokens, value)) {
      draft.note?.({ rule, field, ...present('before', before), after: value })
    } else {
      const issue = complain(draft, field, 'no-object')
      draft.note?.({ rule, field, ...unchanged(before), issue })
    }
  }
}

function requirement(field: Pointer, policy: SourcePolicy): Work {
  const read = compilePath(field)
  const complain = complaint('required-missing', policy)
  return draft => {
    const value = read(draft.payload)
    if ((value ?? null) !== null) return
    const issue = complain(draft, field)
    draft.note?.({ rule: 'required', field, ...unchanged(value), issue })
  }
}

/** A value that cannot be coerced stays as it came: nothing is invented in its place. */
function coercion(field: Pointer, kind: keyof typeof coercions, policy: SourcePolicy): Work {
  const rule = `coercion:${kind}`
  const tokens = tokensOf(field)
  const read = compilePath(field)
  const coerce: (value: Json) => Json | undefined = coercions[kind]
  const complain = complaint(kind === 'number' ? 'coercion-NaN' : 'coercion-failed', policy)
  return draft => {
    const before = read(draft.payload)
    if (before === undefined || before === null) return
    const after = coerce(before)
    if (after === before) return
    if (after !== undefined && place(draft, tokens, after)) {
      draft.note?.({ rule, field, before, after })
    } else {
      const issue = complain(draft, field, shown(before))
      draft.note?.({ rule, field, ...unchanged(before), issue })
    }
  }
}

type Complain = (draft: Draft, field: Pointer, detail?: string) => Issue

function complaint(code: NormalizeIssue, policy: SourcePolicy): Complain {
  const severity = policy.severity?.[code] ?? NORMALIZE_SEVERITY
  return (draft, field, detail) => {
    const text = `${code}:${fieldName(field)}${detail === undefined ? '' : `:${detail}`}`
    const issue = { text, severity, flag: qualityFlags.INVALID_SCHEMA }
    draft.issues.push(issue)
    return issue
  }
}

/** False where something other than an object stands in the way. */
function place(draft: Draft, tokens: readonly string[], value: Json): boolean {
  const placed = withValueAt(draft.payload, tokens, value, draft)
  if (placed === undefined) return false
  draft.payload = placed
  return true
}

/**
 * `value` with `inner` at the path, as a copy unless we made it; objects that are missing on the way are made.
 * Undefined where something else stands in the way.
 */
function withValueAt(
  value: Json | undefined,
  tokens: readonly string[],
  inner: Json,
  draft: Draft,
  from = 0,
): Json | undefined {
  const token = tokens[from]
  if (token === undefined) return inner
  if (Array.isArray(value)) {
    if (!isArrayIndex(token) || Number(token) >= value.length) return undefined
    const placed = withValueAt(value[Number(token)], tokens, inner, draft, from + 1)
    if (placed === undefined) return undefined
    const list = draft.lists.get(value) ?? [...value]
    list[Number(token)] = placed
    return keep(draft.lists, list, draft)
  }
  const object = value ?? {}
  if (!isObject(object)) return undefined
  const before = Object.hasOwn(object, token) ? object[token] : undefined
  const placed = withValueAt(before, tokens, inner, draft, from + 1)
  if (placed === undefined) return undefined
  const made = draft.objects.get(object) ?? { ...object }
  made[token] = placed
  return keep(draft.objects, made, draft)
}

/** To be changed in place, but only where nobody looks on: a step that was noted must keep showing what it saw. */
function keep<T extends Json>(made: Map<Json, T>, value: T, draft: Draft): T {
  if (draft.note === undefined) made.set(value, value)
  return value
}

function present(name: 'before' | 'after', value: Json | undefined): Pick<Step, 'before' | 'after'> {
  return value === undefined ? {} : { [name]: value }
}

export function unchanged(value: Json | undefined): Pick<Step, 'before' | 'after'> {
  return value === undefined ? {} : { before: value, after: value }
}
