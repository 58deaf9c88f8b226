//! As much of Kafka's protocol as it takes to ask a broker whether it serves: one `Metadata`
//! request, version 1.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1);

/// Length, key 3 (`Metadata`), version 1, correlation id 1, no client id, no topics.
const REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0];

/// Says whether the broker at `address` answers and names a live broker, itself; an open port alone
/// is not enough.
pub(super) fn serves(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(&REQUEST)?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(names_a_broker(answer))
}

/// An answer begins with its length, our correlation id and the number of live brokers.
fn names_a_broker(answer: [u8; 12]) -> bool {
    let [.., c0, c1, c2, c3, n0, n1, n2, n3] = answer;
    u32::from_be_bytes([c0, c1, c2, c3]) == 1 && i32::from_be_bytes([n0, n1, n2, n3]) > 0
}

#[cfg(test)]
mod tests {
    use super::names_a_broker;

    #[test]
    fn a_broker_serves_once_it_names_itself() {
        assert!(names_a_broker([0, 0, 0, 60, 0, 0, 0, 1, 0, 0, 0, 1]));
        assert!(
            !names_a_broker([0, 0, 0, 60, 0, 0, 0, 1, 0, 0, 0, 0]),
            "it has not joined yet"
        );
        assert!(
            !names_a_broker([0, 0, 0, 60, 0, 0, 0, 9, 0, 0, 0, 1]),
            "not our question"
        );
    }
}
