/** What one look has found. `move`: what to do, where something is wrong. */
export type Finding = {
  readonly name: string
  readonly state: 'ok' | 'wrong' | 'not looked at'
  readonly seen: string
  readonly move?: string
}

export type Seen = Pick<Finding, 'state' | 'seen' | 'move'>

export function ok(seen: string): Seen {
  return { state: 'ok', seen }
}

export function wrong(seen: string, move: string): Seen {
  return { state: 'wrong', seen, move }
}

export async function looked(name: string, look: () => Promise<Seen>): Promise<Finding> {
  try {
    return { name, ...(await look()) }
  } catch (error) {
    return { name, state: 'wrong', seen: error instanceof Error ? error.message : String(error) }
  }
}

export function notLooked(name: string, why: string): Finding {
  return { name, state: 'not looked at', seen: why }
}
