/** Where a reader that comes again goes on. An application that keeps positions with its own effects needs none. */
export type PositionStore = {
  load(): Promise<string | undefined>
  /** Resolves once the position would survive the end of the process. */
  save(position: string): Promise<void>
}

export type Keeper = {
  /** In the order in which they are handed out: of two that are done with the later one counts. */
  place(position: string): Place
  /** Saves what is done with. */
  close(): Promise<void>
}

export type Place = {
  /** It is done with; it is saved soon. */
  taken(): Promise<void>
  /** It, or a later one, is saved once this resolves. */
  keep(): Promise<void>
}

/** Within a row of items that came together the position is saved this often: saving may take longer than reading. */
const SAVED_EVERY_MS = 1_000

export function openKeeper(store: PositionStore | undefined): Keeper {
  let [saved, pending, savedMs] = ['', '', Date.now()]
  let [placesGiven, pendingPlace] = [0, 0]
  const saveNewest = async () => {
    const position = pending
    if (store === undefined || position === saved) return
    await store.save(position)
    saved = position
    savedMs = Date.now()
  }
  // One behind the other: a store may write in one place, and what it is given last has to be what stays.
  let last: Promise<unknown> = Promise.resolve()
  const save = (): Promise<void> => {
    const saving = last.then(saveNewest)
    last = saving.catch(() => {
      // Whoever has asked for it is told; the next one is saved all the same.
    })
    return saving
  }
  return {
    place(position) {
      const place = ++placesGiven
      const done = () => {
        if (place > pendingPlace) [pending, pendingPlace] = [position, place]
      }
      return {
        async taken() {
          done()
          if (Date.now() - savedMs >= SAVED_EVERY_MS) await save()
        },
        async keep() {
          done()
          await save()
        },
      }
    },
    close: save,
  }
}
