import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { faultCodes } from '../../src/core/fault.ts'
import { chainErrors } from '../../src/http/chain-errors.ts'
import { overlayErrorCodes } from '../../src/http/overlay-error.ts'
import { problemCodes } from '../../src/http/problem-codes.ts'

const root = new URL('../../', import.meta.url)
const sections = new Map(
  readFileSync(new URL('docs/errors.md', root), 'utf8')
    .split(/^## /m)
    .slice(1)
    .map(section => [section.slice(0, section.indexOf('\n')), rowsOf(section)]),
)

describe('docs/errors.md', () => {
  test('has every problem code, with its status, whether to ask again, and what to do next', () => {
    expect(
      sections.get('Problems')?.map(([code, status, again, , next]) => [code, status, again, next]),
    ).toEqual(
      Object.entries(problemCodes).map(([code, { status, retryable, next }]) => [
        code,
        String(status),
        retryable ? 'yes' : 'no',
        next,
      ]),
    )
  })

  test('has every fault code', () => {
    expect(sections.get('Faults')?.map(([code]) => code)).toEqual([...faultCodes])
  })

  test('has every code of the overlay, with each status that the code gives it', () => {
    const rows = sections.get('Errors of the overlay') ?? []
    expect(rows.map(([code]) => code)).toEqual([...overlayErrorCodes])
    const said = new Set(
      rows.flatMap(([code, statuses = '']) => statuses.split(', ').map(each => `${code} ${each}`)),
    )
    expect([...said].sort()).toEqual([...new Set(statusesInSources())].sort())
  })

  test('has every code of the private chain, with its status', () => {
    expect(
      sections.get('Errors of the private chain')?.map(([code, status]) => [code, Number(status)]),
    ).toEqual(Object.entries(chainErrors))
  })

  test('says of each what it means, and what to do next', () => {
    const rows = [...sections.values()].flat()
    expect(rows.filter(cells => cells.some(cell => cell.length < 2))).toEqual([])
  })
})

function rowsOf(section: string): string[][] {
  return [...section.matchAll(/^\| `([A-Za-z_-]+)` \| (.*) \|$/gm)].map(([, code = '', rest = '']) => [
    code,
    ...rest.split(' | '),
  ])
}

/** As the code spells them: a status, and the overlay's code behind it. */
function statusesInSources(): string[] {
  const files = readdirSync(new URL('src/http/', root), { recursive: true, encoding: 'utf8' })
  const codes: readonly string[] = overlayErrorCodes
  const pattern = /(?:status: |\[)(\d{3}),\s*(?:code: )?'([A-Z_]+)'/g
  return files
    .filter(name => name.endsWith('.ts'))
    .flatMap(name => [...readFileSync(new URL(`src/http/${name}`, root), 'utf8').matchAll(pattern)])
    .flatMap(([, status, code = '']) => (codes.includes(code) ? [`${code} ${status}`] : []))
}
