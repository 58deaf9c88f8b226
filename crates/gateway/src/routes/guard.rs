//! What stands before every route: a good token or sign-in, a scope that opens it, and the site role
//! it needs.
//!
//! The layers in their order: the token is good and so is its owner, a scope matches the route, the
//! owner has the role; then the service asks the rules of the object. Each request that shows a
//! token is one use of it, and is told whatever became of it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use contracts::access::SiteRole;
use runtime::Kind;
use tracing::Span;

use super::{Access, Need, Row};
use crate::access::Shown;
use crate::auth::{Identity, Login, NO_SIGN_IN, NO_TOKEN, Who, bearer};
use crate::front::Face;
use crate::limits::Cost;
use crate::problem::Problem;
use crate::unifiedviews::media;
use crate::{Gateway, front};

/// What opens a route to who has signed in.
const SIGNED_IN: &[&str] = &["api"];

/// Lets a request through to its route, or refuses it.
pub(super) async fn guarded(
    State((gateway, row)): State<(Arc<Gateway>, &'static Row)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (scopes, need) = match row.access {
        Access::Public => return Ok(next.run(request).await),
        Access::Token(scopes, need) => (scopes, need),
        Access::SignIn(need) => {
            media::check(request.headers(), row.method, row.path)?;
            (SIGNED_IN, need)
        }
    };
    check_text(&request)?;
    let shown = Shown::of(&request);
    let address = front::address(&request);
    let face = Face::of(request.uri().path(), &gateway.config.unifiedviews);
    let identity = match identify(&gateway, row.access, request.headers(), address).await {
        Ok(identity) => identity,
        Err(problem) if [NO_TOKEN, NO_SIGN_IN].contains(&problem.reason()) => return Err(problem),
        Err(problem) => {
            let refusal = problem.into_response();
            gateway.access.note(shown, None, (face, &refusal));
            return Ok(refusal);
        }
    };
    let who = identity
        .check_address(address)
        .and_then(|()| check(scopes, need, &identity))
        .map(|scope| Who::new(identity.clone(), &shown, scope));
    let (who, answer) = match who {
        Ok(who) => {
            let answer = answered(&gateway, row, who.clone(), request, next).await;
            (who, answer)
        }
        Err(problem) => {
            let its_own = identity.scopes.join(" ");
            (
                Who::new(identity, &shown, &its_own),
                problem.into_response(),
            )
        }
    };
    gateway.access.note(shown, Some(&who), (face, &answer));
    Ok(answer)
}

async fn identify(
    gateway: &Gateway,
    access: Access,
    headers: &HeaderMap,
    address: Option<IpAddr>,
) -> Result<Arc<Identity>, Problem> {
    if matches!(access, Access::SignIn(_)) {
        let login = Login::of(headers)?;
        let passwords = &gateway.passwords;
        return passwords.identify(login, &gateway.limits, address).await;
    }
    let token = bearer(headers)?;
    gateway
        .tokens
        .identify(token, &gateway.limits, address)
        .await
}

async fn answered(
    gateway: &Gateway,
    row: &Row,
    who: Who,
    mut request: Request,
    next: Next,
) -> Response {
    Span::current().record("user.id", who.user_id());
    // Who shows no token has a budget of their own.
    let spender = match who.token_id() {
        "" => who.user_id().to_owned(),
        token_id => token_id.to_owned(),
    };
    request.extensions_mut().insert(who);
    within_budget(gateway, row.cost, &spender, next.run(request)).await
}

/// Answers once the budget of the token, or of the user, has been charged, and a read when there is room for it.
async fn within_budget(
    gateway: &Gateway,
    cost: Cost,
    spender: &str,
    answer: impl Future<Output = Response>,
) -> Response {
    let left = match gateway.limits.spend(spender, cost) {
        Ok(left) => left,
        Err(problem) => return problem.into_response(),
    };
    let _room = match cost {
        Cost::Read(_) => gateway.reads.acquire().await.ok(),
        Cost::Act => None,
    };
    let mut answer = answer.await;
    if let Some(left) = left {
        left.tell(answer.headers_mut());
    }
    answer
}

/// Refuses what no store can look for.
fn check_text(request: &Request) -> Result<(), Problem> {
    let asked = request.uri().path_and_query();
    if asked.is_some_and(|it| it.as_str().contains("%00")) {
        let detail = "the path or its query holds U+0000 (%00), and nothing is called that";
        return Err(Problem::invalid(detail));
    }
    // A script whose variable is empty means nobody, and neither all nor itself.
    if request.uri().path().contains("//") {
        let detail = "there is nothing at this path: a part of it is empty";
        return Err(Problem::new(Kind::NotFound, "NO_ROUTE", detail));
    }
    Ok(())
}

/// The scope that opens a route to this owner, or why none does.
fn check(
    scopes: &[&'static str],
    need: Need,
    identity: &Identity,
) -> Result<&'static str, Problem> {
    let has = |scope: &&&str| identity.scopes.iter().any(|it| it == **scope);
    let Some(scope) = scopes.iter().find(has) else {
        let detail = format!(
            "the token's scope does not open this: {} does",
            scopes.join(" or ")
        );
        return Err(Problem::new(Kind::Denied, "SCOPE", detail));
    };
    match need {
        Need::Site(roles) if !identity.caller.has_any(roles) => {
            let roles: Vec<_> = roles.iter().map(|role| SiteRole::name(*role)).collect();
            let detail = format!("this takes a role in the site: {}", roles.join(" or "));
            Err(Problem::new(Kind::Denied, "ROLE", detail))
        }
        Need::Any | Need::Site(_) | Need::Item(_) | Need::Tool(_) | Need::Make => Ok(scope),
    }
}
