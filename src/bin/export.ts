import { openExport } from '../adapters/exporting/export-database.ts'
import { openReadObject } from '../adapters/exporting/read-object.ts'
import { type ExportSource, exportRecords } from '../contract/audit/sequence.ts'
import { toHex } from '../core/bytes.ts'
import { FaultError } from '../core/fault.ts'
import { openNodeDatabase } from '../node/node-database.ts'
import { storeFolder } from '../node/node-storage.ts'
import { openLog } from '../runtime/log.ts'
import { readSettings } from '../runtime/settings.ts'
import { openStops, type Stops } from '../runtime/stops.ts'
import { explain } from './explain.ts'
import { openNodeSource } from './export/node-source.ts'
import { showProgress } from './export/progress.ts'
import { openRecordWriter } from './export/record-file.ts'
import { readOptions } from './read-options.ts'

const usage = `assay export --out FILE [--stream STREAM] [--node URL] [--progress]

  --out      the file to write; one that was cut off is gone on with
  --stream   this stream alone
  --node     as a node gives it to anybody; without it, all that the database and the store of this machine hold
  --progress says on standard error how far it is, also where that is no terminal`

/** Exit codes: 0 the export is whole, 1 it could not be finished, 2 wrong usage. */
export async function exportLog(args: readonly string[]): Promise<number> {
  const asked = read(args)
  if (asked === undefined) {
    console.error(usage)
    return 2
  }
  const stops = openStops(openLog('silent'))
  try {
    return await write(asked, stops)
  } catch (error) {
    console.error(`assay export: ${error instanceof FaultError ? error.fault.detail : explain(error)}`)
    return 1
  } finally {
    await stops.run()
  }
}

type Asked = NonNullable<ReturnType<typeof read>>

function read(args: readonly string[]) {
  const called = readOptions(args, {
    out: { type: 'string' },
    stream: { type: 'string' },
    node: { type: 'string' },
    progress: { type: 'boolean', default: false },
  })
  if (called === undefined || called.positionals.length > 0) return undefined
  const { out, stream = null, node, progress } = called.values
  return out === undefined ? undefined : { out, stream, node, progress }
}

async function write({ out, stream, node, progress }: Asked, stops: Stops): Promise<number> {
  const opened = await openRecordWriter(out)
  if (!opened.ok) throw new FaultError(opened.fault)
  const writer = opened.value
  stops.add('the file', () => writer.close())
  const { opening, records } = writer.cursor()
  if (opening !== null && opening.streamId !== stream)
    throw new Error(
      `${out} is an export of ${opening.streamId === null ? 'all streams' : `stream "${opening.streamId}"`}. Go on with that, or name another file.`,
    )
  if (records > 0 && !writer.cursor().isWhole)
    console.error(`assay export: going on behind ${records} records of ${out}`)
  const source = node === undefined ? await sourceHere(stops) : openNodeSource(node)
  const shown = showProgress('exported', progress)
  for await (const record of exportRecords(source, stream, writer.cursor())) {
    await writer.write(record)
    shown.saw(record)
  }
  shown.end()
  console.log(`${toHex(await writer.finish())}  ${out}`)
  return 0
}

/** What this machine has, also where no node runs. */
async function sourceHere(stops: Stops): Promise<ExportSource> {
  const settings = readSettings(process.env)
  const { pool } = await openNodeDatabase(settings, openLog('silent'), stops)
  return openExport({ pool, readObject: openReadObject(pool, storeFolder(settings), Date.now) }, 'operator')
}
