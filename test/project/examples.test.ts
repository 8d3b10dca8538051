import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { examplesFolder, inJson, readFeeds } from '../../scripts/examples/files.ts'
import { makeExamples, verifyArgs } from '../../scripts/examples/make.ts'
import { startChild } from '../node/child-node.ts'

/** A node and nine agents are processes of their own, on a machine that may be busy. */
const MAKES_MS_MAX = 900_000

const committed = (name: string) => readFileSync(path.join(examplesFolder, name), 'utf8')

describe('the examples', () => {
  let made: ReadonlyMap<string, string>
  beforeAll(async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'assay-examples-'))
    try {
      made = await makeExamples(folder)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }, MAKES_MS_MAX)

  test('are all there, and no others', () => {
    const byHand = ['events', 'mapping', 'rules', 'schema']
    const there = ['feeds', 'one-event']
      .flatMap(folder =>
        readdirSync(path.join(examplesFolder, folder), { recursive: true, encoding: 'utf8' }).map(
          name => `${folder}/${name}`,
        ),
      )
      .filter(name => /\.(json|txt)$/.test(name) && !byHand.includes(path.basename(name, '.json')))
    expect(there.sort()).toEqual([...made.keys()].sort())
  })

  test('become the same of a node and its agents today', () => {
    const names = [...made.keys()].filter(name => /\/(became|source|request)\.json$/.test(name))
    expect(names).toHaveLength(9)
    for (const name of names) expect([name, made.get(name)]).toEqual([name, committed(name)])
  })

  test('have the members that a node answers with today', () => {
    const names = [...made.keys()].filter(name =>
      /\/(manifest|bundle|ready|answer|trace|certification)\.json$/.test(name),
    )
    expect(names).toHaveLength(15)
    for (const name of names)
      expect([name, members(committed(name))]).toEqual([name, members(made.get(name) ?? '')])
  })
})

describe('the committed examples', () => {
  test('have a proof that holds, with the words that stand beside it', async () => {
    const child = startChild(
      verifyArgs(path.join(examplesFolder, 'one-event'), committed('one-event/log.txt').trim()),
      {},
    )
    expect(await child.exited).toEqual({ code: 0, signal: null })
    expect(child.said()).toBe(committed('one-event/verified.txt'))
  })

  test('have sources that say what mapping, schema and rules say', () => {
    for (const { kind, source } of readFeeds())
      expect(committed(`feeds/${kind}/source.json`)).toBe(inJson(source))
  })

  test('are of versions that are ready, with the lineage of every event of the feed', () => {
    for (const { kind, events } of readFeeds()) {
      expect(JSON.parse(committed(`feeds/${kind}/ready.json`))).toMatchObject({ ready: true })
      const { graph } = JSON.parse(committed(`feeds/${kind}/bundle.json`))
      expect([kind, graph.nodes.length, graph.edges.length]).toEqual([kind, events.length, events.length - 1])
    }
  })
})

/** The names of members at the top and one below: what is further in depends on how a run went. */
function members(text: string): string[] {
  const value: unknown = JSON.parse(text)
  return Object.entries(Object(value))
    .flatMap(([name, inner]) =>
      Array.isArray(inner) || inner === null
        ? [name]
        : [name, ...Object.keys(Object(inner)).map(below => `${name}.${below}`)],
    )
    .filter(name => !/\.\d+$/.test(name))
    .sort()
}
