//! Why entries and rulings are refused: a code, and words in Chinese and English.

/// The longest text in an entry, bytes.
pub(super) const TEXT_MAX: usize = 2000;

/// Code, Chinese, English.
pub(super) type Refusal = (&'static str, String, String);

pub(super) fn refusal(code: &'static str, zh: &str, en: &str) -> Refusal {
    (code, zh.to_owned(), en.to_owned())
}

/// Why something was refused because nothing would come of it.
pub(super) fn no_effect(entry: &str) -> Refusal {
    (
        "no-effect",
        format!("{entry} 已过保存期，撤回不会产生任何效力"),
        format!("{entry} is no longer remembered: its withdrawal would change nothing"),
    )
}

/// Why an entry cannot be replaced that did nothing but end another.
pub(super) fn only_ended(ender: &str, entry: &str) -> Refusal {
    (
        "no-effect",
        format!("{ender} 只是结束了 {entry}，没有自己的标记；如要更正或撤回，请针对 {entry}"),
        format!("{ender} did nothing but end {entry} and has no mark of its own: correct or withdraw {entry}"),
    )
}
