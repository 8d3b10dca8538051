import { useAnswer } from '../ask/use-answer.ts'
import { count, Figure, Source } from '../parts/figure.tsx'
import { Hash } from '../parts/hash.tsx'
import { NoAnswer } from '../parts/notice.tsx'
import { span, When } from '../parts/time.tsx'
import { Wide } from '../parts/wide.tsx'
import { type Agent, agentsShape } from './agent-shape.ts'
import { Score } from './score.tsx'

const LOOK_MS = 5_000

/** Who works for this node, and what speaks for and against them. */
export function AgentsPage() {
  const { answer, known } = useAnswer('/agents', agentsShape, LOOK_MS)
  return (
    <>
      <div class="page-head">
        <h1>Agents</h1>
      </div>
      <p class="lead">
        Agents do the work and vote; operators answer for them. A quorum counts operators, so two agents of
        one operator are one voice.
      </p>
      {known === undefined ? (
        answer === undefined ? (
          <p class="quiet">Loading…</p>
        ) : (
          <NoAnswer answer={answer} what="The agents" />
        )
      ) : (
        <Agents agents={known.agents} total={known.total} />
      )}
    </>
  )
}

function Agents({ agents, total }: { readonly agents: readonly Agent[]; readonly total: number }) {
  const operators = [...new Set(agents.map(({ operator }) => operator))].sort()
  const reachable = agents.filter(each => each.reachable).length
  if (agents.length === 0)
    return (
      <p class="card quiet">
        No agent has advertised itself yet. Until enough operators have, packets wait, or this node works on
        them alone and never calls that a consensus. docs/agents.md says how to run one.
      </p>
    )
  return (
    <>
      <dl class="figures">
        <Figure
          label="Operators"
          value={count(operators.length)}
          from="with an advert that holds; from /agents"
        />
        <Figure label="Agents" value={count(total)} from="with an advert that holds; from /agents" />
        <Figure
          label="Answer now"
          value={`${reachable} of ${agents.length}`}
          tone={reachable < agents.length ? 'warn' : 'good'}
          from="when this node last asked them; from /agents"
        />
        <Figure
          label="Independence"
          value={agents.some(({ independence }) => independence === 'simulated') ? 'simulated' : 'claimed'}
          from="simulated: one person's; claimed: nobody can show more, as keys are free"
        />
      </dl>
      {operators.map((operator, i) => (
        <section class="card" key={operator} aria-label={`Operator ${i + 1}`}>
          <div class="card-head">
            <h2>
              Operator <Hash value={operator} name="the operator's key" />
            </h2>
          </div>
          <Wide label={`Agents of operator ${i + 1}`}>
            <table class="agents">
              <thead>
                <tr>
                  <th scope="col">Agent</th>
                  <th scope="col">Works at</th>
                  <th scope="col">Reputation</th>
                  <th scope="col" class="num">
                    Latency
                  </th>
                  <th scope="col" class="num">
                    Jobs done
                  </th>
                  <th scope="col">Advert until</th>
                </tr>
              </thead>
              <tbody>
                {agents
                  .filter(each => each.operator === operator)
                  .map(agent => (
                    <tr key={agent.agentKey}>
                      <th scope="row">
                        <Hash value={agent.agentKey} name="the agent's key" />
                        {!agent.reachable && <span class="state bad">does not answer</span>}
                      </th>
                      <td>{agent.stages.join(', ')}</td>
                      <td>
                        <Score reputation={agent.reputation} />
                      </td>
                      <td class="num">
                        {agent.latencyMs === null ? (
                          <span class="unknown">not yet known</span>
                        ) : (
                          span(agent.latencyMs)
                        )}
                      </td>
                      <td class="num">{jobsOf(agent.health)}</td>
                      <td>
                        <When ms={agent.expiresMs} />
                      </td>
                    </tr>
                  ))}
              </tbody>
            </table>
          </Wide>
        </section>
      ))}
      <Source>
        From /agents. Latency is from offering a job to its answer, as this node saw it; jobs are what the
        agent says of itself since it was started. A reputation is made of public results, each worth half
        after a day.
      </Source>
    </>
  )
}

/** As the agent says itself, where it was asked. */
function jobsOf(health: unknown) {
  const jobs = (health as { readonly jobs?: { readonly completed?: unknown } } | null)?.jobs?.completed
  return typeof jobs === 'number' ? count(jobs) : <span class="unknown">not known</span>
}
