//! Telling what a user did: one [`UserActed`] an accepted change.

use crate::message::{Actor, Caller, UserActed};

/// The most that an object before and after its edit may have together, in bytes of JSON.
const MOST_CHANGE: usize = 128 * 1024;
/// The same as a message writes it, where quotes are escaped: an announcement must hold it.
const MOST_WRITTEN: usize = 192 * 1024;

impl UserActed {
    /// That `caller` did `action` to a `kind` of object, `target` being its id and its name.
    /// Nothing when the caller is Penstock itself: what it does is no user's action.
    pub fn of(
        caller: &Caller,
        kind: &str,
        action: &str,
        target: (&str, &str),
        at_ms: i64,
    ) -> Option<Self> {
        let actor = caller.actor.clone().filter(Actor::is_user)?;
        Some(Self {
            account: caller.account.clone(),
            actor: Some(actor),
            r#type: kind.to_owned(),
            action: action.to_owned(),
            target_id: target.0.to_owned(),
            target_name: target.1.to_owned(),
            at_ms,
            r#use: caller.r#use.clone(),
            ..Self::default()
        })
    }

    /// The same with the object before and after it, as JSON without any secret; empty where it
    /// wasn't there. What is too long to be told is left out.
    #[must_use]
    pub fn with_change(mut self, before_json: String, after_json: String) -> Self {
        let length = before_json.len() + after_json.len();
        if length <= MOST_CHANGE && written(&before_json) + written(&after_json) <= MOST_WRITTEN {
            self.before_json = before_json;
            self.after_json = after_json;
        }
        self
    }
}

impl Actor {
    /// Whether it is a user, and not Penstock itself.
    pub fn is_user(&self) -> bool {
        !self.user_id.is_empty() && self.user_id != Self::system().user_id
    }
}

/// Bytes of a text within a JSON string.
fn written(text: &str) -> usize {
    let of_byte = |byte: u8| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(of_byte).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Use;

    fn caller(user_id: &str) -> Caller {
        Caller {
            actor: Some(Actor {
                user_id: user_id.into(),
                ..Actor::default()
            }),
            account: "a".into(),
            r#use: Some(Use {
                id: "1".into(),
                ..Use::default()
            }),
            ..Caller::default()
        }
    }

    fn acted() -> UserActed {
        UserActed::of(&caller("u"), "pipeline", "update", ("1", "p"), 7).unwrap()
    }

    #[test]
    fn what_a_user_does_is_told_with_the_use_that_it_took() {
        let acted = acted();
        assert_eq!(
            (acted.account.as_str(), acted.action.as_str()),
            ("a", "update")
        );
        assert_eq!(acted.r#use.unwrap().id, "1");
    }

    #[test]
    fn what_penstock_does_is_no_users_action() {
        for nobody in ["", "system"] {
            let acted = UserActed::of(&caller(nobody), "pipeline", "run", ("1", "p"), 7);
            assert_eq!(acted, None, "{nobody:?}");
        }
    }

    #[test]
    fn a_change_that_is_too_long_is_left_out_and_an_announcement_holds_the_others() {
        let half = MOST_CHANGE / 2;
        for (text, fits) in [
            ("x".repeat(half), true),
            ("x".repeat(half + 1), false),
            ("\"".repeat(half), false),
            ("\"x".repeat(half / 2), true),
            ("\u{1}".repeat(half / 3), false),
        ] {
            let told = acted().with_change(text.clone(), text);
            assert_eq!(!told.after_json.is_empty(), fits);
            assert_eq!(told.before_json, told.after_json);
            assert!(serde_json::to_string(&told).unwrap().len() < 256 * 1024);
        }
    }
}
