/**
 * A condition in SQL: neither the output in this row nor a host that it names in one of these spellings stands in the
 * table `bans`. Asked where an index is read, so that a ban holds at once and can be lifted.
 */
export function notBanned(row: string, hosts: readonly string[]): string {
  return `not exists (select from bans where bans.type = 'domain' and bans.value in (${hosts.join(', ')}))
    and not exists (select from bans
      where bans.type = 'outpoint' and bans.value = encode(${row}.txid, 'hex') || '.' || ${row}.vout)`
}
