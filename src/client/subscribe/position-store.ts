/** Where a reader that comes again goes on. An application that keeps positions with its own effects needs none. */
export type PositionStore = {
  load(): Promise<string | undefined>
  /** Resolves once the position would survive the end of the process. */
  save(position: string): Promise<void>
}

export type Keeper = {
  /** This is done with; it is saved soon. */
  taken(position: string): Promise<void>
  /** It is saved once this resolves. */
  keep(position: string): Promise<void>
  /** Saves what is done with. */
  close(): Promise<void>
}

/** Within a row of items that came together the position is saved this often: saving may take longer than reading. */
const SAVED_EVERY_MS = 1_000

export function openKeeper(store: PositionStore | undefined): Keeper {
  let [saved, pending, savedMs] = ['', '', Date.now()]
  const save = async () => {
    const position = pending
    if (store === undefined || position === saved) return
    await store.save(position)
    saved = position
    savedMs = Date.now()
  }
  return {
    async taken(position) {
      pending = position
      if (Date.now() - savedMs >= SAVED_EVERY_MS) await save()
    },
    async keep(position) {
      pending = position
      await save()
    },
    close: save,
  }
}
