import type { Shape } from '../../core/event/adapters/recognize.ts'
import type { StreamedFormat } from './body-format.ts'
import { csvTaker } from './csv.ts'
import { ndjsonTaker } from './ndjson.ts'
import type { TakeItems } from './windows.ts'

export function takerOf(format: StreamedFormat, recordBytesMax: number, shape: Shape | undefined): TakeItems {
  return format.kind === 'csv'
    ? csvTaker(recordBytesMax, format.delimiter)
    : ndjsonTaker(recordBytesMax, shape)
}
