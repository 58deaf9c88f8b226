//! Who is to own a pipeline: asked of the registry, which knows the users of an account.

use contracts::registry::NameUserRequest;
use contracts::registry::registry_client::RegistryClient;
use runtime::{Kind, Route};

use crate::Error;
use crate::store::NewOwner;

/// The user of an account whom an id or an e-mail address names.
pub(crate) async fn named(registry: &Route, account: &str, user: &str) -> Result<NewOwner, Error> {
    let request = NameUserRequest {
        account: account.to_owned(),
        user: user.to_owned(),
    };
    let answered = RegistryClient::new(registry.clone())
        .name_user(request)
        .await;
    match answered {
        Ok(answer) => {
            let answer = answer.into_inner();
            Ok(NewOwner {
                id: answer.id,
                name: answer.name,
            })
        }
        Err(status) => match Kind::of_code(status.code()) {
            Kind::NotFound | Kind::Invalid | Kind::Conflict | Kind::Denied => {
                Err(Error::Invalid(format!("owner: {}", status.message())))
            }
            Kind::Unauthenticated
            | Kind::Exists
            | Kind::Busy
            | Kind::Unavailable
            | Kind::Late
            | Kind::Internal => Err(Error::Registry(status.message().to_owned())),
        },
    }
}
