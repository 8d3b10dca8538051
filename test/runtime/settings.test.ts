import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { envExample, envExampleFile } from '../../scripts/env-example.ts'
import { blockedPorts } from '../../src/runtime/addresses/blocked-ports.ts'
import { readSettings, SettingsError, settingList } from '../../src/runtime/settings.ts'

describe('the settings', () => {
  test('need nothing to be set', () => {
    expect(readSettings({})).toMatchObject({
      PORT: 8080,
      ASSAY_NETWORK: 'local',
      ASSAY_PEERS: [],
      LOCAL_CHAIN_CONTROL: false,
    })
    expect(readSettings({ PORT: '', DATABASE_URL: '' }).PORT).toBe(8080)
  })

  test('complain about everything at once, by name, with what is wanted', () => {
    const complaints = complaintsAbout({
      PORT: '99999',
      ASSAY_NETWORK: 'moonnet',
      LOCAL_CHAIN_URL: 'not a url',
      ASSAY_PEERS: 'https://a.example,ftp://b',
    })
    expect(complaints.map(each => each.split(':')[0])).toEqual([
      'PORT',
      'ASSAY_NETWORK',
      'LOCAL_CHAIN_URL',
      'ASSAY_PEERS',
    ])
    expect(complaints[0]).toContain('not a whole number from 0 to 65535')
  })

  test('refuse ports that nobody who uses fetch could reach', async () => {
    for (const port of blockedPorts)
      if (port !== 0)
        await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toMatchObject({
          cause: { message: 'bad port' },
        })
    const complaints = complaintsAbout({ PORT: '10080', ASSAY_PUBLIC_URL: 'https://a.example:6000' })
    expect(complaints).toHaveLength(2)
    for (const complaint of complaints) expect(complaint).toContain('take another one')
    expect(readSettings({ PORT: '10081', ASSAY_PUBLIC_URL: 'https://a.example' }).PORT).toBe(10_081)
    // These are called without fetch, and their ports are not ours to choose.
    expect(readSettings({ PORT: '0', ASSAY_PEERS: 'https://a.example:10080' }).PORT).toBe(0)
  })

  test('refuse a threshold that contradicts whether consensus is required, where both are set', () => {
    for (const [required, threshold] of [
      ['true', '1'],
      ['false', '2'],
    ] as const)
      expect(
        complaintsAbout({ EVENT_CONSENSUS_REQUIRED: required, EVENT_CONSENSUS_THRESHOLD: threshold }),
      ).toEqual([expect.stringContaining('EVENT_CONSENSUS_REQUIRED')])
    readSettings({ EVENT_CONSENSUS_REQUIRED: 'false', EVENT_CONSENSUS_THRESHOLD: '1' })
    readSettings({ EVENT_CONSENSUS_REQUIRED: 'true', EVENT_CONSENSUS_THRESHOLD: '3' })
  })

  test('refuse to advertise a topic of events that no node hosts', () => {
    const [complaint] = complaintsAbout({
      OVERLAY_EVENT_TOPICS: 'gitdata.events.certified,gitdata.events.iot',
    })
    expect(complaint).toContain('gitdata.events.ingest')
  })

  test('never show the value of a secret', () => {
    const [complaint] = complaintsAbout({
      DATABASE_URL: 'mysql://user:hunter2@host/db',
      ARC_CALLBACK_TOKEN: 'short',
    })
    expect(complaint).toContain('DATABASE_URL')
    expect(complaintsAbout({ DATABASE_URL: 'mysql://user:hunter2@host/db' }).join()).not.toContain('hunter2')
  })

  test('read networks from a JSON array, or from a list with commas', () => {
    const read = (text: string) => readSettings({ INGEST_ALLOWLIST_CIDRS: text }).INGEST_ALLOWLIST_CIDRS
    expect(read('["10.0.0.0/8", "2001:db8::/32"]')).toEqual(['10.0.0.0/8', '2001:db8::/32'])
    expect(read('10.0.0.0/8, 192.0.2.7')).toEqual(['10.0.0.0/8', '192.0.2.7'])
    expect(read('')).toEqual([])
    for (const text of ['["10.0.0.0/40"]', '[7]', '{}', '["10.0.0.0/8"', 'everywhere'])
      expect(complaintsAbout({ TRUSTED_PROXY_CIDRS: text })).toHaveLength(1)
  })

  test('read what may be sent by a route, and refuse one that is none', () => {
    const name = 'INGEST_ROUTE_LIMITS_JSON'
    expect(readSettings({ [name]: '{"/ingest/events":{"eventsPerSecond":7}}' })[name]).toEqual({
      '/ingest/events': { eventsPerSecond: 7 },
      '/overlay/events/ingest': {},
    })
    for (const text of ['{"/ingest":{}}', '{"/ingest/events":{"eventsPerHour":7}}', '[]', '{'])
      expect(complaintsAbout({ [name]: text })).toEqual([expect.stringContaining(name)])
  })

  test('refuse a policy that the database cannot keep', () => {
    expect(complaintsAbout({ NORMALIZE_POLICY_JSON: '{"constants":{"a":"\\u0000"}}' })).toEqual([
      expect.stringContaining('/constants/a: the policy holds the character U+0000'),
    ])
  })

  test('take a secret from a file', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'assay-settings-'))
    const file = path.join(folder, 'token')
    fs.writeFileSync(file, 'a token of sixteen and more\n')
    expect(readSettings({ ARC_CALLBACK_TOKEN_FILE: file }).ARC_CALLBACK_TOKEN).toBe(
      'a token of sixteen and more',
    )
    fs.rmSync(folder, { recursive: true })
    expect(complaintsAbout({ ARC_CALLBACK_TOKEN_FILE: file })[0]).toContain('ARC_CALLBACK_TOKEN_FILE')
  })

  test('are listed in docs/operating.md, each with its default and what goes wrong where it is wrong', () => {
    const rows = fs
      .readFileSync(path.join(import.meta.dirname, '../../docs/operating.md'), 'utf8')
      .split('\n')
      .flatMap(line => [/^(\| `[A-Z0-9_]+`.*? \|) ([^|]*) \|$/.exec(line) ?? []])
      .filter(row => row.length > 0)
    expect(rows.map(([, said]) => said)).toEqual(
      settingList.map(({ name, fallback, about, isSecret }) => {
        const shown = fallback === undefined ? 'none' : fallback === '' ? 'empty' : `\`${fallback}\``
        return `| \`${name}\`${isSecret ? ' (secret)' : ''} | ${shown} | ${about} |`
      }),
    )
    expect(rows.filter(([, , wrong = '']) => wrong.length < 10)).toEqual([])
  })

  test('are in .env.example, with those of agents: npm run env-example writes it', () => {
    expect(fs.readFileSync(envExampleFile, 'utf8')).toBe(envExample())
  })

  test('can be set from .env.example as a shell reads it', () => {
    const set = fs.readFileSync(envExampleFile, 'utf8').replaceAll(/^# (?=[A-Z0-9_]+=)/gm, '')
    const read = spawnSync('sh', ['-c', `set -a\n${set}\nenv -0`], { env: {}, encoding: 'utf8' }).stdout
    const env = Object.fromEntries(
      read.split('\0').map(line => [line.split('=')[0] ?? '', line.slice(line.indexOf('=') + 1)]),
    )
    expect(readSettings(env)).toEqual(readSettings({}))
    expect(env).toMatchObject({ INGEST_ALLOWLIST_CIDRS: '[]', AGENT_NODES: 'http://127.0.0.1:8080' })
  })
})

function complaintsAbout(env: Record<string, string>): readonly string[] {
  try {
    readSettings(env)
  } catch (error) {
    if (error instanceof SettingsError) return error.complaints
  }
  throw new Error('these settings were taken')
}
