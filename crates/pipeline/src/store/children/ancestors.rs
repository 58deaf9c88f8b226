//! What may not start below a run: its own pipeline again, one that must not run beside it, or a
//! run that lies too deep.

use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _};

use super::DEEPEST;
use crate::Error;
use crate::entity::{conflict, pipeline, run};
use crate::store::Store;

impl Store {
    /// Refuses a pipeline that one of the runs above is a run of, or that must not run at the same
    /// time as one of theirs, and runs that lie too deep.
    pub(super) async fn check_ancestors(
        &self,
        parent: &run::Model,
        pipeline: &pipeline::Model,
    ) -> Result<(), Error> {
        let mut above = parent.clone();
        let mut theirs = Vec::new();
        for _ in 1..DEEPEST {
            if above.pipeline_id == pipeline.id {
                return Err(Error::Cycle(pipeline.name.clone()));
            }
            theirs.push(above.pipeline_id.clone());
            match &above.parent_id {
                Some(id) => above = self.run_row(id).await?,
                None => return self.check_conflicts(theirs, pipeline).await,
            }
        }
        Err(Error::TooDeep)
    }

    /// A child that waits for its parent's end would wait for ever.
    async fn check_conflicts(
        &self,
        theirs: Vec<String>,
        pipeline: &pipeline::Model,
    ) -> Result<(), Error> {
        use conflict::Column;
        let said = Condition::all()
            .add(Column::PipelineId.eq(&pipeline.id))
            .add(Column::OtherId.is_in(theirs.clone()));
        let said_by_them = Condition::all()
            .add(Column::OtherId.eq(&pipeline.id))
            .add(Column::PipelineId.is_in(theirs));
        let found = conflict::Entity::find()
            .filter(Condition::any().add(said).add(said_by_them))
            .one(self.database.reader())
            .await?;
        match found {
            None => Ok(()),
            Some(_) => Err(Error::ConflictsAbove(pipeline.name.clone())),
        }
    }
}
