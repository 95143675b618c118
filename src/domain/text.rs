//! Text from clients: its normal form, its invisible characters, and how it is quoted.
//!
//! Two texts that look the same should be equal. So a text is stored in Unicode's composed form
//! (NFC, Unicode Standard Annex 15), and invisible characters are refused.

use icu_normalizer::ComposingNormalizerBorrowed;

/// The composed form of a text (NFC).
pub fn normalize(text: String) -> String {
    const COMPOSED: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();
    if text.is_ascii() || COMPOSED.is_normalized(&text) {
        return text;
    }
    COMPOSED.normalize(&text).into_owned()
}

/// The first invisible character of a text: a control or a format character. Line breaks and tabs
/// do not count, nor do joiners in the scripts that need them.
pub fn hidden_character(text: &str) -> Option<char> {
    if text.is_ascii() {
        return text.chars().find(|character| is_hidden(*character));
    }
    let mut before = '\0';
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let after = characters.peek().copied().unwrap_or('\0');
        if is_hidden(character) && !joins(before, character, after) {
            return Some(character);
        }
        before = character;
    }
    None
}

fn is_hidden(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control() && !matches!(character, '\n' | '\r' | '\t');
    }
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a hidden character changes how its neighbours look: a joiner between letters of a script
/// that has joiners (Hebrew and all later blocks) or between emoji, or the style of an emoji.
fn joins(before: char, character: char, after: char) -> bool {
    const FIRST_JOINED: char = '\u{590}';
    const FIRST_PICTURE: char = '\u{203c}';
    match character {
        '\u{200c}' | '\u{200d}' => before >= FIRST_JOINED && after >= FIRST_JOINED,
        '\u{fe0e}' | '\u{fe0f}' => before >= FIRST_PICTURE,
        _ => false,
    }
}

/// The first `chars_max` characters of a client's own text, for an error that quotes it.
pub fn shorten(text: &str, chars_max: usize) -> &str {
    text.char_indices().nth(chars_max).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_not_bytes() {
        assert_eq!(shorten("Müller", 2), "Mü");
        assert_eq!(shorten("Mü", 2), "Mü");
        assert_eq!(shorten("", 2), "");
    }

    #[test]
    fn texts_that_look_the_same_become_equal() {
        assert_eq!(normalize("Mu\u{308}ller".to_owned()), "Müller");
        assert_eq!(normalize("Müller".to_owned()), "Müller");
        assert_eq!(normalize("\u{212b}".to_owned()), "\u{c5}");
        assert_eq!(normalize("T-1".to_owned()), "T-1");
    }

    #[test]
    fn invisible_characters_are_found() {
        for hidden in [
            '\0',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{200b}',
            '\u{200e}',
            '\u{202e}',
            '\u{2028}',
            '\u{2060}',
            '\u{feff}',
            '\u{3164}',
            '\u{e0041}',
        ] {
            assert_eq!(hidden_character(&format!("T{hidden}1")), Some(hidden), "{hidden:?}");
            assert_eq!(hidden_character(&format!("ü{hidden}")), Some(hidden), "{hidden:?}");
        }
        for joiner in ['\u{200c}', '\u{200d}', '\u{fe0f}'] {
            assert_eq!(hidden_character(&format!("A{joiner}B")), Some(joiner));
            assert_eq!(hidden_character(&format!("é{joiner}é")), Some(joiner));
        }
        for seen in
            ["Tea\twith\nmilk\r\n", "Müller", "می\u{200c}خواهم", "❤\u{fe0f}", "👩\u{200d}🍳"]
        {
            assert_eq!(hidden_character(seen), None, "{seen}");
        }
    }
}
