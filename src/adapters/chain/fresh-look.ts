/** Whoever asks while a look is under way waits for the next one: the present one may have begun too early. */
export function freshLook(look: () => Promise<void>): () => Promise<void> {
  let present: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined
  return () => {
    next ??= present
      .catch(() => {
        // Told to those who asked for that look.
      })
      .then(() => {
        next = undefined
        present = look()
        return present
      })
    return next
  }
}
