/** A value as it stands somewhere, not made yet: where its version is known already, the one at hand is it. */
export type Stored<T> = { readonly version: string; open(): T }

export type FreshValuesDeps<T> = {
  /** What there is of these keys. */
  read(keys: readonly string[]): Promise<ReadonlyMap<string, Stored<T>>>
  readonly ageMsMax: number
  readonly keysMax: number
}

/**
 * Values by their key, as they were at most so long ago, also where there are none. What is asked together is read
 * together, with what else is in use and old, and one reading answers all who wait for the same key.
 */
export class FreshValues<T> {
  readonly #deps: FreshValuesDeps<T>
  readonly #held = new Map<string, Held<T>>()
  /** The last reading of each key; forgetting a key takes it away, and what it brings is not kept. */
  readonly #readings = new Map<string, Promise<T | undefined>>()
  #next: Batch<T> | undefined

  constructor(deps: FreshValuesDeps<T>) {
    this.#deps = deps
  }

  get(key: string): Promise<T | undefined> {
    const held = this.#held.get(key)
    const ageMs = held === undefined ? Number.POSITIVE_INFINITY : performance.now() - held.asOfMs
    if (held === undefined || ageMs > this.#deps.ageMsMax) return this.#read(key)
    held.isAsked = true
    // Read again before it is too old: whoever asks often never waits. Those who come too late hear of a failure.
    if (ageMs > this.#deps.ageMsMax / 2) this.#read(key).catch(() => undefined)
    return Promise.resolve(held.value)
  }

  forget(key: string): void {
    const held = this.#held.get(key)
    if (held !== undefined) this.#held.set(key, { ...held, asOfMs: Number.NEGATIVE_INFINITY })
    this.#readings.delete(key)
  }

  forgetAll(): void {
    for (const key of this.#held.keys()) this.forget(key)
    this.#readings.clear()
  }

  #read(key: string, isAsked = true): Promise<T | undefined> {
    const underWay = this.#readings.get(key)
    if (underWay !== undefined) return underWay
    this.#next ??= this.#startBatch()
    this.#next.keys.add(key)
    const reading: Promise<T | undefined> = this.#next.found
      .then(({ asOfMs, stored }) => {
        const value = this.#open(key, stored.get(key))
        if (this.#readings.get(key) === reading) this.#keep(key, { ...value, asOfMs, isAsked })
        return value.value
      })
      .finally(() => {
        if (this.#readings.get(key) === reading) this.#readings.delete(key)
      })
    this.#readings.set(key, reading)
    return reading
  }

  #startBatch(): Batch<T> {
    const keys = new Set<string>()
    // Begins once everybody has asked whose turn it is now.
    const found = Promise.resolve().then(async () => {
      this.#takeAlong()
      this.#next = undefined
      const asOfMs = performance.now()
      return { asOfMs, stored: await this.#deps.read([...keys]) }
    })
    return { keys, found }
  }

  /** What else is used and will be too old soon: those who ask for many, one after the other, ask once. */
  #takeAlong(): void {
    const beforeMs = performance.now() - this.#deps.ageMsMax / 2
    for (const [key, { isAsked, asOfMs }] of this.#held)
      if (isAsked && asOfMs < beforeMs) this.#read(key, false).catch(() => undefined)
  }

  #open(key: string, stored: Stored<T> | undefined): Pick<Held<T>, 'value' | 'version'> {
    if (stored === undefined) return { version: undefined, value: undefined }
    const held = this.#held.get(key)
    if (held?.version === stored.version) return held
    return { version: stored.version, value: stored.open() }
  }

  #keep(key: string, held: Held<T>): void {
    // Mostly names that somebody has made up. What is in use is read again in no time.
    if (this.#held.size >= this.#deps.keysMax && !this.#held.has(key)) this.#held.clear()
    this.#held.set(key, held)
  }
}

type Held<T> = {
  readonly value: T | undefined
  readonly version: string | undefined
  /** When the reading began that brought it. */
  readonly asOfMs: number
  /** For it, or since then. */
  isAsked: boolean
}

type Batch<T> = {
  readonly keys: Set<string>
  readonly found: Promise<{ readonly asOfMs: number; readonly stored: ReadonlyMap<string, Stored<T>> }>
}
