//! What a native plug-in reads and writes at most.

/// Bytes of one file that is fetched, unpacked or made.
pub const FILE: u64 = 1 << 30;
/// Bytes of all files at one output.
pub const OUTPUT: u64 = 4 << 30;
/// Bytes of a file that has to be in memory as a whole.
pub const TEXT: u64 = 256 << 20;
/// Bytes of RDF that have to be in memory as a whole, as N-Triples.
pub const RDF: u64 = 512 << 20;
