/**
 * In SQL: whether agents would be given this carried state, kept by itself or in the work of those that agreed on it. Null is
 * the empty one, which nobody needs to be given.
 */
export function stateIsHere(state: string, nowMs: string): string {
  const isHeld = (sha256: string) => `exists (select from uhrp_objects as object
      where object.sha256 = ${sha256} and object.state = 'held' and exists (select from uhrp_retentions as retention
        where retention.sha256 = object.sha256 and retention.retain_until_ms > ${nowMs}))`
  return `(${state} is null
    or (exists (select from kept_states as kept where kept.state = ${state}) and ${isHeld(state)})
    or exists (select from outcomes as agreed join round_results as stored on stored.txid = agreed.result_tx
      where agreed.is_agreed and agreed.state_out = ${state} and ${isHeld('stored.work_object')}))`
}
