import { execFile, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { commands } from '../../src/bin/commands.ts'
import { eventStates } from '../../src/core/jobs/lifecycle.ts'
import { eventWords } from '../../src/core/jobs/vocabulary.ts'
import { runningNode } from '../support/running-node.ts'
import { asShown, shownCommands } from '../support/shown-commands.ts'

const root = new URL('../../', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')
const formats = read('docs/formats.md')

describe('docs/formats.md', () => {
  test('names every digest tag that the code uses, and no other', () => {
    const tagsIn = (text: string) => new Set(text.match(/assay:[a-z-]+:[0-9]+/g))
    const used = new Set(sources().flatMap(file => [...tagsIn(read(file))]))
    expect([...tagsIn(formats)].sort()).toEqual([...used].sort())
  })

  test('names every token protocol that the code uses', () => {
    const used = sources().flatMap(
      file => read(file).match(/'gitdata (?:agent|event|output|key) [a-z]+'/g) ?? [],
    )
    expect(used.length).toBeGreaterThan(6)
    expect(used.filter(protocol => !formats.includes(protocol.replaceAll("'", '`')))).toEqual([])
  })
})

describe('docs/trace.md and docs/feed-and-search.md', () => {
  test('say what becomes of events in the words that answers have', () => {
    const trace = read('docs/trace.md')
    const rows = [...trace.matchAll(/^\| `([a-z]+)` \| `([a-z]+)` \| `([a-z]+)` \|/gm)].map(row =>
      row.slice(1),
    )
    const said = Object.entries(eventStates).map(([state, { ingest, overlay }]) => [state, ingest, overlay])
    expect(rows).toEqual(said)
    const states = read('docs/feed-and-search.md').split('## States')[1]?.split('\n## ')[0] ?? ''
    const asked = states.slice(states.indexOf(':'), states.indexOf('.'))
    expect([...asked.matchAll(/`([a-z]+)`/g)].map(([, word]) => word)).toEqual(eventWords('ingest'))
  })
})

describe('docs/operating.md', () => {
  test('names only commands that there are', () => {
    const named = [...read('docs/operating.md').matchAll(/`assay ([a-z]+)/g)].map(([, name]) => name ?? '')
    expect(named.length).toBeGreaterThan(2)
    expect(named.filter(name => !commands.has(name))).toEqual([])
  })

  test('names only metrics that there are, as the pages about ingest do', () => {
    const pages = ['operating', 'failure-modes', 'quarantine', 'ingest', 'streaming', 'subscriptions'].map(
      page => `docs/${page}.md`,
    )
    const named = pages.flatMap(page =>
      [...read(page).matchAll(/`((?:[a-z]+_)+(?:total|seconds|time_ms|lag_ms)|assay_[a-z_]+)[`{]/g)].map(
        ([, name]) => name ?? '',
      ),
    )
    const all = sources()
      .filter(file => /^src\/(runtime|node)\//.test(file))
      .map(read)
      .join()
    expect(named.length).toBeGreaterThan(2)
    expect(named.filter(name => !all.includes(`'${name}'`))).toEqual([])
  })
})

describe('README.md and CONTRIBUTING.md', () => {
  const pages = ['README.md', 'CONTRIBUTING.md']

  test.each(pages)('%s names only scripts that package.json has', page => {
    const { scripts } = JSON.parse(read('package.json'))
    const named = [...read(page).matchAll(/npm (?:run )?(start|test|(?<=run )[a-z:]+)/g)].map(
      ([, script]) => script,
    )
    expect(named.length).toBeGreaterThan(1)
    expect(named.filter(script => script !== undefined && !(script in scripts))).toEqual([])
  })

  test.each([
    ...pages,
    'ARCHITECTURE.md',
    'docs/alerts.md',
    'docs/client.md',
    'docs/feed-and-search.md',
    'docs/formats.md',
    'docs/ingest.md',
    'docs/lineage.md',
    'docs/overlay-batches.md',
    'docs/policies.md',
    'docs/rules.md',
    'docs/operating.md',
    'docs/failure-modes.md',
    'docs/performance.md',
    'bench/README.md',
    'docs/errors.md',
    'docs/publishers.md',
    'docs/quarantine.md',
    'docs/sources.md',
    'docs/streaming.md',
    'docs/subscriptions.md',
    'docs/trace.md',
    'docs/verify.md',
    'SECURITY.md',
    'examples/README.md',
    'examples/verify-in-a-browser/README.md',
    'docs/topics/tm_gitdata_events_ingest.md',
    'docs/topics/ls_gitdata_events.md',
    'test/vectors/README.md',
  ])('%s links only to what is there', page => {
    const links = [...read(page).matchAll(/\]\((?!https:)([^)#]+)(?:#[^)]*)?\)/g)].map(
      ([, link]) => link ?? '',
    )
    const missing = links.filter(link => {
      const target = new URL(link, new URL(page, root))
      return !exists(fileURLToPath(target))
    })
    expect(missing).toEqual([])
  })
})

describe('the commands of README.md', () => {
  // The sources, not dist/: a build that another process has just begun must not matter here.
  const assay = ['--conditions=source', '--import', 'tsx', 'src/bin/assay.ts']
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [...assay, ...args], { cwd: root, encoding: 'utf8' })

  test('verify a proof from a file, and say what is missing for more', () => {
    const bare = run('verify', 'test/vectors/proof.assay.json')
    expect([bare.status, bare.stdout.split(' ')[0]]).toEqual([3, 'CONSISTENT'])
    const log = JSON.parse(read('test/vectors/verdicts.json')).cases[0].log
    const lists = ['--log', log, '--operators', 'test/vectors/operators.txt']
    expect(run('verify', 'test/vectors/proof.assay.json', ...lists).status).toBe(0)
    const headers = ['--headers', 'test/vectors/headers.json', '--allow-local', '--require', 'proven']
    expect(run('verify', 'test/vectors/proof.assay.json', ...lists, ...headers).stdout).toMatch(
      /^PROVEN \(on a private chain\)/,
    )
    expect(run('verify', 'README.md').status).toBe(2)
    expect(run('verify').stderr).toContain('name one proof file')
  })

  test('send events to a running node, ask it for one and for all else, and are answered', async () => {
    const node = await runningNode()
    const page = read('README.md')
    const [, path, type = '', body = ''] =
      /^curl -sS -X POST localhost:8080(\S+) -H 'content-type: ([^']+)' -d '([^']+)'/m.exec(page) ?? []
    const sent = await fetch(`${node.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    })
    const { items } = sendAnswer.parse(await sent.json())
    expect(items.map(({ status }) => status)).toEqual(['accepted', 'accepted'])
    const asked = [...page.matchAll(/^curl "?localhost:8080([^" ]*)"?/gm)].map(([, path = '']) =>
      path.replace('EVENT_ID', items[0]?.eventId ?? ''),
    )
    expect(asked.length).toBeGreaterThan(3)
    for (const path of asked) expect([path, (await fetch(`${node.url}${path}`)).status]).toEqual([path, 200])
    const [, program = ''] = /^```js\n([\s\S]*?)^```$/m.exec(page) ?? []
    expect(await said(program.replace('http://localhost:8080', node.url))).toBe('accepted\n')
    await node.end()
  })

  test('print what the page shows', () => {
    const shown = shownCommands(read('README.md'))
    expect(shown.length).toBeGreaterThan(0)
    for (const { args, shown: wanted } of shown) expect(run(...args).stdout).toMatch(asShown(wanted))
  })

  /** In a process beside this one, which serves it meanwhile. */
  async function said(program: string): Promise<string> {
    const flags = [...assay.slice(0, -1), '--input-type=module', '--eval', program]
    return (await promisify(execFile)(process.execPath, flags, { cwd: root })).stdout
  }

  test('refuse what they do not know', () => {
    expect(run('frobnicate')).toMatchObject({ status: 2, stderr: expect.stringContaining('assay help') })
    expect(run('node', '--port')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('docs/operating.md'),
    })
    expect(run('node', '--help')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('start a node'),
    })
  })
})

const sendAnswer = z.object({ items: z.array(z.object({ status: z.string(), eventId: z.string() })) })

function sources(): string[] {
  const files = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' })
  return files.filter(name => name.endsWith('.ts')).map(name => `src/${name}`)
}

function exists(path: string): boolean {
  try {
    readFileSync(path)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EISDIR'
  }
}
