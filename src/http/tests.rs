//! The page itself: nothing on it comes from elsewhere, and what stations say never becomes markup.

use super::page::PAGE;

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    for foreign in ["https://", "src=", "@import", "url(", "<link"] {
        assert!(!PAGE.contains(foreign), "{foreign}");
    }
    // The only address on it is the name of a namespace.
    assert_eq!(PAGE.matches("http://").count(), PAGE.matches("\"http://www.w3.org/2000/svg\"").count());
}

#[test]
fn texts_of_stations_go_in_as_text() {
    for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!PAGE.contains(markup), "{markup}");
    }
}

#[test]
fn every_word_is_there_in_chinese_and_english() {
    let words = include_str!("page/words.js");
    let pairs = words.matches(": [\"").count();
    assert!(pairs > 200);
    assert_eq!(words.matches("\", \"").count(), pairs, "each word has two forms");
}
