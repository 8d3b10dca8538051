import { ConflictList } from './conflict-list.tsx'
import { HeldByStream } from './held-by-stream.tsx'
import { OwnDesk } from './own-desk.tsx'
import { QuarantineDesk } from './quarantine-desk.tsx'

/** Where agents did not all say the same, and what waits for somebody's decision. */
export function ConflictsPage() {
  return (
    <>
      <div class="page-head">
        <h1>Conflicts and quarantine</h1>
      </div>
      <ConflictList />
      <HeldByStream />
      <OwnDesk />
      <QuarantineDesk />
    </>
  )
}
