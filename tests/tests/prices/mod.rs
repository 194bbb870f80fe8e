//! What models cost and can do: `arcllm models`, what calls cost, what `arcllm check` says of prices.

mod calls;
mod list;
mod needed;
mod refused;
