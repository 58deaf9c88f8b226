//! Pipelines that would run within their own runs, as far as their current versions show it.

use std::collections::{HashSet, VecDeque};

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use steps::{Definition, Fault, Faults, Plan};

use super::Store;
use super::children::DEEPEST;
use crate::Error;
use crate::entity::{pipeline, version};
use crate::record::from_json;
use crate::reference::{Meaning, Reference};

/// Pipelines that are looked at for one definition.
const MOST: usize = 200;

impl Store {
    /// Refuses a definition one of whose child steps leads back to its own pipeline: that of this id,
    /// or of its name. What can't be seen yet is found when the child is to start.
    pub(crate) async fn check_circle(
        &self,
        account: &str,
        id: Option<&str>,
        definition: &Definition,
    ) -> Result<(), Error> {
        let mut seen = HashSet::new();
        for (index, step) in definition.steps.iter().enumerate() {
            let Some(child) = step.kind.child() else {
                continue;
            };
            let leads_back = self
                .leads_to(account, &child.pipeline, (id, &definition.name), &mut seen)
                .await?;
            if leads_back {
                let message = "leads back to this pipeline, which would run within its own run";
                let place = format!("steps[{index}].pipeline.pipeline");
                return Err(Error::Faults(Faults(vec![Fault::at(place, message)])));
            }
        }
        Ok(())
    }

    /// Whether the runs of a pipeline would run the one that is meant.
    async fn leads_to(
        &self,
        account: &str,
        first: &str,
        (id, name): (Option<&str>, &str),
        seen: &mut HashSet<String>,
    ) -> Result<bool, Error> {
        let mut next = VecDeque::from([(first.to_owned(), 1)]);
        while let Some((text, depth)) = next.pop_front() {
            // It may be there by that name only once it is defined.
            if id.is_none() && text.strip_prefix("name:").unwrap_or(&text) == name {
                return Ok(true);
            }
            let Some(row) = self.plainly_meant(account, &text).await? else {
                continue;
            };
            if id.map_or(row.name == name, |id| row.id == id) {
                return Ok(true);
            }
            if depth >= DEEPEST || seen.len() >= MOST || !seen.insert(row.id.clone()) {
                continue;
            }
            let key = (row.id.clone(), row.version);
            let reader = self.database.reader();
            let Some(version) = version::Entity::find_by_id(key).one(reader).await? else {
                continue;
            };
            let plan: Plan = from_json(&version.plan)?;
            let children = plan.steps.iter().filter_map(|step| step.kind.child());
            next.extend(children.map(|child| (child.pipeline.clone(), depth + 1)));
        }
        Ok(false)
    }

    /// The pipeline that a reference means, whoever may see it; nothing if it means none or several.
    async fn plainly_meant(
        &self,
        account: &str,
        text: &str,
    ) -> Result<Option<pipeline::Model>, Error> {
        let Ok(reference) = Reference::of(text) else {
            return Ok(None);
        };
        for meaning in reference.meanings() {
            let is_meant = match meaning {
                Meaning::Id(id) => pipeline::Column::Id.eq(id.as_str()),
                Meaning::Number(number) => pipeline::Column::Number.eq(*number),
                Meaning::Name(name) => pipeline::Column::Name.eq(name.as_str()),
            };
            let row = pipeline::Entity::find()
                .filter(pipeline::Column::Account.eq(account))
                .filter(pipeline::Column::DeletedAtMs.is_null())
                .filter(is_meant)
                .one(self.database.reader())
                .await?;
            if row.is_some() {
                return Ok(row);
            }
        }
        Ok(None)
    }
}
