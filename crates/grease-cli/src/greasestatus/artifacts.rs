//! Where artifacts come from, and what of those that are here could be removed.

use std::path::PathBuf;
use std::time::SystemTime;

use grease_core::config::Config;
use grease_core::deployment::{Manner, Prunable, Removed, Setting, Source, Sources};
use grease_core::sys::env::Env;
use grease_core::sys::host::Account;
use grease_core::sys::state;

use super::arguments::Check;
use super::finding::Finding;
use super::witnesses::{Unknown, Witnesses, on_this_host};
use crate::shared;

/// What there is to say about artifacts.
#[derive(Debug)]
pub(super) struct Artifacts {
    /// The settings files that were read.
    pub(super) settings_files: Vec<PathBuf>,
    /// Who is asked, in this order.
    pub(super) repositories: Vec<Source>,
    /// The local repository.
    pub(super) local_repository: PathBuf,
    /// Where things are remembered.
    pub(super) cache: PathBuf,
    /// Within how many days runs used what is kept.
    pub(super) days: u32,
    /// What can be removed, and what was.
    pub(super) pruning: Pruning,
}

/// How much can be removed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amount {
    /// Builds of snapshots.
    pub(super) builds: usize,
    /// What was never finished.
    pub(super) leftovers: usize,
    /// Bytes that all of it takes.
    pub(super) size_bytes: u64,
}

impl Artifacts {
    /// Looks at the settings and at what is here, and removes what is asked to be removed.
    pub(super) fn look(
        config: &Config,
        check: &Check,
        env: &Env,
        account: &Account,
        findings: &mut Vec<Finding>,
    ) -> Option<Self> {
        let home = shared::home(env, account);
        let state_dir = shared::state_dir(config);
        let cache = state::planned_cache(state_dir, env, account);
        let setting = Setting {
            config: &config.artifacts,
            env,
            home: &home,
            cache: &cache,
            manner: Manner::default(),
        };
        let sources = match Sources::read(&setting) {
            Ok(sources) => sources,
            Err(error) => {
                findings.push(Finding::error(&error));
                return None;
            }
        };
        let of_settings = sources.warnings().into_iter();
        let hint = || Some("correct it there, or take it out".to_owned());
        findings.extend(of_settings.map(|warning| Finding::warning(warning, hint())));
        let repositories = sources.list();
        findings.extend(repositories.iter().filter_map(blocked));

        let witnesses = Witnesses {
            state_dir,
            env,
            account,
            home: &home,
        };
        let pruning = prune(&sources, check, &witnesses, findings);
        Some(Self {
            settings_files: sources.settings_files().to_vec(),
            repositories,
            local_repository: sources.local_repository().to_owned(),
            days: check.days(),
            pruning,
            cache,
        })
    }
}

fn blocked(source: &Source) -> Option<Finding> {
    let mirror = source.blocked_by.as_ref()?;
    let text = format!(
        "no job can be run out of repository `{}`: the mirror {mirror} blocks it",
        source.id
    );
    let hint = "use an `https` address for what it stands for, or name a mirror for that";
    Some(Finding::warning(text, Some(hint.to_owned())))
}

/// What could be removed, and what was.
#[derive(Debug, Default)]
pub(super) struct Pruning {
    /// What can be removed, or could before it was.
    pub(super) amount: Option<Amount>,
    /// Why that is not known.
    pub(super) unknown: Option<String>,
    /// What was removed, if that was asked for and could be done.
    pub(super) removed: Option<Removed>,
}

/// Tells what can be removed, and removes it if that is asked for.
fn prune(
    sources: &Sources,
    check: &Check,
    witnesses: &Witnesses<'_>,
    findings: &mut Vec<Finding>,
) -> Pruning {
    let now = SystemTime::now();
    match prunable(sources, check, witnesses, now) {
        Ok(prunable) => {
            let amount = Amount::of(&prunable);
            let removed = check.prunes().then(|| prunable.remove(check.age(), now));
            let problems = removed.iter().flat_map(|removed| &removed.problems);
            findings.extend(problems.map(|problem| Finding::warning(problem, None)));
            Pruning {
                amount: Some(amount),
                removed,
                unknown: None,
            }
        }
        Err(unknown) => {
            if check.prunes() || unknown.is_trouble {
                findings.push(unknown.finding(check.prunes()));
            }
            Pruning {
                unknown: Some(unknown.reason),
                ..Pruning::default()
            }
        }
    }
}

fn prunable(
    sources: &Sources,
    check: &Check,
    witnesses: &Witnesses<'_>,
    now: SystemTime,
) -> Result<Prunable, Unknown> {
    on_this_host(sources.local_repository())?;
    // What runs use is read after the long look at all files: one that has just begun is among them.
    let candidates = sources.candidates(check.age(), now);
    let mut uses = witnesses.uses(sources.local_repository(), check.age())?;
    sources.add_resolved(&mut uses, check.age(), now);
    Ok(candidates.without(&uses))
}

impl Amount {
    fn of(prunable: &Prunable) -> Self {
        Self {
            builds: prunable.builds(),
            leftovers: prunable.leftovers(),
            size_bytes: prunable.size_bytes(),
        }
    }
}
