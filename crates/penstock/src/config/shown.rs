//! The effective configuration as TOML, for `penstock config`: secrets are hidden.

use super::{Config, Error};

const HIDDEN: &str = "(hidden)";

impl Config {
    /// The configuration as a file that could be given to `--config`, without its secrets.
    pub fn shown(&self) -> Result<String, Error> {
        let mut shown = self.clone();
        shown.database.url = without_password(&shown.database.url);
        shown.bus.url = without_password(&shown.bus.url);
        for (name, value) in &mut shown.bus.properties {
            let is_secret = ["password", "secret", "key.pem"];
            if is_secret.iter().any(|it| name.contains(it)) {
                HIDDEN.clone_into(value);
            }
        }
        Ok(toml::to_string_pretty(&shown)?)
    }
}

/// The URL with what is between `user:` and `@host` hidden, and a `password` in its query.
fn without_password(url: &str) -> String {
    let shown = without_user_s_password(url);
    let Some((url, query)) = shown.split_once('?') else {
        return shown;
    };
    let parameters = query.split('&').map(|it| match it.split_once('=') {
        Some((name, _)) if name.contains("password") => format!("{name}={HIDDEN}"),
        _ => it.to_owned(),
    });
    let parameters: Vec<String> = parameters.collect();
    format!("{url}?{}", parameters.join("&"))
}

fn without_user_s_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    // A password may hold an @, what follows it none.
    let Some((user, host)) = rest.rsplit_once('@') else {
        return url.to_owned();
    };
    match user.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:{HIDDEN}@{host}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use runtime::config::Secret;

    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let mut config = Config {
            admin_token: Secret::new("hunter2"),
            peer_key: Secret::new("hunter2"),
            ..Config::default()
        };
        config.bus.password = Secret::new("hunter2");
        config.executor.s3.secret_access_key = Secret::new("hunter2");
        config.executor.s3.session_token = Secret::new("hunter2");
        config.bus.url = "kafka://me:hunter2@host:9092".into();
        let properties = &mut config.bus.properties;
        properties.insert("ssl.key.password".into(), "hunter2".into());
        config.database.url = "postgres://me:hunter2@host/penstock".into();
        let shown = config.shown().unwrap();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("postgres://me:(hidden)@host/penstock"));
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let shown = Config::default().shown().unwrap();
        let again: Config = toml::from_str(&shown).unwrap();
        assert_eq!(again.shown().unwrap(), shown);
    }

    #[test]
    fn only_the_password_of_a_url_is_hidden() {
        for (url, shown) in [
            ("sqlite:///a/b@c", "sqlite:///a/b@c"),
            ("postgres://me@host:5432/x", "postgres://me@host:5432/x"),
            ("postgres://me:p@ss@host/x", "postgres://me:(hidden)@host/x"),
            ("postgres://me:a/b@host/x", "postgres://me:(hidden)@host/x"),
            ("postgres://me:a?b@host/x", "postgres://me:(hidden)@host/x"),
            (
                "postgres://host/x?user=me&password=p&sslmode=require",
                "postgres://host/x?user=me&password=(hidden)&sslmode=require",
            ),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
