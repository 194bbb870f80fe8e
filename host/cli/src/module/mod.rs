//! `arcllm module`: the commands for people who write modules, or run those of strangers.

pub(crate) mod build;
pub(crate) mod describe;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod name;
pub(crate) mod new;
pub(crate) mod publish;
pub(crate) mod run;
pub(crate) mod sdk;
pub(crate) mod templates;
pub(crate) mod test;
pub(crate) mod transfer;
pub(crate) mod update;

use std::process::ExitCode;

use clap::Subcommand;

use crate::{
    failure::Failure,
    module::{
        build::ModuleBuild, inspect::ModuleInspect, key::ModuleKey, new::ModuleNew, publish::ModulePublish,
        run::ModuleRun, test::ModuleTest, update::ModuleUpdate,
    },
};

#[derive(Debug, Subcommand)]
pub(crate) enum Module {
    /// Create a project: a small module in the language of your choice, ready to build.
    New(ModuleNew),
    /// Build the component of a project with the tools of its language.
    Build(ModuleBuild),
    /// Show what a component is, what it asks for, and what configuration it needs.
    Inspect(ModuleInspect),
    /// Run one call through a module in front of simulated providers, with its log and a timeline.
    Run(ModuleRun),
    /// Check that a component behaves as a module must, and run the scenarios of its kind.
    Test(ModuleTest),
    /// Publish a component to an OCI registry, and sign it.
    Publish(ModulePublish),
    /// Make a pair of keys that sign and verify modules.
    Key(ModuleKey),
    /// Update the SDK that a project carries.
    Update(ModuleUpdate),
}

pub(crate) async fn run(command: Module) -> Result<ExitCode, Failure> {
    match command {
        Module::New(arguments) => new::run(arguments),
        Module::Build(arguments) => build::run(arguments).await,
        Module::Inspect(arguments) => inspect::run(arguments).await,
        Module::Run(arguments) => run::run(arguments).await,
        Module::Test(arguments) => test::run(arguments).await,
        Module::Publish(arguments) => publish::run(arguments).await,
        Module::Key(arguments) => key::run(&arguments),
        Module::Update(arguments) => update::run(arguments),
    }
}
