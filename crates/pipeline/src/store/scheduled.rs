//! Runs that schedules ask for are accepted, many in one transaction.
//!
//! What is looked at is read for all of them at once, under the locks of all their pipelines, so
//! that a thousand runs cost some ten statements. Nothing is counted for one that is refused.
//!
//! **Invariants:** I3 (one run per slot, and per schedule and run that it follows), I7 (numbers
//! without gap, given under the pipeline's lock).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use contracts::access::Right;
use contracts::id::RunId;
use contracts::message::{RunChanged, RunRequested, RunState};
use outbox::Announcement;
use runtime::{Fault as _, Kind, clock};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait as _,
    FromQueryResult, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::starts::run_row;
use super::{StopAll, Store, conflicts};
use crate::Error;
use crate::caller::Caller;
use crate::entity::{origin, pipeline, run};
use crate::news;
use crate::record::to_json;
use crate::run::{EndCause, StopMode};
use crate::state::State;

/// Rows an `INSERT`, well below the number of values that a statement may have.
const ROWS: usize = 500;

/// A run that a schedule asks for.
#[derive(Debug, Clone)]
pub(crate) struct Scheduled {
    pub(crate) by: Caller,
    pub(crate) pipeline_id: String,
    pub(crate) slot: Slot,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) order_number: i64,
    pub(crate) on_behalf_of: String,
    pub(crate) overlap: Overlap,
    /// Nothing is started: it is asked whether it was.
    pub(crate) only_known: bool,
}

/// What it is for.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) schedule_id: String,
    pub(crate) schedule_number: i64,
    /// Its name in the schedule.
    pub(crate) name: String,
    /// The run that it follows, if it does.
    pub(crate) upstream_run_id: Option<String>,
}

/// What unfinished runs of the pipeline mean for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overlap {
    Ignore,
    /// It isn't started.
    Unless,
    /// They are cancelled before.
    Cancel,
}

/// What became of one.
#[derive(Debug)]
pub(crate) enum Started {
    Accepted(Accepted),
    /// The origin was seen before.
    Repeated(Accepted),
    /// A run of the pipeline has not ended.
    Active,
    Refused(Error),
    /// It was only asked for what is known, and there is none.
    Unknown,
}

/// A run that is there.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Accepted {
    pub(crate) id: String,
    pub(crate) run_count: i64,
    pub(crate) requested_at_ms: i64,
}

/// A run that succeeded or warned.
#[derive(Debug, FromQueryResult)]
pub(crate) struct EndedRun {
    pub(crate) number: i64,
    pub(crate) id: String,
    pub(crate) pipeline_id: String,
    pub(crate) ended_at_ms: i64,
    pub(crate) silent: bool,
    pub(crate) schedule_id: Option<String>,
    pub(crate) slot: Option<String>,
}

impl Slot {
    /// Schedules' slots and the runs that they follow have namespaces of their own.
    fn origin(&self) -> String {
        match &self.upstream_run_id {
            Some(run_id) => to_json(&["after", &self.schedule_id, run_id]),
            None => to_json(&["schedule", &self.schedule_id, &self.name]),
        }
    }
}

impl Store {
    /// Accepts runs of schedules, each once per origin, and answers in their order.
    pub(crate) async fn start_scheduled(
        &self,
        starts: Vec<Scheduled>,
    ) -> Result<Vec<Started>, Error> {
        let mut refused = self.cancel_others(&starts).await?;
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let mut batch = Batch::read(&tx, &starts, now_ms).await?;
        let mut all = Vec::with_capacity(starts.len());
        for (index, start) in starts.iter().enumerate() {
            let started = match refused.remove(&index) {
                Some(error) => Started::Refused(error),
                None => match self.accept(&tx, &mut batch, start).await {
                    Err(error) if is_its_own(&error) => Started::Refused(error),
                    started => started?,
                },
            };
            all.push(started);
        }
        let is_changed = batch.write(&tx).await?;
        // Also where nothing has changed: what was read may wait for the same group commit.
        tx.commit().await?;
        if is_changed {
            runtime::fault_point::pass("runs.accepted");
            self.relay.ring();
        }
        Ok(all)
    }

    /// Accepts one, in memory.
    async fn accept(
        &self,
        tx: &DatabaseTransaction,
        batch: &mut Batch,
        start: &Scheduled,
    ) -> Result<Started, Error> {
        let origin = start.slot.origin();
        if let Some(known) = batch.known.get(&origin) {
            return Ok(Started::Repeated(known.clone()));
        }
        if start.only_known {
            return Ok(Started::Unknown);
        }
        let id = &start.pipeline_id;
        let is_its = |it: &&pipeline::Model| it.account == start.by.account();
        let pipeline = batch.pipelines.get(id).filter(is_its).cloned();
        let pipeline = pipeline.ok_or_else(|| Error::NoPipeline(id.clone()))?;
        start.by.must(Right::Run, &pipeline, id)?;
        super::custody::check_unlocked(&pipeline)?;
        if start.overlap == Overlap::Unless && batch.active.contains(id) {
            return Ok(Started::Active);
        }
        let given = start.parameters.clone();
        let parameters = self.checked_parameters(tx, &pipeline, given, false).await?;
        let caller = self.kept_caller(tx, &pipeline, &start.by).await?;
        let accepted = batch.add(start, pipeline, &parameters, caller)?;
        batch.known.insert(origin, accepted.clone());
        Ok(Started::Accepted(accepted))
    }

    /// Cancels unfinished runs of pipelines where a start that was not seen before wants it so.
    /// Answers which of the starts are refused for it.
    async fn cancel_others(&self, starts: &[Scheduled]) -> Result<HashMap<usize, Error>, Error> {
        let mut refused = HashMap::new();
        for (index, start) in starts.iter().enumerate() {
            if start.overlap != Overlap::Cancel {
                continue;
            }
            match self.cancel_before(start).await {
                Err(error) if is_its_own(&error) => {
                    refused.insert(index, error);
                }
                outcome => outcome?,
            }
        }
        Ok(refused)
    }

    async fn cancel_before(&self, start: &Scheduled) -> Result<(), Error> {
        let reader = self.database.reader();
        let seen = origin::Entity::find_by_id(start.slot.origin());
        if seen.one(reader).await?.is_some() {
            return Ok(());
        }
        let (account, id) = (start.by.account(), &start.pipeline_id);
        let pipeline = self.pipeline(account, id).await?;
        start.by.must(Right::Stop, &pipeline, id)?;
        let stop = StopAll {
            run_count: None,
            mode: StopMode::Cancel,
            reason: format!(
                "the next run of schedule {} is due",
                start.slot.schedule_number
            ),
            by: Caller::system(account),
            cause: EndCause::Stopped,
            keep_queue: false,
        };
        self.stop_runs(&pipeline, &stop).await?;
        Ok(())
    }

    /// Runs of these pipelines that succeeded or warned since then, by number.
    pub(crate) async fn ended_runs(
        &self,
        pipeline_ids: Vec<String>,
        since_ms: i64,
        after: i64,
        limit: u64,
    ) -> Result<Vec<EndedRun>, Error> {
        use run::Column;
        let well = [State::Succeeded, State::Warned].map(State::name);
        let runs = run::Entity::find()
            .select_only()
            .columns([
                Column::Number,
                Column::Id,
                Column::PipelineId,
                Column::EndedAtMs,
                Column::Silent,
                Column::ScheduleId,
                Column::Slot,
            ])
            .filter(Column::PipelineId.is_in(pipeline_ids))
            .filter(Column::EndedAtMs.gte(since_ms))
            .filter(Column::State.is_in(well))
            .filter(Column::Number.gt(after))
            .order_by_asc(Column::Number)
            .limit(limit)
            .into_model();
        Ok(runs.all(self.database.reader()).await?)
    }

    /// Those of the pipelines that a caller has this right to, in their order.
    pub(crate) async fn permitted(
        &self,
        caller: &Caller,
        ids: &[String],
        right: Right,
    ) -> Result<Vec<pipeline::Model>, Error> {
        let rows = pipeline::Entity::find()
            .filter(pipeline::Column::Account.eq(caller.account()))
            .filter(pipeline::Column::DeletedAtMs.is_null())
            .filter(pipeline::Column::Id.is_in(ids))
            .all(self.database.reader())
            .await?;
        let mut by_id = HashMap::new();
        for row in rows {
            if right.is_of(caller.standing(&row)?) {
                by_id.insert(row.id.clone(), row);
            }
        }
        Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
    }
}

/// Whether a start alone is at fault, so that asking again would change nothing.
fn is_its_own(error: &Error) -> bool {
    match error.kind() {
        Kind::Invalid | Kind::Denied | Kind::NotFound | Kind::Conflict | Kind::Exists => true,
        Kind::Unauthenticated | Kind::Busy | Kind::Unavailable | Kind::Late | Kind::Internal => {
            false
        }
    }
}

/// Runs that are being accepted together.
struct Batch {
    now_ms: i64,
    /// Locked, by id, with the numbers that are taken here.
    pipelines: BTreeMap<String, pipeline::Model>,
    /// Pipelines with a run that has not ended.
    active: HashSet<String>,
    /// The runs of origins.
    known: HashMap<String, Accepted>,
    runs: Vec<run::ActiveModel>,
    origins: Vec<origin::ActiveModel>,
    /// How many runs each pipeline gets.
    counts: BTreeMap<String, i64>,
    news: Vec<Announcement>,
}

impl Batch {
    async fn read(
        tx: &DatabaseTransaction,
        starts: &[Scheduled],
        now_ms: i64,
    ) -> Result<Self, Error> {
        let ids = starts.iter().map(|it| it.pipeline_id.clone());
        let pipelines = conflicts::lock(tx, &ids.collect()).await?;
        let may_not = starts.iter().filter(|it| it.overlap == Overlap::Unless);
        let active = active(tx, may_not.map(|it| &it.pipeline_id).collect()).await?;
        let origins = starts.iter().map(|it| it.slot.origin()).collect();
        Ok(Self {
            now_ms,
            pipelines,
            active,
            known: known(tx, origins).await?,
            runs: Vec::new(),
            origins: Vec::new(),
            counts: BTreeMap::new(),
            news: Vec::new(),
        })
    }

    fn add(
        &mut self,
        start: &Scheduled,
        mut pipeline: pipeline::Model,
        parameters: &BTreeMap<String, String>,
        caller: Option<String>,
    ) -> Result<Accepted, Error> {
        pipeline.run_count += 1;
        let accepted = Accepted {
            id: RunId::made_at(self.now_ms).to_string(),
            run_count: pipeline.run_count,
            requested_at_ms: self.now_ms,
        };
        let (id, actor) = (accepted.id.clone(), start.by.actor());
        let mut row = run_row(&pipeline, id.clone(), parameters, actor, self.now_ms);
        row.caller = Set(caller);
        row.order_number = Set(start.order_number);
        row.silent = Set(false);
        row.schedule_id = Set(Some(start.slot.schedule_id.clone()));
        row.schedule_number = Set(Some(start.slot.schedule_number));
        row.slot = Set(Some(start.slot.name.clone()));
        row.on_behalf_of = Set(start.on_behalf_of.clone());
        self.runs.push(row);
        self.origins.push(origin::ActiveModel {
            origin: Set(start.slot.origin()),
            run_id: Set(id),
            fingerprint: Set(String::new()),
            expires_at_ms: Set(None),
        });
        self.news.extend(told(start, &accepted, &pipeline)?);
        *self.counts.entry(pipeline.id.clone()).or_default() += 1;
        self.active.insert(pipeline.id.clone());
        self.pipelines.insert(pipeline.id.clone(), pipeline);
        Ok(accepted)
    }

    /// Writes down what was accepted. Answers whether anything was.
    async fn write(self, tx: &DatabaseTransaction) -> Result<bool, Error> {
        if self.runs.is_empty() {
            return Ok(false);
        }
        let mut by_count: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for (id, count) in self.counts {
            by_count.entry(count).or_default().push(id);
        }
        for (count, ids) in by_count {
            let run_count = Expr::col(pipeline::Column::RunCount).add(count);
            pipeline::Entity::update_many()
                .col_expr(pipeline::Column::RunCount, run_count)
                .filter(pipeline::Column::Id.is_in(ids))
                .exec(tx)
                .await?;
        }
        for rows in self.origins.chunks(ROWS) {
            origin::Entity::insert_many(rows.to_vec())
                .exec_without_returning(tx)
                .await?;
        }
        for rows in self.runs.chunks(ROWS) {
            run::Entity::insert_many(rows.to_vec())
                .exec_without_returning(tx)
                .await?;
        }
        outbox::announce_all(tx, self.news, self.now_ms).await?;
        Ok(true)
    }
}

/// Those of the pipelines that have a run that has not ended.
async fn active(
    db: &impl ConnectionTrait,
    ids: BTreeSet<&String>,
) -> Result<HashSet<String>, DbErr> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let ids: Vec<String> = run::Entity::find()
        .select_only()
        .column(run::Column::PipelineId)
        .distinct()
        .filter(run::Column::PipelineId.is_in(ids))
        .filter(run::Column::EndedAtMs.is_null())
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().collect())
}

/// The runs of origins that were seen before.
async fn known(
    db: &impl ConnectionTrait,
    origins: Vec<String>,
) -> Result<HashMap<String, Accepted>, DbErr> {
    let seen = origin::Entity::find()
        .filter(origin::Column::Origin.is_in(origins))
        .all(db)
        .await?;
    if seen.is_empty() {
        return Ok(HashMap::new());
    }
    let runs: Vec<Accepted> = run::Entity::find()
        .select_only()
        .columns([
            run::Column::Id,
            run::Column::RunCount,
            run::Column::RequestedAtMs,
        ])
        .filter(run::Column::Id.is_in(seen.iter().map(|it| &it.run_id)))
        .into_model()
        .all(db)
        .await?;
    let mut by_id: HashMap<_, _> = runs.into_iter().map(|it| (it.id.clone(), it)).collect();
    let known = seen.into_iter();
    Ok(known
        .filter_map(|it| Some((it.origin, by_id.remove(&it.run_id)?)))
        .collect())
}

/// What is told of an accepted run. It is no user's action.
fn told(
    start: &Scheduled,
    run: &Accepted,
    pipeline: &pipeline::Model,
) -> Result<[Announcement; 2], Error> {
    let requested = RunRequested {
        run_id: run.id.clone(),
        pipeline_id: pipeline.id.clone(),
        run_count: run.run_count,
        attempt: 1,
        concurrency: pipeline.concurrency.cast_unsigned(),
        priority: 0,
        requested_at_ms: run.requested_at_ms,
        order_number: start.order_number,
    };
    let changed = RunChanged {
        run_id: run.id.clone(),
        pipeline_id: pipeline.id.clone(),
        run_count: run.run_count,
        to: RunState::Queued.into(),
        at_ms: run.requested_at_ms,
        actor: Some(news::actor_message(start.by.actor())),
        schedule_id: start.slot.schedule_id.clone(),
        slot: start.slot.name.clone(),
        ..Default::default()
    };
    Ok([Announcement::of(&requested)?, Announcement::of(&changed)?])
}
