/** Puts the member back as it was. */
export type Restore = () => void

type Member<Owner, Name extends keyof Owner> = Owner[Name] extends (...args: infer Args) => infer Answer
  ? (this: Owner, ...args: Args) => Answer
  : never

/** Replaces a function of a class, or of its prototype, by one that is made from it. */
export function replaceMember<Owner extends object, Name extends keyof Owner & string>(
  owner: Owner,
  ownerName: string,
  name: Name,
  make: (stock: Member<Owner, Name>) => Member<Owner, Name>,
): Restore {
  requireMember(owner, ownerName, name)
  const stock = owner[name]
  owner[name] = make(stock as Member<Owner, Name>) as Owner[Name]
  return () => {
    owner[name] = stock
  }
}

/** Inherited does not count: what is put back must be where it was. */
export function requireMember(owner: object, ownerName: string, name: string): void {
  if (Object.hasOwn(owner, name) && typeof Reflect.get(owner, name) === 'function') return
  throw new Error(
    `@bsv/sdk changed shape: ${ownerName} has no function ${name} of its own any more. Install the version that package.json pins, or bring src/adapters/bsv/native-curve.ts up to date.`,
  )
}
