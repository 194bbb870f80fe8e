//! Modules in OCI registries. `cargo test --workspace --test all -- --ignored registry` runs those tests as well that need
//! Debian's `docker-registry`, and `wkg` and the checker of `tests/sigstore` in `target/tools/bin`.

mod cut;
pub(crate) mod docker;
mod hostile;
mod interrupted;
mod logins;
mod published;
mod pulled;
mod signed;
mod stranger;
mod tls;
mod tools;
mod walk;
