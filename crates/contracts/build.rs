//! Makes the Rust of `proto/`: prost messages, tonic services, and proto-JSON for what the bus carries.

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message;

/// Messages with secret values: `src/hidden.rs` says what is shown of them.
const CARRIERS_OF_SECRETS: [&str; 12] = [
    ".penstock.registry.v1.AuthenticateRequest",
    ".penstock.registry.v1.CreateUserRequest",
    ".penstock.registry.v1.UpdateUserRequest",
    ".penstock.registry.v1.VerifyPasswordRequest",
    ".penstock.registry.v1.CreateTokenResponse",
    ".penstock.registry.v1.RotateTokenResponse",
    ".penstock.registry.v1.PutSecretRequest",
    ".penstock.registry.v1.RevealSecretsResponse",
    ".penstock.registry.v1.CreateToolRequest",
    ".penstock.registry.v1.UpdateToolRequest",
    ".penstock.registry.v1.ResolveToolResponse",
    ".penstock.pipeline.v1.Grant",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let files = protos(&root.join("penstock"))?;
    let set = protox::compile(&files, [&root])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let bytes = set.encode_to_vec();
    empty(&out)?;
    std::fs::write(out.join("descriptors.bin"), &bytes)?;

    tonic_prost_build::configure()
        .skip_debug(CARRIERS_OF_SECRETS)
        .compile_fds(set)?;
    pbjson_build::Builder::new()
        .register_descriptors(&bytes)?
        .ignore_unknown_fields()
        .build(&[".penstock.message.v1"])?;
    Ok(())
}

/// Removes what an earlier build made: of a `.proto` that is gone nothing stays.
fn empty(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        std::fs::remove_file(entry?.path())?;
    }
    Ok(())
}

/// All `.proto` files below `folder`, in a stable order.
fn protos(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(protos(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
