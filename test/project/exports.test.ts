import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const { exports } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const entries = Object.keys(exports).filter(entry => entry !== './package.json')

/** Names of everything that each entry point gives to a program, read by a program. */
function namesFor(...flags: string[]): Record<string, string[]> {
  const program = `
    const names = {}
    for (const entry of ${JSON.stringify(entries)})
      names[entry] = Object.keys(await import('assay' + entry.slice(1))).sort()
    console.log(JSON.stringify(names))`
  const run = spawnSync(process.execPath, [...flags, '--input-type=module', '--eval', program], {
    cwd: root,
    encoding: 'utf8',
  })
  if (run.status !== 0) throw new Error(run.stderr)
  return JSON.parse(run.stdout)
}

describe('the package, as others import it', () => {
  test('gives from its build what it gives from its sources', () => {
    const ready = spawnSync(process.execPath, ['scripts/ready.mjs'], { cwd: root, encoding: 'utf8' })
    expect(ready.stderr).not.toContain('do not compile')
    expect(namesFor()).toEqual(namesFor('--conditions=source', '--import', 'tsx'))
  })

  test('has what a host needs to open an overlay and mount its routes', () => {
    const names = namesFor('--conditions=source', '--import', 'tsx')
    expect(names['.']).toEqual(
      expect.arrayContaining([
        'openDatabase',
        'migrate',
        'migrations',
        'openOverlay',
        'overlayRoutes',
        'healthRoutes',
      ]),
    )
    expect(names['./topic-managers']).toContain('EventsIngestTopicManager')
    expect(names['./lookup-services']).toContain('EventsLookupService')
  })
})
