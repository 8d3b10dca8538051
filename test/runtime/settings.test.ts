import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
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

  test('are listed in docs/settings.md, each with its default', () => {
    const lines = fs
      .readFileSync(path.join(import.meta.dirname, '../../docs/settings.md'), 'utf8')
      .split('\n')
      .filter(line => line.startsWith('| `'))
    expect(lines).toEqual(
      settingList.map(({ name, fallback, about, isSecret }) => {
        const shown = fallback === undefined ? 'none' : fallback === '' ? 'empty' : `\`${fallback}\``
        return `| \`${name}\`${isSecret ? ' (secret)' : ''} | ${shown} | ${about} |`
      }),
    )
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
