import { mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStartLog } from '../../../src/adapters/postgres/embedded/server-log.ts'

let logs = ''
beforeEach(() => {
  logs = mkdtempSync(join(tmpdir(), 'assay-logs-'))
})
afterEach(() => rmSync(logs, { recursive: true, force: true }))

const collected = () => join(logs, 'server-20260102-030405.log')
const line = (pid: number, words: string) => `2026-01-02 03:04:05.678 UTC [${pid}] LOG:  ${words}\n`
const collecting = line(20, 'redirecting log output to logging collector process')

describe('what a server has said', () => {
  test('is whole at its end where it had no collector', () => {
    const log = openStartLog(logs)
    writeSync(log.fd, 'postgres: error while loading shared libraries\n')
    expect(log.read(20)).toMatchObject({ whole: true, words: expect.stringContaining('shared libraries') })
    log.close()
  })

  test('is not whole before its collector has written its last line', () => {
    const log = openStartLog(logs)
    writeSync(log.fd, collecting)
    expect(log.read(20).whole).toBe(false)
    writeFileSync(collected(), line(20, 'could not bind IPv4 address "127.0.0.1": Address already in use'))
    expect(log.read(20).whole).toBe(false)
    const end = line(20, 'database system is shut down')
    writeFileSync(collected(), readFileSync(collected(), 'utf8') + end)
    expect(log.read(20)).toMatchObject({ whole: true, words: expect.stringContaining('could not bind') })
    log.close()
  })

  test('is nothing of what the one before it said in the same second', () => {
    writeFileSync(collected(), line(19, 'could not bind') + line(19, 'database system is shut down'))
    const log = openStartLog(logs)
    writeSync(log.fd, collecting)
    expect(log.read(20).whole).toBe(false)
    expect(log.read(20).words).not.toMatch(/could not bind/)
    log.close()
  })
})
