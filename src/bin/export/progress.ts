import type { ExportRecord } from '../../contract/audit/records.ts'

export type Progress = {
  saw(record: ExportRecord): void
  end(): void
}

const EVERY_MS = 1_000

/** A line on standard error, about once a second; nothing where nobody looks. */
export function showProgress(verb: string, isAsked: boolean): Progress {
  if (!isAsked && !process.stderr.isTTY) return { saw: () => {}, end: () => {} }
  let [packets, all] = [0, 0]
  let shownMs = Date.now()
  const show = () => process.stderr.write(`${verb} ${packets} of ${all} packets\n`)
  return {
    saw(record) {
      if (record.kind === 'opening') all = record.partitions.reduce((sum, { marks }) => sum + marks, 0)
      if (record.kind === 'packet') packets += 1
      if (Date.now() - shownMs < EVERY_MS) return
      shownMs = Date.now()
      show()
    },
    end: show,
  }
}
