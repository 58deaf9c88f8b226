//! Users of the account. Everyone may read itself and change its own name and password; the rest is for
//! administrators. The registry decides who may.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use contracts::registry::{
    CreateUserRequest, ListUsersRequest, ReadUserRequest, RevokeTokensRequest, SiteRoles,
    UpdateUserRequest, User,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::{PageQuery, some};
use crate::Gateway;
use crate::auth::Who;
use crate::body::Content;
use crate::problem::Problem;
use crate::time::Time;

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub(crate) struct UserView {
    id: String,
    number: i64,
    name: String,
    /// Absent for a service without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// `person` or `service`.
    kind: String,
    account: String,
    /// Site roles.
    roles: Vec<String>,
    /// One that is not can't sign in, and its tokens are refused.
    active: bool,
    has_password: bool,
    /// The administrator that is there from the first start.
    installed: bool,
    /// Names of its groups; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<String>>,
    created_at: Time,
    updated_at: Time,
}

/// A page of users, by number.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserPage {
    users: Vec<UserView>,
    /// The `cursor` of the page after this; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A user to be made.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct NewUser {
    /// 1 to 100 characters.
    name: String,
    /// Unique in the account, whatever its case. A person has one.
    email: String,
    /// `person`, unless said `service`.
    kind: String,
    /// Site roles; `site_user` unless said.
    roles: Vec<String>,
    /// 12 characters or more; none unless said.
    password: String,
    /// Another account than the caller's, for an `opsera_administrator`: so an account begins.
    account: String,
}

/// What of a user is to change; what isn't said stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct UserChange {
    name: Option<String>,
    /// `null` takes it away, from a service.
    #[schema(value_type = Option<String>)]
    email: Patch,
    active: Option<bool>,
    roles: Option<Vec<String>>,
    /// `null` takes it away.
    #[schema(value_type = Option<String>)]
    password: Patch,
    /// The one until now, from who changes its own.
    current_password: String,
}

/// A text that is kept, taken away or set.
#[derive(Default)]
enum Patch {
    #[default]
    Keep,
    Clear,
    Set(String),
}

impl<'de> Deserialize<'de> for Patch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let said = Option::<String>::deserialize(deserializer)?;
        Ok(said.map_or(Self::Clear, Self::Set))
    }
}

// The schema shows what a field is unless said.
impl Serialize for Patch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keep | Self::Clear => serializer.serialize_none(),
            Self::Set(text) => serializer.serialize_str(text),
        }
    }
}

impl Patch {
    /// As the wire says it, where an empty text takes away.
    fn on_wire(self) -> Option<String> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(String::new()),
            Self::Set(text) => Some(text),
        }
    }
}

/// How many tokens were revoked.
#[derive(Debug, Serialize, ToSchema)]
struct Revoked {
    revoked: u32,
}

/// Lists the users of the account.
#[utoipa::path(get, path = "/api/v2/users", operation_id = "listUsers", tag = "users",
    params(PageQuery), responses((status = 200, body = UserPage)))]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<UserPage>, Problem> {
    let (limit, cursor) = PageQuery::of(&uri)?;
    let after = match cursor.as_str() {
        "" => 0,
        number => number
            .parse()
            .map_err(|_| Problem::invalid("cursor: it is not one of this list's"))?,
    };
    let request = ListUsersRequest {
        caller: Some(who.caller()),
        after,
        limit,
    };
    let answer = gateway.peers.people().list_users(request).await?;
    let users = answer.into_inner().users;
    let is_full = users.len() >= limit as usize;
    let last = users.last().filter(|_| is_full);
    let next = last.map(|it| it.number.to_string());
    let users = users.into_iter().map(UserView::listed).collect();
    Ok(Json(UserPage { users, next }))
}

/// Makes a user.
#[utoipa::path(post, path = "/api/v2/users", operation_id = "createUser", tag = "users",
    request_body = NewUser, responses((status = 201, body = UserView)))]
pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    content: Content,
) -> Result<impl IntoResponse, Problem> {
    let new: NewUser = content.private_json()?;
    let request = CreateUserRequest {
        caller: Some(who.caller()),
        name: new.name,
        email: new.email,
        kind: new.kind,
        roles: new.roles,
        password: new.password,
        account: new.account,
    };
    let answer = gateway.peers.people().create_user(request).await?;
    let user = UserView::of(answer.into_inner().user)?;
    let location = [(header::LOCATION, format!("/api/v2/users/{}", user.id))];
    Ok((StatusCode::CREATED, location, Json(user)))
}

/// Reads a user.
#[utoipa::path(get, path = "/api/v2/users/{user}", operation_id = "readUser", tag = "users",
    responses((status = 200, body = UserView)))]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(user): Path<String>,
) -> Result<Json<UserView>, Problem> {
    let request = ReadUserRequest {
        caller: Some(who.caller()),
        user,
    };
    let answer = gateway.peers.people().read_user(request).await?;
    Ok(Json(UserView::of(answer.into_inner().user)?))
}

/// Changes a user; an inactive one's tokens are refused at once.
#[utoipa::path(patch, path = "/api/v2/users/{user}", operation_id = "changeUser", tag = "users",
    request_body = UserChange, responses((status = 200, body = UserView)))]
pub(crate) async fn change(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(user): Path<String>,
    content: Content,
) -> Result<Json<UserView>, Problem> {
    let change: UserChange = content.private_json()?;
    let request = UpdateUserRequest {
        caller: Some(who.caller()),
        user,
        name: change.name,
        email: change.email.on_wire(),
        active: change.active,
        roles: change.roles.map(|names| SiteRoles { names }),
        password: change.password.on_wire(),
        current_password: change.current_password,
    };
    let answer = gateway.peers.people().update_user(request).await?;
    Ok(Json(UserView::of(answer.into_inner().user)?))
}

/// Revokes all tokens of a user; that which the server's configuration sets stays.
#[utoipa::path(delete, path = "/api/v2/users/{user}/tokens", operation_id = "revokeTokensOfUser",
    tag = "users", responses((status = 200, body = Revoked)))]
pub(crate) async fn revoke_tokens(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(user): Path<String>,
) -> Result<Json<impl Serialize>, Problem> {
    let request = RevokeTokensRequest {
        caller: Some(who.caller()),
        user,
    };
    let answer = gateway.peers.tokens().revoke_tokens(request).await?;
    let revoked = answer.into_inner().revoked;
    Ok(Json(Revoked { revoked }))
}

impl UserView {
    fn of(user: Option<User>) -> Result<Self, Problem> {
        let mut user = user.ok_or_else(Problem::internal)?;
        let groups = std::mem::take(&mut user.groups);
        Ok(Self {
            groups: Some(groups),
            ..Self::listed(user)
        })
    }

    fn listed(user: User) -> Self {
        Self {
            id: user.id,
            number: user.number,
            name: user.name,
            email: some(user.email),
            kind: user.kind,
            account: user.account,
            roles: user.roles,
            active: user.active,
            has_password: user.has_password,
            installed: user.installed,
            groups: None,
            created_at: Time::at(user.created_at_ms),
            updated_at: Time::at(user.updated_at_ms),
        }
    }
}
