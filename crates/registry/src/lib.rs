//! Owns users, tokens and secrets.
