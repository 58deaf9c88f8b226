//! The registry's part about people and tokens, as far as a test says.

use contracts::registry::people_server::People;
use contracts::registry::tokens_server::Tokens;
use contracts::registry::{
    AuthenticateResponse, CreateTokenRequest, CreateTokenResponse, CreateUserRequest,
    CreateUserResponse, DeleteGroupRequest, DeleteGroupResponse, Group, ListGroupsRequest,
    ListGroupsResponse, ListTokensRequest, ListTokensResponse, ListUsersRequest, ListUsersResponse,
    PutGroupRequest, PutGroupResponse, ReadGroupRequest, ReadGroupResponse, ReadTokenRequest,
    ReadTokenResponse, ReadUserRequest, ReadUserResponse, RevokeTokenRequest, RevokeTokenResponse,
    RevokeTokensRequest, RevokeTokensResponse, RotateTokenRequest, RotateTokenResponse,
    SetMemberRequest, SetMemberResponse, Token, UpdateUserRequest, UpdateUserResponse, User,
    VerifyPasswordRequest,
};
use tonic::{Request, Response, Status};

use super::Fake;

/// What was asked about people and tokens.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) created: Vec<CreateUserRequest>,
    pub(crate) changed: Vec<UpdateUserRequest>,
    pub(crate) groups: Vec<PutGroupRequest>,
    pub(crate) members: Vec<SetMemberRequest>,
    pub(crate) made: Vec<CreateTokenRequest>,
    pub(crate) listed: Vec<ListTokensRequest>,
    pub(crate) rotated: Vec<RotateTokenRequest>,
    pub(crate) revoked: Vec<String>,
}

fn ada() -> User {
    User {
        id: "5e1cbf251c26d68f7ce6361e".into(),
        number: 2,
        name: "Ada".into(),
        email: "ada@example.org".into(),
        kind: "person".into(),
        account: "org".into(),
        roles: vec!["site_user".into()],
        active: true,
        created_at_ms: 1_600_000_000_000,
        updated_at_ms: 1_600_000_000_000,
        ..User::default()
    }
}

fn token() -> Token {
    Token {
        id: "61043b2bbcb6d95b55adc5fd".into(),
        user_id: ada().id,
        user_name: "Ada".into(),
        name: "ci".into(),
        scopes: vec!["pipeline".into(), "registry".into()],
        live: true,
        created_at_ms: 1_600_000_000_000,
        expires_at_ms: 1_600_000_001_000,
        family_id: "61043b2bbcb6d95b55adc5fd".into(),
        ..Token::default()
    }
}

fn group() -> Group {
    Group {
        id: "5e1cbf251c26d68f7ce6361f".into(),
        name: "developers".into(),
        member_count: 1,
        ..Group::default()
    }
}

#[async_trait::async_trait]
impl People for Fake {
    async fn create_user(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        self.answer(|behind| {
            behind.people.created.push(request.into_inner());
            let user = Some(ada());
            Ok(CreateUserResponse { user })
        })
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        let users = match request.into_inner().after {
            0 => vec![ada()],
            _ => Vec::new(),
        };
        Ok(Response::new(ListUsersResponse { users }))
    }

    async fn read_user(
        &self,
        _: Request<ReadUserRequest>,
    ) -> Result<Response<ReadUserResponse>, Status> {
        let user = Some(ada());
        Ok(Response::new(ReadUserResponse { user }))
    }

    async fn update_user(
        &self,
        request: Request<UpdateUserRequest>,
    ) -> Result<Response<UpdateUserResponse>, Status> {
        self.answer(|behind| {
            behind.people.changed.push(request.into_inner());
            let user = Some(ada());
            Ok(UpdateUserResponse { user })
        })
    }

    async fn put_group(
        &self,
        request: Request<PutGroupRequest>,
    ) -> Result<Response<PutGroupResponse>, Status> {
        self.answer(|behind| {
            behind.people.groups.push(request.into_inner());
            let (group, created) = (Some(group()), true);
            Ok(PutGroupResponse { group, created })
        })
    }

    async fn delete_group(
        &self,
        _: Request<DeleteGroupRequest>,
    ) -> Result<Response<DeleteGroupResponse>, Status> {
        Ok(Response::new(DeleteGroupResponse {}))
    }

    async fn set_member(
        &self,
        request: Request<SetMemberRequest>,
    ) -> Result<Response<SetMemberResponse>, Status> {
        self.answer(|behind| {
            behind.people.members.push(request.into_inner());
            Ok(SetMemberResponse {})
        })
    }

    async fn list_groups(
        &self,
        _: Request<ListGroupsRequest>,
    ) -> Result<Response<ListGroupsResponse>, Status> {
        let groups = vec![group()];
        Ok(Response::new(ListGroupsResponse { groups }))
    }

    async fn read_group(
        &self,
        _: Request<ReadGroupRequest>,
    ) -> Result<Response<ReadGroupResponse>, Status> {
        let group = Some(group());
        Ok(Response::new(ReadGroupResponse { group }))
    }

    async fn verify_password(
        &self,
        _: Request<VerifyPasswordRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        Err(Status::unauthenticated("nobody signs in here"))
    }
}

#[async_trait::async_trait]
impl Tokens for Fake {
    async fn create_token(
        &self,
        request: Request<CreateTokenRequest>,
    ) -> Result<Response<CreateTokenResponse>, Status> {
        self.answer(|behind| {
            behind.people.made.push(request.into_inner());
            Ok(CreateTokenResponse {
                token: Some(token()),
                text: "pst_new".into(),
            })
        })
    }

    async fn list_tokens(
        &self,
        request: Request<ListTokensRequest>,
    ) -> Result<Response<ListTokensResponse>, Status> {
        self.answer(|behind| {
            behind.people.listed.push(request.into_inner());
            let tokens = vec![token()];
            Ok(ListTokensResponse { tokens })
        })
    }

    async fn read_token(
        &self,
        _: Request<ReadTokenRequest>,
    ) -> Result<Response<ReadTokenResponse>, Status> {
        let token = Some(token());
        Ok(Response::new(ReadTokenResponse { token }))
    }

    async fn revoke_token(
        &self,
        request: Request<RevokeTokenRequest>,
    ) -> Result<Response<RevokeTokenResponse>, Status> {
        self.answer(|behind| {
            behind.people.revoked.push(request.into_inner().token);
            Ok(RevokeTokenResponse {})
        })
    }

    async fn revoke_tokens(
        &self,
        _: Request<RevokeTokensRequest>,
    ) -> Result<Response<RevokeTokensResponse>, Status> {
        Ok(Response::new(RevokeTokensResponse { revoked: 3 }))
    }

    async fn rotate_token(
        &self,
        request: Request<RotateTokenRequest>,
    ) -> Result<Response<RotateTokenResponse>, Status> {
        self.answer(|behind| {
            behind.people.rotated.push(request.into_inner());
            Ok(RotateTokenResponse {
                token: Some(token()),
                text: "pst_newer".into(),
            })
        })
    }
}
