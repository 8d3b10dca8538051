/** Work of one name is done in the order in which it was asked for, each once the one before it has ended or failed. */
export function oneByOne(): <T>(name: string, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>()
  return (name, work) => {
    const done = (last.get(name) ?? Promise.resolve()).then(work, work)
    last.set(name, done)
    const leave = () => {
      if (last.get(name) === done) last.delete(name)
    }
    done.then(leave, leave)
    return done
  }
}
