use contracts::audit::{ListActionsRequest, ListTokenUsesRequest, RecordFilter};
use contracts::message::{TokenUsed, Use, UserActed};

use super::*;
use crate::ledger::Book;

pub(super) const ACCOUNT: &str = "org";
pub(super) fn id(number: u32) -> String {
    format!("61042540e1d666c9{number:08x}")
}

pub(super) fn acted(action: &str, use_id: &str, at_ms: i64) -> UserActed {
    UserActed {
        account: ACCOUNT.into(),
        actor: Some(Actor {
            user_id: "5e1cbf251c26d68f7ce6361e".into(),
            name: "Ada".into(),
            token_id: "61043b2bbcb6d95b55adc5fd".into(),
            email: "ada@example.org".into(),
        }),
        r#type: "pipeline".into(),
        action: action.into(),
        target_id: PIPELINE.into(),
        target_name: "hello".into(),
        before_json: r#"{"a":1}"#.into(),
        after_json: r#"{"a":2}"#.into(),
        at_ms,
        r#use: Some(Use {
            id: use_id.into(),
            scope: "api".into(),
            target: "POST /api/v1/pipeline/run".into(),
            ..Use::default()
        }),
    }
}

fn used(use_id: &str, target: &str, status: u32, at_ms: i64) -> TokenUsed {
    TokenUsed {
        token_id: "61043b2bbcb6d95b55adc5fd".into(),
        user_id: "5e1cbf251c26d68f7ce6361e".into(),
        account: ACCOUNT.into(),
        scope: "api".into(),
        target: target.into(),
        outcome: status.to_string(),
        at_ms,
        use_id: use_id.into(),
        ip: "192.0.2.7".into(),
        user_agent: "curl/8".into(),
        http_status: status,
    }
}

fn filter() -> RecordFilter {
    RecordFilter {
        account: ACCOUNT.into(),
        limit: 1000,
        ..RecordFilter::default()
    }
}

impl World {
    pub(super) async fn actions(&self, filter: RecordFilter) -> (Vec<String>, String) {
        let request = ListActionsRequest {
            filter: Some(filter),
            with_changes: true,
        };
        let answer = self.client.clone().list_actions(request).await;
        let answer = answer.unwrap().into_inner();
        let ids = answer.actions.into_iter().map(|it| it.id).collect();
        (ids, answer.next)
    }

    async fn uses(&self, filter: RecordFilter) -> Vec<contracts::audit::TokenUse> {
        let filter = Some(filter);
        let request = ListTokenUsesRequest { filter };
        let answer = self.client.clone().list_token_uses(request).await;
        answer.unwrap().into_inner().uses
    }

    /// Waits until so many actions and uses are there.
    pub(super) async fn has_kept(&self, actions: usize, uses: usize) {
        let wait = async {
            loop {
                let found = (
                    self.actions(filter()).await.0.len(),
                    self.uses(filter()).await.len(),
                );
                if found == (actions, uses) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
        waited.expect("the records never came");
    }

    /// Waits until everything that was told before was heard.
    async fn is_quiet(&self) {
        let (number, at_ms) = (0xffff_ff00, 1);
        self.tell(&acted("last", "", at_ms), &id(number)).await;
        self.tell(&used(&id(number), "GET /last", 200, at_ms), "last")
            .await;
        let is_last = |ids: &[String]| ids.contains(&id(number));
        let wait = async {
            loop {
                let uses = self
                    .uses(filter())
                    .await
                    .into_iter()
                    .map(|it| it.id)
                    .collect::<Vec<_>>();
                if is_last(&self.actions(filter()).await.0) && is_last(&uses) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
        waited.expect("the last records never came");
    }
}

#[tokio::test]
async fn what_is_told_three_times_is_kept_once_and_the_chain_verifies() {
    for world in World::each().await {
        for _ in 0..3 {
            world.tell(&acted("run", &id(1), 5), &id(10)).await;
            // A second change of one request.
            world.tell(&acted("stop", &id(1), 6), &id(11)).await;
            world
                .tell(&used(&id(1), "POST /api/v1/pipeline/run", 200, 7), "a")
                .await;
            world
                .tell(&used(&id(2), "GET /api/v1/logs/user/tokens", 403, 8), "b")
                .await;
        }
        world.is_quiet().await;
        world.has_kept(3, 3).await;
        let request = ListActionsRequest {
            filter: Some(filter()),
            with_changes: true,
        };
        let answer = world.client.clone().list_actions(request).await.unwrap();
        let actions = answer.into_inner().actions;
        let told: Vec<_> = actions
            .iter()
            .map(|it| (it.id.clone(), it.use_id.clone()))
            .collect();
        assert_eq!(told[..2], [(id(11), id(1)), (id(10), id(1))]);
        assert_eq!(actions[0].before_json, r#"{"a":1}"#);
        let uses = world.uses(filter()).await;
        assert_eq!(uses.iter().filter(|it| it.id == id(1)).count(), 1);
        assert_eq!(
            (uses[0].http_status, uses[0].ip.as_str()),
            (403, "192.0.2.7")
        );
        let report = world.verified().await.unwrap();
        assert_eq!(report.chains[&Book::Actions].records, 3);
        assert_eq!(report.chains[&Book::Uses].records, 3);
    }
}

#[tokio::test]
async fn uses_of_unknown_tokens_are_in_nobodys_log() {
    for world in World::each().await {
        let unknown = TokenUsed {
            account: String::new(),
            user_id: String::new(),
            ..used(&id(1), "GET /api/v2/pipelines", 401, 5)
        };
        world.tell(&unknown, "a").await;
        world.is_quiet().await;
        let count = async |account: &str| {
            let account = account.into();
            let filter = RecordFilter {
                account,
                ..filter()
            };
            world.uses(filter).await.len()
        };
        assert_eq!((count("").await, count(ACCOUNT).await), (0, 1));
    }
}

#[tokio::test]
async fn a_message_that_no_store_takes_is_set_aside_alone() {
    for world in World::each().await {
        world.tell(&acted("nul\0", "", 5), &id(1)).await;
        world.tell(&acted("late", "", i64::MAX), &id(2)).await;
        world
            .tell(&acted("odd", "not-an-id", 1_627_661_632_109), "odd")
            .await;
        world.is_quiet().await;
        let (ids, _) = world.actions(filter()).await;
        assert_eq!(ids.len(), 2, "{ids:?}");
        assert!(
            ids[0].starts_with("61042540") && ids[0].len() == 24,
            "{ids:?}"
        );
        assert_eq!(world.uses(filter()).await.len(), 1, "a use needs an id");
    }
}

#[tokio::test]
async fn records_are_chosen() {
    for world in World::each().await {
        for (number, action) in (1..).zip(["run", "stop", "run", "update", "run"]) {
            let told = acted(action, &id(number), 10 * i64::from(number / 2));
            world.tell(&told, &id(number)).await;
        }
        world.has_kept(5, 5).await;
        let chosen = async |filter: RecordFilter| {
            let ids = world.actions(filter).await.0;
            ids.iter().map(|it| it[23..].to_owned()).collect::<String>()
        };
        assert_eq!(chosen(filter()).await, "54321", "newest first, then by id");
        let run = || RecordFilter {
            action: "run".into(),
            ..filter()
        };
        assert_eq!(chosen(run()).await, "531");
        let of = |user: &str| RecordFilter {
            user: user.into(),
            ..run()
        };
        assert_eq!(chosen(of("ada@example.org")).await, "531");
        assert_eq!(chosen(of("5e1cbf251c26d68f7ce6361e")).await, "531");
        assert_eq!(chosen(of("grace@example.org")).await, "");
        let times = RecordFilter {
            from_ms: 10,
            to_ms: 20,
            ..filter()
        };
        assert_eq!(chosen(times).await, "32");
    }
}

#[tokio::test]
async fn records_are_read_in_pages() {
    for world in World::each().await {
        for number in 1..6 {
            let told = acted("run", &id(number), 10 * i64::from(number / 2));
            world.tell(&told, &id(number)).await;
        }
        world.has_kept(5, 5).await;
        let page = |cursor: &str| RecordFilter {
            limit: 2,
            cursor: cursor.into(),
            ..filter()
        };
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let (ids, next) = world.actions(page(&cursor)).await;
            all.extend(ids);
            cursor = next;
            if cursor.is_empty() {
                break;
            }
        }
        assert_eq!(all, [5, 4, 3, 2, 1].map(id));
    }
}

#[tokio::test]
async fn uses_are_chosen_and_what_can_not_be_asked_is_refused() {
    for world in World::each().await {
        for number in 1..6 {
            world.tell(&acted("run", &id(number), 5), &id(number)).await;
        }
        world.has_kept(5, 5).await;
        for target in [
            "/v1/pipeline/run",
            "/api/v1/pipeline/run",
            "POST /api/v1/pipeline/run",
        ] {
            let target = RecordFilter {
                target: target.into(),
                outcome: "accepted".into(),
                ..filter()
            };
            assert_eq!(world.uses(target).await.len(), 5);
        }
        let refused = RecordFilter {
            outcome: "403".into(),
            ..filter()
        };
        assert!(world.uses(refused).await.is_empty());
        for wrong in [
            RecordFilter {
                limit: 0,
                ..filter()
            },
            RecordFilter {
                cursor: "x".into(),
                ..filter()
            },
            RecordFilter {
                from_ms: 5,
                to_ms: 4,
                ..filter()
            },
        ] {
            let request = ListActionsRequest {
                filter: Some(wrong),
                with_changes: false,
            };
            let error = world
                .client
                .clone()
                .list_actions(request)
                .await
                .unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument);
        }
    }
}
