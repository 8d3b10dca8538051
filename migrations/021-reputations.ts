import type { Knex } from 'knex'

/** What agents and operators have shown of themselves, what speaks against them, and what came to nothing. */
export const reputations = {
  name: '021-reputations',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- What seats are given by. Reputation, which is for people, stands beside it.
      create table operators (
        operator bytea primary key check (octet_length(operator) = 33),
        -- simulated: all of one person's, as in \`npm start\`.
        independence text not null default 'claimed' check (independence in ('claimed', 'simulated')),
        failure_points integer not null default 0,
        double_spends integer not null default 0,
        first_ms bigint not null,
        changed_ms bigint not null
      );

      -- The terms of an agent's reputation, each wearing off with time: nothing counts for ever.
      create table agent_records (
        agent_key bytea primary key check (octet_length(agent_key) = 33),
        operator bytea not null references operators,
        agreed double precision not null default 0,
        dissenting double precision not null default 0,
        silent double precision not null default 0,
        late double precision not null default 0,
        failed double precision not null default 0,
        void double precision not null default 0,
        equivocated double precision not null default 0,
        -- As of this time; what came before it weighs less by how long ago it was.
        as_of_ms bigint not null,
        -- From offer to answer, smoothed; null before the first.
        latency_ms double precision,
        answers bigint not null default 0,
        last_answer_ms bigint
      ) with (fillfactor = 70);
      create index agent_records_by_operator on agent_records (operator);

      -- What anybody can hold against somebody: the transactions named are its signatures. Never deleted.
      create table evidence (
        id bigint generated always as identity primary key,
        kind text not null check (kind in ('seat-answered-twice', 'double-spend', 'certified-twice', 'late', 'dissent',
          'work-void', 'silent', 'refused', 'forked')),
        -- Tells one from another: the same is written once, whoever sees it how often.
        digest bytea not null unique check (octet_length(digest) = 32),
        operator bytea,
        agent_key bytea,
        coordinator bytea,
        round_id bytea,
        packet_id bytea,
        stage text,
        txids bytea[] not null default '{}',
        detail jsonb not null default '{}',
        seen_ms bigint not null
      );
      create index evidence_by_agent on evidence (agent_key, id) where agent_key is not null;
      create index evidence_by_operator on evidence (operator, id) where operator is not null;
      create index evidence_by_packet on evidence (packet_id, id) where packet_id is not null;
      create index evidence_by_round on evidence (round_id, id) where round_id is not null;
      create index evidence_by_kind on evidence (kind, id);

      -- A mistake of ours is not to take away what somebody signed.
      create function evidence_stays() returns trigger language plpgsql as $$
        begin
          raise exception 'evidence is never deleted or changed' using errcode = 'restrict_violation';
        end
      $$;
      create trigger evidence_stays before delete or update on evidence
        for each row execute function evidence_stays();
      create trigger evidence_is_not_emptied before truncate on evidence
        for each statement execute function evidence_stays();

      -- Answers to one packet that were not all the same, with what was decided and by which rule.
      create table conflicts (
        id bigint generated always as identity primary key,
        packet_id bytea not null,
        round_id bytea not null references rounds,
        job_tx bytea not null references round_jobs,
        stage text not null,
        level text not null,
        policy_digest bytea not null check (octet_length(policy_digest) = 32),
        -- agreed: by the level's rule, over dissent. retried: nobody had a quorum. split: no more tries.
        decision text not null check (decision in ('agreed', 'retried', 'split')),
        leaf bytea check (octet_length(leaf) = 32),
        -- [{operator, agentKey, leaf, status, resultTxid, outputHash}], in the order of the seats.
        votes jsonb not null,
        reason text not null,
        -- The first lines that differ, once somebody has asked for them.
        first_difference jsonb,
        decided_ms bigint not null,
        unique (job_tx, packet_id)
      );
      create index conflicts_by_packet on conflicts (packet_id, id);
      create index conflicts_by_time on conflicts (decided_ms, id);

      -- What was given up, and can be taken up again under the policy that it had.
      create table dead_letters (
        id bigint generated always as identity primary key,
        packet_id bytea not null references packet_standings (packet_id),
        round_id bytea references rounds,
        stage text not null,
        reason text not null,
        tries integer not null,
        policy_digest bytea not null,
        died_ms bigint not null,
        state text not null default 'dead' check (state in ('dead', 'redriven')),
        redriven_ms bigint,
        redriven_by text,
        check ((state = 'redriven') = (redriven_ms is not null))
      );
      create unique index dead_letters_once on dead_letters (packet_id) where state = 'dead';
      create index dead_letters_by_state on dead_letters (state, id);
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(
      'drop table dead_letters, conflicts, evidence, agent_records, operators; drop function evidence_stays',
    )
  },
}
