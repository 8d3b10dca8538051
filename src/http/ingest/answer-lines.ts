import type { ServerResponse } from 'node:http'
import type { ItemAnswer } from '../../ingest/arrived.ts'
import { type Problem, problemBody } from '../problem.ts'
import { itemLine, summaryLine } from './answers.ts'
import type { Taken } from './taken.ts'

/** An answer in lines: one for each item once it is durable, and a last one for all of them. */
export type AnswerLines = {
  /** Resolves when the client keeps up with reading; throws where it does not, or has left. */
  write(items: readonly ItemAnswer[], firstItem: number): Promise<void>
  end(taken: Taken): void
  /** The last line says why there are no more; `false` where nothing was written yet, and a problem can be the answer. */
  fail(problem: Problem): boolean
}

/** Thrown where there is nobody to answer any more. */
export class ReaderGoneError extends Error {}

export function answerLines(
  response: ServerResponse,
  standing: Readonly<Record<string, string>>,
  readMsMax: number,
): AnswerLines {
  const begin = () => {
    if (!response.headersSent)
      response.writeHead(200, { ...standing, 'Content-Type': 'application/x-ndjson' })
  }
  return {
    async write(items, firstItem) {
      begin()
      if (response.destroyed) throw new ReaderGoneError('the client has left')
      const text = items.map((item, at) => `${JSON.stringify(itemLine(item, firstItem + at))}\n`).join('')
      if (!response.write(text)) await drained(response, readMsMax)
    },
    end(taken) {
      begin()
      response.end(`${JSON.stringify(summaryLine(taken))}\n`)
    },
    fail(problem) {
      if (!response.headersSent) return false
      response.end(`${JSON.stringify({ summary: true, ...problemBody(problem) })}\n`)
      return true
    },
  }
}

/** Whoever does not read answers is not listened to for ever, as both sides would wait for each other. */
function drained(response: ServerResponse, readMsMax: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const tooSlow = setTimeout(() => {
      response.destroy()
    }, readMsMax)
    const go = () => {
      response.off('close', leave)
      clearTimeout(tooSlow)
      resolve()
    }
    const leave = () => {
      response.off('drain', go)
      clearTimeout(tooSlow)
      reject(new ReaderGoneError('the client has left, or does not read its answer'))
    }
    response.once('drain', go).once('close', leave)
  })
}
