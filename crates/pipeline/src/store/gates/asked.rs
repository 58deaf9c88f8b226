//! What a start lets a gate ask instead of what the definition says.

use sea_orm::{ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _};

use crate::Error;
use crate::entity::{pipeline, step};
use crate::record::to_json;
use crate::run::Asked;
use crate::store::Store;

/// What who starts a run wants people to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// The gate by its slug or its id; empty is the first one.
    pub(crate) step: String,
    pub(crate) message: String,
}

impl Store {
    /// The column for it; nothing where no gate is named and there is none.
    pub(in crate::store) async fn asked(
        &self,
        tx: &DatabaseTransaction,
        pipeline: &pipeline::Model,
        ask: &Ask,
    ) -> Result<Option<String>, Error> {
        let plan = self.plan(tx, &pipeline.id, pipeline.version).await?;
        let known = step::Entity::find()
            .filter(step::Column::PipelineId.eq(&pipeline.id))
            .filter(step::Column::Id.eq(&ask.step))
            .one(tx)
            .await?;
        let slug = known.map_or_else(|| ask.step.clone(), |it| it.slug);
        let mut gates = plan.steps.iter().filter(|it| it.kind.gate().is_some());
        let gate = if slug.is_empty() {
            gates.find(|it| it.enabled)
        } else {
            gates.find(|it| it.id == slug)
        };
        if gate.is_none() && !slug.is_empty() {
            let why = format!("step \"{}\" is no gate of the pipeline", ask.step);
            return Err(Error::Invalid(why));
        }
        Ok(gate.map(|gate| {
            to_json(&Asked {
                step: gate.id.clone(),
                message: ask.message.clone(),
            })
        }))
    }
}
