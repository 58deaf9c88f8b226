//! Groups of users of the account, which rules of items name.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use contracts::registry::{
    DeleteGroupRequest, Group, ListGroupsRequest, PutGroupRequest, ReadGroupRequest,
    SetMemberRequest, Users,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PageQuery, some};
use crate::Gateway;
use crate::auth::Who;
use crate::body::Content;
use crate::problem::Problem;
use crate::time::Time;

/// A group.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Group)]
pub(crate) struct GroupView {
    id: String,
    name: String,
    member_count: u32,
    /// Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<Member>>,
    created_at: Time,
    updated_at: Time,
}

/// Who is in a group.
#[derive(Debug, Serialize, ToSchema)]
struct Member {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

/// A page of groups, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupPage {
    groups: Vec<GroupView>,
    /// The `cursor` of the page after this; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What a group is to be; what isn't said stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct GroupBody {
    /// Another name for it, 1 to 25 characters.
    name: Option<String>,
    /// Ids or e-mail addresses of all its members from now on.
    members: Option<Vec<String>>,
}

/// Lists the groups of the account, without their members.
#[utoipa::path(get, path = "/api/v2/groups", operation_id = "listGroups", tag = "groups",
    params(PageQuery), responses((status = 200, body = GroupPage)))]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<GroupPage>, Problem> {
    let (limit, after) = PageQuery::of(&uri)?;
    let request = ListGroupsRequest {
        caller: Some(who.caller()),
        after,
        limit,
    };
    let answer = gateway.peers.people().list_groups(request).await?;
    let groups = answer.into_inner().groups;
    let is_full = groups.len() >= limit as usize;
    let next = groups.last().filter(|_| is_full).map(|it| it.name.clone());
    let groups = groups.into_iter().map(GroupView::listed).collect();
    Ok(Json(GroupPage { groups, next }))
}

/// Reads a group with its members.
#[utoipa::path(get, path = "/api/v2/groups/{group}", operation_id = "readGroup", tag = "groups",
    responses((status = 200, body = GroupView)))]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(group): Path<String>,
) -> Result<Json<GroupView>, Problem> {
    let request = ReadGroupRequest {
        caller: Some(who.caller()),
        group,
    };
    let answer = gateway.peers.people().read_group(request).await?;
    Ok(Json(GroupView::of(answer.into_inner().group)?))
}

/// Makes a group of this name, or changes the one that there is.
#[utoipa::path(put, path = "/api/v2/groups/{group}", operation_id = "putGroup", tag = "groups",
    request_body = GroupBody,
    responses((status = 201, body = GroupView, description = "It was made"),
        (status = 200, body = GroupView, description = "It is as said")))]
pub(crate) async fn put(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(group): Path<String>,
    content: Content,
) -> Result<impl IntoResponse, Problem> {
    let body: GroupBody = content.json()?;
    let request = PutGroupRequest {
        caller: Some(who.caller()),
        group,
        name: body.name,
        members: body.members.map(|users| Users { users }),
    };
    let answer = gateway.peers.people().put_group(request).await?;
    let answer = answer.into_inner();
    let status = if answer.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(GroupView::of(answer.group)?)))
}

/// Removes a group; its members stay users.
#[utoipa::path(delete, path = "/api/v2/groups/{group}", operation_id = "deleteGroup",
    tag = "groups", responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(group): Path<String>,
) -> Result<StatusCode, Problem> {
    let request = DeleteGroupRequest {
        caller: Some(who.caller()),
        group,
    };
    gateway.peers.people().delete_group(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds a user to a group.
#[utoipa::path(put, path = "/api/v2/groups/{group}/members/{user}", operation_id = "addMember",
    tag = "groups", responses((status = 204, description = "It is a member")))]
pub(crate) async fn add(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(which): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    set(&gateway, &who, which, true).await
}

/// Removes a user from a group.
#[utoipa::path(delete, path = "/api/v2/groups/{group}/members/{user}",
    operation_id = "removeMember", tag = "groups",
    responses((status = 204, description = "It is no member")))]
pub(crate) async fn remove(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(which): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    set(&gateway, &who, which, false).await
}

async fn set(
    gateway: &Gateway,
    who: &Who,
    (group, user): (String, String),
    member: bool,
) -> Result<StatusCode, Problem> {
    let request = SetMemberRequest {
        caller: Some(who.caller()),
        group,
        user,
        member,
    };
    gateway.peers.people().set_member(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl GroupView {
    fn of(group: Option<Group>) -> Result<Self, Problem> {
        let mut group = group.ok_or_else(Problem::internal)?;
        let members = std::mem::take(&mut group.members);
        let members = members.into_iter().map(|it| Member {
            id: it.id,
            name: it.name,
            email: some(it.email),
        });
        Ok(Self {
            members: Some(members.collect()),
            ..Self::listed(group)
        })
    }

    fn listed(group: Group) -> Self {
        Self {
            id: group.id,
            name: group.name,
            member_count: group.member_count,
            members: None,
            created_at: Time::at(group.created_at_ms),
            updated_at: Time::at(group.updated_at_ms),
        }
    }
}
