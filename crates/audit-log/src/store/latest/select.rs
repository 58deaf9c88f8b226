//! The rows of the newest records, and where a read of them goes on.

use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select,
};

use super::{LINES_READ, Place, Whose};
use crate::entity::{chunk as row, life};
use crate::record::Mark;

impl Whose {
    pub(super) fn lines(&self) -> Select<life::Entity> {
        let mut lines = life::Entity::find()
            .order_by_desc(life::Column::TimeMs)
            .order_by_desc(life::Column::RunId)
            .order_by_desc(life::Column::Seq)
            .limit(LINES_READ);
        if let Some(pipeline_id) = &self.pipeline_id {
            lines = lines.filter(life::Column::PipelineId.eq(pipeline_id.as_str()));
        }
        if let Some(run_id) = &self.run_id {
            lines = lines.filter(life::Column::RunId.eq(run_id.as_str()));
        }
        lines
    }

    /// Where chunks are, in the columns of [`Place`].
    pub(super) fn columns(&self) -> Select<row::Entity> {
        use row::Column as C;
        let mut chunks = row::Entity::find().select_only().columns([
            C::RunId,
            C::Attempt,
            C::FirstSeq,
            C::LastSeq,
            C::FirstTimeMs,
            C::LastTimeMs,
        ]);
        if let Some(pipeline_id) = &self.pipeline_id {
            chunks = chunks.filter(C::PipelineId.eq(pipeline_id.as_str()));
        }
        if let Some(run_id) = &self.run_id {
            chunks = chunks.filter(C::RunId.eq(run_id.as_str()));
        }
        chunks
    }

    /// Where chunks are, newest first.
    pub(super) fn places(&self) -> Select<row::Entity> {
        self.columns()
            .order_by_desc(row::Column::LastTimeMs)
            .order_by_desc(row::Column::RunId)
            .order_by_desc(row::Column::Attempt)
            .order_by_desc(row::Column::FirstSeq)
    }
}

pub(super) fn lines_from(before: &Mark, from: Option<&(i64, String, i64)>) -> Condition {
    use life::Column as C;
    let Some((time_ms, run_id, seq)) = from else {
        return Condition::all().add(C::TimeMs.lte(before.time_ms));
    };
    let same_run = Condition::all()
        .add(C::RunId.eq(run_id.as_str()))
        .add(C::Seq.lt(*seq));
    let same_time = Condition::any()
        .add(C::TimeMs.lt(*time_ms))
        .add(C::RunId.lt(run_id.as_str()))
        .add(same_run);
    Condition::all().add(C::TimeMs.lte(*time_ms)).add(same_time)
}

pub(super) fn places_from(before: &Mark, from: Option<&Place>) -> Condition {
    use row::Column as C;
    let Some((run_id, attempt, first_seq, _, _, time_ms)) = from else {
        return Condition::all().add(C::LastTimeMs.lte(before.time_ms));
    };
    let same_attempt = Condition::all()
        .add(C::RunId.eq(run_id.as_str()))
        .add(C::Attempt.eq(*attempt))
        .add(C::FirstSeq.lt(*first_seq));
    let same_run = Condition::all()
        .add(C::RunId.eq(run_id.as_str()))
        .add(C::Attempt.lt(*attempt));
    let same_time = Condition::any()
        .add(C::LastTimeMs.lt(*time_ms))
        .add(C::RunId.lt(run_id.as_str()))
        .add(same_run)
        .add(same_attempt);
    Condition::all()
        .add(C::LastTimeMs.lte(*time_ms))
        .add(same_time)
}
