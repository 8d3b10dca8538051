/** As a condition: the partition's stream is of a tenant, or not published, so it is not for everybody even if it is public. */
export function isClosedSql(partitionId: string): string {
  return `exists (
    select from partitions as opened join streams as stream on stream.stream_id = opened.stream_id
      where opened.id = ${partitionId} and (stream.tenant_id is not null or not stream.published))`
}

/** As a condition on a row of `rounds`: what it is about is for everybody. */
export function isOpenRoundSql(round: string): string {
  return `(${round}.audience = 'public' and not exists (
      select from round_members as member join packets as sealed on sealed.packet_id = member.packet_id
        where member.round_id = ${round}.round_id and ${isClosedSql('sealed.partition_id')})
    and not exists (select from aggregates as stated
      where stated.aggregate_id = ${round}.round_id and ${isClosedSql('stated.partition_id')}))`
}
