//! What `--version` says of a build: commit, its date, features.
//!
//! What must stay true: a build needs neither git nor a repository; the same sources give the same words, whenever and wherever they are
//! built, so the date is the commit's. Who builds from an archive says `HJ212_COMMIT` and `HJ212_COMMIT_DATE`. A debug build does not ask
//! for the commit: each commit would build it anew.

use std::process::Command;

/// What git prints, if there is git, and a repository that is ours.
fn git(arguments: &[&str]) -> Option<String> {
    let done = Command::new("git").args(arguments).output().ok().filter(|done| done.status.success())?;
    Some(String::from_utf8(done.stdout).ok()?.trim().to_owned()).filter(|text| !text.is_empty())
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=HJ212_COMMIT");
    println!("cargo::rerun-if-env-changed=HJ212_COMMIT_DATE");
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let said = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    if release && said("HJ212_COMMIT").is_none() {
        for file in ["HEAD", "logs/HEAD"] {
            // A worktree has these elsewhere.
            if let Some(path) = git(&["rev-parse", "--git-path", file]) {
                println!("cargo::rerun-if-changed={path}");
            }
        }
    }
    let asked = |arguments: &[&str]| if release { git(arguments) } else { None };
    let commit = said("HJ212_COMMIT").or_else(|| {
        let changed = asked(&["status", "--porcelain", "--untracked-files=no"]).is_some();
        asked(&["rev-parse", "--short=12", "HEAD"]).map(|commit| commit + if changed { "+changes" } else { "" })
    });
    let date = said("HJ212_COMMIT_DATE").or_else(|| asked(&["log", "-1", "--format=%cs"]));
    let known = match (commit, date) {
        (Some(commit), Some(date)) => format!("commit {commit} of {date}"),
        (Some(commit), None) => format!("commit {commit}"),
        (None, _) if release => "commit not known".to_owned(),
        (None, _) => "debug build".to_owned(),
    };
    let features = if std::env::var_os("CARGO_FEATURE_DEMO").is_some() { "demo" } else { "none" };
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo::rustc-env=HJ212_VERSION={version} ({known}; features: {features})");
}
