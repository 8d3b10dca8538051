/**
 * A condition in SQL: neither the output in this row nor a host that it names in one of these columns stands in the
 * table `bans`, be it as a whole address or as a host for all of its ports and schemes. Asked where an index is read,
 * so that a ban holds at once and can be lifted.
 */
export function notBanned(row: string, addresses: readonly string[]): string {
  const spellings = addresses.flatMap(address => {
    const host = `regexp_replace(${address}, '^[^/]*//', '')`
    return [address, host, `regexp_replace(${host}, ':[0-9]+$', '')`]
  })
  return `not exists (select from bans where bans.type = 'domain' and bans.value in (${spellings.join(', ')}))
    and not exists (select from bans
      where bans.type = 'outpoint' and bans.value = encode(${row}.txid, 'hex') || '.' || ${row}.vout)`
}
