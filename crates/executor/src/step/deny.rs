//! Where requests of steps may not go: blocks of addresses, looked at where a connection is made.
//!
//! **Invariant:** of a name only addresses that are not denied are connected to, so what it is said
//! to resolve to at another moment changes nothing. An address that stands in a URL is looked at
//! before each request and each redirect. An IPv4 address is the same in all its IPv6 forms, and
//! `0.0.0.0` is this machine.

use std::error::Error as StdError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::{Deserialize, Serialize};

/// Where addresses of IPv4 stand in those of IPv6 for a gateway between the two (RFC 6052).
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// A block of addresses, such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Block(IpNet);

impl FromStr for Block {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = |text: &str| text.parse::<IpAddr>().map(IpNet::from);
        let net = text.parse().or_else(|_| address(text));
        net.map(Self).map_err(|_| {
            format!("\"{text}\" is no block of addresses: write one like 10.0.0.0/8 or fd00::/8")
        })
    }
}

impl TryFrom<String> for Block {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Block> for String {
    fn from(block: Block) -> Self {
        block.0.to_string()
    }
}

/// The blocks that nothing is sent to unless it is said otherwise: where clouds answer a machine
/// what only the machine may know, its credentials among it.
pub(crate) fn usual() -> Vec<Block> {
    let link_local = [
        IpNet::new_assert(Ipv4Addr::new(169, 254, 0, 0).into(), 16),
        IpNet::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0).into(), 10),
        IpNet::new_assert(
            Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254).into(),
            128,
        ),
    ];
    link_local.map(Block).to_vec()
}

/// A request would have gone where none may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("requests to {address} are denied here (executor.http.deny)")]
pub(crate) struct Denied {
    address: IpAddr,
}

impl Denied {
    /// Why a request failed, if it failed for this.
    pub(crate) fn cause_of(error: &reqwest::Error) -> Option<Self> {
        let mut cause: Option<&(dyn StdError + 'static)> = error.source();
        while let Some(it) = cause {
            if let Some(denied) = it.downcast_ref::<Self>() {
                return Some(denied.clone());
            }
            cause = it.source();
        }
        None
    }
}

/// What is denied.
#[derive(Debug, Clone)]
pub(crate) struct Deny(Arc<[Block]>);

impl Deny {
    pub(crate) fn of(blocks: &[Block]) -> Self {
        Self(blocks.into())
    }

    /// Refuses a URL that holds an address which is denied. A name is looked at when it is resolved.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Denied> {
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse() {
            Ok(address) => self.check_address(address),
            Err(_) => Ok(()),
        }
    }

    fn check_address(&self, address: IpAddr) -> Result<(), Denied> {
        let meant = meant(address);
        let denies = |block: &Block| block.0.contains(&address) || block.0.contains(&meant);
        if self.0.iter().any(denies) {
            return Err(Denied { address });
        }
        Ok(())
    }

    /// Those of a name's addresses that may be connected to.
    fn allowed(&self, found: &[SocketAddr]) -> Result<Vec<SocketAddr>, Denied> {
        let (mut allowed, mut denied) = (Vec::new(), None);
        for address in found {
            match self.check_address(address.ip()) {
                Ok(()) => allowed.push(*address),
                Err(it) => denied = Some(it),
            }
        }
        match denied {
            Some(denied) if allowed.is_empty() => Err(denied),
            Some(_) | None => Ok(allowed),
        }
    }
}

impl Resolve for Deny {
    fn resolve(&self, name: Name) -> Resolving {
        let deny = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            let allowed = deny.allowed(&found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The address that a connection to this one ends at.
fn meant(address: IpAddr) -> IpAddr {
    let meant = match address.to_canonical() {
        IpAddr::V6(it) if it.segments()[..6] == NAT64 => {
            let [.., a, b, c, d] = it.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        it @ (IpAddr::V4(_) | IpAddr::V6(_)) => it,
    };
    match meant {
        it if !it.is_unspecified() => it,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deny(blocks: &[&str]) -> Deny {
        let blocks: Vec<Block> = blocks.iter().map(|it| it.parse().unwrap()).collect();
        Deny::of(&blocks)
    }

    #[test]
    fn addresses_of_metadata_are_denied_in_every_notation() {
        let usual = Deny::of(&usual());
        for url in [
            "http://169.254.169.254/latest/meta-data",
            "http://0xA9FEA9FE/",
            "http://2852039166/",
            "http://0251.0376.0251.0376/",
            "http://169.254.43518/",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]:80/",
            "https://user@169.254.0.1:8443/",
        ] {
            let url = Url::parse(url).unwrap();
            assert!(usual.check(&url).is_err(), "{url}");
        }
        for url in [
            "http://127.0.0.1:8080/",
            "http://10.0.0.1/",
            "http://169.253.255.255/",
            "http://[::1]/",
            "http://169.254.169.254.example/",
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(usual.check(&url), Ok(()), "{url}");
        }
    }

    #[test]
    fn this_machine_is_denied_by_all_its_names() {
        let deny = deny(&["127.0.0.0/8", "::1"]);
        for address in ["127.8.0.1", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1"] {
            assert!(
                deny.check_address(address.parse().unwrap()).is_err(),
                "{address}"
            );
        }
    }

    #[test]
    fn of_a_name_only_what_is_allowed_is_connected_to() {
        let deny = deny(&["10.0.0.0/8"]);
        let at = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
        let both = deny.allowed(&[at("10.1.1.1"), at("192.0.2.1")]).unwrap();
        assert_eq!(both, [at("192.0.2.1")]);
        assert!(deny.allowed(&[at("10.1.1.1")]).is_err());
        assert_eq!(deny.allowed(&[]), Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_denied_address_fails_with_that_reason() {
        let client = runtime::tls::client().dns_resolver(deny(&["127.0.0.0/8", "::1"]));
        let client = client.no_proxy().build().unwrap();
        let error = client.get("http://localhost:9/").send().await.unwrap_err();
        assert!(Denied::cause_of(&error).is_some(), "{error:?}");
    }

    #[test]
    fn what_is_no_block_is_said() {
        let error = "10.0.0.0/33".parse::<Block>().unwrap_err();
        assert!(error.contains("10.0.0.0/33") && error.contains("10.0.0.0/8"));
        assert_eq!(
            String::from("10.1.2.3".parse::<Block>().unwrap()),
            "10.1.2.3/32"
        );
    }
}
