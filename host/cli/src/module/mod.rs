//! `arcllm module`: the commands for people who write modules, or run those of strangers.

pub(crate) mod build;
pub(crate) mod describe;
pub(crate) mod inspect;
pub(crate) mod install;
pub(crate) mod key;
pub(crate) mod locked;
pub(crate) mod name;
pub(crate) mod new;
pub(crate) mod publish;
pub(crate) mod sdk;
pub(crate) mod templates;
pub(crate) mod test;
pub(crate) mod transfer;

use std::process::ExitCode;

use clap::Subcommand;

use crate::{
    failure::Failure,
    module::{
        build::ModuleBuild,
        inspect::ModuleInspect,
        install::ModuleInstall,
        key::ModuleKey,
        locked::{
            add::ModuleAdd, fetch::ModuleFetch, list::ModuleList, remove::ModuleRemove, update::ModuleUpdate,
            verify::ModuleVerify,
        },
        new::ModuleNew,
        publish::ModulePublish,
        test::ModuleTest,
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
    /// Check that a component behaves as a module must, and run the scenarios of its kind.
    Test(ModuleTest),
    /// Install a component that is there, as it is.
    Install(ModuleInstall),
    /// Add a module from a registry or a file: look at it, agree to what it may do, and lock it.
    Add(ModuleAdd),
    /// Update modules, and see what differs from what was accepted; or the SDK of a project.
    Update(ModuleUpdate),
    /// Remove a module from the configuration and from arcllm.lock.
    Remove(ModuleRemove),
    /// List the modules that are not built in, with their signatures and grants.
    List(ModuleList),
    /// Check that modules are what was accepted.
    Verify(ModuleVerify),
    /// Bring the modules of arcllm.lock to this machine.
    Fetch(ModuleFetch),
    /// Publish a component to an OCI registry, and sign it.
    Publish(ModulePublish),
    /// Make a pair of keys that sign and verify modules.
    Key(ModuleKey),
}

pub(crate) async fn run(command: Module) -> Result<ExitCode, Failure> {
    match command {
        Module::New(arguments) => new::run(arguments),
        Module::Build(arguments) => build::run(arguments).await,
        Module::Inspect(arguments) => inspect::run(arguments).await,
        Module::Test(arguments) => test::run(arguments).await,
        Module::Install(arguments) => install::run(arguments).await,
        Module::Add(arguments) => locked::add::run(arguments).await,
        Module::Update(arguments) => locked::update::run(arguments).await,
        Module::Remove(arguments) => locked::remove::run(&arguments),
        Module::List(arguments) => locked::list::run(arguments).await,
        Module::Verify(arguments) => locked::verify::run(arguments).await,
        Module::Fetch(arguments) => locked::fetch::run(arguments).await,
        Module::Publish(arguments) => publish::run(arguments).await,
        Module::Key(arguments) => key::run(&arguments),
    }
}
