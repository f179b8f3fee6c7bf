//! The text of a rule or of a mark as it stands in its file: what is handed to a court is what was written, not what was made of it.

use super::rules::RuleBook;

/// A piece of a rule file, verbatim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'t> {
    /// The file.
    pub file: &'t str,
    /// The whole file, whose hash can be told.
    pub whole: &'t str,
    /// The number of its first line.
    pub line: usize,
    /// The piece.
    pub text: &'t str,
}

impl RuleBook {
    /// The text of the rule `name` (`set:id`) of this version, of the rule itself or of what an overlay made of it.
    pub fn text_of_rule<'t>(
        &self,
        name: &str,
        version: u32,
        mut files: impl Iterator<Item = (&'t str, &'t str)>,
    ) -> Option<Source<'t>> {
        let file = self.file_of(name, version)?;
        let (file, whole) = files.find(|(known, _)| *known == file)?;
        let local = name.split_once(':')?.1;
        let is = |block: &str| {
            let says = |key: &str, value: &str| block.lines().any(|line| is_key(line, key, value));
            let version = says("version", &version.to_string());
            version
                && (block.starts_with("[[rule]]") && says("id", &format!("\"{local}\""))
                    || block.starts_with("[[override]]") && says("rule", &format!("\"{name}\"")))
        };
        let found = blocks(whole).find(|(_, block)| is(block));
        found.map(|(line, text)| Source { file, whole, line, text })
    }

    /// The text of the mark `name` (`set:id`).
    pub fn text_of_mark<'t>(
        &self,
        name: &str,
        mut files: impl Iterator<Item = (&'t str, &'t str)>,
    ) -> Option<Source<'t>> {
        let (set, local) = name.split_once(':')?;
        self.marks.get(name)?;
        let of_set = |text: &str| text.lines().any(|line| is_key(line, "set", &format!("\"{set}\"")));
        let (file, whole) = files.find(|(_, text)| of_set(text))?;
        let wanted = format!("id = \"{local}\"");
        let row = |line: &&str| line.trim_start().starts_with('{') && line.contains(&wanted);
        let line = whole.lines().enumerate().find(|(_, line)| row(line));
        let table = |block: &str| {
            block.starts_with("[[mark]]") && block.lines().any(|line| is_key(line, "id", &format!("\"{local}\"")))
        };
        let (line, text) = match line {
            Some((number, line)) => (number + 1, line.trim()),
            None => blocks(whole).find(|(_, block)| table(block))?,
        };
        Some(Source { file, whole, line, text })
    }
}

/// Whether a line is `key = value`, a comment behind it or not.
fn is_key(line: &str, key: &str, value: &str) -> bool {
    let Some((said, rest)) = line.split_once('=') else { return false };
    said.trim() == key
        && rest.trim_start().strip_prefix(value).is_some_and(|rest| {
            let rest = rest.trim_start();
            rest.is_empty() || rest.starts_with('#')
        })
}

/// The tables of a file (`[[…]]` and what follows up to the next one), with the number of their first line.
fn blocks(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut starts: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.starts_with('[') {
            starts.push((number + 1, at));
        }
        at += line.len();
    }
    let ends: Vec<usize> = starts.iter().skip(1).map(|(_, at)| *at).chain([text.len()]).collect();
    starts.into_iter().zip(ends).filter_map(|((line, from), to)| Some((line, text.get(from..to)?.trim_end())))
}

#[cfg(test)]
mod tests {
    use super::super::load::built_in_texts;
    use super::super::rules::Change;
    use super::*;

    #[test]
    fn every_rule_and_every_mark_that_comes_with_the_gateway_has_its_text() {
        let (book, texts) = (RuleBook::built_in().unwrap(), built_in_texts());
        let files = || texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let mut count = 0;
        for set in book.sets.values() {
            let changed = set.changes.iter().filter_map(|change| match change {
                Change::Override(rule) => Some(rule.as_ref()),
                Change::Disable(..) => None,
            });
            for rule in set.rules.iter().chain(changed) {
                let source =
                    book.text_of_rule(&rule.name, rule.version, files()).unwrap_or_else(|| panic!("{}", rule.name));
                assert_eq!((source.file, source.whole), (set.file.as_str(), texts[&set.file].as_str()));
                assert!(source.text.contains(&rule.clause), "{}: {}", rule.name, source.text);
                assert_eq!(source.whole.lines().nth(source.line - 1), source.text.lines().next());
                count += 1;
            }
        }
        for (name, kind) in &book.marks {
            let source = book.text_of_mark(name, files()).unwrap_or_else(|| panic!("{name}"));
            assert!(source.text.contains(&kind.zh) && source.text.contains(&kind.source), "{name}: {}", source.text);
        }
        assert!(count > 60, "{count}");
        assert_eq!(book.text_of_rule("inc19:off-auto", 77, files()), None);
        assert_eq!(book.text_of_mark("inc19:nothing", files()), None);
    }
}
