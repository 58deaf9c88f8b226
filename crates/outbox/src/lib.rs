//! A change and its announcement: announce, relay, inbox and the bus.
