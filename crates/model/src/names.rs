//! Names of people and what they write: whether two names are one person's, as far as letters can say, and whether a text says anything.
//!
//! What must stay true: spellings that look the same are the same: full and half width, capitals, characters without a width, blanks around. What it is
//! not: a proof of who wrote. An author is only a name; the broker's access list is what keeps people apart.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Characters that show nothing, or only turn what stands beside them.
fn is_unseen(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    ) || letter.is_control()
}

/// The name as it is compared: Unicode NFKC, lower case, without what is not seen, trimmed.
#[must_use]
pub fn folded(name: &str) -> String {
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    let seen: String = name.chars().filter(|letter| !is_unseen(*letter)).collect();
    let lower = nfkc.normalize(&seen).to_lowercase();
    // Lower case can come apart from what it was composed with, and what is composed can hide.
    let again: String = nfkc.normalize(&lower).chars().filter(|letter| !is_unseen(*letter)).collect();
    again.trim().to_owned()
}

/// Whether nothing is to be seen of a text.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|letter| letter.is_whitespace() || is_unseen(letter))
}

#[cfg(test)]
mod tests {
    use super::{folded, is_blank};

    #[test]
    fn a_text_of_which_nothing_is_seen_says_nothing() {
        for text in ["", " ", "\u{3000}", "\0", "\u{200b}\t", "\u{feff}\u{ad}"] {
            assert!(is_blank(text), "{text:?}");
        }
        assert!(!is_blank("停") && !is_blank(" - "));
    }

    #[test]
    fn spellings_that_look_the_same_are_the_same() {
        for name in ["li", "Li", " LI ", "ｌｉ", "Ｌｉ\u{3000}", "l\u{200b}i", "li\u{feff}", "\u{2060}L\u{ad}I"] {
            assert_eq!(folded(name), "li", "{name:?}");
        }
        assert_eq!(folded("王\u{fe00}芳"), folded("王芳"));
        assert_eq!(folded("Zoe\u{301}"), folded("zoé"));
        assert_eq!(folded("\u{200b}\u{feff}"), "");
        assert_ne!(folded("li"), folded("李"));
    }
}
