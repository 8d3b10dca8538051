import { nodeUrl } from '../ask/ask.ts'
import { Command } from '../parts/copy.tsx'

/** The same from a terminal, ready to be pasted. */
export function Commands({ eventId, log }: { readonly eventId: string; readonly log: string | null }) {
  const node = nodeUrl('/').replace(/\/$/, '')
  const file = `${eventId.slice(0, 12)}.assay.json`
  return (
    <div class="commands">
      <h3>All of this page, as the node says it</h3>
      <Command text={`curl ${node}/events/${eventId}/trace`} what="the command for the trace" />
      <h3>Its proof, and what that proves offline</h3>
      <Command
        text={`curl -o ${file} ${node}/events/${eventId}/proof\nassay verify ${file}`}
        what="the commands for the proof"
      />
      {log !== null && (
        <>
          <h3>With this node asked too: done again, and explained step by step</h3>
          <Command
            text={`assay verify ${eventId} --node ${node} --log ${log} --replay --explain`}
            what="the command that explains it"
          />
        </>
      )}
      <p class="source">
        <code>assay</code> is <code>npm run assay --</code> in a clone. Whose word counts is yours to say:
        take the log's key from somebody you trust, not from this page.
      </p>
    </div>
  )
}
