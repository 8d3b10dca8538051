import { describe, expect, test } from 'vitest'
import { explain } from '../../src/bin/explain.ts'

const failure = (message: string, code?: string) => Object.assign(new Error(message), code && { code })

describe('what whoever typed a command is told', () => {
  test.each([
    ['57P01', 'terminating connection due to unexpected postmaster exit'],
    ['57P02', 'terminating connection because of crash of another server process'],
    ['57P03', 'the database system is not yet accepting connections'],
  ])('of a database that says %s: that it went away, and what to do', (code, message) => {
    expect(explain(failure(message, code))).toBe(
      `the database went away meanwhile (${code}). Start this again once it answers.`,
    )
  })

  test('of one that hangs up without a word: the same', () => {
    expect(
      explain(failure('ROLLBACK - Client has encountered a connection error and is not queryable')),
    ).toMatch(/^the database went away meanwhile/)
    expect(explain(failure('Connection terminated unexpectedly'))).toMatch(
      /^the database went away meanwhile \(Connection terminated unexpectedly\)\. Start this again/,
    )
  })

  test.each([
    ['ECONNRESET', 'read ECONNRESET'],
    ['EPIPE', 'write EPIPE'],
    ['ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:5432'],
  ])('of a connection that ends with nothing but %s: the same', (code, message) => {
    expect(explain(failure(message, code))).toBe(
      `the database went away meanwhile (${code}). Start this again once it answers.`,
    )
  })

  test('of something else that cannot be reached: its own words, which say what', () => {
    const words = 'GET https://node.example/identity: read ECONNRESET'
    expect(explain(failure(words, 'ECONNRESET'))).toBe(words)
  })

  test('of a port that is taken: who has it, and how to take another', () => {
    expect(explain(failure('listen EADDRINUSE 127.0.0.1:8080', 'EADDRINUSE'))).toMatch(/set PORT to another/)
  })

  test('of anything else: its own words', () => {
    expect(explain(failure('the disk is full', 'ENOSPC'))).toBe('the disk is full')
    expect(explain('no error at all')).toBe('no error at all')
  })
})
