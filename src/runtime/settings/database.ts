import * as z from 'zod'
import { wholeNumber } from './kinds.ts'
import { secret, setting } from './setting.ts'

/** Where everything is kept that must not be lost. */
export const databaseSettings = {
  DATABASE_URL: secret(
    z.string().regex(/^postgres(ql)?:\/\//, 'not a URL like postgresql://user:password@host:5432/name'),
    'PostgreSQL server to use, version 14 or newer; without it the embedded one is started',
  ),
  DATABASE_CONNECTIONS_MAX: setting(
    wholeNumber(2, 1000),
    '16',
    'connections to the database per process; a node has up to 8 more, with which it makes packets and projections, and 3 for what others look up',
  ),
  DATABASE_STATEMENT_MS_MAX: setting(
    wholeNumber(1_000, 600_000),
    '30000',
    'milliseconds that one statement may take; a database that is silent for 5 s longer is given up, and asked anew',
  ),
}
