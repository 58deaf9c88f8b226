//! Whom a request is for: the acting user, and what users are called outside.
//!
//! Who signed in decides what may be done; the acting user is whose it will be, or whose is listed.

use std::collections::{HashMap, HashSet};

use axum::http::Uri;
use contracts::pipeline::Owner;
use contracts::registry::{FindIdentityRequest, Identity, ListIdentitiesRequest};

use super::fault::Fault;
use super::lenient::Fields;
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;

/// What names the acting user, in queries and in bodies.
const USER: [&str; 2] = ["userExternalId", "asUser"];
/// What names an actor.
const ACTOR: &str = "userActorExternalId";
/// Users that the registry is asked about at once.
const AT_ONCE: usize = 1000;

/// Who is named in a request.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// The acting user; the caller if nobody is named.
    pub(super) user: Option<String>,
    /// An actor, who counts only if somebody knows them.
    pub(super) actor: Option<String>,
}

/// The acting user.
#[derive(Debug)]
pub(super) struct Acting {
    identity: Identity,
    /// The actor that was named, if anybody knows them.
    actor: String,
}

impl Named {
    /// Reads a query.
    pub(super) fn of_query(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let pairs = || url::form_urlencoded::parse(query.as_bytes());
        let value = |name: &&str| {
            let mut found = pairs().filter(|(it, _)| it == *name);
            found.find_map(|(_, value)| Some(value.into_owned()).filter(|it| !it.is_empty()))
        };
        Self {
            user: USER.iter().find_map(value),
            actor: None,
        }
    }

    /// Reads a body.
    pub(super) fn of_body(fields: &Fields) -> Result<Self, Fault> {
        let [user, alias] = USER;
        Ok(Self {
            user: match fields.filled(user)? {
                Some(user) => Some(user),
                None => fields.filled(alias)?,
            },
            actor: fields.filled(ACTOR)?,
        })
    }

    /// The acting user; none if nobody is called that.
    pub(super) async fn acting(
        self,
        gateway: &Gateway,
        who: &Who,
    ) -> Result<Option<Acting>, Problem> {
        let Some(user) = self.user else {
            let actor = self.actor.unwrap_or_default();
            return of_caller(gateway, who, actor).await;
        };
        find(gateway, who, user, self.actor.unwrap_or_default()).await
    }
}

async fn find(
    gateway: &Gateway,
    who: &Who,
    user: String,
    actor: String,
) -> Result<Option<Acting>, Problem> {
    let request = FindIdentityRequest {
        account: who.account(),
        user,
        actor,
    };
    match gateway.peers.identities().find_identity(request).await {
        Ok(found) => {
            let found = found.into_inner();
            let actor = found.actor;
            let acting = |identity| Acting { identity, actor };
            Ok(found.identity.map(acting))
        }
        Err(status) => match Problem::from(status) {
            problem if problem.is_not_found() => Ok(None),
            problem => Err(problem),
        },
    }
}

/// The caller as the acting user.
async fn of_caller(gateway: &Gateway, who: &Who, actor: String) -> Result<Option<Acting>, Problem> {
    let ids = vec![who.user_id().to_owned()];
    let Some(identity) = identities(gateway, who, ids).await?.pop() else {
        return Ok(None);
    };
    if actor.is_empty() {
        return Ok(Some(Acting { identity, actor }));
    }
    let user = identity.external_id.clone();
    let named = find(gateway, who, user, actor).await?;
    let actor = named.map(|it| it.actor).unwrap_or_default();
    Ok(Some(Acting { identity, actor }))
}

/// The actor that the caller was last provisioned with; empty if there is none.
pub(super) async fn actor_of_caller(gateway: &Gateway, who: &Who) -> Result<String, Problem> {
    let ids = vec![who.user_id().to_owned()];
    let caller = identities(gateway, who, ids).await?.pop();
    Ok(caller.map(|it| it.actor_external_id).unwrap_or_default())
}

impl Acting {
    pub(super) fn user_id(&self) -> &str {
        &self.identity.user_id
    }

    pub(super) fn external_id(&self) -> &str {
        &self.identity.external_id
    }

    /// The actor that the acting user was last provisioned with; empty if there is none.
    pub(super) fn own_actor(&self) -> &str {
        &self.identity.actor_external_id
    }

    pub(super) fn has_actor(&self) -> bool {
        !self.actor.is_empty()
    }

    /// The same with another actor.
    pub(super) fn for_actor(self, actor: String) -> Self {
        Self { actor, ..self }
    }

    /// As the services want to know it.
    pub(super) fn owner(&self) -> Owner {
        Owner {
            user_id: self.identity.user_id.clone(),
            name: self.identity.name.clone(),
            actor: self.actor.clone(),
        }
    }
}

/// What users are called outside, by id.
pub(super) struct Names(HashMap<String, String>);

impl Names {
    /// Asks for those of these users.
    pub(super) async fn of(
        gateway: &Gateway,
        who: &Who,
        ids: impl Iterator<Item = &str>,
    ) -> Result<Self, Problem> {
        let ids: HashSet<&str> = ids.filter(|it| !it.is_empty()).collect();
        let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
        let mut names = HashMap::new();
        for ids in ids.chunks(AT_ONCE) {
            let found = identities(gateway, who, ids.to_vec()).await?;
            names.extend(found.into_iter().map(|it| (it.user_id, it.external_id)));
        }
        Ok(Self(names))
    }

    /// Of one user; none if there is no such user any more.
    pub(super) fn name(&self, user_id: &str) -> Option<String> {
        self.0.get(user_id).cloned()
    }
}

async fn identities(
    gateway: &Gateway,
    who: &Who,
    user_ids: Vec<String>,
) -> Result<Vec<Identity>, Problem> {
    if user_ids.is_empty() {
        return Ok(Vec::new());
    }
    let request = ListIdentitiesRequest {
        account: who.account(),
        user_ids,
    };
    let found = gateway.peers.identities().list_identities(request).await?;
    Ok(found.into_inner().identities)
}

/// A text that is null where it is empty.
pub(super) fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_acting_user_is_named_in_a_query_by_either_name() {
        for (uri, user) in [
            (
                "/x?userExternalId=http%3A%2F%2Fwww.johnadmin.cz",
                Some("http://www.johnadmin.cz"),
            ),
            ("/x?asUser=admin", Some("admin")),
            ("/x?userExternalId=&asUser=ben", Some("ben")),
            ("/x?userExternalId=", None),
            ("/x", None),
        ] {
            let named = Named::of_query(&uri.parse().unwrap());
            assert_eq!(named.user.as_deref(), user, "{uri}");
        }
    }

    #[test]
    fn a_null_actor_is_none() {
        let body = br#"{"userExternalId":"admin","userActorExternalId":null}"#;
        let named = Named::of_body(&Fields::read(body).unwrap()).unwrap();
        assert_eq!((named.user.as_deref(), named.actor), (Some("admin"), None));
    }
}
