//! What is asked about users and groups: parse, act, answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contracts::access::SiteRole;
use contracts::registry::people_server::People as Service;
use contracts::registry::{
    AuthenticateResponse, CreateUserRequest, CreateUserResponse, DeleteGroupRequest,
    DeleteGroupResponse, ListGroupsRequest, ListGroupsResponse, ListUsersRequest,
    ListUsersResponse, PutGroupRequest, PutGroupResponse, ReadGroupRequest, ReadGroupResponse,
    ReadUserRequest, ReadUserResponse, SetMemberRequest, SetMemberResponse, UpdateUserRequest,
    UpdateUserResponse, VerifyPasswordRequest,
};
use runtime::aside::Aside;
use runtime::{Bell, clock};
use tonic::{Request, Response, Status};

use super::{checked_limit, view};
use crate::caller::Caller;
use crate::role::Roles;
use crate::sign_in::SignIns;
use crate::store::{Bearer, NewUser, Store, UserChange};
use crate::user::{Email, Kind, Patch, checked_name, key};
use crate::{Error, administrator, password, token};

/// Answers calls about users and groups.
#[derive(Debug)]
pub(crate) struct People {
    store: Store,
    /// Wakes the outbox' relay.
    bell: Bell,
    /// Where passwords are hashed: as many at a time as cores are spared for it.
    aside: Aside,
    sign_ins: Arc<Mutex<SignIns>>,
}

impl People {
    /// Answers from `store` and rings `bell` after what is announced.
    pub(crate) fn new(store: Store, bell: Bell) -> Self {
        Self {
            store,
            bell,
            aside: Aside::sparing(),
            sign_ins: Arc::default(),
        }
    }

    /// What is kept of a new password of a user with these names; an empty one is none.
    async fn kept(&self, text: String, names: &[&str]) -> Result<Option<String>, Error> {
        if text.is_empty() {
            return Ok(None);
        }
        password::check(&text, names)?;
        let hashed = self.aside.run(move || password::hash(&text)).await;
        hashed.map_err(|it| Error::Hash(it.to_string()))?.map(Some)
    }

    /// Whether a password is the one of which `hash` was kept. Failures are counted for `login` and
    /// `address`.
    async fn is_right(
        &self,
        text: String,
        hash: Option<String>,
        (login, address): (&str, &str),
    ) -> Result<bool, Error> {
        let wait_ms = self.sign_ins().tried(login, address, clock::now_ms());
        if let Some(wait_ms) = wait_ms {
            tracing::warn!("a sign-in was not tried: too many have failed");
            return Err(Error::SignIns(wait_ms / 1000 + 1));
        }
        let is_long = text.len() > password::LONGEST;
        let text = if is_long { String::new() } else { text };
        let work = move || password::verify(&text, hash.as_deref());
        let verified = self.aside.run(work).await;
        let is_right = verified.map_err(|it| Error::Hash(it.to_string()))? && !is_long;
        if is_right {
            self.sign_ins().succeeded(login, address);
        }
        Ok(is_right)
    }

    fn sign_ins(&self) -> MutexGuard<'_, SignIns> {
        self.sign_ins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn verified(&self, request: VerifyPasswordRequest) -> Result<Bearer, Error> {
        let account = if request.account.is_empty() {
            administrator::ACCOUNT
        } else {
            &request.account
        };
        let user = self.store.user_of_login(account, &request.login).await?;
        let user = user.filter(|it| it.active);
        let hash = user.as_ref().and_then(|it| it.password.clone());
        let login = format!("{account}/{}", key(&request.login));
        let counted = (login.as_str(), request.address.as_str());
        let is_right = self.is_right(request.password, hash, counted).await?;
        let user = user.filter(|_| is_right).ok_or(Error::SignIn)?;
        let groups = self.store.groups_of(&user.id).await?;
        Ok(Bearer {
            scopes: vec![token::terms::SCOPES[0].to_owned()],
            ..Bearer::of(user, groups)?
        })
    }

    /// What is to change, once it is known that the caller may give a new password.
    async fn change(
        &self,
        caller: &Caller,
        request: UpdateUserRequest,
    ) -> Result<UserChange, Error> {
        let name = request.name.as_deref().map(checked_name).transpose()?;
        let email = match request.email {
            None => Patch::Keep,
            Some(text) => Patch::said(Email::parse(&text)?),
        };
        let roles = request
            .roles
            .map(|it| Roles::parse(&it.names))
            .transpose()?;
        let password = match request.password {
            None => Patch::Keep,
            Some(new) => {
                let (user, _) = self.store.user(caller, &request.user).await?;
                if user.id == caller.id() && user.password.is_some() {
                    let counted = (user.id.as_str(), "its own");
                    let known = request.current_password;
                    if !self.is_right(known, user.password, counted).await? {
                        return Err(Error::CurrentPassword);
                    }
                }
                let called = name.as_ref().unwrap_or(&user.name);
                let written = user.email.unwrap_or_default();
                let names = [called.as_str(), written.as_str()];
                Patch::said(self.kept(new, &names).await?)
            }
        };
        Ok(UserChange {
            name,
            email,
            active: request.active,
            roles,
            password,
        })
    }
}

#[tonic::async_trait]
impl Service for People {
    async fn create_user(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let roles = if request.roles.is_empty() {
            Roles::of(&[SiteRole::User])
        } else {
            Roles::parse(&request.roles)?
        };
        // Before a password is hashed for someone who may not.
        let wish = crate::authority::Wish::Create(&roles);
        caller.may(&wish, || Error::Account)?;
        let name = checked_name(&request.name)?;
        let names = [name.as_str(), request.email.as_str()];
        let password = self.kept(request.password, &names).await?;
        let new = NewUser {
            account: caller.account_or(request.account)?,
            email: Email::parse(&request.email)?,
            kind: Kind::parse(&request.kind)?,
            name,
            roles,
            password,
        };
        let row = self
            .store
            .create_user(&caller, new, clock::now_ms())
            .await?;
        self.bell.ring();
        let user = Some(view::user(row, Vec::new())?);
        Ok(Response::new(CreateUserResponse { user }))
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let limit = checked_limit(request.limit)?;
        let rows = self.store.users(&caller, request.after, limit).await?;
        let users = rows.into_iter().map(|row| view::user(row, Vec::new()));
        let users = users.collect::<Result<_, Error>>()?;
        Ok(Response::new(ListUsersResponse { users }))
    }

    async fn read_user(
        &self,
        request: Request<ReadUserRequest>,
    ) -> Result<Response<ReadUserResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let (row, groups) = self.store.user(&caller, &request.user).await?;
        let user = Some(view::user(row, groups)?);
        Ok(Response::new(ReadUserResponse { user }))
    }

    async fn update_user(
        &self,
        request: Request<UpdateUserRequest>,
    ) -> Result<Response<UpdateUserResponse>, Status> {
        let mut request = request.into_inner();
        let caller = Caller::of(request.caller.take())?;
        let user = request.user.clone();
        let change = self.change(&caller, request).await?;
        let now_ms = clock::now_ms();
        let row = self
            .store
            .change_user(&caller, &user, change, now_ms)
            .await?;
        self.bell.ring();
        let groups = self.store.groups_of(&row.id).await?;
        let user = Some(view::user(row, groups)?);
        Ok(Response::new(UpdateUserResponse { user }))
    }

    async fn put_group(
        &self,
        request: Request<PutGroupRequest>,
    ) -> Result<Response<PutGroupResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let said = (request.name, request.members.map(|it| it.users));
        let now_ms = clock::now_ms();
        let put = self.store.put_group(&caller, &request.group, said, now_ms);
        let (whole, created) = put.await?;
        self.bell.ring();
        let group = Some(view::group(whole));
        Ok(Response::new(PutGroupResponse { group, created }))
    }

    async fn delete_group(
        &self,
        request: Request<DeleteGroupRequest>,
    ) -> Result<Response<DeleteGroupResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let deleted = self
            .store
            .delete_group(&caller, &request.group, clock::now_ms());
        deleted.await?;
        self.bell.ring();
        Ok(Response::new(DeleteGroupResponse {}))
    }

    async fn set_member(
        &self,
        request: Request<SetMemberRequest>,
    ) -> Result<Response<SetMemberResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let which = (request.group.as_str(), request.user.as_str());
        let now_ms = clock::now_ms();
        self.store
            .set_member(&caller, which, request.member, now_ms)
            .await?;
        self.bell.ring();
        Ok(Response::new(SetMemberResponse {}))
    }

    async fn list_groups(
        &self,
        request: Request<ListGroupsRequest>,
    ) -> Result<Response<ListGroupsResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let limit = checked_limit(request.limit)?;
        let rows = self.store.groups(&caller, &request.after, limit).await?;
        let groups = rows.into_iter().map(view::counted_group).collect();
        Ok(Response::new(ListGroupsResponse { groups }))
    }

    async fn read_group(
        &self,
        request: Request<ReadGroupRequest>,
    ) -> Result<Response<ReadGroupResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let whole = self.store.group(&caller, &request.group).await?;
        let group = Some(view::group(whole));
        Ok(Response::new(ReadGroupResponse { group }))
    }

    async fn verify_password(
        &self,
        request: Request<VerifyPasswordRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        let bearer = self.verified(request.into_inner()).await?;
        Ok(Response::new(bearer.into()))
    }
}
