import { describe, test } from 'vitest'

/**
 * Tests that need something a plain machine may lack. There they are skipped under a title that says how to
 * get it; with REQUIRE_REAL=all, or REQUIRE_REAL=<name>, its absence fails instead.
 */
export function describeWith(component: RealComponent, title: string, body: () => void): void {
  if (component.available) describe(title, body)
  else if (component.installable !== false && isRequired(component.name)) {
    test(`${title} (needs ${component.name})`, () => {
      throw new Error(`REQUIRE_REAL asks for ${component.name}, which is not here. ${component.howToGet}`)
    })
  } else describe.skip(`${title} (skipped: no ${component.name} here. ${component.howToGet})`, body)
}

export type RealComponent = {
  readonly name: string
  readonly available: boolean
  /** A sentence: what to install, or to set. */
  readonly howToGet: string
  /** False: it is how the machine is, which no installation changes; so nobody can require it. */
  readonly installable?: false
}

function isRequired(name: string): boolean {
  const required = (process.env['REQUIRE_REAL'] ?? '').split(',').map(entry => entry.trim())
  return required.includes('all') || required.includes(name)
}
