/** A value as it stands somewhere, not made yet: where its version is known already, the one at hand is it. */
export type Stored<T> = { readonly version: string; open(): T }

export type FreshValuesDeps<T> = {
  /** What there is of these keys. */
  read(keys: readonly string[]): Promise<ReadonlyMap<string, Stored<T>>>
  /** Another one as soon as any value may have changed; asked before each value is given. */
  epoch(): Promise<number>
  readonly keysMax: number
}

/**
 * Values by their key, as fresh as the epoch that is known, also where there are none. What is asked together is read
 * together, with what else is in use and of another epoch, and one reading answers all who wait for the same key.
 */
export class FreshValues<T> {
  readonly #deps: FreshValuesDeps<T>
  readonly #held = new Map<string, Held<T>>()
  /** The last reading of each key; forgetting a key takes it away, and what it brings is not kept. */
  readonly #readings = new Map<string, Reading<T>>()
  #next: Batch<T> | undefined

  constructor(deps: FreshValuesDeps<T>) {
    this.#deps = deps
  }

  async get(key: string): Promise<T | undefined> {
    const epoch = await this.#deps.epoch()
    const held = this.#held.get(key)
    if (held?.epoch !== epoch) return this.#read(key, epoch)
    held.isAsked = true
    return held.value
  }

  forget(key: string): void {
    const held = this.#held.get(key)
    if (held !== undefined) this.#held.set(key, { ...held, epoch: undefined })
    this.#readings.delete(key)
  }

  forgetAll(): void {
    for (const key of this.#held.keys()) this.forget(key)
    this.#readings.clear()
  }

  /** What is read after an epoch is known is kept under it: what changes in between changes the epoch, too. */
  #read(key: string, epoch: number, isAsked = true): Promise<T | undefined> {
    const underWay = this.#readings.get(key)
    if (underWay?.epoch === epoch) return underWay.value
    if (this.#next?.epoch !== epoch) this.#next = this.#startBatch(epoch)
    this.#next.keys.add(key)
    const value = this.#next.found
      .then(stored => {
        const opened = this.#open(key, stored.get(key))
        if (this.#readings.get(key) === reading) this.#keep(key, { ...opened, epoch, isAsked })
        return opened.value
      })
      .finally(() => {
        if (this.#readings.get(key) === reading) this.#readings.delete(key)
      })
    const reading: Reading<T> = { epoch, value }
    this.#readings.set(key, reading)
    return value
  }

  #startBatch(epoch: number): Batch<T> {
    const keys = new Set<string>()
    // Begins once everybody has asked whose turn it is now.
    const found = Promise.resolve().then(() => {
      this.#takeAlong(epoch)
      this.#next = undefined
      return this.#deps.read([...keys])
    })
    return { epoch, keys, found }
  }

  /** What else is used and would be read again by itself: those who ask for many, one after the other, ask once. */
  #takeAlong(epoch: number): void {
    for (const [key, held] of this.#held)
      if (held.isAsked && held.epoch !== epoch) this.#read(key, epoch, false).catch(() => undefined)
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
  /** Under which it was read; undefined: it is to be read again. */
  readonly epoch: number | undefined
  /** For it, or since then. */
  isAsked: boolean
}

type Reading<T> = { readonly epoch: number; readonly value: Promise<T | undefined> }

type Batch<T> = {
  readonly epoch: number
  readonly keys: Set<string>
  readonly found: Promise<ReadonlyMap<string, Stored<T>>>
}
