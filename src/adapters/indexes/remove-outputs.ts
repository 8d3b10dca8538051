/** Takes outputs out of an index table, as an index write (overlay/index-writes.ts). */
export function removeOutputs(table: string): string {
  return `
  delete from ${table} as listed using jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint)
  where listed.txid = decode(given.txid, 'hex') and listed.vout = given.vout`
}
