//! What is wrong with the sinks of `[push]`: what they say, and the files that they name.
//!
//! What must stay true: each mistake is told with the line at which it can be mended, in Chinese and English; nothing of what a file with a secret
//! holds is shown.

use std::path::Path;

use super::place::ConfigSource;
use super::{Config, Problem};
use hj212_certificates::{self as certificates, ClientFiles};
use hj212_push::Wrong;

/// What the sinks say that cannot be.
pub(super) fn check(source: &ConfigSource<'_>, config: &Config) -> Vec<Problem> {
    let problem = |wrong: Wrong| {
        let Wrong { sink, key, value, rule, remedy } = wrong;
        let what = format!("push.sinks.{key} = {value:?} must be {rule}");
        // Of two that do not fit, the second may be the only one that is written.
        let other = match key {
            "url" => "url_file",
            "mail.password_file" => "mail.username",
            "mail" => "kind",
            _ => key,
        };
        let at = [key, other, "mail", "name"].map(|key| format!("push.sinks.{sink}.{key}"));
        let sink = format!("push.sinks.{sink}");
        let keys: Vec<&str> = at.iter().map(String::as_str).chain([sink.as_str(), "push"]).collect();
        source.problem(&keys, what, remedy)
    };
    config.push.wrong().into_iter().map(problem).collect()
}

/// The files that they name and that cannot be used; `config`'s paths are absolute by now.
pub(super) fn check_files(source: &ConfigSource<'_>, config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, sink) in config.push.sinks.iter().enumerate() {
        let mut wrong = |key: &str, file: &Path, what: &str, remedy: &str| {
            problems.push(source.lift(&format!("push.sinks.{number}.{key}"), Problem::of_file(file, what, remedy)));
        };
        for (key, file) in sink.secrets() {
            let remedy = match key {
                "url_file" => {
                    "put the address alone into it, readable by the gateway's user · 文件里只写地址,仅网关用户可读"
                }
                _ => "put the secret alone into it, readable by the gateway's user · 文件里只写密钥,仅网关用户可读",
            };
            match std::fs::read(file) {
                Err(error) => wrong(key, file, &error.to_string(), remedy),
                Ok(text) => {
                    if let Some(what) = sink.wrong_secret(key, &text) {
                        wrong(key, file, what, remedy);
                    }
                }
            }
        }
        let files = ClientFiles { ca: sink.ca.clone(), ..ClientFiles::default() };
        if let (Some(ca), Err(error)) = (&sink.ca, certificates::client(&files)) {
            wrong("ca", ca, &error.what, error.remedy);
        }
    }
    problems
}
