import { writeUtf8 } from '#sha256'

/** Nesting deeper than this is refused: recursive readers, ours and other people's, run out of stack. */
export const JSON_DEPTH_MAX = 64
/** Fits whatever parseJson reads within its default: 1e15 grows most when written out, and less than fourfold. */
export const CANONICAL_BYTES_MAX = 64 * 1024 * 1024

/**
 * The canonical bytes, or undefined where the value is refused (./canonical-json.ts says for what). They are only
 * lent: the next call writes over them.
 */
export function writeCanonical(value: unknown, depthMax = JSON_DEPTH_MAX): Uint8Array | undefined {
  begin(depthMax)
  try {
    write(value, 0)
  } catch (error) {
    if (error === refusal) return undefined
    throw error
  }
  return whole()
}

/**
 * The same for objects with members of these names and for nothing else of them, without asking each what it has: names are
 * given in their order, and are plain ASCII.
 */
export function memberWriter(names: readonly string[]): (object: object) => Uint8Array | undefined {
  const heads = names.map((name): [name: string, head: Head] => [name, headOf(`,"${name}":`)])
  return object => {
    begin(JSON_DEPTH_MAX)
    try {
      for (const [name, head] of heads) {
        const value: unknown = Reflect.get(object, name)
        if (value === undefined) continue
        writeWords(head)
        write(value, 1)
      }
      if (at === 0) writeByte(OPENING_BRACE)
      writeByte(CLOSING_BRACE)
    } catch (error) {
      if (error === refusal) return undefined
      throw error
    }
    // Where the first comma is.
    written[0] = OPENING_BRACE
    return whole()
  }
}

function begin(depthMax: number): void {
  if (written.length > WRITTEN_BYTES_KEPT) writeInto(new Uint8Array(WRITTEN_BYTES_KEPT))
  at = 0
  levels = depthMax
}

function whole(): Uint8Array | undefined {
  return at <= CANONICAL_BYTES_MAX ? written.subarray(0, at) : undefined
}

/** Beyond ±(2^53−1) every double is an integer, and may only be the nearest to the one that was meant. */
export function isExact(value: number): boolean {
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER
}

// The text grows byte by byte in one buffer that every call fills from its start: gluing strings together, and
// flattening them to be hashed, costs more than copying them here.
const WRITTEN_BYTES_KEPT = 1024 * 1024
let written = new Uint8Array(WRITTEN_BYTES_KEPT)
let view = new DataView(written.buffer)
let at = 0
let levels = JSON_DEPTH_MAX

// One shared sentinel: a stack trace per bad event would cost more than the event.
const refusal = new Error('canonical JSON refused')

function write(value: unknown, depth: number): void {
  if (typeof value === 'string') writeString(value)
  else if (typeof value === 'number') writeNumber(value)
  else if (typeof value === 'boolean') writeAscii(value ? 'true' : 'false')
  else if (value === null) writeAscii('null')
  else if (typeof value !== 'object' || depth >= levels) throw refusal
  else if (Array.isArray(value)) writeArray(value, depth)
  else writeObject(value, depth)
}

function writeArray(items: readonly unknown[], depth: number): void {
  writeByte(OPENING_BRACKET)
  for (let i = 0; i < items.length; i++) {
    if (i > 0) writeByte(COMMA)
    write(items[i], depth + 1)
  }
  writeByte(CLOSING_BRACKET)
}

function writeObject(object: object, depth: number): void {
  const values: readonly unknown[] = Object.values(object)
  const shape = shapeOf(Object.keys(object))
  const { members } = shape
  writeByte(OPENING_BRACE)
  // By index here and below: these loops run for every byte and member, and for…of is measurably slower.
  for (let i = 0; i < members.length; i++) {
    const member = members[i] as Member
    if (member.head === undefined) writeHead(member, shape)
    else writeWords(member.head)
    write(values[member.place], depth + 1)
  }
  writeByte(CLOSING_BRACE)
}

function writeHead(member: Member, shape: Shape): void {
  const start = at
  if (member !== shape.members[0]) writeByte(COMMA)
  writeString(member.key)
  writeByte(COLON)
  // Not at first sight: for a shape that never returns, a copy of its keys costs more than writing them.
  if (shape.returned) member.head = wordsSince(start)
}

function writeString(text: string): void {
  if (text.length > LOOPED_LENGTH_MAX || !writePlain(text)) writeEscaped(text)
}

// From about this length on the engine, which reads a text three times, beats a loop of ours that reads it once.
const LOOPED_LENGTH_MAX = 256

/** Writes nothing and answers false where the text holds anything but printable ASCII that needs no escape. */
function writePlain(text: string): boolean {
  makeRoom(text.length + 2)
  const target = written
  let end = at
  target[end++] = QUOTE
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x20 || unit > 0x7e || unit === QUOTE || unit === BACKSLASH) return false
    target[end++] = unit
  }
  target[end++] = QUOTE
  at = end
  return true
}

function writeEscaped(text: string): void {
  if (!text.isWellFormed()) throw refusal
  // The escapes of RFC 8785 are those of JSON.stringify.
  const escaped = JSON.stringify(text)
  makeRoom(3 * escaped.length)
  at += writeUtf8(escaped, written, at)
}

function writeNumber(value: number): void {
  if (!isExact(value)) throw refusal
  if (Number.isInteger(value)) writeInteger(value)
  // ECMAScript's Number-to-string is RFC 8785's.
  else writeAscii(`${value}`)
}

/** Times and counts, for which there need not be a string first. Every exact one is written out in full, and -0 as 0. */
function writeInteger(value: number): void {
  makeRoom(INTEGER_BYTES_MAX)
  if (value < 0) written[at++] = MINUS
  const size = Math.abs(value)
  const high = Math.floor(size / LOW_DIGITS_BEYOND)
  if (high > 0) writeDigits(high, digitsOf(high))
  const low = size - high * LOW_DIGITS_BEYOND
  writeDigits(low, high > 0 ? LOW_DIGITS : digitsOf(low))
}

/** "-9007199254740991" */
const INTEGER_BYTES_MAX = 17
/** So many fit what the processor divides by itself. */
const LOW_DIGITS = 9
const LOW_DIGITS_BEYOND = 10 ** LOW_DIGITS

function writeDigits(value: number, digits: number): void {
  let rest = value | 0
  for (let end = at + digits - 1; end >= at; end--) {
    const tenth = (rest / 10) | 0
    written[end] = ZERO + rest - 10 * tenth
    rest = tenth
  }
  at += digits
}

function digitsOf(value: number): number {
  let digits = 1
  for (let beyond = 10; value >= beyond; beyond *= 10) digits++
  return digits
}

function writeAscii(text: string): void {
  makeRoom(text.length)
  const target = written
  let end = at
  for (let i = 0; i < text.length; i++) target[end++] = text.charCodeAt(i)
  at = end
}

/** Half of an event is keys. Four bytes at a time they cost a quarter, also of the checks on each access. */
function writeWords({ words, bytes }: Head): void {
  makeRoom(4 * words.length)
  const target = view
  let end = at
  for (let i = 0; i < words.length; i++) {
    target.setInt32(end, words[i] as number)
    end += 4
  }
  at += bytes
}

/** The last word may reach beyond the end; whatever is written next covers that. */
function wordsSince(start: number): Head {
  makeRoom(3)
  const words = []
  for (let i = start; i < at; i += 4) words.push(view.getInt32(i))
  return { words, bytes: at - start }
}

function headOf(text: string): Head {
  begin(JSON_DEPTH_MAX)
  writeAscii(text)
  return wordsSince(0)
}

function writeByte(byte: number): void {
  makeRoom(1)
  written[at++] = byte
}

function makeRoom(bytes: number): void {
  if (at + bytes <= written.length) return
  if (at > CANONICAL_BYTES_MAX) throw refusal
  const larger = new Uint8Array(2 * (at + bytes))
  larger.set(written.subarray(0, at))
  writeInto(larger)
}

function writeInto(target: Uint8Array<ArrayBuffer>): void {
  written = target
  view = new DataView(target.buffer)
}

const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const ZERO = 0x30
const COLON = 0x3a
const OPENING_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSING_BRACKET = 0x5d
const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d

/** What an object's list of keys decides: the order of its members, and what is written before each value. */
type Shape = {
  readonly keys: readonly string[]
  readonly members: readonly Member[]
  /** Seen a second time. */
  returned: boolean
}

/** `place` counts among the object's own keys. `head` is everything before the value, as in `,"key":`. */
type Member = { readonly key: string; readonly place: number; head: Head | undefined }
type Head = { readonly words: readonly number[]; readonly bytes: number }

// Streams repeat their shapes. Each has one slot, found by the lengths and first letters of its keys; whoever
// comes to a slot held by another shape takes it over. So memory stays bounded, and a collision costs one sort.
const SHAPES_KEPT = 1024
const SHAPE_KEYS_MAX = 64
const SHAPE_KEY_LENGTH_MAX = 64
const shapes = new Array<Shape | undefined>(SHAPES_KEPT).fill(undefined)

function shapeOf(keys: readonly string[]): Shape {
  const slot = slotOf(keys)
  const known = shapes[slot]
  if (known !== undefined && sameKeys(known.keys, keys)) {
    known.returned = true
    return known
  }
  const shape = makeShape(keys)
  if (keys.length <= SHAPE_KEYS_MAX && keys.every(key => key.length <= SHAPE_KEY_LENGTH_MAX))
    shapes[slot] = shape
  return shape
}

function slotOf(keys: readonly string[]): number {
  let mixed = keys.length
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string
    mixed = (31 * mixed + 7 * key.length + key.charCodeAt(0)) | 0
  }
  return mixed & (SHAPES_KEPT - 1)
}

function makeShape(keys: readonly string[]): Shape {
  if (keys.includes('__proto__')) throw refusal
  const members = keys.map((key, place): Member => ({ key, place, head: undefined }))
  // `<` goes by UTF-16 code units, as RFC 8785 wants it.
  members.sort((a, b) => (a.key < b.key ? -1 : 1))
  return { keys, members, returned: false }
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
