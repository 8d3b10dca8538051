/** As a condition on a row of `streams`: anybody may read what it says. */
export function isOpenSql(stream: string): string {
  return `(${stream}.audience = 'public' and ${stream}.published and ${stream}.tenant_id is null)`
}

/** As a condition: the partition's stream is of a tenant, or not published, so it is not for everybody even if it is public. */
export function isClosedSql(partitionId: string): string {
  return `exists (
    select from partitions as opened join streams as stream on stream.stream_id = opened.stream_id
      where opened.id = ${partitionId} and (stream.tenant_id is not null or not stream.published))`
}
