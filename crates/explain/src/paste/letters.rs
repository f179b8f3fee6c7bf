//! Letters that were changed on the way: full width for ASCII, UTF-8 for the bytes of GB18030.
//!
//! What must stay true: log text (`//…//`) keeps its letters in full width; text that has none of these gives `None`.

/// ASCII for letters, digits and marks in full width, as an input method for Chinese writes them.
pub(super) fn half_width(bytes: &[u8]) -> Option<Vec<u8>> {
    let decoded;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => {
            let (text, _, wrong) = encoding_rs::GB18030.decode(bytes);
            if wrong {
                return None;
            }
            decoded = text.into_owned();
            decoded.as_str()
        }
    };
    let mut out = String::with_capacity(text.len());
    let (mut found, mut log) = (false, false);
    let mut before = ' ';
    for letter in text.chars() {
        // A log begins behind the equals sign and ends at the next two slashes.
        if letter == '/' && before == '/' {
            log = !log && out.ends_with("=/");
        }
        before = letter;
        let half = match letter {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - 0xfee0),
            '\u{3000}' => Some(' '),
            _ => None,
        };
        match half.filter(|_| !log) {
            Some(half) => {
                out.push(half);
                found = true;
            }
            None => out.push(letter),
        }
    }
    found.then(|| out.into_bytes())
}

/// Chinese text as a station sends it that writes GB18030.
pub(super) fn gb18030(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.is_ascii())?;
    let (encoded, _, wrong) = encoding_rs::GB18030.encode(text.trim_start_matches('\u{feff}'));
    (!wrong).then(|| encoded.into_owned())
}
