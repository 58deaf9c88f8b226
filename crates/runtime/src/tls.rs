//! The cryptography of a process: *ring*, for everything that speaks TLS.
//!
//! **Invariant:** there is one provider, and it is there before a client is made: clients over HTTP
//! come from [`client`], and who makes one by other means calls [`provide`] first.

/// Makes *ring* the provider of this process. Once is enough; more is harmless.
pub fn provide() {
    // It fails only where one was provided before, and there is no other.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Begins to make a client over HTTP.
#[allow(clippy::disallowed_methods, reason = "this is the place")]
pub fn client() -> reqwest::ClientBuilder {
    provide();
    reqwest::Client::builder()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_can_be_made_again_and_again() {
        client().build().unwrap();
        client().build().unwrap();
    }
}
