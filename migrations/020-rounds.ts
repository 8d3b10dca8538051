import type { Knex } from 'knex'

/** From sealed packets to verdicts: where each packet stands, its rounds, their jobs, who was asked and what was answered. */
export const rounds = {
  name: '020-rounds',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- Up to where a partition's packets have a standing. Written with those, so that each gets one and only one.
      create table partition_rounds (
        partition_id integer primary key references partitions,
        next_packet bigint not null default 0
      ) with (fillfactor = 50);

      -- Where one packet stands on its way to a certificate. What the coordinator decides from, and nothing else.
      create table packet_standings (
        packet_id bytea primary key check (octet_length(packet_id) = 32),
        partition_id integer not null,
        packet_no bigint not null,
        level text not null check (level in ('basic', 'enhanced', 'critical')),
        audience text not null check (audience in ('public', 'restricted')),
        -- Whose operators may be asked: packets of one round have one roster.
        roster_digest bytea not null check (octet_length(roster_digest) = 32),
        events integer not null,
        bytes integer not null,
        -- What it adds to a round document, at most.
        document_bytes integer not null,
        sealed_ms bigint not null,
        status text not null default 'sealed' check (status in ('sealed', 'open', 'certified', 'split', 'unanchored',
          'rebuilding', 'abandoned')),
        round_id bytea check (octet_length(round_id) = 32),
        rounds integer not null default 0,
        tries integer not null default 0,
        round_packets_max integer,
        rebuilds integer not null default 0,
        -- Without the time in which too few operators were reachable; running since, where it runs.
        waited_ms bigint not null default 0,
        waiting_since_ms bigint,
        -- Not before this time, after it has left a round.
        retry_ms bigint not null default 0,
        -- Set by the first certificate, and never changed.
        version_id bytea check (octet_length(version_id) = 32),
        parent_packet_id bytea check (octet_length(parent_packet_id) = 32),
        parent_version_id bytea check (octet_length(parent_version_id) = 32),
        state_in bytea check (octet_length(state_in) = 32),
        state_out bytea check (octet_length(state_out) = 32),
        -- txid of the one that is alive.
        certificate bytea check (octet_length(certificate) = 32),
        changed_ms bigint not null,
        unique (partition_id, packet_no),
        foreign key (partition_id, packet_no) references packets,
        check ((parent_packet_id is null) = (parent_version_id is null)),
        check (version_id is not null or num_nonnulls(parent_packet_id, state_in, state_out, certificate) = 0),
        check ((status in ('open', 'rebuilding')) <= (round_id is not null)),
        check ((status in ('certified', 'unanchored', 'rebuilding', 'abandoned')) <= (version_id is not null))
      ) with (fillfactor = 70);
      create index packet_standings_unfinished on packet_standings (partition_id, packet_no)
        where status in ('sealed', 'open', 'unanchored', 'rebuilding');
      create index packet_standings_split on packet_standings (partition_id, packet_no) where status = 'split';
      create index packet_standings_certified on packet_standings (partition_id, packet_no) where version_id is not null;
      create index packet_standings_by_round on packet_standings (round_id) where round_id is not null;
      create index packet_standings_by_certificate on packet_standings (certificate) where certificate is not null;
      create index packet_standings_by_version on packet_standings (version_id) where version_id is not null;

      -- Whoever plans rounds holds this row for as long as that takes; a second one turns to its other work meanwhile.
      create table round_planning (
        is_one boolean primary key default true check (is_one),
        -- Rounds that were ever made: seats rotate with it.
        rotation bigint not null default 0,
        planned_ms bigint not null default 0
      );
      insert into round_planning (is_one) values (true);

      -- The packets that went to agents together, or the aggregate that one statement is asked over. Named by its roundId,
      -- or by the aggregate's id.
      create table rounds (
        round_id bytea primary key check (octet_length(round_id) = 32),
        template text not null check (template in ('packet', 'aggregate')),
        level text not null,
        audience text not null,
        -- Called \`try\` in the round document.
        attempt integer not null,
        -- Canonical, to the byte; agents fetch it by its SHA-256.
        document text not null,
        input_hash bytea not null check (octet_length(input_hash) = 32),
        roster_digest bytea not null,
        -- open: its last job waits for answers, or is on its way. certifying: decided, and its certificate is due or on
        -- its way. closing: its thread is being spent to change. lost: what it ended with has died, or came back, and
        -- somebody has to look. over: its thread has ended.
        state text not null check (state in ('open', 'certifying', 'closing', 'lost', 'over')),
        made_ms bigint not null,
        first_job bytea check (octet_length(first_job) = 32),
        -- The last transaction on its thread that was built or taken over; null once there is none.
        last_tx bytea check (octet_length(last_tx) = 32),
        -- The network has not said yet whether it takes that one.
        in_flight boolean not null default false,
        -- The job that waits for answers.
        job_tx bytea check (octet_length(job_tx) = 32),
        -- What was decided and is not done yet: {kind, members, spends, leaving, conduct}, as the pure decision says it.
        decision jsonb,
        decided_ms bigint,
        -- Of steps whose transactions died: no two transactions of one stage have the same number.
        rebuild integer not null default 0,
        over_ms bigint,
        -- Who works on it. What is written names the token, and is refused where somebody else has taken it since.
        coordinator text,
        lease_token bigint not null default 0,
        lease_until_ms bigint not null default 0,
        last_error text,
        check ((state = 'over') <= (not in_flight))
      ) with (fillfactor = 50);
      create index rounds_at_work on rounds (lease_until_ms, round_id) where state <> 'over';
      create index rounds_by_last on rounds (last_tx) where last_tx is not null;
      create index rounds_by_first on rounds (first_job) where first_job is not null;
      create index rounds_by_document on rounds (input_hash);
      create index rounds_by_time on rounds (made_ms, round_id);

      create table round_members (
        round_id bytea not null references rounds,
        index integer not null check (index between 0 and 63),
        packet_id bytea not null references packet_standings (packet_id),
        -- How and when it left; null while it has not.
        left_why text check (left_why in ('dissent', 'no-answer', 'behind', 'other-version')),
        left_ms bigint,
        primary key (round_id, index)
      );
      create index round_members_by_packet on round_members (packet_id, round_id);

      -- One stage of work on one round, as the transaction that was sent.
      create table round_jobs (
        txid bytea primary key check (octet_length(txid) = 32),
        round_id bytea not null references rounds,
        template text not null,
        stage text not null check (stage in ('normalize', 'validate', 'certify')),
        level text not null,
        members integer[] not null,
        input_root bytea not null check (octet_length(input_root) = 32),
        rebuild integer not null,
        deadline_ms bigint not null,
        output_bytes_max bigint not null,
        fan_out text not null check (fan_out in ('all', 'quorum-first')),
        made_ms bigint not null,
        -- Its seats were offered from then on: the network has it.
        seen_ms bigint,
        decided_ms bigint,
        outcome text check (outcome in ('advanced', 'certified', 'closed', 'dead')),
        unique (round_id, stage, rebuild)
      ) with (fillfactor = 70);

      -- One agent of one job. Its words are those of the job states, and jobs are listed from here.
      create table round_seats (
        job_tx bytea not null references round_jobs,
        vout integer not null,
        stage text not null,
        agent_key bytea not null check (octet_length(agent_key) = 33),
        operator bytea not null check (octet_length(operator) = 33),
        endpoints text[] not null,
        satoshis bigint not null,
        state text not null default 'queued' check (state in ('queued', 'running', 'completed', 'failed', 'dead')),
        -- Held back until the first ones disagree or are late.
        is_reserve boolean not null default false,
        attempts integer not null default 0,
        next_run_ms bigint not null,
        offered_ms bigint,
        -- As the agent answered it, and when; nothing else is called delivered.
        steak jsonb,
        acknowledged_ms bigint,
        answered_ms bigint,
        result_tx bytea check (octet_length(result_tx) = 32),
        conduct text check (conduct in ('agreed', 'dissenting', 'silent', 'unheard', 'unsettled')),
        last_error text,
        made_ms bigint not null,
        completed_ms bigint,
        primary key (job_tx, vout)
      ) with (fillfactor = 60);
      create index round_seats_by_state on round_seats (state, next_run_ms);
      create index round_seats_by_agent on round_seats (agent_key, state);
      create index round_seats_by_stage on round_seats (stage, state);
      create index round_seats_due on round_seats (next_run_ms, job_tx, vout) where state = 'queued' and not is_reserve;

      -- Every answer of a seat's own agent that reached us, also the second one, the late one and the one that counts for
      -- nothing. Whether the network has it, and what spends it, the overlay's own tables say.
      create table round_results (
        txid bytea primary key check (octet_length(txid) = 32),
        job_tx bytea not null references round_jobs,
        vout integer not null,
        agent_key bytea not null,
        operator bytea not null,
        status text not null check (status in ('completed', 'failed', 'rejected')),
        leaves bytea not null check (octet_length(leaves) % 32 = 0),
        work_hash bytea not null check (octet_length(work_hash) = 32),
        evidence_hash bytea not null check (octet_length(evidence_hash) = 32),
        arrived_ms bigint not null,
        is_late boolean not null,
        -- unchecked: its work is not here or not read yet. held: the bytes are those it votes for. void: they are not, and it
        -- is no vote: kept, never spent.
        work text not null default 'unchecked' check (work in ('unchecked', 'held', 'void')),
        void_why text,
        -- The object that the agent has uploaded.
        work_object bytea check (octet_length(work_object) = 32),
        work_bytes bigint,
        -- How the agent says that it worked, where it was sent along.
        said jsonb,
        check ((work = 'held') <= (work_object is not null)),
        check ((work = 'void') = (void_why is not null))
      );
      create index round_results_by_job on round_results (job_tx, vout);
      create index round_results_unchecked on round_results (arrived_ms) where work = 'unchecked';
      create index round_results_by_agent on round_results (agent_key, arrived_ms);

      -- Where the bytes behind an answer stand in what agents have uploaded: also of those that were overruled.
      create table outcomes (
        result_tx bytea not null references round_results,
        member integer not null,
        leaf bytea not null check (octet_length(leaf) = 32),
        packet_id bytea not null,
        stage text not null,
        -- Of the output; of a manifest too.
        output_hash bytea not null check (octet_length(output_hash) = 32),
        state_out bytea check (octet_length(state_out) = 32),
        output_at bigint not null,
        output_bytes bigint not null,
        state_at bigint not null,
        state_bytes bigint not null,
        is_agreed boolean not null default false,
        primary key (result_tx, member)
      );
      create index outcomes_by_leaf on outcomes (leaf) where is_agreed;
      create index outcomes_by_state on outcomes (state_out) where is_agreed and state_out is not null;
      create index outcomes_by_packet on outcomes (packet_id, stage);

      -- The latest state of each partition, and every 256th: bytes in the content store under this hash.
      create table kept_states (
        state bytea not null check (octet_length(state) = 32),
        partition_id integer not null references partitions,
        packet_no bigint not null,
        bytes bigint not null,
        kept_ms bigint not null,
        primary key (partition_id, packet_no)
      );
      create index kept_states_by_hash on kept_states (state);
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop table kept_states, outcomes, round_results, round_seats, round_jobs, round_members, rounds, round_planning,
        packet_standings, partition_rounds
    `)
  },
}
