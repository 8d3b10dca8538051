type Edit = { readonly edit: Readonly<Record<string, unknown>> | undefined } | { readonly wrong: string }

/** The JSON Merge Patch (RFC 7396) that makes what was typed of what is held; undefined where both say the same. */
export function mergePatchOf(held: unknown, typed: string): Edit {
  const wanted = parsed(typed)
  if (wanted === undefined) return { wrong: 'This is no JSON yet, so it cannot be sent.' }
  if (!isObject(wanted.value) || !isObject(held))
    return { wrong: 'What is held is an object, and stays one.' }
  if (hasNull(wanted.value, held))
    return { wrong: 'A merge patch cannot set a member to null: leave it out instead.' }
  const patch = between(held, wanted.value)
  return { edit: Object.keys(patch).length === 0 ? undefined : patch }
}

type Obj = Readonly<Record<string, unknown>>

function between(before: Obj, after: Obj): Record<string, unknown> {
  const gone = Object.keys(before).filter(name => !Object.hasOwn(after, name))
  const patch: Record<string, unknown> = Object.fromEntries(gone.map(name => [name, null]))
  for (const [name, value] of Object.entries(after)) {
    const was = Object.hasOwn(before, name) ? before[name] : undefined
    if (isObject(was) && isObject(value)) {
      const inner = between(was, value)
      if (Object.keys(inner).length > 0) patch[name] = inner
    } else if (JSON.stringify(was) !== JSON.stringify(value)) patch[name] = value
  }
  return patch
}

/** A null that was not there before: in a merge patch it would mean that the member is to go. */
function hasNull(after: unknown, before: unknown): boolean {
  if (!isObject(after)) return false
  return Object.entries(after).some(([name, value]) => {
    const was = isObject(before) ? before[name] : undefined
    return value === null ? was !== null : hasNull(value, was)
  })
}

function isObject(value: unknown): value is Obj {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parsed(typed: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(typed) }
  } catch {
    // Half typed; the caller says so.
    return undefined
  }
}
