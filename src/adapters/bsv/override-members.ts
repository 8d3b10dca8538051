/** Functions to put in the place of others, all of which were there when this was made. */
export type Override = { put(): void; restore(): void }

/** Of a class or of its prototype, as functions to be called on one. */
type Members<Owner> = {
  [Name in keyof Owner as Owner[Name] extends (...args: never[]) => unknown
    ? Name
    : never]: Owner[Name] extends (...args: infer Args) => infer Answer
    ? (this: Owner, ...args: Args) => Answer
    : never
}

/** `make` gets the functions as they are now, and names those that it replaces. */
export function overrideMembers<Owner extends object>(
  owner: Owner,
  ownerName: string,
  make: (stock: Members<Owner>) => Partial<Members<Owner>>,
): Override {
  const entries = Object.entries(Object.getOwnPropertyDescriptors(owner))
  const stock = Object.fromEntries(entries.map(([name, { value }]) => [name, value]))
  const replacements = make(stock as Members<Owner>)
  for (const name of Object.keys(replacements)) requireMember(owner, ownerName, name)
  return {
    put() {
      Object.assign(owner, replacements)
    },
    restore() {
      for (const name of Object.keys(replacements)) Reflect.set(owner, name, stock[name])
    },
  }
}

/** Inherited does not count: what is put back must be where it was. */
export function requireMember(owner: object, ownerName: string, name: string): void {
  if (Object.hasOwn(owner, name) && typeof Reflect.get(owner, name) === 'function') return
  throw new Error(
    `@bsv/sdk changed shape: ${ownerName} has no function ${name} of its own any more. Install the version that package.json pins, or bring src/adapters/bsv/native-curve.ts up to date.`,
  )
}
